"""What Prefect's server holds of our deployments and their newest runs, for the rules that watch them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.orchestration.routes import ServerRoutes

from blocks.answering import answering
from blocks.connection import prefect_client
from blocks.paging import every
from domain.seen_runs import Ended, SeenDeployment, SeenRun
from ledger.opening import Ledger
from steps.alerting import Told
from steps.context import Context
from steps.watching_runs import tell_of_runs

_OURS = "opsflows"
_PAGED = "tier:page"
# Of each deployment, newest first. A failure that stands behind so many later runs is a week old and told long ago.
_ENDED_RUNS = 100
_GOING_ON = 5
# Longer than the texts that say what happened, what it means and what to do; an alert is no place for a whole report.
_LONGEST_MESSAGE = 600


def watch_runs_now(ledger: Ledger, contexts: Mapping[str, Context]) -> list[Told]:
    """Look at run history and tell of what is wrong there; return what was done about each.

    Raises:
        Unavailable: the Prefect server does not answer.
    """
    return tell_of_runs(ledger, contexts, seen_deployments())


def seen_deployments() -> list[SeenDeployment]:
    """Return every deployment of ours with its newest ended runs and those that should have started.

    Raises:
        Unavailable: the server does not answer, or refuses the login.
    """
    with prefect_client() as client, answering(changes=False):
        return read_deployments(client)


def read_deployments(client: SyncPrefectClient) -> list[SeenDeployment]:
    """Return the same, asked through this client."""
    ours = {"deployments": {"tags": {"all_": [_OURS]}}}
    held = every(client, "/deployments/filter", ours)
    flows = {row["id"]: row["name"] for row in every(client, "/flows/filter", ours)}
    return [_seen(client, row, f"{flows[row['flow_id']]}/{row['name']}") for row in held if row["flow_id"] in flows]


def _seen(client: SyncPrefectClient, row: Mapping[str, Any], name: str) -> SeenDeployment:
    ended = _runs(client, row["id"], {"type": {"any_": [one.value for one in Ended]}}, "END_TIME_DESC", _ENDED_RUNS)
    waiting = _runs(client, row["id"], {"type": {"any_": ["SCHEDULED", "PENDING"]}}, "EXPECTED_START_TIME_ASC", 5)
    going_on = _runs(client, row["id"], {"type": {"any_": ["RUNNING", "CANCELLING"]}}, "START_TIME_ASC", _GOING_ON)
    return SeenDeployment(
        name=name,
        made_at=datetime.fromisoformat(row["created"]),
        is_paged=_PAGED in row["tags"],
        is_off=bool(row["paused"]) or not any(one["active"] for one in row["schedules"]),
        ended=tuple(_run(name, one, one["end_time"]) for one in ended if one["end_time"]),
        waiting=tuple(_run(name, one, one["expected_start_time"]) for one in waiting if one["expected_start_time"]),
        going_on=tuple(_run(name, one, one["start_time"]) for one in going_on if one["start_time"]),
    )


def _run(deployment: str, row: Mapping[str, Any], at: str) -> SeenRun:
    state = row["state"] or {}
    return SeenRun(
        deployment=deployment,
        name=row["name"],
        run_id=row["id"],
        state=row["state_type"] or "",
        state_name=row["state_name"] or "",
        message=" ".join((state.get("message") or "").split())[:_LONGEST_MESSAGE],
        at=datetime.fromisoformat(at),
        parameters=row["parameters"] or {},
    )


def _runs(client: SyncPrefectClient, deployment: str, state: Mapping[str, object], order: str, most: int) -> Iterable[Any]:  # fmt: skip
    chosen = {
        "deployments": {"id": {"any_": [deployment]}},
        "flow_runs": {"state": state},
        "sort": order,
        "limit": most,
    }
    return _asked(client, "/flow_runs/filter", chosen)


def _asked(client: SyncPrefectClient, path: ServerRoutes, wanted: Mapping[str, object]) -> list[Any]:
    found: list[Any] = client.request("POST", path, json=dict(wanted)).json()
    return found
