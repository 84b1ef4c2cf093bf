"""Old runs go from Prefect's database with their logs and artifacts, so that it does not grow for ever; young ones stay."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from entrypoints.project import _free_port, _settings
from tests.program import eventually

# Prefect takes none of an hour or less.
RETENTION_S = 3601


@dataclass(frozen=True, slots=True)
class Server:
    """A server, and the file that it keeps everything in."""

    api: str
    database: Path

    def age(self, run: str, ended_at: datetime) -> None:
        """Let the run have ended then; the API takes no such moment."""
        with closing(sqlite3.connect(self.database, timeout=60)) as connection, connection:
            told = (ended_at.strftime("%Y-%m-%d %H:%M:%S.%f"), run)
            assert connection.execute("UPDATE flow_run SET end_time = ? WHERE id = ?", told).rowcount == 1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server as `opsflows up` sets it up, but for how long it keeps runs and how often it cleans up."""
    folder = tmp_path_factory.mktemp("cleaning")
    (folder / "prefect").mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "OPSFLOWS_"))}
    told = {
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(RETENTION_S),
        "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "5",
    }
    port = str(_free_port())
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("prefect")), "server", "start", "--host", "127.0.0.1", "--port", port],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**kept, **_settings(folder, folder / "key"), **told},
        )  # fmt: skip
    api = f"http://127.0.0.1:{port}/api"
    try:
        eventually(lambda: _is_up(api), within_s=400)
        yield Server(api, folder / "prefect" / "prefect.db")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_up(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def asked(api: str, path: str, json: object) -> Any:
    """Return the answer's JSON. A 503 is asked again: SQLite was being written to by someone else."""

    def answered() -> httpx.Response | None:
        answer = httpx.post(f"{api}{path}", json=json, trust_env=False, timeout=60)
        return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

    answer = eventually(answered, every_s=1)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def a_run(api: str, flow: str, at: datetime) -> str:
    """Record a run that ended now, with a line of log of that moment and an artifact."""
    run = str(asked(api, "/flow_runs/", {"flow_id": flow})["id"])
    asked(api, f"/flow_runs/{run}/set_state", {"state": {"type": "COMPLETED", "name": "Completed"}, "force": True})
    line = {"name": "n", "level": 20, "message": "m", "timestamp": at.isoformat(), "flow_run_id": run}
    asked(api, "/logs/", [line])
    asked(api, "/artifacts/", {"key": "report", "type": "markdown", "data": "# Report", "flow_run_id": run})
    return run


def left_of(api: str, run: str) -> tuple[int, int, int]:
    """Return how many runs, lines of log and artifacts of it are there."""
    one = {"any_": [run]}
    return (
        len(asked(api, "/flow_runs/filter", {"flow_runs": {"id": one}})),
        len(asked(api, "/logs/filter", {"logs": {"flow_run_id": one}})),
        len(asked(api, "/artifacts/filter", {"artifacts": {"flow_run_id": one}})),
    )


@pytest.mark.prove
def test_an_old_run_goes_with_its_logs_and_artifacts_and_a_young_one_stays(server: Server) -> None:
    api, now = server.api, datetime.now(UTC)
    flow = asked(api, "/flows/", {"name": "sweep"})["id"]
    old, young = a_run(api, flow, now), a_run(api, flow, now)

    before = left_of(api, old)
    server.age(old, now - timedelta(hours=3))
    eventually(lambda: left_of(api, old) == (0, 0, 0), within_s=180, every_s=1)

    assert before == left_of(api, young) == (1, 1, 1)
