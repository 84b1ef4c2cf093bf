"""A worker that stands still past its lease, at any point, and then goes on as if nothing had happened, does no lasting harm."""

from collections.abc import Iterator

import pytest

from tests.conftest import StandIns
from tests.steps.rotation_lives import Course
from tests.steps.rotation_places import Place, opened_place
from tests.steps.rotation_proving import Fate, Job, proved, tried
from tests.steps.rotation_trials import points_of

SHAPES = ("sentry-send", "datadog-send", "pagerduty-send", "splunk-send", "slack-send")
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
    *(Job(case, fate=Fate.STOPPED) for case in SHAPES),
    Job("sentry-send", Course.BACK_FROM_DISABLED, Fate.STOPPED),
    Job("datadog-send", Course.BACK_FROM_PUBLISHED, Fate.STOPPED),
)


@pytest.fixture(scope="module")
def place(served_stand_ins: StandIns) -> Iterator[Place]:
    with opened_place(served_stand_ins) as opened:
        yield opened
    served_stand_ins.control("POST", "/reset")


@pytest.fixture(scope="module")
def points(place: Place) -> dict[str, list[str]]:
    """The points of an undisturbed life, by strategy."""
    return {case: points_of(place, case) for case in SHAPES}


@pytest.mark.parametrize(("case", "point"), _LATE, ids=lambda text: text.replace(" ", "-"))
def test_a_worker_that_wakes_up_too_late_does_no_lasting_harm(
    place: Place, points: dict[str, list[str]], case: str, point: str
) -> None:
    # The last of its kind: by then there is most to be harmed.
    at = len(points[case]) - points[case][::-1].index(point)

    assert tried(place, Job(case, fate=Fate.STOPPED), at, points[case]) == []


@pytest.mark.prove
def test_every_shape_survives_a_stop_at_every_point() -> None:
    assert proved(_PROVEN) == []
