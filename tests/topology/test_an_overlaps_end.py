"""An overlap ends on the workers of the topology, in the run that Prefect holds for it, although one of them is killed meanwhile."""

from datetime import timedelta

import pytest

from domain.rotation import State, Wait
from tests.program import eventually, needs_proc
from tests.topology.killing import ENDS_ON_A_WORKER, ended, held_back, swept_until_over
from tests.topology.rotating import (
    a_day_passes,
    all_open,
    begin_now,
    left_at_vendor,
    retirements,
    scheduled_for,
    start_rotation,
)
from tests.topology.standing import Topology

pytestmark = [pytest.mark.topology, needs_proc]

# The run is for the end of the overlap, and a worker takes it a few seconds after its moment.
_LATE = timedelta(minutes=1)


def test_an_overlap_ends_on_a_worker_although_one_is_killed_in_the_middle_of_that(topology: Topology) -> None:
    credential = ENDS_ON_A_WORKER.credential
    if credential not in all_open():
        ended(topology, start_rotation(topology, credential))
    record = all_open()[credential]
    [(run, moment)] = scheduled_for(topology, record).items()
    a_day_passes(record.id)
    asked = held_back(topology, credential.target.integration, "DELETE")

    begin_now(topology, run)
    eventually(asked, within_s=120)
    topology.services["rotation-worker"].kill()

    [after] = swept_until_over(topology, [record.id])
    assert record.wait is Wait.OVERLAP
    assert record.not_before is not None
    assert record.not_before <= moment <= record.not_before + _LATE
    assert after.state is State.DONE, after.words
    assert len(retirements(after)) == len(set(retirements(after)))
    assert left_at_vendor(after) == ([after.new_vendor_id], [after.new_version], True)
