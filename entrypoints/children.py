"""One process of ours, for as long as a command needs it: its lock, its log, its end.

A process that was started in a home holds a lock there until it is gone, and the command that started it holds another one.
So whoever comes next can tell what runs from what a killed command left behind.
"""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from domain.errors import BadInput, Unavailable
from entrypoints import project

_OWNER = "prefect-server-owner"
_READY_SECONDS = 180
_STOP_SECONDS = 20
_LOOK_EVERY_SECONDS = 0.2


class StoppedEarly(Exception):
    """What was waited for is not wanted any more."""


@dataclass(slots=True)
class Child:
    """A process: what it is called, how it is started, and how to see that it serves."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    is_ready: Callable[[datetime], bool]
    # Ends at once what it started outside of its own group and left there.
    kill_what_it_left: Callable[[], None] = lambda: None
    _lock: TextIO | None = field(default=None)
    _process: "subprocess.Popen[bytes] | None" = field(default=None)
    _since: datetime = field(default=datetime.min.replace(tzinfo=UTC))
    # Of those that died and were started again: what they had started may live on in their groups.
    _earlier: list[int] = field(default_factory=list)

    def start(self) -> None:
        """Start it, its output in the home's logs; one of this name may run in a home.

        Raises:
            BadInput: one runs already.
        """
        if self._lock is None:
            self._lock = _taken(self.name)
        file = log_file(self.name)
        file.parent.mkdir(mode=0o700, exist_ok=True)
        self._since = datetime.now(UTC)
        if self._process is not None:
            self._earlier = [group for group in (*self._earlier, self._process.pid) if _lives(group)]
        with file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (a program of our own virtual environment)
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(self.environment), cwd=project.ROOT,
                # A group of its own, so that Ctrl-C reaches us alone and we stop the children in order; SIGINT as usual,
                # because Prefect turns SIGTERM into SIGINT, which a child of a background shell would ignore.
                pass_fds=(self._lock.fileno(),), start_new_session=True, preexec_fn=_reset_interrupt,  # noqa: PLW1509 (set before any thread is started)
            )  # fmt: skip
        self._lock.truncate(0)
        self._lock.write(f"{self._process.pid}\n")
        self._lock.flush()

    def wait_until_ready(self, is_wanted: Callable[[], bool] = lambda: True) -> None:
        """Return as soon as it serves.

        Raises:
            Unavailable: it ended, or took too long; its log says why.
            StoppedEarly: nobody wants it any more.
        """
        ends = time.monotonic() + _READY_SECONDS
        while time.monotonic() < ends and self.how_it_ended() is None:
            if not is_wanted():
                raise StoppedEarly
            if self.is_ready(self._since):
                return
            time.sleep(_LOOK_EVERY_SECONDS)
        ended = self.how_it_ended()
        raise Unavailable(
            f"{self.name} did not become ready.",
            f"It ended {ended}." if ended else "It took longer than three minutes to start.",
            f"Read {log_file(self.name)}; most often another program holds its port or its database.",
        )

    def how_it_ended(self) -> str | None:
        """Return in words how it ended, None while it runs."""
        code = None if self._process is None else self._process.poll()
        if code is None:
            return None
        if code >= 0:
            return f"with exit code {code}"
        name = signal.Signals(-code).name
        return f"by {name}" + (" (where nobody sent it, this machine ran out of memory)" if name == "SIGKILL" else "")

    def ask_to_stop(self) -> None:
        """Tell it to end, and do not wait for it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """End it, with what it started and did not stop; kill it where it takes longer than twenty seconds."""
        self.ask_to_stop()
        if self._process is not None:
            try:
                self._process.wait(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self.kill()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """End it at once, with all that is in its group, in the groups of those that it was started again for, and what it left."""
        if self._process is not None:
            _kill_group(self._process.pid)
        while self._earlier:
            _kill_group(self._earlier.pop())
        self.kill_what_it_left()


@contextmanager
def running(child: Child) -> Iterator[Child]:
    """Start it, and stop it at the end of the block."""
    try:
        child.start()
        yield child
    finally:
        child.stop()


@contextmanager
def sole_owner() -> Iterator[None]:
    """Be the one command that has this home's server.

    Raises:
        BadInput: another one has it.
    """
    with _taken(_OWNER):
        yield


def stop_left_over(names: Sequence[str]) -> list[str]:
    """Stop what a command that was killed left running, in this order, and return what that was.

    To be called by the home's sole owner: what still runs then has nobody who would stop it.
    """
    return [f"{name} (process {process})" for name in names if (process := _stop_left_over(name))]


def is_running(name: str) -> bool:
    lock = _lock_if_free(name)
    if lock is not None:
        lock.close()
    return lock is None


def log_file(name: str) -> Path:
    return project.home() / "logs" / f"{name}.log"


def _stop_left_over(name: str) -> int:
    """Return the process that was stopped, 0 where there was none."""
    if not is_running(name):
        return 0
    told = _lock_file(name).read_text().strip()
    if not told.isdigit():
        return 0
    process = int(told)
    # It may end in this very moment; or it ended, and what it had started holds the lock.
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGTERM)
    ends = time.monotonic() + _STOP_SECONDS
    while is_running(name) and time.monotonic() < ends:
        time.sleep(_LOOK_EVERY_SECONDS)
    _kill_group(process)
    return process


def _taken(name: str) -> TextIO:
    """Return the lock of that name, held until it is closed; handed to a child, until the last process that has it is gone."""
    lock = _lock_if_free(name)
    if lock is None:
        raise _already_running()
    # The number of the one before is nobody's now, or a stranger's.
    lock.truncate(0)
    return lock


def _lock_if_free(name: str) -> TextIO | None:
    lock = _lock_file(name).open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _lock_file(name: str) -> Path:
    return project.home() / f"{name}.lock"


def _already_running() -> BadInput:
    port = project.ports()["prefect"]
    return BadInput(
        f"A Prefect server of {project.home()} is running already, at http://127.0.0.1:{port}.",
        "Two servers would work on one database. Nothing was started.",
        "Use that one; or stop it with Ctrl-C where it was started.",
    )


def _reset_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _lives(group: int) -> bool:
    """Tell whether anything is left in it; the number of an empty one may become a stranger's."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _kill_group(process: int) -> None:
    try:
        os.killpg(process, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # Gone already; macOS says so of a group of which only the dead are left.
        return
