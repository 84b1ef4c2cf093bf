"""Asking a vendor: whole or not at all, each event once, halves where a window holds too much."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import OpsError, Rejected, Unavailable
from domain.event_counts import Clock as CountedBy
from domain.event_counts import Listed, Page, Unit
from domain.windows import Month, Window
from steps.clock import Clock
from steps.probing import Pace
from steps.receiving import Line, ask, stream
from vendors.counting import Counting

OCTOBER = Month(2026, 10).window
QUICK = Pace(first_wait=timedelta(0), first_poll=timedelta(0), longest_wait=timedelta(0))


@dataclass(slots=True)
class Vendor:
    """Lists `events` in pages of `size`, and no more than `cap` of a window."""

    events: list[datetime]
    size: int = 10
    cap: int = 1000
    fails: list[OpsError] = field(default_factory=list)
    asked: list[Window] = field(default_factory=list)

    def page(self, window: Window, cursor: str) -> Page:
        self.asked.append(window)
        if self.fails:
            raise self.fails.pop(0)
        found = sorted(at for at in self.events if window.start <= at < window.end)
        if len(found) > self.cap:
            return Page(is_capped=True)
        begin = int(cursor or 0)
        rows = found[begin : begin + self.size]
        more = str(begin + self.size) if begin + self.size < len(found) else ""
        return Page(listed=tuple(Listed(at.isoformat(), at, "") for at in rows), cursor=more)

    def close(self) -> None:
        return


def _line(vendor: Vendor, longest: timedelta = timedelta(days=400)) -> Line:
    counting = Counting(
        "vendor", lambda *_: vendor, "events", Unit.EVENTS, CountedBy.EVENT, lists_ids=True, type_fields="",
        reporting_lag=timedelta(0), retention=None, longest=longest,
    )  # fmt: skip
    return Line(vendor, counting, QUICK, Clock(sleep=lambda _: None))


@given(
    seconds=st.lists(st.integers(0, 31 * 86_400 - 1), max_size=60, unique=True),
    size=st.integers(1, 7), cap=st.integers(1, 20), days=st.integers(1, 40),
)  # fmt: skip
def test_every_event_is_listed_once_however_the_vendor_pages_and_caps(
    seconds: list[int], size: int, cap: int, days: int
) -> None:
    events = [OCTOBER.start + timedelta(seconds=second) for second in seconds]
    vendor = Vendor(events, size, cap)

    answers = ask(_line(vendor, timedelta(days=days)), OCTOBER)

    assert sorted(one.at for one in answers.listed) == sorted(events)


def test_a_window_longer_than_the_vendor_takes_is_asked_in_parts() -> None:
    vendor = Vendor([])

    ask(_line(vendor, timedelta(days=7)), OCTOBER)

    assert [one.span for one in vendor.asked] == [timedelta(days=7)] * 4 + [timedelta(days=3)]
    assert vendor.asked[0].start == OCTOBER.start
    assert vendor.asked[-1].end == OCTOBER.end


def test_more_in_one_second_than_the_vendor_shows_is_an_error_and_no_number() -> None:
    at = datetime(2026, 10, 5, 7, 30, tzinfo=UTC)
    vendor = Vendor([at + timedelta(microseconds=n) for n in range(5)], cap=4)

    with pytest.raises(Rejected, match="holds more between 2026-10-05 07:30:00 and 07:30:01 UTC than it shows"):
        ask(_line(vendor), OCTOBER)


def test_a_page_that_was_unavailable_is_asked_for_again() -> None:
    limited = Unavailable("Limited.", "Nothing was read.", "Wait.", retry_after=timedelta(seconds=3))
    vendor = Vendor([OCTOBER.start], fails=[limited, limited])

    answers = ask(_line(vendor), OCTOBER)

    assert len(answers.listed) == 1
    assert len(vendor.asked) == 3


def test_a_refused_page_is_not_repeated() -> None:
    vendor = Vendor([], fails=[Rejected("No.", "The token may not read.", "Grant it.")])

    with pytest.raises(Rejected):
        ask(_line(vendor), OCTOBER)

    assert len(vendor.asked) == 1


class _Circle(Vendor):
    def page(self, window: Window, cursor: str) -> Page:  # noqa: ARG002 (whatever it is asked)
        return Page(cursor="again")


def test_pages_that_lead_in_a_circle_are_an_error() -> None:
    with pytest.raises(Unavailable, match="in a circle"):
        ask(_line(_Circle([])), OCTOBER)


@dataclass(slots=True)
class _LateCap(Vendor):
    """Says only on the second page that a window of more than an hour holds too much."""

    def page(self, window: Window, cursor: str) -> Page:
        if window.span > timedelta(hours=1) and cursor:
            return Page(is_capped=True)
        return Vendor.page(self, window, cursor)


@dataclass(slots=True)
class _Noted:
    """Notes what it is handed, and what of it counts."""

    taken: list[datetime] = field(default_factory=list)
    kept: list[datetime] = field(default_factory=list)
    dropped: int = 0

    def take(self, page: Page) -> None:
        self.taken.extend(one.at for one in page.listed)

    def keep(self) -> None:
        self.kept.extend(self.taken)
        self.taken.clear()

    def drop(self) -> None:
        self.dropped += len(self.taken)
        self.taken.clear()


def test_pages_of_a_window_that_turns_out_too_large_are_taken_back() -> None:
    events = [OCTOBER.start + timedelta(minutes=n) for n in range(0, 240, 5)]
    noted = _Noted()

    stream(_line(_LateCap(events)), [Window(OCTOBER.start, OCTOBER.start + timedelta(hours=4))], noted)

    assert noted.kept == events
    assert noted.dropped > 0


def test_pages_are_handed_over_before_the_next_one_is_asked_for() -> None:
    noted = _Noted()
    before: list[int] = []

    @dataclass(slots=True)
    class Watching(Vendor):
        def page(self, window: Window, cursor: str) -> Page:
            before.append(len(noted.taken))
            return Vendor.page(self, window, cursor)

    stream(_line(Watching([OCTOBER.start + timedelta(minutes=n) for n in range(25)])), [OCTOBER], noted)

    assert before == [0, 10, 20]
