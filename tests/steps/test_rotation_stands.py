"""Where a rotation stands still for a reason that the search's world has not; each by name, with an alert, and it goes on by itself."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.rotation import State, Wait
from ledger.alerts import open_alerts
from steps.rotation_orders import resume
from tests.steps.rotation_scene import Scene
from tests.steps.rotation_world import POINTED, SHAPES, Live, Side

_PLAIN = SHAPES[0]
_BY_NAME = {shape.name: shape for shape in SHAPES}
_POINTED = {shape.name: shape for shape in POINTED}
_OVERLAP = timedelta(hours=24)


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene((_BY_NAME["client chooses"], _PLAIN))
    yield made
    made.close()


@pytest.fixture
def side(scene: Scene) -> Side:
    return scene.sides[0]


def waits(scene: Scene, side: Side) -> Wait:
    record = scene.step(side)
    assert record is not None
    return record.wait


def test_an_empty_block_is_told_and_looked_at_again(scene: Scene, side: Side) -> None:
    side.projection.history.clear()
    scene.open(side)

    blocked = waits(scene, side)
    scene.world.serve(side.projection, side.entries[0].value, by_engine=False)

    assert blocked is Wait.BLOCKED_PREFLIGHT
    assert waits(scene, side) is Wait.OVERLAP


def test_as_many_as_the_policy_allows_begin_within_an_hour(scene: Scene, side: Side) -> None:
    scene.policy = replace(scene.policy, per_vendor_per_hour=0)
    scene.open(side)

    assert waits(scene, side) is Wait.CAP
    assert side.creates == {}


def test_a_new_credential_that_stops_working_keeps_the_old_one(scene: Scene, side: Side) -> None:
    scene.open(side)
    scene.step(side)
    new = side.entries[-1]
    new.bad = True
    scene.world.pass_time(_OVERLAP)

    blocked = waits(scene, side)

    assert blocked is Wait.BLOCKED_NEW_FAILS
    assert [alert.key.rpartition(":")[2] for alert in open_alerts(scene.ledger)] == ["BLOCKED_NEW_FAILS"]
    assert side.entries[0].live is Live.ON


def test_a_new_credential_that_dies_in_the_soak_keeps_the_old_one_from_being_deleted(scene: Scene, side: Side) -> None:
    scene.open(side)
    scene.step(side)
    scene.world.pass_time(_OVERLAP)
    soaking = waits(scene, side)
    side.entries[-1].bad = True
    scene.world.pass_time(_OVERLAP)

    assert soaking is Wait.SOAK
    assert waits(scene, side) is Wait.BLOCKED_NEW_FAILS
    assert side.entries[0].live is Live.OFF


def test_an_old_credential_that_the_vendor_goes_on_accepting_closes_nothing(scene: Scene, side: Side) -> None:
    side.shape = replace(side.shape, manifest=replace(side.manifest, propagation=timedelta(0)))
    scene.open(side)
    scene.step(side)
    scene.world.pass_time(_OVERLAP)
    scene.step(side)
    scene.world.pass_time(_OVERLAP)
    old = side.entries[0]
    stubborn = replace(old, vendor_id="its twin", changes=[(old.changes[0][0], Live.ON)])
    side.entries.insert(0, stubborn)

    accepted = waits(scene, side)
    scene.world.set_live(stubborn, Live.GONE)

    assert accepted is Wait.STILL_ACCEPTED
    assert scene.step(side) is None


def test_after_so_many_failures_in_a_row_it_halts_until_somebody_resumes_it(scene: Scene, side: Side) -> None:
    side.is_away = True
    scene.open(side)

    stood = [waits(scene, side) for _ in range(scene.policy.halt_after + 1)]
    side.is_away = False
    still = waits(scene, side)
    record = scene.record(side)
    assert record is not None
    resume(scene.ledger, record.id, "ada", "the network is back")

    assert stood == [Wait.BACKOFF, Wait.BACKOFF, Wait.HALTED, Wait.HALTED]
    assert still is Wait.HALTED
    assert waits(scene, side) is Wait.OVERLAP
    assert open_alerts(scene.ledger) == []


def test_where_the_old_credential_is_lost_a_rollback_is_turned_round_again(scene: Scene, side: Side) -> None:
    scene.open(side)
    scene.step(side)
    scene.world.pass_time(_OVERLAP)
    scene.step(side)
    scene.world.set_live(side.entries[0], Live.GONE)
    scene.roll_back(side)
    lost = waits(scene, side)

    scene.resume(side)
    scene.come_to_rest()

    assert lost is Wait.BLOCKED_OLD_FAILS
    assert scene.guard.current_value(side) == side.entries[-1].value
    assert State.ABORTED not in scene.guard.reached()


def test_an_emergency_switches_off_what_data_still_needs_and_does_not_delete_it() -> None:
    made = Scene((_POINTED["loses data"], _PLAIN))
    one = made.sides[0]
    one.held_open = True
    made.emergency(one, contain=False)

    kept = made.step(one)
    off = one.entries[0].live
    one.held_open = False
    made.world.pass_time(timedelta(minutes=16))
    ended = made.step(one)
    made.close()

    assert kept is not None
    assert (kept.state, kept.wait, off) == (State.DISABLED, Wait.BLOCKED_HELD_OPEN, Live.OFF)
    assert ended is None or not ended.is_open
    assert one.entries[0].live is Live.GONE
