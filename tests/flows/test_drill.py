"""The daily drill, lived through on a real Prefect server: canaries on stand-ins of the drill's own, rotated to their end."""

import time
from datetime import timedelta

from prefect.client.schemas.objects import State as Ended

from domain.drill import DRILL_STATE
from domain.rotation import Kind, RotationRecord, State, Wait
from flows.drill_rotations import drill_rotations
from ledger.held_credentials import find_credential
from ledger.rotation_rows import rotations
from tests.flows.conftest import Desk
from tests.flows.later import desk_at, move_clock, step_everything
from vendors.registry import ROTATIONS

CANARIES = {f"{name}-drill-rehearsal-{purpose}" for (name, purpose), row in ROTATIONS.items() if row.connect is not None}
# What is new at Sentry is known after five minutes at the latest, so that its hour ends later.
SETTLED, OVERLAP_OVER, SOAKED, GONE = (timedelta(minutes=minutes) for minutes in (6, 67, 78, 84))


def drills(desk: Desk) -> list[RotationRecord]:
    return [record for record in rotations(desk.ledger, limit=1000) if record.kind is Kind.DRILL]


def stands(records: list[RotationRecord]) -> dict[str, tuple[State, Wait]]:
    return {str(record.credential): (record.state, record.wait) for record in records}


def test_a_drill(desk: Desk) -> None:
    began = time.monotonic()
    state = drill_rotations(return_state=True)
    print(time.monotonic() - began, state, stands(drills(desk)))
    began = time.monotonic()
    again = drill_rotations(return_state=True)
    print(time.monotonic() - began, again, len(drills(desk)))
    for offset in (SETTLED, OVERLAP_OVER, SOAKED, GONE):
        began = time.monotonic()
        step_everything(offset)
        print(time.monotonic() - began, offset, [(str(r.credential), r.state, r.wait, r.words) for r in drills(desk)])
    assert 0
