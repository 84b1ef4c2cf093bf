"""Starts Prefect's server and worker as child processes, waits until they are ready, stops them in the right order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from domain.errors import Unavailable
from entrypoints import project

_READY_SECONDS = 180
_STOP_SECONDS = 20
_SCHEDULING = ("PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED", "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED")


@contextmanager
def prefect_server(*, services: bool) -> Iterator[str]:
    """Start the Prefect server on its recorded port (another where that is taken) and give its API's URL.

    Without `services` nothing is scheduled and no run becomes late: enough to run one flow and keep its history.

    Raises:
        Unavailable: it did not become ready; its log says why.
    """
    port = project.ports()["prefect"]
    if project.is_listening(port):
        port = project.move_port("prefect")
    url = f"http://127.0.0.1:{port}/api"
    environment = {**os.environ, "PREFECT_UI_API_URL": url, "PREFECT_SERVER_API_HOST": "127.0.0.1"}
    environment.pop("PREFECT_API_URL", None)
    if not services:
        # Not --no-services: that would leave out the recorder of task runs too, and the run's history would be empty.
        environment |= dict.fromkeys(_SCHEDULING, "false")
    command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with _child("prefect-server", command, environment) as process:
        _wait_until_ready(process, f"{url}/health")
        os.environ["PREFECT_API_URL"] = url
        yield url


@contextmanager
def prefect_worker(pool: str) -> Iterator[None]:
    """Start a worker of the pool; it is stopped before the server, or it would wait for the server for ever."""
    command = ["prefect", "worker", "start", "--pool", pool, "--type", "process"]
    with _child("prefect-worker", command, dict(os.environ)):
        yield


def log_file(name: str) -> Path:
    return project.home() / "logs" / f"{name}.log"


@contextmanager
def _child(name: str, command: list[str], environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Run one of the virtual environment's own programs, its output in .opsflows/logs, until the end of the block."""
    file = log_file(name)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    program = str(Path(sys.executable).with_name(command[0]))
    with file.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 (a program of our own virtual environment)
            [program, *command[1:]], stdout=log, stderr=log, env=environment, cwd=project.ROOT,
            # A group of its own, so that Ctrl-C reaches us alone and we stop the children in order; SIGINT as usual,
            # because Prefect turns SIGTERM into SIGINT, which a child of a background shell would ignore.
            start_new_session=True, preexec_fn=_reset_interrupt,  # noqa: PLW1509 (set before any thread is started)
        )  # fmt: skip
        try:
            yield process
        finally:
            _stop(process)


def _reset_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    try:
        os.killpg(process.pid, signal.SIGKILL)  # what it started and did not stop
    except ProcessLookupError:
        return


def _wait_until_ready(process: "subprocess.Popen[bytes]", health: str) -> None:
    ends = time.monotonic() + _READY_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urlopen(health, timeout=2) as answer:  # noqa: S310 (our own loopback address)
                if answer.status == 200:  # noqa: PLR2004 (OK)
                    return
        except (URLError, OSError):
            time.sleep(0.2)
    raise Unavailable(
        "The Prefect server did not become ready.",
        "It ended, or took longer than three minutes to start.",
        f"Read {log_file('prefect-server')}; most often another program holds its database.",
    )
