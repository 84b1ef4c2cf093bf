"""The stand-ins as a process of their own, started for as long as someone needs them; nothing of ours imports them."""

import fcntl
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Unavailable

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Running:
    """A started set of stand-ins; `https` and `ca_file` are None without TLS."""

    url: str
    https_url: str | None
    ca_file: str | None


@contextmanager
def started_stand_ins(port: int = 0, state: Path | None = None) -> Iterator[Running]:
    """Start the stand-ins and stop them at the end.

    Raises:
        Unavailable: they did not start.
    """
    command = [sys.executable, "-m", "mocks", "--port", str(port), *(["--state", str(state)] if state else [])]
    process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
        command, stdout=subprocess.PIPE, text=True, cwd=_ROOT, start_new_session=True
    )
    try:
        yield _ready(process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


@contextmanager
def kept_stand_ins(state: Path) -> Iterator[Running]:
    """Start the stand-ins whose state is in this file, at the address where they were before, and stop them at the end.

    One process at a time has them; another one waits here until it is stopped, since two would write one file. What they
    handed out may hold their address; where another program has taken the port since, they get a new one.

    Raises:
        Unavailable: they did not start.
    """
    file = state.with_suffix(".port")
    with file.open("a+") as port:
        try:
            fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(
                f"Another run has the stand-ins of {state.name}.",
                "Two processes would write one state. Nothing was started.",
                "Nothing: the next run has them.",
                "stand_ins.busy",
            ) from None
        port.seek(0)
        before = port.read().strip()
        with started_stand_ins(int(before) if before.isdigit() and _is_free(int(before)) else 0, state) as running:
            port.truncate(0)
            port.write(running.url.rpartition(":")[2])
            port.flush()
            yield running


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _ready(process: "subprocess.Popen[str]") -> Running:
    line = process.stdout.readline() if process.stdout else ""
    try:
        ports = json.loads(line)
    except ValueError:
        raise Unavailable(
            "The stand-ins did not start.",
            "Their process ended without naming its ports.",
            "Run opsflows mocks by itself and read what it prints.",
        ) from None
    https = f"https://localhost:{ports['https']}" if ports.get("https") else None
    return Running(f"http://127.0.0.1:{ports['http']}", https, ports.get("ca_file"))
