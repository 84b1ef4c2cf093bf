"""Workers that can be killed and stopped at every point at which something was just done, and go on as if no time had passed.

A worker is a greenlet: it runs until its fate catches up with it. A point lies behind every commit, every change outside and
every look outside; what lies between two points is arithmetic, and the check of the lease right before a change, which is
one with the change here (rotation.md, R5: no program can do better than that).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]  # it comes with SQLAlchemy, without types

from domain.errors import OpsError, OutcomeUnknown, Unavailable


class Point(Enum):
    """Where something was just done, or is about to be committed."""

    BEFORE_COMMIT = "before a commit"
    COMMITTED = "after a commit"
    INTENDED = "after the commit of an intent"
    LOOKED = "after a look outside"
    DONE = "after a change outside"


class End(Enum):
    """What becomes of a worker on its way."""

    NONE = "it finishes"
    KILLED = "killed"
    STOPPED = "stopped, to go on later"
    LEDGER_AWAY = "the ledger does not answer"
    COMMIT_LOST = "the connection breaks at a commit that was made"


@dataclass(frozen=True, slots=True)
class Fate:
    """Which end, after how many points at which it could have come; at points of one kind alone, where one is named."""

    end: End = End.NONE
    after: int = 0
    where: Point | None = None


FINISH = Fate()
_COMMITS = frozenset({Point.COMMITTED, Point.INTENDED})
_WHERE = {
    End.KILLED: frozenset(Point),
    # Stopped before a commit is stopped after what came before it.
    End.STOPPED: frozenset(Point) - {Point.BEFORE_COMMIT},
    End.LEDGER_AWAY: frozenset({Point.BEFORE_COMMIT}),
    End.COMMIT_LOST: _COMMITS,
}


class Killed(BaseException):
    """The process ends here. Not an Exception, so that nothing of ours outlives it."""


@dataclass(slots=True, eq=False)
class Worker:
    """One process. `began` is the event at its start, `looked` that of its last look at each place, `listed_at` the moment of
    its last listing. `rotation` is empty for a sweep."""

    name: str
    rotation: str
    began: int
    fate: Fate = FINISH
    looked: dict[str, int] = field(default_factory=dict)
    listed_at: datetime | None = None
    error: OpsError | None = None
    run: greenlet | None = None


@dataclass(slots=True)
class Crew:
    """The workers there are: at most one runs, any number is stopped."""

    current: Worker | None = None
    stopped: list[Worker] = field(default_factory=list)
    hired: int = 0

    def start(self, job: Callable[[Worker], object], rotation: str, began: int, fate: Fate = FINISH) -> Worker:
        """Let a new worker do the job, as far as its fate allows."""
        self.hired += 1
        worker = Worker(f"w{self.hired}", rotation, began)

        def work() -> None:
            try:
                job(worker)
            except OpsError as error:
                worker.error = error
            except Killed:
                pass

        worker.run = greenlet(work)
        self._go(worker, fate)
        return worker

    def go_on(self, worker: Worker, fate: Fate) -> None:
        """Let a stopped worker go on; it does not know that time has passed."""
        self.stopped.remove(worker)
        self._go(worker, fate)

    def point(self, point: Point) -> None:
        """Be at a point; whoever is no worker passes."""
        worker = self.current
        if worker is None or worker.fate.end is End.NONE:
            return
        end, where = worker.fate.end, worker.fate.where
        if point not in _WHERE[end] or where not in {None, point}:
            return
        if worker.fate.after:
            worker.fate = Fate(end, worker.fate.after - 1, where)
            return
        worker.fate = FINISH
        _meet(end, worker)

    def _go(self, worker: Worker, fate: Fate) -> None:
        assert worker.run is not None
        worker.fate, self.current = fate, worker
        try:
            worker.run.switch()
        finally:
            self.current = None
        if not worker.run.dead:
            self.stopped.append(worker)


def _meet(end: End, worker: Worker) -> None:
    if end is End.KILLED:
        raise Killed
    if end is End.STOPPED:
        assert worker.run is not None
        parent = getcurrent().parent
        assert parent is not None
        parent.switch()
        return
    if end is End.LEDGER_AWAY:
        raise Unavailable("The ledger does not answer.", "Nothing was written.", "Run again.", "ledger.unreachable")
    raise OutcomeUnknown("The connection broke.", "It may be there or not.", "Run again.", "ledger.commit_lost")
