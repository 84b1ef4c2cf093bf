"""kill -9 of a rotation's worker at any point: whoever comes next ends with one live credential of ours, and nothing left over.

`make test` takes a sample, the same every time; `make prove` every point of every strategy.
"""

import pytest

from tests.steps.rotation_consoles import CASES, SHAPES
from tests.steps.rotation_lives import Course
from tests.steps.rotation_places import Place
from tests.steps.rotation_proving import DENSE, SPARSE, Job, proved
from tests.steps.rotation_trials import killed_at, points_of

COURSES = (
    ("sentry-send", Course.BACK_FROM_PUBLISHED),
    ("sentry-send", Course.BACK_FROM_DISABLED),
    ("datadog-send", Course.BACK_FROM_PUBLISHED),
    ("sentry-send", Course.CONTAINED),
    ("pagerduty-send", Course.CONTAINED),
    ("datadog-send", Course.CONTAINED),
)
# No strategy passes fewer points.
_FEWEST = 60


@pytest.mark.parametrize("case", CASES)
def test_a_rotation_killed_at_any_point_converges(sqlite_place: Place, case: str) -> None:
    at = _some_point(list(CASES).index(case))

    assert killed_at(sqlite_place, case, at) == []


@pytest.mark.parametrize("case", SHAPES[:2])
def test_a_rotation_killed_at_any_point_converges_on_postgresql(postgresql_place: Place, case: str) -> None:
    at = _some_point(SHAPES.index(case) + 7)

    assert killed_at(postgresql_place, case, at) == []


@pytest.mark.parametrize(("case", "course"), COURSES, ids=lambda part: getattr(part, "name", part))
def test_a_rollback_or_an_emergency_killed_at_any_point_converges(
    sqlite_place: Place, case: str, course: Course
) -> None:
    at = _some_point(COURSES.index((case, course)) + 3)

    assert killed_at(sqlite_place, case, at, course) == []


def test_a_life_passes_a_point_at_every_write_and_request(sqlite_place: Place) -> None:
    passed = set(points_of(sqlite_place, "sentry-send"))

    assert {"before a ledger write", "before a commit", "after a commit"} <= passed
    assert {"before create_client_key of sentry", "after create_client_key of sentry"} <= passed
    assert {"before disable_client_key of sentry", "after delete_client_key of sentry"} <= passed
    assert {"before keeping a value", "after projecting a value", "before publishing to env"} <= passed
    assert {"before dropping a value", "after dropping a value"} <= passed


@pytest.mark.prove
def test_every_strategy_survives_a_kill_at_every_point() -> None:
    assert proved(Job(case, every=DENSE) for case in CASES) == []


@pytest.mark.prove
def test_every_shape_survives_a_kill_at_every_point_on_postgresql(postgresql: str) -> None:
    assert proved(Job(case, server=postgresql, every=SPARSE) for case in SHAPES) == []


@pytest.mark.prove
def test_rollbacks_and_emergencies_survive_a_kill_at_every_point() -> None:
    assert proved(Job(case, course, every=DENSE) for case, course in COURSES) == []


def _some_point(number: int) -> int:
    """Return a point that differs from strategy to strategy and is the same every time."""
    return 1 + number * 11 % _FEWEST
