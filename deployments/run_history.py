"""What Prefect knows of our deployments' runs: how the last one ended, what runs, what comes next. It is asked and not changed."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from prefect.client.orchestration import SyncPrefectClient

from blocks.answering import answering
from blocks.paging import every
from blocks.run_rows import list_runs, seen_run
from domain.run_history import DeploymentRuns
from domain.seen_runs import SeenRun

_OURS = "opsflows"
_ENDED = ("COMPLETED", "FAILED", "CRASHED")
# What Prefect gives at once, at most. It schedules three runs ahead of most deployments, so this is all of them.
_MOST = 200
_AT_ONCE = 4
_LONGEST_MESSAGE = 300
# The newest that ended may be the rehearsal's; one of so many is not.
_NEWEST = 5


def run_history(client: SyncPrefectClient) -> list[DeploymentRuns]:
    """Return every deployment that carries our tag, by name.

    Raises:
        Unavailable: the server does not answer, or refuses the login.
    """
    with answering(changes=False):
        held = every(client, "/deployments/filter", {"deployments": {"tags": {"all_": [_OURS]}}})
        ids = [row["id"] for row in held]
        coming = list_runs(client, ids, ("SCHEDULED",), "EXPECTED_START_TIME_ASC", _MOST)
        running = list_runs(client, ids, ("RUNNING", "PENDING"), "EXPECTED_START_TIME_ASC", _MOST)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            last = dict(
                zip(
                    ids,
                    pool.map(lambda one: list_runs(client, [one], _ENDED, "END_TIME_DESC", _NEWEST), ids),
                    strict=True,
                )
            )
    # A full answer may have left out the next run of a deployment.
    is_all = len(coming) < _MOST
    return sorted(
        (told(row, last[row["id"]], coming, running, is_all=is_all) for row in held), key=lambda one: one.name
    )


def told(
    row: Mapping[str, Any], last: list[Any], coming: list[Any], running: list[Any], *, is_all: bool
) -> DeploymentRuns:  # fmt: skip
    """Return how a deployment's runs stand, of Prefect's rows; `is_all` says whether all that come were listed."""
    return DeploymentRuns(
        name=row["name"],
        id=row["id"],
        is_paused=bool(row["paused"]),
        has_schedule=any(one["active"] for one in row["schedules"]),
        last=_last([seen for run in last if (seen := seen_run(row["name"], run, "end_time", _LONGEST_MESSAGE))]),
        running=next(_of(running, row), None),
        next=next(_of(coming, row), None),
        made_at=datetime.fromisoformat(row["created"]),
        next_is_known=is_all,
    )


def _last(newest: list[SeenRun]) -> SeenRun | None:
    """Return the newest that is not the rehearsal's, where there is one: stand-ins are broken on purpose."""
    return next((run for run in newest if not run.is_rehearsal), newest[0] if newest else None)


def _of(runs: list[Any], row: Mapping[str, Any]) -> Iterator[SeenRun]:
    found = (run for run in runs if run["deployment_id"] == row["id"])
    return (seen for run in found if (seen := seen_run(row["name"], run, "expected_start_time", _LONGEST_MESSAGE)))
