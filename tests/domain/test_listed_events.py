"""Listed events are kept within their window and counted by the hour, whatever the window cuts."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.event_counts import Count, Fate, Listed
from domain.listed_events import hourly_counts, page_of
from domain.windows import HOUR, Month, Window

MONTH = Month(2026, 10).window
MICROSECOND = timedelta(microseconds=1)
TEN = datetime(2026, 10, 5, 10, tzinfo=UTC)
moments = st.integers(-86_400_000_000, 32 * 86_400_000_000).map(lambda micros: MONTH.start + micros * MICROSECOND)


def event(at: datetime, kind: str = "login", copies: int = 1, *, is_probe: bool = False) -> Listed:
    return Listed("e", at, kind, copies, is_probe)


def test_the_first_and_last_microsecond_of_a_month_are_in_it_and_its_neighbours_are_not() -> None:
    inside = [event(MONTH.start), event(MONTH.end - MICROSECOND)]
    outside = [event(MONTH.start - MICROSECOND), event(MONTH.end)]

    page = page_of([*inside, *outside], MONTH, "", by_ids=True)

    assert list(page.listed) == inside


def test_events_are_counted_by_hour_type_and_probe_with_their_copies() -> None:
    seen = [event(TEN), event(TEN + timedelta(minutes=59), copies=2), event(TEN, "logout"), event(TEN, is_probe=True)]

    counts = hourly_counts([*seen, event(TEN + HOUR)], MONTH)

    assert counts == (
        Count(TEN, HOUR, "login", Fate.ACCEPTED, 3),
        Count(TEN, HOUR, "login", Fate.ACCEPTED, 1, is_probe=True),
        Count(TEN, HOUR, "logout", Fate.ACCEPTED, 1),
        Count(TEN + HOUR, HOUR, "login", Fate.ACCEPTED, 1),
    )


def test_a_span_ends_where_the_window_does() -> None:
    window = Window(TEN + timedelta(minutes=15), TEN + timedelta(minutes=45))

    (count,) = hourly_counts([event(window.start)], window)

    assert (count.start, count.span) == (window.start, timedelta(minutes=30))


@given(st.lists(moments), st.lists(moments, max_size=5))
def test_adjoining_windows_count_every_event_once(at: list[datetime], cuts: list[datetime]) -> None:
    edges = sorted({MONTH.start, MONTH.end, *(cut for cut in cuts if MONTH.start < cut < MONTH.end)})
    events = [event(moment) for moment in at]

    counted = sum(
        count.events
        for start, end in pairwise(edges)
        for count in page_of(events, Window(start, end), "", by_ids=False).counts
    )

    assert counted == sum(MONTH.start <= moment < MONTH.end for moment in at)
