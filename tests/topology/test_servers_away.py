"""Servers that are all killed at once lose no schedule; a database that is away for a minute costs one run at most, and is told once."""

from datetime import UTC, datetime, timedelta

import pytest

from deployments.catalog import CATALOG
from tests.program import eventually, needs_proc
from tests.topology.standing import Topology

pytestmark = [pytest.mark.prove, needs_proc]

# What begins sooner may begin while this test looks.
_SOON = timedelta(minutes=20)


def test_servers_that_are_all_killed_at_once_lose_no_schedule(topology: Topology) -> None:
    slugs = {entry.full_name for entry in CATALOG if entry.schedules}
    eventually(lambda: {name for name, _ in coming(topology)} == slugs, within_s=180)
    before = coming(topology)

    for name in ("api-1", "api-2", "services"):
        topology.services[name].kill()

    topology.wait_until_healthy(*topology.services)
    assert coming(topology) >= before


def coming(topology: Topology) -> set[tuple[str, str]]:
    """Return every run that a schedule has made and that does not begin soon: its deployment and its moment."""
    ids = {topology.ask("GET", f"/deployments/name/{entry.full_name}")["id"]: entry.full_name for entry in CATALOG}
    after = (datetime.now(UTC) + _SOON).isoformat()
    asked = {
        "flow_runs": {
            "deployment_id": {"any_": [*ids]}, "state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": {"after_": after},
        },
        "limit": 200,
    }  # fmt: skip
    found = topology.ask("POST", "/flow_runs/filter", asked)
    return {(ids[run["deployment_id"]], run["expected_start_time"]) for run in found if run["auto_scheduled"]}
