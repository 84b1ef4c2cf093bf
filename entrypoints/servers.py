"""Starts Prefect's server and worker as child processes, waits until they are ready, stops them in the right order.

One home has one server at a time, since two would work on one database: the server holds a lock for as long as it lives.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from urllib.error import URLError
from urllib.request import urlopen

from domain.errors import BadInput, Unavailable
from entrypoints import project

_READY_SECONDS = 180
_STOP_SECONDS = 20
_SCHEDULING = ("PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED", "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED")


@contextmanager
def prefect_server(*, services: bool) -> Iterator[str]:
    """Start the Prefect server on its recorded port (another where that is taken) and give its API's URL.

    Without `services` nothing is scheduled and no run becomes late: enough to run one flow and keep its history.

    Raises:
        BadInput: this home has a server already.
        Unavailable: it did not become ready; its log says why.
    """
    with _locked() as lock:
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
        with _child("prefect-server", command, environment, keeps=(lock.fileno(),)) as process:
            lock.write(f"{process.pid}\n")
            lock.flush()
            _wait_until_ready(process, f"{url}/health")
            os.environ["PREFECT_API_URL"] = url
            yield url


@contextmanager
def own_server() -> Iterator[str]:
    """Give the API's URL of this home's running server; where there is none, of one that is started for this block.

    Raises:
        Unavailable: it did not become ready; its log says why.
    """
    if not _is_running():
        with prefect_server(services=False) as url:
            yield url
        return
    url = f"http://127.0.0.1:{project.ports()['prefect']}/api"
    os.environ["PREFECT_API_URL"] = url
    yield url


@contextmanager
def prefect_worker(pool: str) -> Iterator[None]:
    """Start a worker of the pool; it is stopped before the server, or it would wait for the server for ever."""
    command = ["prefect", "worker", "start", "--pool", pool, "--type", "process"]
    with _child(f"prefect-worker-{pool}", command, dict(os.environ)):
        yield


def log_file(name: str) -> Path:
    return project.home() / "logs" / f"{name}.log"


@contextmanager
def _child(
    name: str, command: list[str], environment: dict[str, str], keeps: tuple[int, ...] = ()
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run one of the virtual environment's own programs, its output in .opsflows/logs, until the end of the block."""
    file = log_file(name)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    program = str(Path(sys.executable).with_name(command[0]))
    with file.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 (a program of our own virtual environment)
            [program, *command[1:]], stdout=log, stderr=log, env=environment, cwd=project.ROOT,
            # A group of its own, so that Ctrl-C reaches us alone and we stop the children in order; SIGINT as usual,
            # because Prefect turns SIGTERM into SIGINT, which a child of a background shell would ignore.
            pass_fds=keeps, start_new_session=True, preexec_fn=_reset_interrupt,  # noqa: PLW1509 (set before any thread is started)
        )  # fmt: skip
        try:
            yield process
        finally:
            _stop(process)


@contextmanager
def _locked() -> Iterator[TextIO]:
    """Hold the home's server lock; handed to the server, it is released when the last process that has it is gone."""
    with _lock_file().open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _already_running() from None
        lock.truncate(0)
        yield lock


def _is_running() -> bool:
    with _lock_file().open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _already_running() -> BadInput:
    port = project.ports()["prefect"]
    process = _lock_file().read_text().strip()
    return BadInput(
        f"A Prefect server of {project.home()} is running already, at http://127.0.0.1:{port}.",
        "Two servers would work on one database. Nothing was started.",
        f"Use that one; or stop it with Ctrl-C where it was started{f', or with kill {process}' if process else ''}.",
    )


def _lock_file() -> Path:
    return project.home() / "prefect-server.lock"


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
