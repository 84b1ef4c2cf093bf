"""A worker that stands still past its lease, at any point, and then goes on as if nothing had happened, does no lasting harm."""

from datetime import timedelta

import pytest

from ledger.rotations import LEASE
from tests.steps.rotation_aftermath import faults, swept
from tests.steps.rotation_consoles import SHAPES
from tests.steps.rotation_killing import BEFORE_COMMIT, Points, forked, stand_still
from tests.steps.rotation_lives import Course, live
from tests.steps.rotation_places import Place
from tests.steps.rotation_proving import SPARSE, Fate, Job, proved, tried
from tests.steps.rotation_trials import points_of

# Where a late request or write does most: what it makes, shows or deletes is no longer what the ledger says.
_LATE = (
    ("splunk-send", "before create of splunk"),
    ("splunk-send", "after create of splunk"),
    ("sentry-send", "before create_client_key of sentry"),
    ("sentry-send", "before keeping a value"),
    ("sentry-send", "before publishing to env"),
    ("sentry-send", "before disable_client_key of sentry"),
    ("sentry-send", "before delete_client_key of sentry"),
    ("slack-send", "before projecting a value"),
    ("slack-send", "before a commit"),
    ("pagerduty-send", "before revoke of pagerduty"),
    ("datadog-send", "after a commit"),
)
_PROVEN = (
    *(Job(case, fate=Fate.STOPPED, every=SPARSE) for case in SHAPES),
    Job("sentry-send", Course.BACK_FROM_DISABLED, Fate.STOPPED, every=SPARSE),
    Job("datadog-send", Course.BACK_FROM_PUBLISHED, Fate.STOPPED, every=SPARSE),
)


@pytest.fixture(scope="module")
def points(sqlite_place: Place) -> dict[str, list[str]]:
    """The points of an undisturbed life, by strategy."""
    return {case: points_of(sqlite_place, case) for case in SHAPES}


@pytest.mark.parametrize(("case", "point"), _LATE, ids=lambda text: text.replace(" ", "-"))
def test_a_worker_that_wakes_up_too_late_does_no_lasting_harm(
    sqlite_place: Place, points: dict[str, list[str]], case: str, point: str
) -> None:
    # The last of its kind: by then there is most to be harmed.
    at = len(points[case]) - points[case][::-1].index(point)

    assert tried(sqlite_place, Job(case, fate=Fate.STOPPED), at, points[case]) == []


def test_a_worker_that_stands_still_in_the_middle_of_a_write_is_taken_over_on_postgresql(
    postgresql_place: Place,
) -> None:
    points = points_of(postgresql_place, "splunk-send")
    at = [number for number, name in enumerate(points, 1) if name == BEFORE_COMMIT][12]

    assert tried(postgresql_place, Job("splunk-send", fate=Fate.STOPPED), at, points) == []


def test_a_rollback_that_is_ordered_twice_at_once_happens_once(sqlite_place: Place) -> None:
    # Stopped after it looked and before it took the rotation; in between the other order was carried out.
    job = Job("datadog-send", Course.BACK_FROM_PUBLISHED, Fate.STOPPED)

    assert tried(sqlite_place, job, 1, ["before a ledger write"]) == []


def test_what_a_worker_publishes_after_its_rotation_was_rolled_back_is_put_right(sqlite_place: Place) -> None:
    with sqlite_place.stage("sentry-send") as stage:
        points = Points(named="before publishing to env", fate=stand_still)
        sqlite_place.ledger.close()
        child = forked(lambda: live(stage, "stopped", points))
        assert child.stopped()
        stage.course = Course.BACK_FROM_PUBLISHED
        stage.move(LEASE + timedelta(seconds=1))
        record = live(stage, "second")

        assert child.go_on() == 0
        late = stage.sink.serves(stage.first[stage.variable])
        swept(stage)

        assert not late
        assert faults(stage, record) == []


@pytest.mark.prove
def test_every_shape_survives_a_stop_at_every_point() -> None:
    assert proved(_PROVEN) == []
