"""No way of a rotation destroys a key version that a golden ciphertext needs: it waits, says which and why, and goes on once let."""

import ast
import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.errors import Rejected
from domain.manifests import ListedCredential
from domain.names import marker
from domain.rotation import RotationRecord, State, Wait
from ledger.kms_goldens import MINTED, WRAPPED, NewGolden, keep_golden, retire_goldens
from ledger.rotations import Held, claim, note
from steps.attempts import delete_marked
from steps.destruction_guard import guarded_by
from steps.minting import give_up
from steps.orphans import sweep_orphans
from steps.rolling_back import roll_back
from steps.rotation_hands import Hands, Stop
from tests.architecture.sources import ROOT
from tests.conftest import StandIns
from tests.steps.rotation_lives import Course, Stage, driven, live
from tests.steps.rotation_places import Place, opened_place
from vendors.kms_providers import KEY_PROVIDERS
from vendors.registry import ROTATIONS

_KMS = "gcpkms-send"
_KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"


@pytest.fixture(scope="module")
def place(served_stand_ins: StandIns) -> Iterator[Place]:
    with opened_place(served_stand_ins) as opened:
        yield opened
    served_stand_ins.control("POST", "/reset")


def keep(stage: Stage, version: str, source: str = MINTED, ciphertext: bytes = b"-") -> None:
    new = NewGolden(stage.first["GOOGLE_KMS_KEY"], version, source, ciphertext, "0" * 64, {}, slot=source)
    assert keep_golden(stage.ledger, "run", "prod", "pay", "main", new)


def let_go(stage: Stage, version: str) -> None:
    retire_goldens(stage.ledger, "run", "prod", "pay", "main", version, who="ada", reason="re-encrypted")


def destroyed(stage: Stage) -> list[str]:
    return [row["path"] for row in stage.arrived() if row.get("rpc") == "DestroyCryptoKeyVersion"]


def stands(record: RotationRecord) -> bool:
    return record.wait is Wait.BLOCKED_HELD_OPEN


def test_a_golden_holds_its_version_at_the_gate_until_somebody_lets_it_go(place: Place) -> None:
    with place.stage(_KMS) as stage:
        keep(stage, "1")
        early = live(stage, "first", until=lambda record: record.wait is Wait.OVERLAP)
        held = live(stage, "first", until=stands)

        again = driven(stage, "first", held.id, until=stands)
        before = destroyed(stage)
        let_go(stage, "1")
        ended = live(stage, "last")

        assert (
            "After that it stays for what needs it: golden ciphertext of version 1 (pay, key main, prod)" in early.words
        )
        assert (held.state, again.state, before) == (State.PUBLISHED, State.PUBLISHED, [])
        assert "opsflows kms retire-golden pay main 1 --environment prod --by WHO --reason WHY" in held.words
        assert "Encrypt anew" in held.next_step
        assert (ended.state, len(destroyed(stage))) == (State.DONE, 1)


def test_a_golden_that_is_first_kept_in_the_soak_holds_its_version_at_the_last_edge(place: Place) -> None:
    with place.stage(_KMS) as stage:
        soaking = live(stage, "first", until=lambda record: record.wait is Wait.SOAK)
        keep(stage, "1")

        held = driven(stage, "first", soaking.id, until=stands)
        before = destroyed(stage)
        let_go(stage, "1")
        ended = live(stage, "last")

        assert (held.state, held.wait, before) == (State.DISABLED, Wait.BLOCKED_HELD_OPEN, [])
        assert (ended.state, len(destroyed(stage))) == (State.DONE, 1)


def test_an_emergency_switches_the_version_of_a_golden_off_and_does_not_destroy_it(place: Place) -> None:
    with place.stage(_KMS, Course.CONTAINED) as stage:
        keep(stage, "1")

        held = live(stage, "first", until=stands)

        assert (held.state, destroyed(stage)) == (State.DISABLED, [])


def give_up_unlisted(hands: Hands, held: Held) -> Stop | None:
    """Roll back where the vendor lists nothing: a kept value says what the attempt made."""
    facts: dict[str, object] = {"rolled_from": "CREATING", "calls_end_at": hands.ledger.now().isoformat()}
    note(hands.ledger, held.record.id, {"verb": "a test"}, facts, columns={"flipped_at": None, "new_vendor_id": ""})
    held.record = replace(held.record, facts=facts, new_vendor_id="", flipped_at=None)
    return roll_back(replace(hands, manifest=replace(hands.manifest, listable=False)), held)


_WAYS: dict[str, Callable[[Hands, Held], Stop | None]] = {
    "an attempt whose value nobody kept": lambda hands, held: delete_marked(
        hands, held, [ListedCredential(held.record.new_vendor_id, marker(held.record.id, 1))]
    ),
    "an attempt that is given up": lambda hands, held: give_up(hands, held, "a test"),
    "an attempt that cannot be listed": give_up_unlisted,
}


@pytest.mark.parametrize("way", _WAYS)
def test_whatever_else_ends_a_version_waits_for_its_golden(place: Place, way: str) -> None:
    with place.stage(_KMS) as stage:
        made = live(stage, "first", until=lambda record: record.wait is Wait.OVERLAP and bool(record.new_vendor_id))
        keep(stage, made.new_vendor_id)
        stage.reach(made.lease_until or made.not_before)
        held = claim(stage.ledger, made.id, "second")
        assert held is not None

        with stage.hands("second") as hands:
            stop = _WAYS[way](hands, held)

        assert stop is not None
        assert (stop.wait, destroyed(stage)) == (Wait.BLOCKED_HELD_OPEN, [])


def test_an_orphan_with_a_golden_is_left_by_the_sweep_with_the_reason(place: Place) -> None:
    with place.stage(_KMS) as stage:
        made = live(stage, "first", until=lambda record: record.wait is Wait.OVERLAP and bool(record.new_vendor_id))
        ended = live(stage, "first")
        with stage.hands("another rotation") as hands:
            orphan = hands.vendor.create(marker(made.id, 1), "").vendor_id
            keep(stage, orphan)
            before = len(destroyed(stage))

            left = sweep_orphans(hands)
            let_go(stage, orphan)
            swept = sweep_orphans(hands)

        assert ended.state is State.DONE
        assert (left.deleted, len(left.left), len(swept.deleted), len(destroyed(stage))) == ((), 1, 1, before + 1)
        assert f"golden ciphertext of version {orphan} (pay, key main, prod)" in left.left[0]


def test_in_the_moment_of_the_request_it_is_asked_once_more(place: Place) -> None:
    with place.stage(_KMS) as stage, stage.hands("first") as hands:
        version = hands.vendor.create("opsflows-r00000000001-1", "").vendor_id
        keep(stage, version)

        with pytest.raises(Rejected) as refused:
            hands.vendor.revoke(version)

        assert (refused.value.symptom, destroyed(stage)) == ("rotation.still_needed", [])


def test_a_wrapped_key_holds_every_version_but_the_primary_until_the_primary_opens_it(place: Place) -> None:
    with place.stage(_KMS) as stage, stage.hands("first") as hands:
        old, made = encrypted(stage), hands.vendor.create("opsflows-r00000000001-1", "")
        keep(stage, "", WRAPPED, old)
        while_primary = (hands.vendor.held_open("1"), hands.vendor.held_open(made.vendor_id))
        stage.move(timedelta(minutes=2))
        hands.vendor.point_to(made.value)
        moved = hands.vendor.held_open("1")
        let_go(stage, "")
        keep(stage, "", WRAPPED, encrypted(stage))
        wrapped_anew = (hands.vendor.held_open("1"), hands.vendor.held_open(made.vendor_id))
        hands.vendor.disable(made.vendor_id)
        off = hands.vendor.held_open("1")

        assert (len(while_primary[0]), while_primary[1]) == (1, ())
        assert "retire-golden pay main '' --environment prod" in moved[0]
        assert (wrapped_anew[0], len(wrapped_anew[1])) == ((), 1)
        assert "the key does not open it now" in off[0]


def test_every_rotation_that_loses_data_is_guarded_by_the_cloud_of_its_keys() -> None:
    losing = {row.integration for row in ROTATIONS.values() if row.manifest.loses_data}

    assert losing == {"gcpkms"}
    assert (
        {row.integration for row in ROTATIONS.values() if guarded_by(row)}
        == losing
        <= {provider.integration for provider in KEY_PROVIDERS.values()}
    )


def test_whoever_lets_a_vendor_end_something_asks_the_guard_first() -> None:
    files = (file for folder in ("steps", "tasks", "flows", "entrypoints") for file in (ROOT / folder).glob("*.py"))
    asks = {
        f"{file.stem}.{function.name}": called(function)
        for file in files
        if ".revoke(" in (text := file.read_text())
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef) and "revoke" in called(function)
    }

    assert set(asks) == {
        "attempts.delete_marked", "live_vendor.revoke", "minting.give_up", "orphans.sweep_orphans", "retiring._delete",
        "rolling_back._give_up_unlisted",
    }  # fmt: skip
    assert [name for name, calls in asks.items() if not calls & {"held_back", "refuse_needed"}] == []


def encrypted(stage: Stage) -> bytes:
    return base64.b64decode(stage.act("encrypt_for_application", text="a data key")["ciphertext"])


def called(function: ast.FunctionDef) -> set[str]:
    """Return the names that are called in it, of methods the last part."""
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return {
        call.attr if isinstance(call, ast.Attribute) else call.id
        for call in calls
        if isinstance(call, ast.Attribute | ast.Name)
    }
