"""After all that was killed, and last of these files: every overlap ends once, on time, and leaves nothing behind."""

import pytest

from domain.rotation import State, Wait
from tests.program import needs_proc
from tests.topology.killing import CASES, ended
from tests.topology.rotating import all_open, ended_in_time, left_at_vendor, retirements, scheduled_for, start_rotation
from tests.topology.standing import Topology

pytestmark = [pytest.mark.prove, needs_proc]


def test_every_overlap_ends_once_and_on_time_after_all_of_it(topology: Topology) -> None:
    for case in CASES:
        if case.credential not in all_open():
            ended(topology, start_rotation(topology, case.credential))
    waiting = {credential: one for credential, one in all_open().items() if one.wait is Wait.OVERLAP}
    scheduled = {credential: scheduled_for(topology, one) for credential, one in waiting.items()}

    ends = {credential: ended_in_time(topology, one) for credential, one in waiting.items()}

    assert set(waiting) >= {case.credential for case in CASES}
    for credential, (before, after) in ends.items():
        assert len(scheduled[credential]) == 1, credential
        assert abs(scheduled[credential][0] - waiting[credential].not_before).total_seconds() < 1, credential
        assert before.state is State.PUBLISHED, credential
        assert after.state is State.DONE, credential
        assert len(retirements(after)) == len(set(retirements(after))), credential
        assert left_at_vendor(after) == ([after.new_vendor_id], [after.new_version], True), credential
