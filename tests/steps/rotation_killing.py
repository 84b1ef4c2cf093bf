"""A rotation's worker as a process of its own, forked after the imports, that is killed or stopped at a chosen point.

A point lies before a ledger write begins, before its commit and after it; before and after each request to a vendor; and
before and after each write of a value. What happened before a point is durable or at the vendor, what comes after never is.
"""

import gc
import mmap
import os
import signal
import struct
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from domain.exchanges import Exchange
from domain.names import Credential
from domain.values import StoredValue
from ledger.opening import Ledger
from steps.value_store import ValueStore
from vendors.sinks import Sink

BEFORE_COMMIT = "before a commit"
# A child that hangs is ended by the kernel, and the test says so.
_LIMIT_S = 60


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stand_still() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


@dataclass(slots=True)
class Points:
    """The points that one worker passes. At the `at`-th, counted from one, or at the first called `named`, it meets its fate."""

    at: int = 0
    named: str = ""
    fate: Callable[[], object] = die
    passed: list[str] = field(default_factory=list)
    was_met: bool = False

    def reach(self, name: str) -> None:
        self.passed.append(name)
        if not self.was_met and (len(self.passed) == self.at or name == self.named):
            self.was_met = True
            self.fate()

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        self.reach(f"before {what}")
        yield
        self.reach(f"after {what}")

    def before_request(self, system: str, verb: str) -> None:
        self.reach(f"before {verb} of {system}")

    def after_request(self, exchange: Exchange) -> None:
        self.reach(f"after {exchange.verb} of {exchange.system}")


class SharedOffset:
    """How far the clock of everybody was moved; forked processes see one another's moves."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    @property
    def offset(self) -> timedelta:
        return timedelta(seconds=struct.unpack("d", self._memory[:8])[0])

    def move(self, to: timedelta) -> None:
        self._memory[:8] = struct.pack("d", to.total_seconds())


class PointedLedger(Ledger):
    """The real ledger, whose time is everybody's, with a point before each write, before its commit and after it."""

    def __init__(self, ledger: Ledger, clock: SharedOffset, points: Points) -> None:
        # A frozen record: its fields are set as its own initialiser sets them.
        for name, value in (("engine", ledger.engine), ("id", ledger.id), ("_clock", clock), ("_points", points)):
            object.__setattr__(self, name, value)

    @property
    def offset(self) -> timedelta:
        clock: SharedOffset = object.__getattribute__(self, "_clock")
        return clock.offset

    @contextmanager
    def _pointed(self) -> Iterator[Connection]:
        points: Points = object.__getattribute__(self, "_points")
        points.reach("before a ledger write")
        with Ledger.writing(self) as connection:
            yield connection
            points.reach(BEFORE_COMMIT)
        points.reach("after a commit")

    def writing(self) -> Any:
        return self._pointed()


@dataclass(frozen=True, slots=True)
class PointedStore:
    """A real store; `note` is told what the projection serves from now on, and every value that was kept."""

    kept: ValueStore
    points: Points
    note: Callable[[str, str], None]

    def keep(self, name: str, stored: StoredValue) -> None:
        with self.points.around("keeping a value"):
            self.kept.keep(name, stored)
            self.note("document", stored.value)

    def read(self, name: str) -> StoredValue | None:
        return self.kept.read(name)

    def drop(self, name: str) -> None:
        with self.points.around("dropping a value"):
            self.kept.drop(name)

    def names(self, credential: Credential) -> list[str]:
        return self.kept.names(credential)

    def project(self, credential: Credential, value: str) -> None:
        with self.points.around("projecting a value"):
            self.kept.project(credential, value)
            self.note("projection", value)

    def projected(self, credential: Credential) -> str:
        return self.kept.projected(credential)


@dataclass(frozen=True, slots=True)
class PointedSink:
    """A real sink; `note` is told what it serves from now on."""

    name: str
    sink: Sink
    points: Points
    note: Callable[[str, str], None]

    @property
    def keeps_previous(self) -> bool:
        return self.sink.keeps_previous

    def publish(self, value: str, previous: str = "") -> None:
        with self.points.around(f"publishing to {self.name}"):
            self.sink.publish(value, previous)
            self.note(self.name, value)
            self.note(f"{self.name} previous", previous)

    def serves(self, value: str, previous: str = "") -> bool | None:
        return self.sink.serves(value, previous)


@dataclass(slots=True)
class Child:
    """One forked worker."""

    pid: int

    def ended(self) -> int:
        """Wait for its end; return its exit code, or the signal's number below zero."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def stopped(self) -> bool:
        """Wait until it stands still or is over; say whether it stands still."""
        return os.WIFSTOPPED(os.waitpid(self.pid, os.WUNTRACED)[1])

    def go_on(self) -> int:
        """Let a stopped one go on as if no time had passed; return how it ended."""
        os.kill(self.pid, signal.SIGCONT)
        return self.ended()


def forked(job: Callable[[], object]) -> Child:
    """Start the job in a fork of this process; it has this process's modules, and none of its threads."""
    with warnings.catch_warnings():
        # Python 3.12 warns where there are threads. Ours serves the stand-ins and waits while nobody asks them anything.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        return Child(pid)
    code = 1
    try:
        gc.disable()  # a collection would write to every page that the fork shares
        signal.alarm(_LIMIT_S)
        job()
        code = 0
    finally:
        # The child ends here, whatever it was: pytest's own code must not run in it.
        if code:
            traceback.print_exc()
        os._exit(code)
