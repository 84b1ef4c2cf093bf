"""Versions that our own rotation made may encrypt: they are no drift."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.config import Config
from domain.names import Credential
from domain.rotation import Kind, RotationRecord, State, Wait
from ledger.opening import Ledger, open_ledger
from ledger.rotations import note, open_rotation
from steps.kms_planned import planned_versions, versions_made
from tests.steps.kms_bench import Bench, section_of
from tests.steps.kms_doubles import MAIN, Cloud
from vendors.registry import EVERY

AT = datetime(2026, 9, 1, tzinfo=UTC)
ROTATION = RotationRecord(
    id="r1", credential=Credential.parse("gcpkms-default-prod-send"), kind=Kind.SCHEDULED, state=State.DONE, wait=Wait.NOTHING,
    words="", next_step="", attempt=1, back=False, emergency=False, contain_first=False, old_version="", old_vendor_id="1",
    new_version="", new_vendor_id="2", opened_at=AT, not_before=AT, creating_at=None, minted_at=None, verified_at=None,
    flipped_at=None, served_at=None, disabled_at=None, closed_at=None, compromised_at=None, failures=0, head_seq=0, head_hash="",
    fence=0, worker="", lease_until=None, operator="ana", reason="", ticket="", due_window="",
)  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path, made_ledger: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{shutil.copy(made_ledger, tmp_path / 'ledger.db')}")
    yield opened
    opened.close()


def test_a_version_that_a_rotation_made_is_planned_and_the_one_before_it_is_not() -> None:
    assert versions_made([ROTATION]) == {"2"}


def test_a_rotation_that_went_back_planned_the_old_version_too() -> None:
    assert versions_made([replace(ROTATION, back=True)]) == {"1", "2"}


def test_a_rotation_that_has_made_nothing_yet_plans_nothing() -> None:
    assert versions_made([replace(ROTATION, new_vendor_id="")]) == frozenset()


@pytest.mark.parametrize(
    ("key", "planned"),
    [(MAIN, {"2"}), (MAIN.replace("projects/p/", "projects/123456/"), {"2"}), (f"{MAIN}2", set())],
    ids=["by the same name", "by its project's number", "another key"],
)
def test_a_rotation_of_the_same_key_by_whichever_name_plans_its_version(
    ledger: Ledger, key: str, planned: set[str]
) -> None:
    made = open_rotation(
        ledger, "r1", ROTATION.credential, Kind.SCHEDULED, operator="ana", reason="due", ticket="OPS-1", due_window="2026-Q4"
    )  # fmt: skip
    note(ledger, made.id, {"verb": "create"}, columns={"new_vendor_id": "2"})
    values = {
        "GOOGLE_KMS_KEY_VERSION": f"{MAIN}/cryptoKeyVersions/1",
        "GOOGLE_KMS_KEY": MAIN,
        "GOOGLE_KMS_CIPHERTEXTS": "none",
    }
    declared = {"environments": {"prod": {"kind": "prod", "platforms": ["gcpkms"]}}}
    config = Config.model_validate(declared, context={"platforms": ("gcpkms",)})
    context = replace(Bench(ledger, Cloud()).context(), config=config, integrations=EVERY, credentials=lambda _: values)

    found = planned_versions(context, section_of(key=key))

    assert found == {"main": planned}
