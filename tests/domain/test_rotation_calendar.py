"""Due moments are spread over days, and always the same for one credential; what comes next has a name."""

from datetime import UTC, date, datetime, timedelta

import pytest

from domain.manifests import Manifest, Mint
from domain.names import Credential, Purpose, Target
from domain.policies import Policy
from domain.rotation_calendar import (
    LOOKS_AHEAD,
    DueMoment,
    Life,
    Next,
    SinkVersion,
    by_week,
    due_moments,
    fullest_day,
    next_of,
    sink_version,
)

INSTALLED = datetime(2026, 1, 1, tzinfo=UTC)
A_YEAR_LATER = INSTALLED + LOOKS_AHEAD
KIND = Manifest(Mint.BY_VENDOR, "name", listable=True)
LIVES = [
    Life(Credential(Target("datadog", f"team{n}"), "prod", Purpose.SEND), INSTALLED, Policy(), KIND) for n in range(50)
]
LIFE = LIVES[0]


def test_fifty_credentials_installed_on_one_day_fall_due_on_several() -> None:
    first = [DueMoment(life.due, life.credential) for life in LIVES]
    later = [moment for life in LIVES for moment in list(due_moments(life, INSTALLED, A_YEAR_LATER))[1:]]

    # A week to spread over is a fifth of them a day at most; each round spreads those of the one before once more.
    assert (fullest_day(first) or (None, 0))[1] <= len(LIVES) / 5
    assert (fullest_day(later) or (None, 0))[1] <= len(LIVES) / 8
    assert first == [DueMoment(life.due, life.credential) for life in LIVES]


def test_a_credential_falls_due_again_as_long_after_as_its_policy_says() -> None:
    moments = list(due_moments(LIFE, INSTALLED, A_YEAR_LATER))

    period = LIFE.due - INSTALLED
    assert [one.at for one in moments] == [INSTALLED + period * times for times in range(1, 5)]
    assert LIFE.policy.max_age - timedelta(days=11) < period < LIFE.policy.max_age


def test_what_is_late_counts_as_now_and_the_next_round_begins_there() -> None:
    now = LIFE.due + timedelta(days=30)

    first, second, *_ = due_moments(LIFE, now, now + LOOKS_AHEAD)

    assert (first.at, second.at - first.at) == (now, LIFE.due - INSTALLED)


def test_times_that_leave_no_room_come_once_a_day() -> None:
    cramped = Life(LIFE.credential, INSTALLED, Policy(max_age=timedelta(days=2)), KIND)

    moments = list(due_moments(cramped, INSTALLED, INSTALLED + timedelta(days=3)))

    assert [one.at.day for one in moments] == [1, 2, 3]


@pytest.mark.parametrize(
    ("after", "comes"),
    [(timedelta(seconds=-1), Next.SCHEDULED), (timedelta(0), Next.DUE), (timedelta(days=1, seconds=1), Next.OVERDUE)],
)
def test_a_due_moment_that_a_daily_tick_did_not_take_is_overdue(after: timedelta, comes: Next) -> None:
    assert next_of(LIFE, LIFE.due + after) is comes


def test_weeks_begin_on_monday_and_empty_ones_are_left_out() -> None:
    days = (date(2026, 3, 8), date(2026, 3, 2), date(2026, 3, 16))
    moments = [DueMoment(datetime(day.year, day.month, day.day, tzinfo=UTC), LIFE.credential) for day in days]

    weeks = by_week(moments)

    assert [(week.monday.day, len(week.moments)) for week in weeks] == [(2, 2), (16, 1)]
    assert weeks[0].moments[0].at.day == 2
    assert (by_week([]), fullest_day([])) == ([], None)


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ("", SinkVersion.NOT_SEEN),
        ("v2", SinkVersion.CURRENT),
        ("v2 (sent, not confirmed)", SinkVersion.UNCONFIRMED),
        ("v1", SinkVersion.PREVIOUS),
        ("v1 (sent, not confirmed)", SinkVersion.PREVIOUS),
        ("v3", SinkVersion.COMING),
    ],
)
def test_a_sink_has_the_version_that_was_recorded_last(told: str, version: SinkVersion) -> None:
    assert sink_version(told, current="v2", coming="v3") is version
