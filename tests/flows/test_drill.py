"""The daily drill, lived through on a real Prefect server: canaries on stand-ins of the drill's own, rotated to their end."""

from datetime import timedelta

import pytest

from domain.drill import DRILL_STATE
from domain.names import Credential
from domain.rotation import Kind, RotationRecord, State, Wait, rotation_id
from domain.verdicts import Verdict
from flows.drill_rotations import drill_rotations
from ledger.held_credentials import find_credential
from ledger.rotation_rows import find_rotation, rotations
from ledger.rotations import open_rotation
from steps.rotating import advance
from tasks.drill import prepare_canaries, unfinished_drills
from tasks.preparing_rotation import RotationDesk
from tests.flows.conftest import Desk
from tests.flows.later import desk_at, move_clock, step_everything
from vendors.registry import INTEGRATIONS, ROTATIONS

CANARIES = {
    f"{name}-drill-rehearsal-{purpose}"
    for (name, purpose), row in ROTATIONS.items()
    if row.connect is not None and name in INTEGRATIONS
}
IN_OVERLAP = (State.PUBLISHED, Wait.OVERLAP)
# A value that is new at Sentry may take five minutes to be known, so that its hour ends later than the others'.
SETTLED, OVERLAP_OVER, SOAKED = (timedelta(minutes=minutes) for minutes in (6, 68, 80))
DAY = timedelta(days=1)


def drills(desk: Desk) -> list[RotationRecord]:
    return [record for record in rotations(desk.ledger, limit=1000) if record.kind is Kind.DRILL]


def stands(desk: Desk) -> dict[str, tuple[State, Wait]]:
    return {str(record.credential): (record.state, record.wait) for record in drills(desk)}


def began(desk: RotationDesk, canary: Credential, window: str) -> RotationRecord:
    """Open a canary's rotation of that window and step it, as the drill's flow does."""
    with desk.hands(canary) as hands:
        record = open_rotation(
            desk.run.ledger, rotation_id(canary, window), canary, Kind.DRILL, operator="schedule", reason="rotation drill",
            ticket="-", due_window=window,
        )  # fmt: skip
        return advance(hands, record.id)


@pytest.mark.prove
def test_every_canary_goes_through_a_whole_rotation_and_through_another_one_the_next_day(desk: Desk) -> None:
    state = drill_rotations(return_state=True)
    begun = stands(desk)
    again = drill_rotations(return_state=True)
    step_everything(SETTLED)
    in_overlap = stands(desk)
    for later in (OVERLAP_OVER, SOAKED):
        step_everything(later)
    over = stands(desk)
    known = len(rotations(desk.ledger, limit=1000))
    with desk_at(DAY) as tomorrow:
        move_clock(tomorrow.drill_url(), DAY)
        next_ones = [began(tomorrow, canary, "drill of tomorrow") for canary in prepare_canaries(tomorrow)]

    assert (state.name, set(begun)) == ("Waiting", CANARIES)
    assert (again.name, len(in_overlap)) == ("Waiting", len(CANARIES))
    assert set(in_overlap.values()) == {IN_OVERLAP}
    assert {where for where, _ in over.values()} == {State.DONE}
    assert {(row.state, row.wait) for row in next_ones} <= {IN_OVERLAP, (State.CREATED, Wait.SETTLING)}
    # The values of today are those that today's rotations made: nothing was adopted anew.
    assert len(rotations(desk.ledger, limit=1000)) == known + len(CANARIES)


def test_a_drill_of_an_earlier_day_that_is_not_over_is_a_hold_and_one_of_today_is_not(desk: Desk) -> None:
    for name, window in (("opsgenie", "drill 2026-01-01"), ("splunk", "drill 2026-01-02")):
        canary = Credential.parse(f"{name}-drill-rehearsal-send")
        open_rotation(
            desk.ledger, rotation_id(canary, window), canary, Kind.DRILL, operator="schedule", reason="rotation drill",
            ticket="-", due_window=window,
        )  # fmt: skip

    rows = {row.credential: row for row in unfinished_drills(desk.ledger, "drill 2026-01-02")}

    assert rows["opsgenie-drill-rehearsal-send"].verdict is Verdict.HOLD
    assert "The drill of an earlier day (drill 2026-01-01) is not over." in rows["opsgenie-drill-rehearsal-send"].words
    assert "an earlier day" not in rows["splunk-drill-rehearsal-send"].words


@pytest.mark.prove
def test_a_drill_whose_stand_ins_were_lost_begins_anew_with_others(desk: Desk) -> None:
    drill_rotations(return_state=True)
    lost = {row.id for row in drills(desk)}
    (desk.home / DRILL_STATE).unlink()

    state = drill_rotations(return_state=True)
    with desk_at(DAY) as tomorrow:
        move_clock(tomorrow.drill_url(), DAY)
        next_ones = [began(tomorrow, canary, "drill of tomorrow") for canary in prepare_canaries(tomorrow)]

    assert {find_rotation(desk.ledger, one).state for one in lost} == {State.ABORTED}
    assert state.name == "Hold"
    held = [find_credential(desk.ledger, Credential.parse(name)) for name in CANARIES]
    assert all(one is not None and one.vendor_id for one in held)
    assert {(row.state, row.wait) for row in next_ones} <= {IN_OVERLAP, (State.CREATED, Wait.SETTLING)}
