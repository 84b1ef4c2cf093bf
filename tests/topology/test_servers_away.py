"""Servers that are all killed at once lose no schedule; a database that is away for a minute is told once; a worker has another."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from deployments.catalog import CATALOG
from domain.names import CREDENTIAL_AGES
from steps.sweeping import seal_dead_runs
from tests.program import eventually, needs_proc
from tests.topology.killing import check_in_the_middle, ended, process_of, swept
from tests.topology.rotating import ledger_at
from tests.topology.second_channel import second_channel
from tests.topology.standing import Topology

pytestmark = [pytest.mark.topology, needs_proc]

# What begins sooner may begin while this test looks.
_SOON = timedelta(minutes=20)
_AWAY_S = 60
# A run's lease in the ledger, and a bit.
_A_LEASE_LATER = timedelta(minutes=6)


def test_servers_that_are_all_killed_at_once_lose_no_schedule(topology: Topology) -> None:
    slugs = {entry.full_name for entry in CATALOG if entry.schedules}
    after = datetime.now(UTC) + _SOON
    eventually(lambda: {name for name, _ in coming(topology, after)} == slugs, within_s=180)
    before = coming(topology, after)

    for name in ("api-1", "api-2", "services"):
        topology.services[name].kill()

    topology.wait_until_healthy(*topology.services)
    assert coming(topology, after) >= before


def test_a_database_that_is_away_for_a_minute_loses_nothing_and_is_told_once(topology: Topology) -> None:
    after = datetime.now(UTC) + _SOON
    before = coming(topology, after)
    with second_channel() as arrived:
        run = check_in_the_middle(topology)

        topology.services["postgres"].keep_down()
        back_at = time.monotonic() + _AWAY_S
        eventually(lambda: time.monotonic() > back_at, within_s=2 * _AWAY_S)
        topology.services["postgres"].start()

        topology.wait_until_healthy(*topology.services)
        kind, name, message = ended(topology, run)
        eventually(lambda: [one for one in arrived if "kms-smoke" in one], within_s=180)
        # A sweep looks at what ended badly, too; whoever tells it a second time has done so by its end.
        swept(topology)
        told = [one for one in arrived if "kms-smoke" in one]
    with ledger_at(_A_LEASE_LATER) as ledger:
        dead = [one for one in seal_dead_runs(ledger) if one.prefect_run_id == str(run)]
    audited = topology.command("audit", "verify")
    assert (kind, name) == ("FAILED", "Hold"), message
    assert "database" in message
    assert len(told) == 1
    assert message.partition(".")[0] in told[0]
    assert len(dead) <= 1
    assert coming(topology, after) >= before
    assert "INTACT" in audited.stdout, audited.stdout + audited.stderr


def test_a_worker_that_is_killed_alone_leaves_the_work_of_its_pool_to_the_other_one(topology: Topology) -> None:
    # Last here: the check that dies keeps the place of its deployment for a while.
    in_the_middle = check_in_the_middle(topology)
    of_the_run = process_of(in_the_middle)
    killed = next(name for name in ("worker-1", "worker-2") if of_the_run in topology.services[name].processes())
    topology.services[killed].keep_down()

    run = topology.start(CREDENTIAL_AGES, {})

    kind, _, message = ended(topology, run)
    topology.services[killed].start()
    with ledger_at(_A_LEASE_LATER) as ledger:
        dead = [one.prefect_run_id for one in seal_dead_runs(ledger)]
    assert str(in_the_middle) in dead
    assert topology.state(in_the_middle)["type"] in {"RUNNING", "CRASHED"}
    assert process_of(in_the_middle) == 0
    # What it holds for is what the stand-ins say: their first credentials are old.
    assert kind in {"COMPLETED", "FAILED"}, message


def coming(topology: Topology, after: datetime) -> set[tuple[str, str]]:
    """Return every run that a schedule has made for after that moment: its deployment and its moment."""
    ids = {topology.ask("GET", f"/deployments/name/{entry.full_name}")["id"]: entry.full_name for entry in CATALOG}
    asked = {
        "flow_runs": {
            "deployment_id": {"any_": [*ids]}, "state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": {"after_": after.isoformat()},
        },
        "limit": 200,
    }  # fmt: skip
    found = topology.ask("POST", "/flow_runs/filter", asked)
    return {(ids[run["deployment_id"]], run["expected_start_time"]) for run in found if run["auto_scheduled"]}
