"""A vendor that counts by another clock is found by its hours; what was lost or has no rhythm is no shift."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock_shift import found_shift

DAYS = 31
# A working day's rhythm, in events per hour.
RHYTHM = (5, 4, 3, 3, 4, 8, 20, 60, 120, 150, 160, 155, 140, 150, 160, 150, 130, 90, 60, 40, 30, 20, 12, 8)


def rhythm(seed: int = 1) -> list[int]:
    chance = random.Random(seed)  # noqa: S311 (test data)
    return [round(events * chance.uniform(0.9, 1.1)) for _ in range(DAYS) for events in RHYTHM]


def moved(hours: list[int], by: int) -> list[int]:
    """Return the hours as a vendor has them who puts every event so many hours later; nothing lies beyond the ends."""
    return [hours[at - by] if 0 <= at - by < len(hours) else 0 for at in range(len(hours))]


def test_a_vendor_at_utc_minus_8_is_found() -> None:
    found = found_shift(rhythm(), moved(rhythm(), -8))

    assert found is not None
    assert found.hours == -8
    assert (
        found.words
        == "The vendor's hours are ours moved 8 h earlier: it counts in another time zone, or by another clock."
    )


@given(st.integers(-14, 14))
def test_every_time_zone_is_found_with_its_sign(hours: int) -> None:
    found = found_shift(rhythm(), moved(rhythm(), hours))

    assert (found.hours if found else 0) == hours


def test_a_vendor_in_berlin_is_found_over_the_end_of_summer_time() -> None:
    """In the last week of October Berlin is one hour ahead, before that two: most of the month decides."""
    zone, begin = ZoneInfo("Europe/Berlin"), datetime(2026, 10, 1, tzinfo=UTC)
    theirs = [0] * (DAYS * 24)
    for at, events in enumerate(rhythm()):
        local = (begin + timedelta(hours=at)).astimezone(zone).replace(tzinfo=UTC)
        to = (local - begin) // timedelta(hours=1)
        if to < len(theirs):
            theirs[to] += events

    found = found_shift(rhythm(), theirs)

    assert found is not None
    assert found.hours == 2


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 0.98, 1.0, 1.1])
def test_loss_and_duplication_in_every_hour_are_no_shift(share: float) -> None:
    assert found_shift(rhythm(), [round(events * share) for events in rhythm()]) is None


def test_an_outage_is_no_shift() -> None:
    theirs = rhythm()
    theirs[240:300] = [0] * 60

    assert found_shift(rhythm(), theirs) is None


def test_a_shift_is_found_beside_a_loss() -> None:
    found = found_shift(rhythm(), [round(events * 0.97) for events in moved(rhythm(), -8)])

    assert found is not None
    assert found.hours == -8


def test_volumes_without_rhythm_show_no_shift() -> None:
    assert found_shift([100] * 744, moved([100] * 744, -8)) is None


@pytest.mark.parametrize(("emitted", "received"), [([], []), ([0] * 744, [5] * 744), (rhythm()[:47], rhythm()[:47])])
def test_too_little_shows_no_shift(emitted: list[int], received: list[int]) -> None:
    assert found_shift(emitted, received) is None


@given(st.lists(st.integers(0, 50), min_size=48, max_size=100))
def test_hours_that_agree_show_no_shift(hours: list[int]) -> None:
    assert found_shift(hours, hours) is None
