"""An operator orders an adoption: bound by evidence or not at all, within the rotation that waits for it or by one of its own."""

import pytest

from domain.errors import BadInput, OpsError, Rejected
from domain.rotation import Kind, RotationRecord, State, Wait
from ledger.held_credentials import find_credential
from ledger.rotation_rows import rotations
from steps.adoption_order import AdoptionOrder, adopt, bound_by
from tests.steps.rotation_scene import Scene
from tests.steps.rotation_world import SHAPES

BY_NAME = {shape.name: shape for shape in SHAPES}


def unbound(name: str = "plain") -> Scene:
    """One credential whose value is in use, and of which nobody knows what it is at the vendor."""
    return Scene((BY_NAME[name],), is_bound=False)


def ordered(scene: Scene, named_id: str = "") -> RotationRecord:
    """Let a worker carry the order out; return the rotation, or raise what the order raised."""
    [side] = scene.sides
    order = AdoptionOrder("ada", "OPS-1", f"adopt-{scene.world.event}", named_id)
    done: list[RotationRecord] = []
    worker = scene.crew.start(
        lambda worker: done.append(adopt(scene.hands(side, worker.name), order)), "", scene.world.event
    )
    if worker is not None and worker.error is not None:
        raise worker.error
    return done[0]


def test_a_value_that_can_be_told_is_bound_and_the_rotation_is_over() -> None:
    scene = unbound()

    record = ordered(scene)

    [side] = scene.sides
    held = find_credential(scene.ledger, side.credential)
    assert (record.kind, record.state) == (Kind.ADOPTION, State.DONE)
    assert held is not None
    assert held.vendor_id == side.entries[0].vendor_id
    assert bound_by(scene.ledger, record.id).startswith(f"{held.vendor_id}, because ")


def test_one_that_the_vendor_does_not_list_is_refused_in_its_own_words_and_nothing_stays_open() -> None:
    scene = unbound()

    with pytest.raises(Rejected, match="could not be told") as refused:
        ordered(scene, "no-such-id")

    assert "--vendor-id" in refused.value.next_step
    assert [record.state for record in rotations(scene.ledger)] == [State.ABORTED]


def test_a_rotation_that_waits_for_its_adoption_is_given_it_and_goes_on() -> None:
    scene = unbound()
    [side] = scene.sides
    old = side.entries[0].vendor_id
    scene.open(side)
    waiting = scene.step(side)

    record = ordered(scene)

    assert waiting is not None
    assert waiting.wait is Wait.AWAITING_ADOPTION
    assert (record.id, record.old_vendor_id) == (waiting.id, old)
    assert bound_by(scene.ledger, record.id).startswith(old)


def test_a_rotation_that_waits_for_no_adoption_is_left_alone() -> None:
    scene = Scene((BY_NAME["plain"],))
    [side] = scene.sides
    scene.open(side)
    before = scene.step(side)

    with pytest.raises(BadInput, match="waits for no adoption"):
        ordered(scene)

    assert before is not None
    assert scene.record(side) == before


def test_a_value_that_somebody_put_into_the_block_is_adopted_past_the_rotation_that_stumbled_over_it() -> None:
    scene = unbound()
    [side] = scene.sides
    ordered(scene)
    made = scene.world.mint(side, "made in the console", ours=False)
    scene.world.serve(side.projection, made.value, by_engine=False)
    scene.open(side)
    stumbled = scene.step(side)

    record = ordered(scene)

    held = find_credential(scene.ledger, side.credential)
    assert stumbled is not None
    assert stumbled.wait is Wait.BLOCKED_CONFLICT
    assert record.state is State.DONE
    assert held is not None
    assert held.vendor_id == made.vendor_id


def test_what_is_made_by_hand_is_bound_to_nothing() -> None:
    scene = unbound("by hand")

    with pytest.raises(OpsError, match="made by hand"):
        ordered(scene)

    assert rotations(scene.ledger) == []
