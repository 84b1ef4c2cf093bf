"""Daily for 14 days after go-live, weekly from then on."""

from datetime import UTC, date, datetime, timedelta

import pytest

from domain.cadence import Cadence, cadence_at, verification_due

LIVE = date(2026, 11, 1)
MIDNIGHT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (MIDNIGHT - timedelta(microseconds=1), Cadence.NOT_LIVE),
        (MIDNIGHT, Cadence.DAILY),
        (MIDNIGHT + timedelta(days=14) - timedelta(microseconds=1), Cadence.DAILY),
        (MIDNIGHT + timedelta(days=14), Cadence.WEEKLY),
    ],
)
def test_the_cadence_changes_at_go_live_and_fourteen_days_later(now: datetime, expected: Cadence) -> None:
    assert cadence_at(LIVE, now) is expected


def test_an_environment_without_a_go_live_is_never_due() -> None:
    assert not verification_due(None, None, MIDNIGHT).is_due


def test_an_environment_never_verified_is_due_from_go_live_on() -> None:
    assert verification_due(LIVE, None, MIDNIGHT + timedelta(minutes=1)).is_due


def test_a_daily_tick_that_comes_an_hour_early_does_not_skip_the_day() -> None:
    last = MIDNIGHT + timedelta(days=2, hours=6)

    assert verification_due(LIVE, last, last + timedelta(hours=23)).is_due
    assert not verification_due(LIVE, last, last + timedelta(hours=12)).is_due


def test_after_two_weeks_a_day_is_not_enough_and_a_week_is() -> None:
    last = MIDNIGHT + timedelta(days=20)

    assert not verification_due(LIVE, last, last + timedelta(days=1)).is_due
    assert verification_due(LIVE, last, last + timedelta(days=7)).is_due
