"""What `opsflows up` and `opsflows demo` start: Prefect's server and workers, the stand-ins; and how to see that each serves.

One home has one server at a time, since two would work on one database.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from entrypoints import project
from entrypoints.children import Child, is_running, running, sole_owner
from entrypoints.flow_processes import kill_flow_processes

SERVER = "prefect-server"
STAND_INS = "stand-ins"
BOARD = "board"
_SCHEDULING = ("PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED", "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED")
# The same at each start, so that Prefect's page of workers does not fill up with those of earlier days.
_WORKER_NAME = "opsflows-up"


def worker_name(pool: str) -> str:
    """Return what the process that works for the pool is called here."""
    return f"prefect-worker-{pool}"


def server_child(*, services: bool) -> tuple[Child, str]:
    """Return the server at its recorded port (another where that is taken), and the URL of its API.

    Without `services` nothing is scheduled and no run becomes late: enough to run one flow and keep its history.
    """
    port = _port("prefect")
    url = f"http://127.0.0.1:{port}/api"
    environment = {**os.environ, "PREFECT_UI_API_URL": url, "PREFECT_SERVER_API_HOST": "127.0.0.1"}
    environment.pop("PREFECT_API_URL", None)
    if not services:
        # Not --no-services: that would leave out the recorder of task runs too, and the run's history would be empty.
        environment |= dict.fromkeys(_SCHEDULING, "false")
    command = (
        sys.executable,
        "-m",
        "entrypoints.prefect_server",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    )
    return Child(SERVER, command, environment, lambda _: _answers(f"{url}/health")), url


def worker_child(pool: str) -> Child:
    """Return a worker of the pool; PREFECT_API_URL must be set."""
    command = (_program("prefect"), "worker", "start", "--pool", pool, "--type", "process", "--name", _WORKER_NAME)
    return Child(
        worker_name(pool), command, dict(os.environ), lambda since: _has_polled(pool, since), kill_flow_processes
    )


def stand_ins_child() -> tuple[Child, str]:
    """Return the stand-ins whose state is in this home, and their address, the same as before where it is free."""
    port = _port("stand_ins")
    state = project.home() / project.STAND_INS_STATE
    command = (sys.executable, "-m", "mocks", "--port", str(port), "--state", str(state))
    url = f"http://127.0.0.1:{port}"
    return Child(STAND_INS, command, dict(os.environ), lambda _: _answers(f"{url}/_control/addresses")), url


def board_child() -> tuple[Child, str]:
    """Return the wiring board and its address; PREFECT_API_URL must be set."""
    port = _port("board")
    command = (_program("opsflows"), "board", "--host", "127.0.0.1", "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    return Child(BOARD, command, dict(os.environ), lambda _: _answers(f"{url}/health")), url


@contextmanager
def prefect_server(*, services: bool) -> Iterator[str]:
    """Start the Prefect server and give its API's URL.

    Raises:
        BadInput: this home has a server already.
        Unavailable: it did not become ready; its log says why.
    """
    with sole_owner():
        child, url = server_child(services=services)
        with running(child):
            child.wait_until_ready()
            os.environ["PREFECT_API_URL"] = url
            yield url


@contextmanager
def own_server() -> Iterator[str]:
    """Give the API's URL of this home's running server; where there is none, of one that is started for this block.

    Raises:
        Unavailable: it did not become ready; its log says why.
    """
    if not is_running(SERVER):
        with prefect_server(services=False) as url:
            yield url
        return
    url = f"http://127.0.0.1:{project.ports()['prefect']}/api"
    os.environ["PREFECT_API_URL"] = url
    yield url


@contextmanager
def own_stand_ins() -> Iterator[str]:
    """Give the address of this home's running stand-ins; where none run, of the same ones, started for this block.

    They are never others: what this home's generated, and what was rotated at them since, is in the blocks of the rehearsal.

    Raises:
        Unavailable: they did not become ready; their log says why.
    """
    if is_running(STAND_INS):
        yield f"http://127.0.0.1:{project.ports()['stand_ins']}"
        return
    child, url = stand_ins_child()
    with running(child):
        child.wait_until_ready()
        yield url


def _program(name: str) -> str:
    """Return where a program of this virtual environment is."""
    return str(Path(sys.executable).with_name(name))


def _port(name: str) -> int:
    port = project.ports()[name]
    return project.move_port(name) if project.is_listening(port) else port


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=2) as answer:  # noqa: S310 (our own loopback address)
            return bool(answer.status == 200)  # noqa: PLR2004 (OK)
    except (URLError, OSError):
        return False


def _has_polled(pool: str, since: datetime) -> bool:
    """Say whether the server has heard of our worker of this pool since then; one of an earlier start does not count."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415 (Prefect reads its settings when it is imported)

    with get_client(sync_client=True) as client:
        rows = client.request(
            "POST", "/work_pools/{work_pool_name}/workers/filter", json={}, path_params={"work_pool_name": pool}
        ).json()
    return any(
        row["name"] == _WORKER_NAME
        and datetime.fromisoformat(row["last_heartbeat_time"] or "0001-01-01T00:00:00+00:00") >= since
        for row in rows
    )
