"""Workers that die with the runs that they have: nobody is left to say how those ended, until the server's automations do."""

from datetime import timedelta

import pytest
from prefect.client.orchestration import get_client

from deployments.apply import converge_automations
from deployments.automations import Windows
from domain.names import CREDENTIAL_AGES
from ledger.runs import ABANDONED, ended_as
from steps.sweeping import seal_dead_runs
from tasks.preparing import read_own_config
from tests.program import eventually, needs_proc
from tests.topology.killing import OF_THE_WORKER, ended, gave_a_sign_of_life, run_in_the_middle
from tests.topology.rotating import ledger_at, newest_rotation, overlaps
from tests.topology.standing import Topology

pytestmark = [pytest.mark.topology, needs_proc]

# The same automations, less patient: signs of life come every half minute here (tests/topology/shape.py).
_IMPATIENT = Windows(pending=timedelta(seconds=45), silent=timedelta(seconds=95))
# The run is to be there still when the server has heard of it; one that is killed before is told by the sweeper, hours later.
_LONGER_THAN_A_SIGN_OF_LIFE_S = 30
# A run's lease in the ledger, and a bit.
_A_LEASE_LATER = timedelta(minutes=6)


def test_runs_that_died_with_their_workers_are_told_and_their_places_are_free_again(topology: Topology) -> None:
    with get_client(sync_client=True) as client:
        converge_automations(client, read_own_config().automations, _IMPATIENT)
    before = overlaps()
    in_the_middle = run_in_the_middle(topology, OF_THE_WORKER, held_s=_LONGER_THAN_A_SIGN_OF_LIFE_S)
    eventually(lambda: gave_a_sign_of_life(topology, in_the_middle), within_s=60, every_s=0.5)
    topology.services["rotation-worker"].kill()
    taken = topology.start(CREDENTIAL_AGES, {})
    eventually(lambda: topology.state(taken)["type"] == "PENDING", within_s=120, every_s=0.05)
    topology.services["worker-1"].kill()
    topology.services["worker-2"].kill()

    lost, never_begun = ended(topology, in_the_middle, within_s=420), ended(topology, taken, within_s=420)

    topology.wait_until_healthy(*topology.services)
    after = topology.start(CREDENTIAL_AGES, {})
    with ledger_at(_A_LEASE_LATER) as ledger:
        sealed = [run.prefect_run_id for run in seal_dead_runs(ledger)]
        known = ended_as(ledger, str(in_the_middle), ABANDONED)
    record = newest_rotation(OF_THE_WORKER.credential)
    assert lost[0] == "CRASHED"
    assert "No sign of life" in lost[2]
    assert never_begun[0] == "CRASHED"
    assert "never begun" in never_begun[2]
    assert ended(topology, after)[0] in {"COMPLETED", "FAILED"}
    assert str(in_the_middle) in sealed
    assert len(known) == 1
    assert record is not None
    assert record.is_open
    assert overlaps().items() >= before.items()
