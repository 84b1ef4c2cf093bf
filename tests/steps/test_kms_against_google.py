"""The whole check against Google's stand-in with the official client, and the stand-in of a service: each trouble has its own fault."""

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.kms_faults import FAULTS
from domain.kms_judging import judge_check
from domain.kms_standing import Standing
from domain.verdicts import Verdict, World
from ledger.kms_checks import spells_since
from ledger.opening import Ledger, open_ledger
from steps.conduct import STAND_INS_URL
from tests.conftest import StandIns
from tests.steps.kms_clouds import CheckedService, configured, service_at

CONFIG = configured("""
[kms.api]
environment = "rehearsal"
base_url = "$STAND_INS/backend"
slow_ms = 20000
limit_seconds = 20

[kms.api.application]
encrypt = "/crypto/canary/encrypt"
decrypt = "/crypto/canary/decrypt"
envelope = "kms:v1:"

[kms.api.keys.main]
provider = "gcp"
credentials = "gcpkms"
""")
Act = Callable[..., None]
FOR_EVER = -1
ENCRYPT = "cloudkms.cryptoKeyVersions.useToEncrypt"
DECRYPT = "cloudkms.cryptoKeyVersions.useToDecrypt"


@pytest.fixture
def ledger(tmp_path: Path, made_ledger: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{shutil.copy(made_ledger, tmp_path / 'ledger.db')}")
    yield opened
    opened.close()


@pytest.fixture
def service(stand_ins: StandIns, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> CheckedService:
    """One that was checked with each of its key's two versions, by a rotation that was planned."""
    monkeypatch.setenv(STAND_INS_URL, stand_ins.url)
    made = service_at(stand_ins, ledger, CONFIG)
    assert made.wrong() == {"rotation/main": "kms.rotation_overdue"}  # the stand-in's first version is old
    return made


@pytest.fixture
def act(stand_ins: StandIns) -> Act:
    def one(name: str, action: str, **fields: Any) -> None:
        stand_ins.control("POST", f"/{name}/{'faults' if action == 'fault' else f'actions/{action}'}", fields)

    return one


def corrupt_answers(act: Act) -> None:
    act("gcpkms", "fault", rpc="Encrypt", corrupt=True, times=FOR_EVER)


def corrupt_plaintexts(act: Act) -> None:
    act("gcpkms", "fault", rpc="Decrypt", corrupt=True, times=FOR_EVER)


def unchecked_sums(act: Act) -> None:
    act("gcpkms", "ignore_checksums", on=True)


def disabled(act: Act) -> None:
    act("gcpkms", "set_version_state", version=1, state="DISABLED")


def scheduled(act: Act) -> None:
    act("gcpkms", "set_version_state", version=1, state="DESTROY_SCHEDULED")


def destroyed(act: Act) -> None:
    act("gcpkms", "set_version_state", version=1, state="DESTROYED")


def rotated_by_somebody(act: Act) -> None:
    act("gcpkms", "add_version")
    act("gcpkms", "choose_primary", version=2)


def old_version_off(act: Act) -> None:
    rotated_by_somebody(act)
    disabled(act)


def may_not_encrypt(act: Act) -> None:
    act("gcpkms", "remove_permission", permission=ENCRYPT)


def may_not_decrypt(act: Act) -> None:
    act("gcpkms", "remove_permission", permission=DECRYPT)


def throttled(act: Act) -> None:
    act("gcpkms", "fault", rpc="Encrypt", throttle_s=0, times=FOR_EVER)


def cut_off(act: Act) -> None:
    act("gcpkms", "fault", rpc="Encrypt", drop=True, times=FOR_EVER)


def failing(act: Act) -> None:
    act("gcpkms", "fault", rpc="Decrypt", status=503, times=FOR_EVER)


def plaintext(act: Act) -> None:
    act("backend", "fall_back", how="plain")


def plaintext_in_an_envelope(act: Act) -> None:
    act("backend", "fall_back", how="prefixed")


def other_text(act: Act) -> None:
    act("backend", "swap_text")


def cached_page(act: Act) -> None:
    act("backend", "cache_health", age_s=600)


def other_mode(act: Act) -> None:
    act("backend", "set_mode", mode="local")


def not_ready(act: Act) -> None:
    act("backend", "set_ready", ready=False)


# Part by part what each trouble is seen as. The age of the stand-in's first version is left out.
TROUBLES: list[tuple[Callable[[Act], None], dict[str, str]]] = [
    (corrupt_answers, {"canary/main": "kms.corrupted"}),
    (corrupt_plaintexts, {"canary/main": "kms.corrupted", "golden/main": "kms.corrupted"}),
    (unchecked_sums, {"canary/main": "kms.corrupted"}),
    (disabled, {"versions/main": "kms.version_disabled", "canary/main": "kms.version_disabled", "golden/main": "kms.golden_lost"}),
    (scheduled, {"versions/main": "kms.version_scheduled", "canary/main": "kms.version_scheduled", "golden/main": "kms.golden_lost"}),
    (destroyed, {"versions/main": "kms.version_destroyed", "canary/main": "kms.version_destroyed", "golden/main": "kms.golden_lost"}),
    (rotated_by_somebody, {"drift/main": "kms.version_drift"}),
    (old_version_off, {"drift/main": "kms.version_drift", "versions/main": "kms.version_disabled", "golden/main": "kms.golden_lost"}),
    (may_not_encrypt, {"canary/main": "kms.permission"}),
    (may_not_decrypt, {"canary/main": "kms.permission", "golden/main": "kms.permission"}),
    (throttled, {"canary/main": "kms.throttled"}),
    (cut_off, {"canary/main": "kms.unreachable"}),
    (failing, {"canary/main": "kms.unavailable", "golden/main": "kms.unavailable"}),
    (plaintext, {"application": "kms.plaintext"}),
    (plaintext_in_an_envelope, {"application": "kms.plaintext"}),
    (other_text, {"application": "kms.application_wrong"}),
    (cached_page, {"health": "health.cached"}),
    (other_mode, {"health": "health.mode", "application": "kms.plaintext"}),
    (not_ready, {"health": "health.not_ready", "application": "kms.application_failed"}),
]  # fmt: skip


@pytest.mark.parametrize(("trouble", "expected"), TROUBLES, ids=[trouble.__name__ for trouble, _ in TROUBLES])
def test_each_trouble_is_caught_with_its_own_fault_and_held_by_the_second_check(
    service: CheckedService, act: Act, trouble: Callable[[Act], None], expected: dict[str, str]
) -> None:
    trouble(act)

    first = service.wrong()
    checked = service.check(timedelta(minutes=1))

    assert {name: fault for name, fault in first.items() if name != "rotation/main"} == expected
    assert judge_check(checked, service.changes, World.REHEARSAL, service.known()).verdict is Verdict.HOLD
    assert all(FAULTS[part.fault].means in part.words for part in checked.failed)


def test_what_is_slow_warns_with_its_milliseconds_and_holds_nothing(service: CheckedService, act: Act) -> None:
    act("gcpkms", "fault", rpc="Decrypt", delay_s=0.3, times=1)

    slow = service.wrong(slow_ms=250)

    assert slow["canary/main"] == "kms.slow"
    assert all(change.now.standing is Standing.UP for change in service.changes)


@pytest.mark.prove
@pytest.mark.parametrize("seed", [1, 2])
def test_a_healthy_key_stays_green_through_500_checks_with_5_percent_of_transient_faults(
    service: CheckedService, act: Act, stand_ins: StandIns, seed: int
) -> None:
    """The same as with the double, over the network: 500 with each of two seeds; what is really broken is still found."""
    faults: list[dict[str, Any]] = [{"status": 503}, {"throttle_s": 0}, {"corrupt": True}, {"drop": True}]
    for number, fault in enumerate(faults):
        act("gcpkms", "fault", share=0.05 / 4, seed=seed * 10 + number, times=FOR_EVER, **fault)
    verdicts = [
        judge_check(service.check(), service.changes, World.REHEARSAL, service.known()).verdict for _ in range(500)
    ]

    met = sum(1 for entry in stand_ins.control("GET", "/gcpkms/requests") if entry["fault"])
    waited = verdicts.count(Verdict.WAITING)
    print(f"seed {seed}: {met} faults met, {waited} checks that waited for the next one")  # noqa: T201 (a figure)
    assert met > 50
    assert Verdict.HOLD not in verdicts
    assert spells_since(service.ledger, "rehearsal", service.ledger.now()) == []

    disabled(act)
    found = [judge_check(service.check(), service.changes, World.REHEARSAL, service.known()).verdict for _ in range(2)]
    assert found[-1] is Verdict.HOLD
