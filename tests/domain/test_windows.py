"""Months and days are half-open in UTC: no moment is in two of them, and none in none."""

from datetime import MAXYEAR, UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadInput
from domain.windows import DAY, HOUR, Month, Window, day_window

BERLIN = ZoneInfo("Europe/Berlin")
MICROSECOND = timedelta(microseconds=1)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]  # year to microsecond, as far as they are given


moments = st.timedeltas(timedelta(0), at(MAXYEAR - 1, 12, 31) - at(1970, 2, 1)).map(
    lambda after: at(1970, 2, 1) + after
)


def holds(window: Window, moment: datetime) -> bool:
    return window.start <= moment < window.end


def test_a_month_begins_with_its_first_moment_and_ends_before_the_next_ones() -> None:
    window = Month(2026, 10).window

    assert window == Window(at(2026, 10, 1), at(2026, 11, 1))
    assert holds(window, at(2026, 10, 1))
    assert not holds(window, at(2026, 9, 30, 23, 59, 59, 999999))


def test_the_last_microsecond_of_a_month_is_in_it_and_in_no_other() -> None:
    last = Month(2026, 10).next.window.start - MICROSECOND

    assert [holds(month.window, last) for month in (Month(2026, 9), Month(2026, 10), Month(2026, 11))] == [
        False,
        True,
        False,
    ]
    assert Month.of(last) == Month(2026, 10)
    assert Month.of(last + MICROSECOND) == Month(2026, 11)


@given(moments)
def test_every_moment_is_in_the_month_it_is_of_and_in_neither_neighbour(moment: datetime) -> None:
    month = Month.of(moment)

    assert holds(month.window, moment)
    assert not holds(month.next.window, moment)
    assert month.previous.next == month


@given(moments)
def test_a_months_days_follow_one_another_from_edge_to_edge(moment: datetime) -> None:
    window = Month.of(moment).window

    days = [day_window(day) for day in window.days()]

    assert (days[0].start, days[-1].end) == (window.start, window.end)
    assert all(before.end == after.start for before, after in pairwise(days))


@pytest.mark.parametrize(
    ("month", "days"),
    [
        (Month(2024, 2), 29),
        (Month(2026, 2), 28),
        (Month(2000, 2), 29),
        (Month(2100, 2), 28),
        (Month(2026, 12), 31),
        (Month(2026, 4), 30),
    ],
)
def test_a_month_has_the_days_of_the_calendar(month: Month, days: int) -> None:
    assert len(list(month.window.days())) == days
    assert month.window.span == days * DAY


def test_the_29th_of_february_is_a_day_of_its_month() -> None:
    assert list(Month(2024, 2).window.days())[-1] == date(2024, 2, 29)
    assert holds(Month(2024, 2).window, at(2024, 2, 29, 23, 59, 59, 999999))


def test_a_month_in_which_a_clock_goes_back_has_no_hour_more() -> None:
    """October 2026 has 745 hours in Berlin; in UTC it has 744, and local moments fall where UTC puts them."""
    window = Month(2026, 10).window

    assert window.span == 31 * DAY
    assert Month.of(datetime(2026, 10, 1, 1, 30, tzinfo=BERLIN)) == Month(2026, 9)
    assert Month.of(datetime(2026, 11, 1, 0, 30, tzinfo=BERLIN)) == Month(2026, 10)
    first, second = (datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1))
    assert second.astimezone(UTC) - first.astimezone(UTC) == HOUR
    assert holds(day_window(date(2026, 10, 25)), second)


def test_december_is_followed_by_january_and_january_follows_it() -> None:
    assert Month(2026, 12).next == Month(2027, 1)
    assert Month(2027, 1).previous == Month(2026, 12)


@given(moments)
def test_a_months_name_is_read_back(moment: datetime) -> None:
    month = Month.of(moment)

    assert Month.parse(str(month)) == month


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-1", "2026-00", "2026-13", "26-10", "2026-10-01", " 2026-10", "2026-10\n", "1969-12", "9999-12", "October"]
)  # fmt: skip
def test_what_names_no_month_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput, match="is not a month") as refusal:
        Month.parse(text)

    assert refusal.value.next_step == "Write it like 2026-10."


@given(moments, st.integers(2, 10**7))
def test_halves_adjoin_and_are_the_whole(start: datetime, seconds: int) -> None:
    window = Window(start, start + timedelta(seconds=seconds))

    first, second = window.halves()

    assert (first.start, first.end, second.end) == (window.start, second.start, window.end)
    assert first.span % timedelta(seconds=1) == timedelta(0)
    assert first.start < first.end < second.end


def test_a_window_touches_every_day_that_it_has_a_moment_of() -> None:
    window = Window(at(2026, 10, 1, 23, 59, 59), at(2026, 10, 3) + MICROSECOND)

    assert list(window.days()) == [date(2026, 10, 1), date(2026, 10, 2), date(2026, 10, 3)]
    assert list(Window(window.start, at(2026, 10, 3)).days()) == [date(2026, 10, 1), date(2026, 10, 2)]


@given(moments, st.integers(0, 100), st.integers(1, 100), st.integers(1, 100))
def test_an_overlap_is_what_both_have_in_common(start: datetime, later: int, first: int, second: int) -> None:
    one = Window(start, start + first * HOUR)
    other = Window(start + later * HOUR, start + (later + second) * HOUR)

    common = one.overlap(other)

    assert common == other.overlap(one)
    assert (common is None) == (later >= first)
    assert common is None or common == Window(other.start, min(one.end, other.end))
