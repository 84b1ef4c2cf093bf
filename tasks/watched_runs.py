"""What Prefect's server holds of our deployments and their newest runs, for the rules that watch them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from prefect.client.orchestration import SyncPrefectClient

from blocks.answering import answering
from blocks.connection import prefect_client
from blocks.paging import every
from blocks.run_rows import list_runs, seen_run
from domain.seen_runs import Ended, SeenDeployment, SeenRun
from ledger.opening import Ledger
from steps.alerting import Told
from steps.context import Context
from steps.watching_runs import tell_of_runs

_OURS = "opsflows"
_PAGED = "tier:page"
# Of each deployment, newest first. A failure that stands behind so many later runs is a week old and told long ago.
_ENDED_RUNS = 100
_WAITING = 5
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
    def runs(types: Iterable[str], order: str, most: int, moment: str) -> tuple[SeenRun, ...]:
        listed = list_runs(client, [row["id"]], [*types], order, most)
        return tuple(seen for one in listed if (seen := seen_run(name, one, moment, _LONGEST_MESSAGE)))

    return SeenDeployment(
        name=name,
        made_at=datetime.fromisoformat(row["created"]),
        is_paged=_PAGED in row["tags"],
        is_off=bool(row["paused"]) or not any(one["active"] for one in row["schedules"]),
        ended=runs((one.value for one in Ended), "END_TIME_DESC", _ENDED_RUNS, "end_time"),
        waiting=runs(("SCHEDULED", "PENDING"), "EXPECTED_START_TIME_ASC", _WAITING, "expected_start_time"),
        going_on=runs(("RUNNING", "CANCELLING"), "START_TIME_ASC", _GOING_ON, "start_time"),
    )
