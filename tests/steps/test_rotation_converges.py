"""What else may go wrong around a rotation, one thing each: it goes on all the same, and ends as if nothing had been."""

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event

from domain.errors import Unavailable
from domain.rotation import Kind, RotationRecord, State, Wait, verdict_of
from domain.verdicts import Verdict
from ledger.rotation_journal import entries
from ledger.rotation_rows import due_rotations, find_rotation, rotations
from ledger.rotations import LEASE
from steps.orphans import sweep_orphans
from steps.rotating import advance
from tests.ledger import postgres
from tests.steps.rotation_aftermath import creates, faults, swept
from tests.steps.rotation_killing import Points, forked
from tests.steps.rotation_lives import Stage, driven, live, opened
from tests.steps.rotation_places import Place

_SECOND = timedelta(seconds=1)
_HOUR = timedelta(hours=1)


@pytest.fixture(params=["sqlite_place", "postgresql_place"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


def test_two_sweepers_at_once_step_each_rotation_once(place: Place) -> None:
    with place.stage("sentry-send") as stage:
        several = _several(stage, 3)
        for one in several:
            opened(one, Kind.SCHEDULED, "2026-Q1")

        for _ in range(12):
            _sweep_twice(place, several)
            due = [record.not_before for record in rotations(place.ledger, open_only=True)]
            if not due:
                break
            stage.reach(max(due))

        records = [find_rotation(place.ledger, one.rotation) for one in several]
        assert [record.state for record in records] == [State.DONE] * len(several)
        intents = [_intents(place, record) for record in records]
        assert intents == [["create", "disable", "revoke"]] * len(several)
        assert len(creates(stage)) == len(several)
        assert [fault for one, record in zip(several, records, strict=True) for fault in faults(one, record)] == []


@pytest.mark.parametrize("case", ["sentry-send", "datadog-send", "slack-send"])
def test_a_ledger_clock_that_jumps_forward_retires_nothing(sqlite_place: Place, case: str) -> None:
    with sqlite_place.stage(case) as stage:
        rotation = _in_the_overlap(stage)
        stage.move(2 * _HOUR)
        stage.clock.move(stage.clock.offset + timedelta(days=3))

        jumped = _stepped(stage, rotation)

        assert (jumped.state, jumped.wait, verdict_of(jumped)) == (State.PUBLISHED, Wait.BLOCKED_CLOCKS, Verdict.HOLD)
        stage.clock.move(stage.clock.offset - timedelta(days=3))
        assert _stepped(stage, rotation).wait is Wait.OVERLAP
        assert _judged(stage) == []


@pytest.mark.parametrize("case", ["sentry-send", "slack-send"])
def test_a_ledger_clock_that_jumps_back_retires_nothing_early(sqlite_place: Place, case: str) -> None:
    with sqlite_place.stage(case) as stage:
        rotation = _in_the_overlap(stage)
        stage.move(_HOUR)
        stage.clock.move(stage.clock.offset - 2 * _HOUR)

        jumped = _stepped(stage, rotation)

        assert (jumped.state, jumped.wait) == (State.PUBLISHED, Wait.OVERLAP)
        stage.clock.move(stage.clock.offset + 2 * _HOUR)
        assert _judged(stage) == []


def test_a_worker_whose_ledger_stops_in_the_middle_of_a_step_is_followed_by_another(
    postgresql_place: Place, postgresql: str
) -> None:
    with postgresql_place.stage("splunk-send") as stage:
        with postgres.interrupted(postgresql) as stop:
            points = Points(named="after create of splunk", fate=stop)
            with pytest.raises(Unavailable):
                live(stage, "without a ledger", points)

        stage.move(LEASE + _SECOND)

        assert _judged(stage) == []


def test_a_ledger_that_another_process_keeps_locked_is_waited_for(sqlite_place: Place) -> None:
    with sqlite_place.stage("splunk-send") as stage, _impatient(sqlite_place):
        file = str(sqlite_place.ledger.engine.url.database)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            points = Points(named="after create of splunk", fate=lambda: other.execute("BEGIN IMMEDIATE"))
            with pytest.raises(Unavailable):
                live(stage, "locked out", points)

        stage.move(LEASE + _SECOND)

        assert _judged(stage) == []


def test_what_a_lagging_listing_shows_late_is_waited_for(sqlite_place: Place) -> None:
    with sqlite_place.stage("datadog-send") as stage:
        stage.act("set_listing_lag", seconds=(LEASE + timedelta(seconds=40)).total_seconds())
        _killed_at(sqlite_place, stage, "after create_api_key of datadog")
        stage.move(LEASE + _SECOND)

        waits = _stepped(stage, stage.rotation)

        assert (waits.state, waits.wait, waits.attempt) == (State.CREATING, Wait.SETTLING, 1)
        assert _judged(stage) == []
        assert sorted(creates(stage).values()) == [1, 1]


def test_what_a_listing_shows_later_than_the_vendor_ever_should_is_swept(sqlite_place: Place) -> None:
    with sqlite_place.stage("datadog-send") as stage:
        stage.act("set_listing_lag", seconds=timedelta(hours=12).total_seconds())
        _killed_at(sqlite_place, stage, "after create_api_key of datadog")
        stage.move(LEASE + _SECOND)

        record = driven(stage, "second", stage.rotation, until=lambda one: one.state is State.PUBLISHED)

        assert record.attempt == 2
        stage.move(timedelta(hours=13))
        with stage.hands("sweeper") as hands:
            assert len(sweep_orphans(hands).deleted) == 1
        assert _judged(stage) == []


def test_a_form_saved_after_the_flip_is_put_right_and_the_overlap_begins_anew(sqlite_place: Place) -> None:
    with sqlite_place.stage("sentry-send") as stage:
        rotation = _in_the_overlap(stage)
        form = stage.first[stage.variable]
        stage.move(12 * _HOUR)
        stage.store.project(stage.credential, form)
        stage.note("projection", form)
        stage.move(12 * _HOUR)

        again = _stepped(stage, rotation)

        assert (again.state, again.wait) == (State.PUBLISHED, Wait.OVERLAP)
        assert stage.store.projected(stage.credential) != form
        assert again.not_before - stage.now() > 23 * _HOUR
        assert _judged(stage) == []


def _several(stage: Stage, count: int) -> list[Stage]:
    """Return stages of so many credentials of one account and one ledger, each adopted."""
    made = []
    for number in range(count):
        home = stage.home / f"i{number}"
        for folder in ("store", "app"):
            (home / folder).mkdir(parents=True)
        with stage.hands("ada") as hands:
            minted = hands.vendor.create(f"instance {number}", "")
        one = replace(stage, home=home, instance=f"i{number}", first={**stage.first, stage.variable: minted.value})
        one.store.project(one.credential, minted.value)
        one.note("projection", minted.value)
        one.sink.publish(minted.value)
        one.note("env", minted.value)
        assert driven(one, "ada", opened(one, Kind.ADOPTION, "adoption")).state is State.DONE
        made.append(one)
    return made


def _sweep_twice(place: Place, several: list[Stage]) -> None:
    """Let two processes step what is due at once, one of them from the other end."""
    place.ledger.close()
    stages = {one.credential: one for one in several}

    def sweep(order: int) -> None:
        with several[0].hands("sweeper") as hands:
            due = due_rotations(hands.ledger)
        for record in due[::order]:
            with stages[record.credential].hands("sweeper") as hands:
                advance(hands, record.id)

    children = [forked(partial(sweep, order)) for order in (1, -1)]
    assert [child.ended() for child in children] == [0, 0]


def _in_the_overlap(stage: Stage) -> str:
    live(stage, "first", until=lambda record: record.wait is Wait.OVERLAP)
    if stage.case.console is None:
        driven(stage, "first", stage.rotation, until=lambda record: record.wait is Wait.OVERLAP)
    return stage.rotation


def _stepped(stage: Stage, rotation: str) -> RotationRecord:
    with stage.hands("sweeper") as hands:
        return advance(hands, rotation)


def _judged(stage: Stage) -> list[str]:
    """Lead it to its end, let the sweeper come by once, and return what does not hold."""
    record = live(stage, "last")
    swept(stage)
    return faults(stage, record)


def _intents(place: Place, record: RotationRecord) -> list[Any]:
    return [
        entry.said["verb"]
        for entry in entries(place.ledger, record.id)
        if entry.kind == "intent" and entry.said["verb"] != "publish"
    ]


def _killed_at(place: Place, stage: Stage, point: str) -> None:
    place.ledger.close()
    ended = forked(lambda: live(stage, "killed", Points(named=point))).ended()
    assert ended == -signal.SIGKILL


@contextmanager
def _impatient(place: Place) -> Iterator[None]:
    """Let the ledger give up at once where another process has the file, not after half a minute."""

    def shorten(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA busy_timeout=50")

    place.ledger.close()
    event.listen(place.ledger.engine, "connect", shorten)
    try:
        yield
    finally:
        event.remove(place.ledger.engine, "connect", shorten)
        place.ledger.close()
