"""What a real server notices when nobody is left to tell: a run that died with its worker, a schedule that stopped, a failure that lasts."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.automations import Server, Windows, wanted
from domain.names import CREDENTIAL_AGES, KMS_SMOKE, WATCH_RUNS, WORK_POOL
from domain.run_bounds import ENDS_WELL_WITHIN
from ledger.inserting import insert_or_replace
from ledger.schema import DEPLOYMENT_ENDS
from tasks.watched_runs import watch_runs_now
from tests.deployments.holding import way_to
from tests.deployments.made_runs import alerts_of, crashed, ledger_of, runs, switched_off
from tests.deployments.rehearsed import process_of
from tests.deployments.second_channel import PAGE, TICKET, second_channel
from tests.program import Standing, eventually, needs_proc

# The least that Prefect takes for what is waited for.
_LEAST = timedelta(seconds=10)
_TOLD_AGAIN = timedelta(seconds=10)
# Events can be looked up some seconds after they came, and the run is killed within this.
_SILENT = timedelta(seconds=15)
_SHORT = Windows(
    looked_again=timedelta(0), told_again=_TOLD_AGAIN, ends={**ENDS_WELL_WITHIN, KMS_SMOKE: _LEAST}
)  # fmt: skip

pytestmark = [pytest.mark.prove, needs_proc]


@pytest.fixture(scope="module")
def notices(standing: Standing, client: SyncPrefectClient) -> Iterator[list[str]]:
    with second_channel(standing, client, _SHORT) as arrived:
        yield arrived


@contextmanager
def counted_as_crashed_early(standing: Standing, client: SyncPrefectClient, deployment: str) -> Iterator[None]:
    """Let this deployment's runs be silent for a short time only; with everybody's, healthy runs would be counted as crashed."""
    ours = Server({deployment: UUID(standing.deployment(deployment)["id"])}, {})
    [silent] = [one for one in wanted(ours, Windows(silent=_SILENT)) if "lost heartbeat" in one.name]
    made = client.create_automation(silent.model_copy(update={"name": f"of {deployment} alone"}))
    try:
        yield
    finally:
        client.delete_automation(made)


def gave_a_sign_of_life(standing: Standing, run: str) -> bool:
    of_the_run = {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": {"id": [f"prefect.flow-run.{run}"]}}
    return bool(standing.ask("POST", "/events/filter", {"filter": of_the_run})["events"])


def forget_its_ends(standing: Standing, deployment: str, since: timedelta) -> None:
    """Let the deployment have ended well that long ago, and not since."""
    for run in standing.runs_of(deployment, "COMPLETED", "FAILED", "CRASHED"):
        standing.ask("DELETE", f"/flow_runs/{run['id']}")
    with ledger_of(standing) as ledger, ledger.writing() as connection:
        now = ledger.now_in(connection)
        known = {"deployment": deployment, "ended_well_at": now - since, "looked_at": now}
        insert_or_replace(connection, DEPLOYMENT_ENDS, known)


def test_a_run_that_dies_with_its_worker_is_counted_as_crashed_and_told_once(
    standing: Standing, client: SyncPrefectClient, notices: list[str]
) -> None:
    port = urlsplit(standing.api).port
    assert port
    with counted_as_crashed_early(standing, client, CREDENTIAL_AGES), way_to(port, b"GET /api/variables/") as way:
        order = {"job_variables": {"env": {"PREFECT_API_URL": f"{way.url}/api"}}}
        path = f"/deployments/{standing.deployment(CREDENTIAL_AGES)['id']}/create_flow_run"
        run = standing.ask("POST", path, order)["id"]
        eventually(lambda: gave_a_sign_of_life(standing, run), within_s=180)
        worker = int((standing.home.path / f"prefect-worker-{WORK_POOL}.lock").read_text())

        # The worker first: it would say how the run ended. What is started in its place knows nothing of the run.
        os.kill(worker, signal.SIGKILL)
        os.kill(process_of(run), signal.SIGKILL)

        ended = eventually(lambda: crashed(standing, run), within_s=120)
        eventually(lambda: [one for one in notices if "credential-ages" in one])
    standing.ask("DELETE", f"/flow_runs/{run}")

    assert way.held.is_set()
    assert ended["state"]["message"].startswith("No sign of life for 15 seconds: its process was killed")
    [told] = [one for one in notices if "credential-ages" in one]
    assert told.startswith(f"/{TICKET}")
    assert "opsflows: credential-ages Crashed" in told
    assert "No sign of life for 15 seconds" in told


def test_what_goes_on_failing_is_told_again_when_the_second_channels_window_is_over_and_not_before(
    standing: Standing, notices: list[str]
) -> None:
    made: list[str] = []

    with runs(standing) as make:

        def failing() -> list[str]:
            # No failure of watch-runs starts another look, so that nothing but the second channel is at work here.
            made.append(make(WATCH_RUNS, "FAILED", "Hold", f"Failure {len(made)}."))
            found = [one for one in notices if "opsflows: watch-runs Hold" in one]
            return found if len(found) > 1 else []

        told = eventually(failing, within_s=90, every_s=1)
        at = {f"Failure {number}.": _failed_at(standing, run) for number, run in enumerate(made)}

    first, second = (next(at[words] for words in at if words in one) for one in told)
    assert first == at["Failure 0."]
    assert second - first >= _TOLD_AGAIN
    assert sum(first < one < second for one in at.values()) > 0


def test_a_schedule_that_stops_is_told_once_after_each_end_until_a_look_sees_a_good_one(
    standing: Standing, notices: list[str]
) -> None:
    key = "deployment:kms-smoke:silent"

    def said(times: int) -> list[str]:
        found = [one for one in notices if "kms-smoke does not run" in one]
        return found if len(found) >= times else []

    # A look that somebody else's failure started would see it before the server does.
    eventually(lambda: not standing.runs_of(WATCH_RUNS, "SCHEDULED", "PENDING", "RUNNING"), within_s=180)
    with switched_off(standing, KMS_SMOKE):
        forget_its_ends(standing, KMS_SMOKE, since=timedelta(hours=2))
        for ends in (1, 2):
            # The server waits from an end on. It is gone at once: the first channel is to remember the one two hours ago.
            with runs(standing) as make:
                make(KMS_SMOKE, "COMPLETED", "Completed")
            told = list(eventually(partial(said, ends), within_s=120))
        alert = eventually(lambda: alerts_of(standing).get(key), within_s=180)
        with runs(standing) as make, ledger_of(standing) as ledger, temporary_settings({PREFECT_API_URL: standing.api}):
            make(KMS_SMOKE, "COMPLETED", "Completed")
            watch_runs_now(ledger, {})
        left = alerts_of(standing)

    assert [one.split("{")[0] for one in told] == [f"/{PAGE}"] * 2
    assert "No run of kms-smoke has ended for 10 seconds." in told[0]
    assert "its schedule is switched off" in alert
    assert key not in left


def _failed_at(standing: Standing, run: str) -> datetime:
    return datetime.fromisoformat(standing.ask("GET", f"/flow_runs/{run}")["state"]["timestamp"])
