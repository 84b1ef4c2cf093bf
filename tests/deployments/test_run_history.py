"""A run without the moment that is asked of it loses neither itself nor the other half of the board."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from deployments.catalog import CATALOG
from deployments.examining import runs_ahead
from deployments.run_history import told
from domain.doctor import Health
from domain.run_history import DeploymentRuns
from domain.seen_runs import SeenRun

AT = "2026-11-26T03:00:00Z"
ROW = {"id": "d", "name": "verify-due", "paused": False, "schedules": [], "created": AT}


def run(**more: object) -> Mapping[str, Any]:
    whole = {
        "id": "r", "name": "n", "deployment_id": "d", "state_type": "CRASHED", "state_name": "Crashed", "parameters": {},
        "state": {"message": "gone", "timestamp": AT}, "end_time": None, "expected_start_time": None,
    }  # fmt: skip
    return whole | more


def test_a_run_without_its_moment_has_its_states() -> None:
    found = told(ROW, [run()], [run()], [], is_all=True)

    assert found.last is not None
    assert found.next is not None
    assert found.last.at == found.next.at == datetime(2026, 11, 26, 3, tzinfo=UTC)


def test_a_run_without_any_moment_is_left_out() -> None:
    found = told(ROW, [run(state=None)], [run(state=None)], [], is_all=True)

    assert (found.last, found.next) == (None, None)


def test_a_next_run_that_should_have_begun_is_no_run_ahead() -> None:
    now = datetime(2026, 11, 26, 3, tzinfo=UTC)

    def seen(ahead: timedelta) -> list[DeploymentRuns]:
        return [
            DeploymentRuns(one.name, "d", is_paused=False, has_schedule=True, last=None, running=None, next=SeenRun(one.name, "n", "r", "SCHEDULED", "Late", "", now + ahead))
            for one in CATALOG if one.schedules
        ]  # fmt: skip

    soon, late = runs_ahead(seen(timedelta(minutes=5)), now), runs_ahead(seen(-timedelta(days=3)), now)

    assert (soon.health, late.health) == (Health.FINE, Health.BROKEN)
    assert "has a run that did not begin" in late.what
