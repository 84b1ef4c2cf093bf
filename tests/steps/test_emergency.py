"""A compromise: what was in use at that moment is replaced without an overlap, and what was minted before it once more."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from domain.errors import BadInput
from domain.rotation import Kind, State, Wait
from ledger.held_credentials import find_credential
from ledger.rotation_rows import rotations
from steps.emergency import Order, order_emergency, renew_exposed
from tests.steps.rotation_scene import Scene
from tests.steps.rotation_world import SHAPES, Live

PLAIN = next(shape for shape in SHAPES if shape.name == "plain")
WITH_DISABLE = next(shape for shape in SHAPES if shape.name == "tells use")
Make = Callable[..., Scene]


@pytest.fixture
def scene_of() -> Iterator[Make]:
    opened: list[Scene] = []

    def make(*shapes: object) -> Scene:
        scene = Scene(tuple(shapes))  # type: ignore[arg-type]  # shapes, as pytest passes them on
        opened.append(scene)
        return scene

    yield make
    for scene in opened:
        scene.close()


def test_an_emergency_is_over_at_once_and_the_exposed_value_is_refused(scene_of: Make) -> None:
    scene = scene_of(WITH_DISABLE)
    [side] = scene.sides
    old = side.entries[0]

    scene.emergency(side, contain=False)
    scene.step(side)

    [record] = rotations(scene.ledger)
    assert (record.state, record.kind) == (State.DONE, Kind.EMERGENCY)
    assert old.live is Live.GONE
    assert [one.live for one in side.entries if one.ours] == [Live.ON]


def test_containing_first_switches_the_old_one_off_before_a_new_one_exists(scene_of: Make) -> None:
    scene = scene_of(WITH_DISABLE)
    [side] = scene.sides
    side.is_away = True
    scene.emergency(side, contain=True)
    scene.step(side)
    side.is_away = False
    scene.world.pass_time(timedelta(minutes=5))

    scene.step(side)

    [record] = rotations(scene.ledger)
    made = next(one for one in side.entries if one.ours)
    switched_off = next(at for at, live in side.entries[0].changes if live is not Live.ON)
    assert record.state is State.DONE
    assert switched_off <= made.changes[0][0]
    assert "contained_at" in record.facts


@pytest.mark.parametrize("second", ["", " ", "Ada", "ada "])
def test_containing_first_needs_another_persons_name(scene_of: Make, second: str) -> None:
    scene = scene_of(PLAIN)
    order = Order(scene.world.now, "ada", "leaked", "OPS-2", contain_first=True, second=second)

    with pytest.raises(BadInput, match="second person"):
        order_emergency(scene.ledger, [scene.sides[0].credential], order)

    assert rotations(scene.ledger) == []


def test_an_open_rotation_becomes_the_emergency_and_needs_no_overlap_any_more(scene_of: Make) -> None:
    scene = scene_of(PLAIN)
    [side] = scene.sides
    scene.open(side)
    waiting = scene.step(side)

    scene.world.pass_time(timedelta(minutes=10))
    scene.emergency(side, contain=False)
    scene.step(side)

    assert waiting is not None
    assert waiting.wait is Wait.OVERLAP
    assert next(one for one in rotations(scene.ledger) if one.id == waiting.id).state is State.DONE
    assert side.entries[0].live is Live.GONE


def test_a_candidate_minted_before_the_compromise_is_replaced_once_more(scene_of: Make) -> None:
    scene = scene_of(PLAIN)
    [side] = scene.sides
    scene.open(side)
    scene.step(side)
    candidate = next(one for one in side.entries if one.ours)
    scene.world.pass_time(timedelta(minutes=10))
    scene.emergency(side, contain=False)
    scene.world.pass_time(timedelta(seconds=1))
    scene.step(side)

    opened = renew_exposed(scene.ledger)
    scene.step(side)

    assert [record.kind for record in opened] == [Kind.EMERGENCY]
    assert candidate.live is Live.GONE
    assert renew_exposed(scene.ledger) == []
    held = find_credential(scene.ledger, side.credential)
    assert held is not None
    assert not held.is_exposed


def test_an_emergency_goes_on_during_a_freeze(scene_of: Make) -> None:
    from ledger.freezing import freeze  # noqa: PLC0415 (this test alone freezes)

    scene = scene_of(PLAIN)
    [side] = scene.sides
    freeze(scene.ledger, "month-end", "bob")
    scene.open(side)
    frozen = scene.step(side)

    scene.emergency(side, contain=False)
    scene.step(side)

    assert frozen is not None
    assert frozen.wait is Wait.FROZEN
    assert "bob" in frozen.words
    assert rotations(scene.ledger)[0].state is State.DONE


def test_a_moment_in_the_future_is_refused_because_every_new_value_would_be_exposed_too(scene_of: Make) -> None:
    scene = scene_of(PLAIN)
    order = Order(scene.world.now + timedelta(hours=2), "ada", "leaked", "OPS-2")

    with pytest.raises(BadInput, match="is in the future"):
        order_emergency(scene.ledger, [scene.sides[0].credential], order)

    assert rotations(scene.ledger) == []


def test_an_order_that_was_given_up_is_carried_out_when_it_is_given_again(scene_of: Make) -> None:
    scene = scene_of(PLAIN)
    [side] = scene.sides
    order = Order(scene.world.now, "ada", "leaked", "OPS-2")
    [first] = order_emergency(scene.ledger, [side.credential], order)
    scene.roll_back(side)
    scene.step(side)

    [again] = order_emergency(scene.ledger, [side.credential], order)

    states = {record.id: record.state for record in rotations(scene.ledger)}
    assert states == {first.id: State.ABORTED, again.id: State.PLANNED}


def test_containing_that_is_ordered_late_happens_before_the_new_one_is_published(scene_of: Make) -> None:
    scene = scene_of(WITH_DISABLE)
    [side] = scene.sides
    side.next_is_slow = True
    scene.open(side)
    waiting = scene.step(side)
    assert waiting is not None
    assert waiting.state is State.CREATED
    side.is_away = False

    scene.emergency(side, contain=True)
    scene.step(side)

    assert side.entries[0].live is not Live.ON
    assert "contained_at" in rotations(scene.ledger)[0].facts


def test_an_emergency_that_is_rolled_back_gives_the_new_one_its_overlap(scene_of: Make) -> None:
    scene = scene_of(WITH_DISABLE)
    [side] = scene.sides
    side.refuses_late = True
    scene.open(side)
    scene.step(side)
    scene.roll_back(side)
    scene.emergency(side, contain=False)
    scene.world.pass_time(timedelta(minutes=10))

    record = scene.step(side)

    assert record is not None
    assert (record.back, record.emergency, record.wait) == (True, True, Wait.OVERLAP)
