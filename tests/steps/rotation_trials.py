"""One life per point: its worker is killed or stopped there, time passes, another one leads it to its end, and it is judged."""

import signal
from datetime import timedelta

from domain.errors import OpsError
from domain.rotation import RotationRecord
from ledger.rotations import LEASE
from tests.steps.rotation_aftermath import faults, swept
from tests.steps.rotation_killing import BEFORE_COMMIT, Points, forked, stand_still
from tests.steps.rotation_lives import Course, Stage, live
from tests.steps.rotation_places import Place

_LEASE_OVER = LEASE + timedelta(seconds=1)


def points_of(place: Place, case: str, course: Course = Course.ROTATION) -> list[str]:
    """Lead a life that nothing disturbs; return the points that it passes.

    Raises:
        AssertionError: something does not hold at its end.
    """
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
        place.ledger.close()
        ended = forked(lambda: live(stage, "killed", Points(at))).ended()
        if ended not in {0, -signal.SIGKILL}:
            return [f"the child ended with {ended}"]
        return _led_to_its_end(stage)


def stopped_at(place: Place, case: str, at: int, point: str, course: Course = Course.ROTATION) -> list[str]:
    """Stop a worker at its `at`-th point, which is `point`, for longer than its lease; return what does not hold at the end.

    Every other time the second one has finished its work when the first goes on; else it has only taken it over.
    """
    with place.stage(case, course) as stage:
        place.ledger.close()
        points = Points(at, fate=stand_still)
        child = forked(lambda: _goes_on(stage, points))
        if not child.stopped():
            return [f"the child was over before its point {at}"]
        stage.move(_LEASE_OVER)
        if not _keeps_everybody_out(place, point):
            live(stage, "second", until=_at_once if at % 2 else _never)
        ended = child.go_on()
        if ended:
            return [f"the child ended with {ended}"]
        return _led_to_its_end(stage)


def _keeps_everybody_out(place: Place, point: str) -> bool:
    """SQLite has one writer, whoever it is: one that stands still in the middle of its write is waited for."""
    return point == BEFORE_COMMIT and place.ledger.engine.dialect.name == "sqlite"


def _at_once(record: RotationRecord) -> bool:
    return True


def _never(record: RotationRecord) -> bool:
    return False


def _led_to_its_end(stage: Stage) -> list[str]:
    stage.move(_LEASE_OVER)
    record = live(stage, "third")
    swept(stage)
    return faults(stage, record)


def _goes_on(stage: Stage, points: Points) -> None:
    """Live; whatever a worker that woke up too late is told ends its run, as it ends a flow's."""
    try:
        live(stage, "stopped", points)
    except OpsError:
        if not points.was_met:
            raise
