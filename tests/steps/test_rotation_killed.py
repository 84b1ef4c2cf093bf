"""kill -9 of a rotation's worker at any point: whoever comes next ends with one live credential of ours, and nothing left over.

`make test` takes a sample, the same every time; `make prove` every point of every strategy.
"""

import os
from collections.abc import Iterator

import pytest

from tests.conftest import StandIns
from tests.ledger import postgres
from tests.steps.rotation_consoles import CASES
from tests.steps.rotation_lives import Course
from tests.steps.rotation_places import Place, opened_place
from tests.steps.rotation_proving import Job, database_in, proved
from tests.steps.rotation_trials import killed_at, points_of

# One for each way in which a vendor lets its credentials be rotated: with a switch, without one, without one and without
# a last use, with a value that we choose, by hand.
SHAPES = ("sentry-send", "datadog-send", "pagerduty-send", "splunk-send", "slack-send")
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


@pytest.fixture(scope="module")
def place(served_stand_ins: StandIns) -> Iterator[Place]:
    with opened_place(served_stand_ins) as opened:
        yield opened
    served_stand_ins.control("POST", "/reset")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL cluster of this module's; without PostgreSQL's programs a skip, under CI a failure."""
    missing = postgres.why_missing()
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{missing}; CI must have them")
    if missing:
        pytest.skip(missing)
    with postgres.cluster() as url:
        yield url


@pytest.fixture(scope="module")
def place_in_postgresql(served_stand_ins: StandIns, server: str) -> Iterator[Place]:
    with opened_place(served_stand_ins, database_in(server)) as opened:
        yield opened
    served_stand_ins.control("POST", "/reset")


@pytest.mark.parametrize("case", CASES)
def test_a_rotation_killed_at_any_point_converges(place: Place, case: str) -> None:
    number = list(CASES).index(case)

    found = [fault for at in _some_points(number, 2) for fault in killed_at(place, case, at)]

    assert found == []


@pytest.mark.parametrize("case", SHAPES)
def test_a_rotation_killed_at_any_point_converges_on_postgresql(place_in_postgresql: Place, case: str) -> None:
    number = SHAPES.index(case)

    found = [fault for at in _some_points(number + 7, 1) for fault in killed_at(place_in_postgresql, case, at)]

    assert found == []


@pytest.mark.parametrize(("case", "course"), COURSES, ids=lambda part: getattr(part, "name", part))
def test_a_rollback_or_an_emergency_killed_at_any_point_converges(place: Place, case: str, course: Course) -> None:
    number = COURSES.index((case, course))

    found = [fault for at in _some_points(number + 3, 2) for fault in killed_at(place, case, at, course)]

    assert found == []


def test_a_life_passes_a_point_at_every_write_and_request(place: Place) -> None:
    passed = set(points_of(place, "sentry-send"))

    assert {"before a ledger write", "before a commit", "after a commit"} <= passed
    assert {"before create_client_key of sentry", "after create_client_key of sentry"} <= passed
    assert {"before disable_client_key of sentry", "after delete_client_key of sentry"} <= passed
    assert {"before keeping a value", "after projecting a value", "before publishing to env"} <= passed
    assert {"before dropping a value", "after dropping a value"} <= passed


@pytest.mark.prove
def test_every_strategy_survives_a_kill_at_every_point() -> None:
    assert proved(Job(case) for case in CASES) == []


@pytest.mark.prove
def test_every_shape_survives_a_kill_at_every_point_on_postgresql(server: str) -> None:
    assert proved(Job(case, server=server) for case in SHAPES) == []


@pytest.mark.prove
def test_rollbacks_and_emergencies_survive_a_kill_at_every_point() -> None:
    assert proved(Job(case, course) for case, course in COURSES) == []


def _some_points(number: int, count: int) -> list[int]:
    """Return points that differ from strategy to strategy and are the same every time."""
    return sorted(1 + (number * 11 + turn * 31) % _FEWEST for turn in range(count))
