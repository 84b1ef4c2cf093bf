"""Each service is killed in the middle of a rotation and beside open overlaps: what runs ends or is told, and overlaps stay."""

import os
import signal

import pytest

from domain.rotation import State, Wait
from tests.program import eventually, needs_proc
from tests.topology.killing import CASES, OF_THE_FLOW, Case, ended, process_of, run_in_the_middle, swept_until_over
from tests.topology.rotating import (
    all_open,
    left_at_vendor,
    newest_rotation,
    overlaps,
    retirements,
    start_rotation,
)
from tests.topology.standing import Topology

pytestmark = [pytest.mark.topology, needs_proc]

# As the rotation says when something it needs is away: it is stepped again by itself. Nothing is said where the ledger is away: then it is
# due as it was, and the sweeper takes it up once the lease of who had it is over.
_GOES_ON = frozenset({Wait.NOTHING, Wait.OVERLAP, Wait.BACKOFF, Wait.SETTLING, Wait.VENDOR_LAG, Wait.GROUP})

# These tell when a credential was last used, by a clock that is not moved here: a minute ago is no quiet day, so nothing is retired.
_TELL_LAST_USE = frozenset({"datadog", "awskey"})


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_service_that_is_killed_in_a_rotation_comes_back_and_the_run_ends(topology: Topology, case: Case) -> None:
    before = overlaps()
    run = run_in_the_middle(topology, case)
    # What was killed before this one stands again: one thing is away at a time.
    topology.wait_until_healthy(*topology.services)

    topology.services[case.service].kill()

    kind, name, message = ended(topology, run)
    record = newest_rotation(case.credential)
    assert (kind, name) in {("COMPLETED", "Waiting"), ("FAILED", "Hold")}, message
    assert message
    assert record is not None
    assert record.is_open
    assert record.wait in _GOES_ON
    assert overlaps().items() >= before.items()


def test_a_flow_whose_process_is_killed_is_told_at_once_and_its_rotation_goes_on(topology: Topology) -> None:
    before = overlaps()
    run = run_in_the_middle(topology, OF_THE_FLOW)

    os.kill(eventually(lambda: process_of(run)), signal.SIGKILL)

    kind, name, message = ended(topology, run)
    record = newest_rotation(OF_THE_FLOW.credential)
    assert (kind, name) == ("CRASHED", "Crashed")
    assert "-9" in message
    assert record is not None
    assert record.is_open
    assert overlaps().items() >= before.items()


def test_every_overlap_that_was_open_meanwhile_ends_once(topology: Topology) -> None:
    for case in CASES:
        if case.credential not in all_open():
            ended(topology, start_rotation(topology, case.credential))
    rotations = [one.id for credential, one in all_open().items() if credential in {case.credential for case in CASES}]

    over = swept_until_over(topology, rotations)

    assert len(over) == len(CASES)
    for one in over:
        if one.credential.target.integration in _TELL_LAST_USE:
            assert (one.wait, retirements(one)) == (Wait.BLOCKED_STILL_USED, []), one.words
            continue
        assert one.state is State.DONE, one.words
        assert len(retirements(one)) == len(set(retirements(one)))
        # Keycloak's secrets have no place for our marker.
        ours = [] if one.credential.target.integration == "oidc" else [one.new_vendor_id]
        assert left_at_vendor(one) == (ours, [one.new_version], True)
