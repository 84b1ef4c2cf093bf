"""Asks a vendor what it received in a window: page by page, and half by half where a window holds too much for one answer.

An answer is whole or there is none: what cannot be read to its end is an error, never a smaller number.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from domain.errors import Rejected, Unavailable
from domain.event_counts import Count, Listed, Page
from domain.windows import Window
from steps.clock import Clock
from steps.probing import Pace, repeat_until
from vendors.counting import Counter, Counting

# A limit that resets within a quarter of an hour is waited for; the whole question repeats tomorrow otherwise.
PAGE_BOUND = timedelta(minutes=20)
PAGE_ATTEMPTS = 8
_MOST_PAGES = 100_000


@dataclass(frozen=True, slots=True)
class Line:
    """How one vendor is asked: by whom, how long, and to whom each page is told (pages so far)."""

    counter: Counter
    counting: Counting
    pace: Pace
    clock: Clock
    told: Callable[[int], None] = lambda _: None


class Receiver(Protocol):
    """Takes pages as they come. What it took since the last `keep` counts only once `keep` is called, and never after `drop`."""

    def take(self, page: Page) -> None: ...

    def keep(self) -> None: ...

    def drop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Answers:
    """Everything the vendor has for a window."""

    counts: tuple[Count, ...]
    listed: tuple[Listed, ...]
    pages: int


def ask(line: Line, window: Window) -> Answers:
    """Return what the vendor counted or listed for the window, each event once.

    Raises:
        Rejected: the vendor does not let us, or holds more within its finest window than it shows.
        Unavailable, NotYet: it did not answer in time; nothing is known.
    """
    kept = _Kept()
    pages = stream(line, [window], kept)
    counts = tuple(one for page in kept.pages for one in page.counts)
    return Answers(counts, tuple(one for page in kept.pages for one in page.listed), pages)


def stream(line: Line, windows: Iterable[Window], receiver: Receiver) -> int:
    """Hand over every page of the windows as it comes, each event once; return how many pages were kept.

    A window that holds more than the vendor shows is dropped, and each half is asked for instead.

    Raises:
        Rejected, Unavailable, NotYet: as `ask` does; what was taken by then is not all there is.
    """
    pages = 0
    left = [part for window in windows for part in _within_longest(window, line.counting.longest)][::-1]
    while left:
        asked = left.pop()
        found = _whole(line, asked, receiver, pages)
        if found is None:
            receiver.drop()
            left.extend(reversed(_halves(line.counting, asked)))
            continue
        receiver.keep()
        pages += found
    return pages


def _whole(line: Line, window: Window, receiver: Receiver, before: int) -> int | None:
    """Hand over every page of the window and return how many, None where it holds more than the vendor pages through."""
    pages = 0
    cursors = {""}
    cursor = ""
    while True:
        page = _page(line, window, cursor)
        if page.is_capped:
            return None
        receiver.take(page)
        pages += 1
        line.told(before + pages)
        if not page.cursor:
            return pages
        if page.cursor in cursors or pages >= _MOST_PAGES:
            raise _endless(line.counting, window)
        cursors.add(cursor := page.cursor)


@dataclass(slots=True)
class _Kept:
    """Keeps pages in memory, for windows of which a test or a caller wants every event at once."""

    pages: list[Page] = field(default_factory=list)
    taken: list[Page] = field(default_factory=list)

    def take(self, page: Page) -> None:
        self.taken.append(page)

    def keep(self) -> None:
        self.pages.extend(self.taken)
        self.taken.clear()

    def drop(self) -> None:
        self.taken.clear()


def _page(line: Line, window: Window, cursor: str) -> Page:
    kept: list[Page] = []
    repeat_until(
        lambda: kept.append(line.counter.page(window, cursor)),
        PAGE_BOUND, line.pace, line.clock, polls=True, attempts=PAGE_ATTEMPTS,
    )  # fmt: skip
    return kept[-1]


def _within_longest(window: Window, longest: timedelta) -> list[Window]:
    parts = []
    start = window.start
    while start < window.end:
        end = min(start + longest, window.end)
        parts.append(Window(start, end))
        start = end
    return parts


def _halves(counting: Counting, window: Window) -> tuple[Window, Window]:
    if window.span < 2 * counting.finest:
        raise Rejected(
            f"{counting.integration} holds more between {window.start:%Y-%m-%d %H:%M:%S} and {window.end:%H:%M:%S} UTC than it shows.",
            f"Its listing ends at a fixed number, and the window cannot be made smaller than {counting.finest}.",
            'Narrow the query of its received section down, or count instead of listing: by = "counts".',
            "counting.too_many",
        )
    return window.halves()


def _endless(counting: Counting, window: Window) -> Unavailable:
    return Unavailable(
        f"{counting.integration} led in a circle through the pages of {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC.",
        "Its listing has no end, so what it holds is not known.",
        "Run the month again; if it comes back, tell the vendor with the audit bundle's evidence.",
        "counting.endless",
    )
