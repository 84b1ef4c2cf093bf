"""Publishing to several sinks: in part, with one that is down, late, or not to be read; the overlap counts from the last one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from domain.errors import NotYet
from domain.policies import Policy
from domain.rotation import RotationRecord, State, Wait
from steps.rotating import advance
from steps.rotation_hands import Hands
from tests.steps.rotation_scene import Scene
from tests.steps.rotation_world import SHAPES, Place, Side
from vendors.sinks import Sink

_STOPPABLE = next(shape for shape in SHAPES if shape.name == "lists late")
_HOUR = timedelta(hours=1)


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene((_STOPPABLE, SHAPES[0]), sinks=2)
    made.policy = replace(made.policy, halt_after=Policy().halt_after)
    yield made
    made.close()


@pytest.fixture
def side(scene: Scene) -> Side:
    scene.open(scene.sides[0])
    return scene.sides[0]


def stepped(scene: Scene, side: Side) -> RotationRecord:
    record = scene.step(side)
    assert record is not None
    return record


def sinks_of(side: Side) -> tuple[Place, Place]:
    first, second = side.sinks.values()
    return first, second


def served(place: Place) -> str:
    assert place.now is not None
    return place.now.value


def test_a_sink_that_is_down_for_an_hour_is_waited_for_while_both_values_work(scene: Scene, side: Side) -> None:
    first, second = sinks_of(side)
    old, began = side.entries[0].value, scene.world.now
    second.is_away = True

    partly = stepped(scene, side)
    while scene.world.now < began + _HOUR:
        scene.world.go_to(stepped(scene, side).not_before)
    second.is_away = False
    done = stepped(scene, side)

    assert (partly.state, partly.wait) == (State.VERIFIED, Wait.BACKOFF)
    assert partly.facts["sinks"] == {"sink0": partly.new_version}
    assert (served(first) == old, served(second) == old) == (False, False)
    assert side.projection.now is not None
    assert all(scene.world.use(side, value, "app") for value in (old, served(first)))
    assert (done.state, done.wait) == (State.PUBLISHED, Wait.OVERLAP)
    assert done.served_at is not None
    assert done.served_at >= began + _HOUR
    assert done.not_before >= began + _HOUR + scene.policy.overlap


def test_while_versions_are_mixed_nothing_is_current_that_is_not_everywhere(scene: Scene, side: Side) -> None:
    first, second = sinks_of(side)
    second.is_away = True
    old = side.entries[0].value

    partly = stepped(scene, side)

    assert (served(first), served(second)) != (old, old)
    assert served(second) == old
    assert scene.guard.current_value(side) == old
    assert partly.flipped_at is None


def test_what_was_published_in_part_is_taken_back_everywhere(scene: Scene, side: Side) -> None:
    first, second = sinks_of(side)
    second.is_away = True
    stepped(scene, side)

    scene.roll_back(side)
    second.is_away = False
    scene.come_to_rest()

    old = side.entries[0].value
    assert [served(place) for place in (first, second, side.projection)] == [old, old, old]


def test_a_sink_that_is_down_at_the_gate_keeps_the_old_one(scene: Scene, side: Side) -> None:
    published = stepped(scene, side)
    sinks_of(side)[0].is_away = True
    scene.world.go_to(published.not_before)

    kept = stepped(scene, side)

    assert (kept.state, kept.wait) == (State.PUBLISHED, Wait.BACKOFF)
    assert scene.world.use(side, side.entries[0].value, "app")


@dataclass(slots=True)
class Slow:
    """A sink whose readers are restarted: what was written is served once they are."""

    sink: Sink
    rolling: bool = True
    keeps_previous: bool = False

    def publish(self, value: str, previous: str = "") -> None:
        self.sink.publish(value, previous)

    def serves(self, value: str, previous: str = "") -> bool | None:
        if self.sink.serves(value, previous) and self.rolling:
            raise NotYet(
                "A rollout is under way.", "Some pods have the old value.", "Wait for it.", "kubernetes.rolling"
            )
        return self.sink.serves(value, previous)


def test_a_rollout_is_waited_for_without_counting_as_a_failure_and_the_overlap_counts_from_its_end(
    scene: Scene, side: Side
) -> None:
    slow: list[Slow] = []

    def work(hands: Hands, rotation: str) -> None:
        slow[:] = slow or [Slow(hands.sinks["sink0"])]
        advance(replace(hands, sinks={**hands.sinks, "sink0": replace(slow[0], sink=hands.sinks["sink0"])}), rotation)

    scene.work(side, work)
    first = scene.record(side)
    for _ in range(10):
        scene.world.pass_time(timedelta(minutes=1))
        scene.work(side, work)
    rolling = scene.record(side)
    slow[0].rolling = False
    scene.world.pass_time(timedelta(minutes=1))
    scene.work(side, work)
    done = scene.record(side)

    assert first is not None
    assert rolling is not None
    assert done is not None
    assert (first.state, first.wait, rolling.wait, rolling.failures) == (
        State.VERIFIED,
        Wait.SETTLING,
        Wait.SETTLING,
        0,
    )
    assert (done.state, done.wait) == (State.PUBLISHED, Wait.OVERLAP)
    assert done.served_at is not None
    assert done.served_at >= scene.world.now


def test_a_rollout_that_does_not_end_is_told_to_someone_after_an_hour(scene: Scene, side: Side) -> None:
    def work(hands: Hands, rotation: str) -> None:
        advance(replace(hands, sinks={**hands.sinks, "sink0": Slow(hands.sinks["sink0"])}), rotation)

    waits = []
    for _ in range(80):
        scene.work(side, work)
        record = scene.record(side)
        assert record is not None
        waits.append(record.wait)
        scene.world.go_to(record.not_before)

    assert Wait.SETTLING in waits
    assert Wait.BACKOFF in waits
    assert waits.index(Wait.BACKOFF) >= 59


def test_a_sink_that_cannot_be_read_is_told_as_sent_and_not_confirmed(scene: Scene, side: Side) -> None:
    @dataclass(frozen=True, slots=True)
    class Unread:
        sink: Sink
        keeps_previous: bool = False

        def publish(self, value: str, previous: str = "") -> None:
            self.sink.publish(value, previous)

        def serves(self, value: str, previous: str = "") -> bool | None:
            del value, previous
            return None

    def work(hands: Hands, rotation: str) -> None:
        advance(replace(hands, sinks={**hands.sinks, "sink0": Unread(hands.sinks["sink0"])}), rotation)

    scene.work(side, work)
    record = scene.record(side)

    assert record is not None
    assert record.facts["sinks"] == {
        "sink0": f"{record.new_version} (sent, not confirmed)", "sink1": record.new_version,
    }  # fmt: skip
