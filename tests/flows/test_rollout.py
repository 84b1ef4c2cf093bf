"""A value goes into a Kubernetes secret and its readers are restarted in a run, and nobody who looks on sees the value."""

import logging
import secrets
import subprocess
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import Log
from prefect.runtime import flow_run
from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL

from domain.errors import BadInput, NotYet, OpsError, Rejected
from tasks.rollout import rollout
from tests.conftest import StandIns
from tests.leaks.finding import forms
from tests.leaks.places import left_in
from tests.leaks.watching import watched_processes
from tests.program import eventually, needs_proc, program
from tests.vendors.clusters import KEY, Yard, yard_in

CANARY = f"c4nary-{secrets.token_hex(12)}"
_SHORT = timedelta(seconds=1)


@task(persist_result=False, cache_policy=NO_CACHE)
def _publish(yard: Yard) -> None:
    """Write in a task, as a rotation does; the restart is a task inside it."""
    yard.sink("web", restart=partial(rollout, within=timedelta(seconds=20))).write({KEY: CANARY})


@flow(persist_result=False)
def _publish_and_restart(yard: Yard) -> tuple[str, list[OpsError]]:
    """Publish, and then let restarts fail in every way that kubectl tells with words of the server's."""
    _publish(yard)
    failures = []
    echo = f'{{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "x is forbidden: {CANARY}", "reason": "Forbidden"}}'
    yard.break_with(method="PATCH", status=403, body=echo, headers={"content-type": "application/json"})
    for outcome, name in (("done", "worker"), ("fails", "worker"), ("hangs", "batch"), ("done", "gone")):
        yard.act("set_rollout", outcome=outcome, seconds=0)
        with pytest.raises(OpsError) as failed:
            rollout(yard.cluster, (name,), f"opsflows-{outcome}", within=_SHORT)
        failures.append(failed.value)
    return str(flow_run.get_id()), failures


@needs_proc
def test_a_value_is_published_and_its_readers_restarted_unseen(
    prefect: None,
    stand_ins: StandIns,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    program("kubectl")
    monkeypatch.setenv("HOME", str(tmp_path))
    yard = yard_in(stand_ins, tmp_path)
    caplog.set_level(logging.DEBUG, logger="prefect")

    with watched_processes() as seen:
        run_id, failures = _publish_and_restart(yard)
        logs = eventually(lambda: _all_logs_of(run_id))

    assert yard.pods_read("web")[KEY] == CANARY
    assert [(type(failure), failure.symptom) for failure in failures] == [
        (Rejected, "kubernetes.forbidden"),
        (Rejected, "kubernetes.rollout_failed"),
        (NotYet, "kubernetes.rolling_out"),
        (BadInput, "kubernetes.deployment"),
    ]
    assert all(seen.command_with("kubectl", *words) for words in (("apply", "--server-side"), ("rollout", "restart"), ("rollout", "status")))  # fmt: skip
    assert any("rollout.complete" in row.message for row in logs)
    told = [seen.everything, caplog.text.encode(), *(row.message.encode() for row in logs)]
    told += [str(failure).encode() for failure in failures]
    assert [blob for blob in told if _holds_the_value(blob)] == []
    database = Path(PREFECT_SERVER_DATABASE_CONNECTION_URL.value().partition("///")[2])
    assert [where for where, blob in left_in(database.parent) if _holds_the_value(blob)] == []
    assert [where for where, blob in left_in(tmp_path) if _holds_the_value(blob)] == []


@needs_proc
def test_who_looks_on_would_see_a_value_in_an_argument_or_in_the_environment() -> None:
    with watched_processes() as seen:
        subprocess.run(
            ["sh", "-c", "sleep 0.1; true", "an-argument"], check=True, env={"A": "a-variable", "PATH": "/bin:/usr/bin"}
        )

    assert seen.command_with("sh", "an-argument")
    assert b"a-variable" in seen.everything


def _holds_the_value(blob: bytes) -> bool:
    return any(spelling in blob for spelling in forms(CANARY).values())


def _all_logs_of(run_id: str) -> list[Log]:
    """Return what the run logged, nothing before its last line has arrived."""
    with get_client(sync_client=True) as client:
        rows = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id])), limit=200)
    return rows if any(row.message.startswith("Finished") and not row.task_run_id for row in rows) else []
