"""A calendar quarter in UTC: what a quarterly review looks back on."""

import re
from dataclasses import dataclass
from datetime import datetime

from domain.errors import BadInput
from domain.windows import Month, Window

# What forms take.
QUARTER = "[0-9]{4}-Q[1-4]"
_QUARTER = re.compile(r"(\d{4})-Q([1-4])")
_MONTHS = 3


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """A quarter of a year; the first is number 1."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> "Quarter":
        """Return the quarter that `2026-Q3` names.

        Raises:
            BadInput: it names none.
        """
        found = _QUARTER.fullmatch(text)
        if found is None or not 1970 <= int(found[1]) < 9999:  # noqa: PLR2004 (times begin and end there)
            raise BadInput(f"{text!r} is not a quarter.", "Nothing was looked at.", "Write it like 2026-Q3.")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def before(cls, moment: datetime) -> "Quarter":
        """Return the newest quarter that was over at that moment."""
        month = Month.of(moment)
        number = (month.month - 1) // _MONTHS
        return cls(month.year, number) if number else cls(month.year - 1, 4)

    @property
    def window(self) -> Window:
        first = Month(self.year, _MONTHS * (self.number - 1) + 1)
        return Window(first.window.start, first.next.next.window.end)

    def __str__(self) -> str:
        return f"{self.year:04}-Q{self.number}"
