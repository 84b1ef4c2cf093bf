"""Runs of a running opsflows that end as a test says, and what its watch over run history made of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from ledger.alerts import open_alerts
from ledger.opening import Ledger, open_existing
from tests.program import Standing, eventually


@contextmanager
def runs(standing: Standing) -> Iterator[Callable[..., str]]:
    """Make runs that no worker takes, and end them; afterwards they are gone."""
    made: list[str] = []

    def make(deployment: str, kind: str, name: str, message: str = "The reason.", mode: str = "") -> str:
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        later = {"type": "SCHEDULED", "state_details": {"scheduled_time": tomorrow}}
        path = f"/deployments/{standing.deployment(deployment)['id']}/create_flow_run"
        made.append(standing.ask("POST", path, {"state": later, "parameters": {"mode": mode} if mode else {}})["id"])
        details = later["state_details"] if kind == "SCHEDULED" else {}
        state = {"state": {"type": kind, "name": name, "message": message, "state_details": details}, "force": True}
        standing.ask("POST", f"/flow_runs/{made[-1]}/set_state", state)
        return made[-1]

    try:
        yield make
    finally:
        for run in made:
            standing.ask("DELETE", f"/flow_runs/{run}")


@contextmanager
def switched_off(standing: Standing, deployment: str) -> Iterator[None]:
    """Switch the deployment's schedule off, as somebody in the UI would, and wait until none of its runs is at work."""
    held = standing.deployment(deployment)
    [path] = [f"/deployments/{held['id']}/schedules/{row['id']}" for row in held["schedules"]]
    standing.ask("PATCH", path, {"active": False})
    try:
        eventually(lambda: not standing.runs_of(deployment, "PENDING", "RUNNING"), within_s=180)
        yield
    finally:
        standing.ask("PATCH", path, {"active": True})


@contextmanager
def ledger_of(standing: Standing) -> Iterator[Ledger]:
    ledger = open_existing(f"sqlite:///{standing.home.path / 'ledger.db'}")
    try:
        yield ledger
    finally:
        ledger.close()


def alerts_of(standing: Standing) -> dict[str, str]:
    """Return the text of each open alert by its key."""
    with ledger_of(standing) as ledger:
        return {alert.key: alert.text for alert in open_alerts(ledger)}


def told_of(standing: Standing, *deployments: str) -> list[str]:
    """Return the open alerts' keys once watch-runs has raised one for each of these, until then nothing."""
    with ledger_of(standing) as ledger:
        found = [alert.key for alert in open_alerts(ledger)]
    return found if {f"deployment:{one}:ended" for one in deployments} <= set(found) else []


def crashed(standing: Standing, run: str) -> dict[str, Any]:
    """Return the run once it counts as crashed, until then nothing."""
    found: dict[str, Any] = standing.ask("GET", f"/flow_runs/{run}")
    return found if found["state"]["type"] == "CRASHED" else {}
