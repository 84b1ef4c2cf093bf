"""After all that was killed, and last of these files: every overlap ends once, on time, and leaves nothing behind.

One ends on the workers of the topology, in the runs that Prefect holds for it. The others are stepped by the test's own process,
which can be given a later time; a worker cannot.
"""

import pytest

from domain.rotation import RotationRecord, State, Wait
from ledger.rotation_rows import find_rotation
from tests.program import eventually, needs_proc
from tests.topology.killing import CASES, ENDS_ON_A_WORKER, brought_to_overlap, held_back, swept
from tests.topology.rotating import (
    a_day_passes,
    all_open,
    begin_now,
    ended_in_time,
    ledger_at,
    left_at_vendor,
    retirements,
    scheduled_for,
)
from tests.topology.standing import Topology

pytestmark = [pytest.mark.prove, needs_proc]


# The retirement, its soak and its refusal take a sweep each, and one may find the killed worker's lease.
_SWEEPS = 4


def test_an_overlap_ends_on_a_worker_although_one_is_killed_in_the_middle_of_that(topology: Topology) -> None:
    credential = ENDS_ON_A_WORKER.credential
    record = brought_to_overlap(topology, credential)
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


def test_every_overlap_ends_once_and_on_time_after_all_of_it(topology: Topology) -> None:
    wanted = [case.credential for case in CASES if case is not ENDS_ON_A_WORKER]
    for credential in wanted:
        brought_to_overlap(topology, credential)
    waiting = {credential: one for credential, one in all_open().items() if one.wait is Wait.OVERLAP}
    scheduled = {credential: [*scheduled_for(topology, one).values()] for credential, one in waiting.items()}

    ends = {credential: ended_in_time(topology, one) for credential, one in waiting.items()}

    assert set(waiting) >= {*wanted}
    for credential, (before, after) in ends.items():
        assert len(scheduled[credential]) == 1, credential
        assert abs(scheduled[credential][0] - waiting[credential].not_before).total_seconds() < 1, credential
        assert before.state is State.PUBLISHED, credential
        assert after.state is State.DONE, credential
        assert len(retirements(after)) == len(set(retirements(after))), credential
        assert left_at_vendor(after) == ([after.new_vendor_id], [after.new_version], True), credential


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
