"""What a vendor has at another moment is moved to where it happened; days stay whole, and what cannot be moved is told."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadInput
from domain.event_counts import Count, Fate, Listed, Page
from domain.vendor_clock import at_vendor, moved_back, really_at, unclear_hours, vendor_windows
from domain.windows import DAY, HOUR, Month, day_window

AHEAD = "Etc/GMT-8"
BERLIN = "Europe/Berlin"
NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
OCTOBER = Month(2026, 10).window
ZONES = ["UTC", AHEAD, "Etc/GMT+8", "Asia/Kolkata", BERLIN, "America/Havana", "America/Santiago", "Pacific/Kiritimati"]


def test_a_vendor_ahead_of_utc_has_events_earlier() -> None:
    assert at_vendor(NOON, ZoneInfo(AHEAD)) == NOON - 8 * HOUR
    assert really_at(NOON - 8 * HOUR, ZoneInfo(AHEAD)) == NOON


@given(
    seconds=st.integers(0, 3 * 365 * 86_400),
    zone=st.sampled_from([name for name in ZONES if "/" in name and name.startswith("Etc")]),
)
def test_where_clocks_are_never_set_every_moment_comes_back(seconds: int, zone: str) -> None:
    moment = OCTOBER.start + timedelta(seconds=seconds)

    assert really_at(at_vendor(moment, ZoneInfo(zone)), ZoneInfo(zone)) == moment


@given(seconds=st.integers(0, 3 * 365 * 86_400), name=st.sampled_from(ZONES))
def test_whatever_the_zone_an_event_comes_back_to_its_day_and_is_asked_for_with_it(seconds: int, name: str) -> None:
    moment = OCTOBER.start + timedelta(seconds=seconds)
    zone, day = ZoneInfo(name), moment.date()

    there = at_vendor(moment, zone)

    [asked] = vendor_windows(day_window(day), name)
    assert asked.start <= there < asked.end
    assert really_at(there, zone).date() == day


@pytest.mark.parametrize("name", ZONES[1:])
@pytest.mark.parametrize("month", [Month(2026, 3), Month(2026, 9), Month(2026, 10), Month(2026, 11)])
def test_a_window_is_asked_for_day_by_day_without_a_gap(name: str, month: Month) -> None:
    parts = vendor_windows(month.window, name)

    assert len(parts) == len(list(month.window.days()))
    assert [one.end for one in parts[:-1]] == [one.start for one in parts[1:]]


def test_in_utc_a_window_is_asked_for_as_it_is() -> None:
    assert vendor_windows(OCTOBER, "UTC") == [OCTOBER]


def test_counts_and_events_are_moved_back() -> None:
    there = NOON - 8 * HOUR
    page = Page((Count(there, HOUR, "a", Fate.ACCEPTED, 3),), (Listed("e-1", there, "a"),), "next")

    moved = moved_back(page, AHEAD, "splunk")

    assert (moved.counts[0].start, moved.listed[0].at, moved.cursor) == (NOON, NOON, "next")
    assert moved_back(page, "UTC", "splunk") is page


def test_a_count_of_a_day_cannot_be_moved_and_says_so() -> None:
    page = Page((Count(NOON, DAY, "a", Fate.ACCEPTED, 3),))

    with pytest.raises(BadInput, match="sentry counts by the day, and its time_zone is Etc/GMT-8"):
        moved_back(page, AHEAD, "sentry")


def test_a_day_on_which_nothing_was_counted_can_be_moved() -> None:
    page = Page((Count(NOON - 20 * HOUR, DAY, "", Fate.ACCEPTED, 0),))

    assert moved_back(page, AHEAD, "splunk").counts[0].start == datetime(2026, 10, 5, tzinfo=UTC)


def test_hours_that_a_clock_shows_twice_or_never_are_named() -> None:
    assert list(unclear_hours(OCTOBER, BERLIN)) == ["25 October 02:00 to 03:00, which its clock shows twice"]
    assert list(unclear_hours(Month(2026, 3).window, BERLIN)) == [
        "29 March 02:00 to 03:00, which its clock shows never"
    ]
    assert list(unclear_hours(day_window(date(2026, 10, 24)), BERLIN)) == []
    assert list(unclear_hours(OCTOBER, AHEAD)) == list(unclear_hours(OCTOBER, "UTC")) == []
