"""Counts are kept per window: a more complete collection takes the place of an earlier one, and a gap stays a gap."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import BadInput
from domain.event_counts import Count, Fate
from domain.windows import DAY, HOUR, Month, Window, day_window
from ledger.chain import checkpoint
from ledger.collected_counts import KeptCounts, keep_counts, kept_counts
from ledger.opening import Ledger

OCTOBER = Month(2026, 10)
FIRST = day_window(date(2026, 10, 1))
SECOND = day_window(date(2026, 10, 2))


def counted(start: datetime, events: int, fate: Fate = Fate.ACCEPTED, reason: str = "") -> Count:
    return Count(start, HOUR, "alert", fate, events, reason)


def keep(ledger: Ledger, window: Window, *counts: Count, target: str = "slack", section: str = "s1") -> bool:
    return keep_counts(ledger, "run-1", "prod", target, window, section, counts)


def kept(ledger: Ledger, window: Window, target: str = "slack", section: str = "s1") -> KeptCounts:
    return kept_counts(ledger, "prod", target, window, section)


def test_what_is_kept_is_given_back_as_it_was(ledger: Ledger) -> None:
    counts = (
        counted(FIRST.start, 7),
        Count(FIRST.start + HOUR, timedelta(seconds=0.5), "", Fate.FILTERED, 0, 'of "them", naïve', is_probe=True),
    )

    keep(ledger, FIRST, *counts)

    assert kept(ledger, FIRST) == KeptCounts(counts, (FIRST,))


def test_a_later_collection_of_the_same_day_takes_the_place_of_the_earlier(ledger: Ledger) -> None:
    keep(ledger, FIRST, counted(FIRST.start, 7))

    keep(ledger, FIRST, counted(FIRST.start, 9))

    assert kept(ledger, FIRST).counts == (counted(FIRST.start, 9),)


def test_the_same_counts_again_leave_no_entry(ledger: Ledger) -> None:
    keep(ledger, FIRST, counted(FIRST.start, 7))
    keep(ledger, FIRST, counted(FIRST.start, 7))

    assert checkpoint(ledger).seq == 1
    assert kept(ledger, FIRST).counts == (counted(FIRST.start, 7),)


def test_a_whole_day_takes_the_place_of_its_parts(ledger: Ledger) -> None:
    noon = FIRST.start + timedelta(hours=12)
    keep(ledger, Window(FIRST.start, noon), counted(FIRST.start, 3))
    keep(ledger, Window(noon, FIRST.end), counted(noon, 4))

    keep(ledger, FIRST, counted(FIRST.start, 3), counted(noon, 5))

    assert kept(ledger, FIRST) == KeptCounts((counted(FIRST.start, 3), counted(noon, 5)), (FIRST,))


def test_a_part_of_a_day_that_is_kept_whole_changes_nothing(ledger: Ledger) -> None:
    keep(ledger, FIRST, counted(FIRST.start, 7))

    taken = keep(ledger, Window(FIRST.start, FIRST.start + HOUR), counted(FIRST.start, 1))

    assert not taken
    assert kept(ledger, FIRST) == KeptCounts((counted(FIRST.start, 7),), (FIRST,))


def test_a_window_that_crosses_a_kept_one_is_refused(ledger: Ledger) -> None:
    keep(ledger, FIRST, counted(FIRST.start, 7))

    with pytest.raises(BadInput, match="cross those kept from 2026-10-01 00:00 to 2026-10-02 00:00 UTC"):
        keep(ledger, Window(FIRST.start + HOUR, SECOND.end), counted(SECOND.start, 1))

    assert kept(ledger, OCTOBER.window).windows_held == (FIRST,)


def test_a_day_that_was_never_collected_is_missing_and_one_of_zero_is_not(ledger: Ledger) -> None:
    third = day_window(date(2026, 10, 3))
    keep(ledger, FIRST)
    keep(ledger, third, counted(third.start, 2))
    asked = Window(FIRST.start, third.end)

    found = kept(ledger, asked)

    assert found.windows_held == (FIRST, third)
    assert found.days_missing(asked) == (date(2026, 10, 2),)


def test_a_day_collected_in_part_is_missing(ledger: Ledger) -> None:
    keep(ledger, Window(FIRST.start, FIRST.end - HOUR), counted(FIRST.start, 2))

    assert kept(ledger, FIRST).days_missing(FIRST) == (date(2026, 10, 1),)


def test_a_day_collected_by_the_hour_is_whole(ledger: Ledger) -> None:
    for hour in range(24):
        start = FIRST.start + hour * HOUR
        keep(ledger, Window(start, start + HOUR), counted(start, hour))

    found = kept(ledger, FIRST)

    assert found.days_missing(FIRST) == ()
    assert [count.events for count in found.counts] == list(range(24))


def test_what_lies_outside_of_the_window_is_left_out(ledger: Ledger) -> None:
    longer = Window(FIRST.start - DAY, FIRST.end)
    keep(ledger, longer, counted(FIRST.start - HOUR, 5), counted(FIRST.start, 7), counted(FIRST.end - HOUR, 9))

    found = kept(ledger, FIRST)

    assert [count.events for count in found.counts] == [7, 9]
    assert found.windows_held == (FIRST,)


@pytest.mark.parametrize("asked", [{"target": "sentry"}, {"section": "s2"}], ids=["another target", "another section"])
def test_counts_of_one_question_are_not_those_of_another(ledger: Ledger, asked: dict[str, str]) -> None:
    keep(ledger, FIRST, counted(FIRST.start, 7))

    assert kept(ledger, FIRST, **asked) == KeptCounts((), ())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans=st.lists(st.tuples(st.integers(0, 71), st.integers(1, 30)), max_size=12), section=st.uuids())
def test_no_event_is_ever_kept_twice(ledger: Ledger, spans: list[tuple[int, int]], section: object) -> None:
    start = datetime(2026, 10, 1, tzinfo=UTC)

    for first, hours in spans:
        window = Window(start + first * HOUR, start + (first + hours) * HOUR)
        counts = [counted(window.start + hour * HOUR, 1) for hour in range(hours)]
        try:
            keep(ledger, window, *counts, section=str(section))
        except BadInput:
            continue

    found = kept(ledger, OCTOBER.window, section=str(section))
    starts = [count.start for count in found.counts]
    assert len(starts) == len(set(starts))
    assert len(starts) * HOUR == sum((one.span for one in found.windows_held), timedelta(0))
