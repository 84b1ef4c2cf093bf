"""Every point of many lives, on two cores: each job has a process, stand-ins and a ledger of its own."""

import gc
import multiprocessing
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import Enum

from domain.errors import OpsError
from tests.steps.rotation_lives import Course
from tests.steps.rotation_places import Place, database_in, place_of_its_own
from tests.steps.rotation_trials import killed_at, points_of, stopped_at

_CORES = 2
_FORKS = multiprocessing.get_context("forkserver")


class Fate(Enum):
    KILLED = "killed"
    STOPPED = "stopped"


# Every point of everything takes longer than CI has. There every 15th point is taken, and every 30th of what differs in
# database or fate alone, other ones for each strategy; `make prove` on a machine of one's own takes them all.
_IN_CI = bool(os.environ.get("CI"))
DENSE, SPARSE = (15, 30) if _IN_CI else (1, 1)


@dataclass(frozen=True, slots=True)
class Job:
    """One strategy and course, at every `every`-th point; `server` is a PostgreSQL cluster's URL, empty for SQLite."""

    case: str
    course: Course = Course.ROTATION
    fate: Fate = Fate.KILLED
    server: str = ""
    every: int = 1


def proved(jobs: Iterable[Job]) -> list[str]:
    """Carry out the jobs and return what did not hold, each with its point."""
    _FORKS.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(_CORES, mp_context=_FORKS) as pool:
        return [line for lines in pool.map(_lines, jobs) for line in lines]


def tried(place: Place, job: Job, at: int, points: list[str]) -> list[str]:
    """Return what does not hold after the job's fate at that point, counted from one."""
    if job.fate is Fate.KILLED:
        found = killed_at(place, job.case, at, job.course)
    else:
        found = stopped_at(place, job.case, at, points[at - 1], job.course)
    told = f"{job.case}, {job.course.value}, {job.fate.value} at {at}, {points[at - 1]}"
    return [f"{told}: {fault}" for fault in found]


def _lines(job: Job) -> list[str]:
    gc.freeze()  # what was imported is not looked through again and again
    with place_of_its_own(database_in(job.server) if job.server else "") as place:
        try:
            points = points_of(place, job.case, job.course)
        except AssertionError as error:
            return [str(error)]
        first = 1 + sum(job.case.encode()) % job.every
        return [line for at in range(first, len(points) + 1, job.every) for line in _judged(place, job, at, points)]


def _judged(place: Place, job: Job, at: int, points: list[str]) -> list[str]:
    try:
        return tried(place, job, at, points)
    except (AssertionError, OpsError, OSError, LookupError, ValueError) as error:  # one point must not hide the others
        return [
            f"{job.case}, {job.course.value}, {job.fate.value} at {at}, {points[at - 1]}: {type(error).__name__} {error}"
        ]
