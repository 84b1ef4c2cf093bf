"""An overlap ends on the workers of the topology, in the run that Prefect holds for it, although one of them is killed meanwhile."""

import pytest

from domain.rotation import RotationRecord, State, Wait
from ledger.rotation_rows import find_rotation
from tests.program import eventually, needs_proc
from tests.topology.killing import ENDS_ON_A_WORKER, ended, held_back, swept
from tests.topology.rotating import (
    a_day_passes,
    all_open,
    begin_now,
    ledger_at,
    left_at_vendor,
    retirements,
    scheduled_for,
    start_rotation,
)
from tests.topology.standing import Topology

pytestmark = [pytest.mark.topology, needs_proc]


# The retirement, its soak and its refusal take a sweep each, and one may find the killed worker's lease.
_SWEEPS = 4


def test_an_overlap_ends_on_a_worker_although_one_is_killed_in_the_middle_of_that(topology: Topology) -> None:
    credential = ENDS_ON_A_WORKER.credential
    if credential not in all_open():
        ended(topology, start_rotation(topology, credential))
    record = all_open()[credential]
    [run] = scheduled_for(topology, record)
    a_day_passes(record.id)
    asked = held_back(topology, credential.target.integration, "DELETE")

    begin_now(topology, run)
    eventually(asked, within_s=120)
    topology.services["rotation-worker"].kill()

    after = swept_until_over(topology, record.id)
    assert record.wait is Wait.OVERLAP
    assert after.state is State.DONE, after.words
    assert len(retirements(after)) == len(set(retirements(after)))
    assert left_at_vendor(after) == ([after.new_vendor_id], [after.new_version], True)


def swept_until_over(topology: Topology, rotation: str) -> RotationRecord:
    """Let a day pass and a worker sweep, until the rotation is over; return it as it is then."""
    for _ in range(_SWEEPS):
        a_day_passes(rotation)
        swept(topology)
        with ledger_at() as ledger:
            record = find_rotation(ledger, rotation)
        if not record.is_open:
            break
    return record
