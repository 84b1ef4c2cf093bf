"""Spans of time in which events are counted: half-open, in UTC, so that no event is in two months or in none."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, timedelta

from domain.errors import BadInput

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
# What forms take. They cannot know which years and which days there are: that is said by whoever reads it.
MONTH = "[0-9]{4}-(0[1-9]|1[0-2])"
DAY_OF_MONTH = f"{MONTH}-(0[1-9]|[12][0-9]|3[01])"
_MONTH = re.compile(r"(\d{4})-(\d{2})")


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The moments from `start` on and before `end`, both aware UTC."""

    start: datetime
    end: datetime

    @property
    def span(self) -> timedelta:
        return self.end - self.start

    def days(self) -> Iterator[date]:
        """Yield every UTC day that the window touches."""
        day = self.start.date()
        while datetime(day.year, day.month, day.day, tzinfo=UTC) < self.end:
            yield day
            day += DAY

    def halves(self) -> "tuple[Window, Window]":
        """Return the two halves, cut at a whole second so that vendors who know no fractions can be asked for each."""
        middle = self.start + timedelta(seconds=int(self.span.total_seconds()) // 2)
        return Window(self.start, middle), Window(middle, self.end)

    def overlap(self, other: "Window") -> "Window | None":
        """Return what both have in common, None where nothing is."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Window(start, end) if start < end else None


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in UTC."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Return the month that `2026-10` names.

        Raises:
            BadInput: it names none.
        """
        found = _MONTH.fullmatch(text)
        # Times end with the year 9999, and its last month has no month after it.
        if found is None or not 1 <= int(found[2]) <= 12 or not 1970 <= int(found[1]) < MAXYEAR:  # noqa: PLR2004
            raise BadInput(f"{text!r} is not a month.", "Nothing was counted.", "Write it like 2026-10.")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        at = moment.astimezone(UTC)
        return cls(at.year, at.month)

    @property
    def window(self) -> Window:
        return Window(_first(self), _first(self.next))

    @property
    def next(self) -> "Month":
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    @property
    def previous(self) -> "Month":
        return Month(self.year - (self.month == 1), (self.month - 2) % 12 + 1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


def day_window(day: date) -> Window:
    """Return a UTC day's window."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Window(start, start + DAY)


def _first(month: Month) -> datetime:
    return datetime(month.year, month.month, 1, tzinfo=UTC)
