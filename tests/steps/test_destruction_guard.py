"""No way of a rotation destroys a key version that a golden ciphertext needs: it waits, says which and why, and goes on once let."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.errors import Rejected
from domain.manifests import ListedCredential
from domain.names import marker
from domain.rotation import RotationRecord, State, Wait
from ledger.rotations import Held, claim, note
from steps.attempts import delete_marked
from steps.destruction_guard import guarded_by
from steps.minting import give_up
from steps.orphans import sweep_orphans
from steps.rolling_back import roll_back
from steps.rotation_hands import Hands, Stop
from tests.architecture.sources import ROOT
from tests.conftest import StandIns
from tests.steps.guarded_versions import KMS, destroyed, encrypted, keep, keep_wrapped, let_go, move_primary
from tests.steps.rotation_lives import Course, driven, live
from tests.steps.rotation_places import Place, opened_place
from vendors.kms_providers import KEY_PROVIDERS
from vendors.registry import ROTATIONS


@pytest.fixture(scope="module")
def place(served_stand_ins: StandIns) -> Iterator[Place]:
    with opened_place(served_stand_ins) as opened:
        yield opened
    served_stand_ins.control("POST", "/reset")


def stands(record: RotationRecord) -> bool:
    return record.wait is Wait.BLOCKED_HELD_OPEN


def test_a_golden_holds_its_version_at_the_gate_until_somebody_lets_it_go(place: Place) -> None:
    with place.stage(KMS) as stage:
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
    with place.stage(KMS) as stage:
        soaking = live(stage, "first", until=lambda record: record.wait is Wait.SOAK)
        keep(stage, "1")

        held = driven(stage, "first", soaking.id, until=stands)
        before = destroyed(stage)
        let_go(stage, "1")
        ended = live(stage, "last")

        assert (held.state, held.wait, before) == (State.DISABLED, Wait.BLOCKED_HELD_OPEN, [])
        assert (ended.state, len(destroyed(stage))) == (State.DONE, 1)


def test_an_emergency_switches_the_version_of_a_golden_off_and_does_not_destroy_it(place: Place) -> None:
    with place.stage(KMS, Course.CONTAINED) as stage:
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
    with place.stage(KMS) as stage:
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
    with place.stage(KMS) as stage:
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
    with place.stage(KMS) as stage, stage.hands("first") as hands:
        version = hands.vendor.create("opsflows-r00000000001-1", "").vendor_id
        keep(stage, version)

        with pytest.raises(Rejected) as refused:
            hands.vendor.revoke(version)

        assert (refused.value.symptom, destroyed(stage)) == ("rotation.still_needed", [])


def test_a_wrapped_key_holds_every_version_but_the_primary_until_the_primary_opens_it(place: Place) -> None:
    with place.stage(KMS) as stage, stage.hands("first") as hands:
        old, made = encrypted(stage), hands.vendor.create("opsflows-r00000000001-1", "")
        slot = keep_wrapped(stage, old)
        while_primary = (hands.vendor.held_open("1"), hands.vendor.held_open(made.vendor_id))
        stage.move(timedelta(minutes=2))
        hands.vendor.point_to(made.value)
        moved = hands.vendor.held_open("1")
        let_go(stage, slot=slot)
        keep_wrapped(stage, encrypted(stage))
        wrapped_anew = (hands.vendor.held_open("1"), hands.vendor.held_open(made.vendor_id))
        hands.vendor.disable(made.vendor_id)
        off = hands.vendor.held_open("1")

        assert (len(while_primary[0]), while_primary[1]) == (1, ())
        assert f"retire-golden pay main --file {slot[:12]} --environment prod" in moved[0]
        assert (wrapped_anew[0], len(wrapped_anew[1])) == ((), 1)
        assert "the key does not open it now" in off[0]


def test_of_two_wrapped_keys_the_one_that_is_still_there_holds_on(place: Place) -> None:
    with place.stage(KMS) as stage, stage.hands("first") as hands:
        gone, needed = keep_wrapped(stage, encrypted(stage)), keep_wrapped(stage, encrypted(stage, "another data key"))
        move_primary(stage, hands)
        both = hands.vendor.held_open("1")

        let_go(stage, slot=gone)

        assert len(both) == 2
        assert [needed[:12] in one for one in hands.vendor.held_open("1")] == [True]


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
    found = {
        f"{file.stem}.{function.name}": is_guarded(function)
        for file in files
        if ".revoke(" in (text := file.read_text())
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef) and calls_in(function, {"revoke"})
    }

    assert set(found) == {
        "attempts.delete_marked", "live_vendor.revoke", "minting.give_up", "orphans.sweep_orphans", "retiring._delete",
        "rolling_back._give_up_unlisted",
    }  # fmt: skip
    assert [name for name, guarded in found.items() if not guarded] == []


@pytest.mark.parametrize(
    ("body", "guarded"),
    [
        ("if stop := held_back(h, v): return stop\n vendor.revoke(v)", True),
        ("if stop := held_back(h, v): pass\n else: vendor.revoke(v)", True),
        ("for v in all:\n  refuse_needed(v)\n  if wanted: vendor.revoke(v)", True),
        ("vendor.revoke(v)\n if stop := held_back(h, v): return stop", False),
        ("if careful:\n  refuse_needed(v)\n vendor.revoke(v)", False),
        ("if careful: refuse_needed(v)\n else: vendor.revoke(v)", False),
        ("for v in all: refuse_needed(v)\n vendor.revoke(v)", False),
        ("vendor.revoke(v)\n refuse_needed(v)\n vendor.revoke(v)", False),
        ("try: see()\n except Lost: refuse_needed(v)\n vendor.revoke(v)", False),
    ],
)
def test_a_guard_that_is_asked_afterwards_or_elsewhere_is_none(body: str, *, guarded: bool) -> None:
    [function] = ast.parse(f"def way():\n {body}").body

    assert is_guarded(function) is guarded


def is_guarded(node: ast.AST, *, asked: bool = False) -> bool:
    """Say whether every way to a revoke in it leads past the guard first; what a branch or a loop asks counts within it alone."""
    return all(_block_is_guarded(block, asked=asked) for block in blocks_of(node))


def _block_is_guarded(block: list[ast.stmt], *, asked: bool) -> bool:
    for statement in block:
        heads = [one for one in ast.iter_child_nodes(statement) if isinstance(one, ast.expr | ast.withitem)]
        if not asked and any(calls_in(one, {"revoke"}) for one in heads):
            return False
        asked = asked or any(calls_in(one, {"held_back", "refuse_needed"}) for one in heads)
        if not is_guarded(statement, asked=asked):
            return False
    return True


def blocks_of(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Yield the lists of statements directly within it."""
    for _, parts in ast.iter_fields(node):
        if isinstance(parts, list) and parts and isinstance(parts[0], ast.stmt):
            yield parts
        if isinstance(parts, list) and parts and isinstance(parts[0], ast.ExceptHandler | ast.match_case):
            yield from (block for part in parts for block in blocks_of(part))


def calls_in(node: ast.AST, names: set[str]) -> bool:
    """Say whether something of one of these names is called in it, of methods the last part."""
    calls = (one.func for one in ast.walk(node) if isinstance(one, ast.Call))
    return any(getattr(one, "attr", getattr(one, "id", "")) in names for one in calls)
