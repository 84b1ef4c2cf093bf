"""One life per point: its worker is killed or stopped there, time passes, another one leads it to its end, and it is judged."""

import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from domain.errors import OpsError
from domain.rotation import RotationRecord, State
from ledger.rotations import LEASE
from mocks.app import build
from mocks.serving import served_in_thread
from tests.conftest import StandIns
from tests.steps.rotation_aftermath import faults, swept
from tests.steps.rotation_consoles import CASES
from tests.steps.rotation_killing import Child, Points, forked
from tests.steps.rotation_lives import Course, Stage, driven, live, new_home, set_up

_LEASE_OVER = LEASE + timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where lives take place: the stand-ins, and an empty ledger to copy (SQLite) or a cluster to make one in."""

    stand_ins: StandIns
    made: Path

    @contextmanager
    def stage(self, case: str, course: Course = Course.ROTATION) -> Iterator[Stage]:
        with new_home(self.made) as (home, url):
            stage = Stage(self.stand_ins, home, url, CASES[case], course)
            set_up(stage)
            yield stage


def points_of(place: Place, case: str, course: Course = Course.ROTATION) -> list[str]:
    """Lead a life that nothing disturbs; return the points that it passes, and assert that all holds at its end."""
    points = Points()
    with place.stage(case, course) as stage:
        record = live(stage, "undisturbed", points)
        swept(stage)
        found = faults(stage, record)
    assert not found, f"{case}, {course.value}, undisturbed: {found}"
    return points.passed


def killed_at(place: Place, case: str, at: int, course: Course = Course.ROTATION) -> list[str]:
    """Kill a worker at its `at`-th point; return what does not hold once another one has finished its work."""
    with place.stage(case, course) as stage:
        ended = forked(lambda: live(stage, "killed", Points(at))).ended()
        if ended not in {0, -signal.SIGKILL}:
            return [f"the child ended with {ended}"]
        stage.move(_LEASE_OVER)
        record = live(stage, "second")
        swept(stage)
        return faults(stage, record)
