"""What the name of a file says of the days in it, and whether the file is one of those that are looked for.

A name is a path below the folder or prefix that holds the files, with `/` between its parts. A file is left out only where
its name says that it lies elsewhere in time: without a date it is read, and with several it spans from the first to the last.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache

from domain.windows import DAY, Month, Window

# 2026-10-05, 2026/10/05, 20261005, and that with a time of day: 20261005T1300, 2026100513.
_DAYS = re.compile(
    r"(?<!\d)(20\d\d)(?P<between>[-_./]?)(0[1-9]|1[0-2])(?P=between)(0[1-9]|[12]\d|3[01])"
    r"(?:T?\d{2}(?:\d{2}(?:\d{2})?)?)?(?![0-9a-z])"
)
# year=2026/month=10/day=05, as partitioned tables are laid out; the day may be missing.
_PARTITION = re.compile(r"(?<![a-z])(?:year|y)=(20\d\d)/(?:month|m)=(\d{1,2})(?:/(?:day|d)=(\d{1,2})(?!\d))?")
# 2026-10 or 2026/10 alone. 202610 could be any number.
_MONTHS = re.compile(r"(?<!\d)(20\d\d)[-_/](0[1-9]|1[0-2])(?!\d)")
# JSONL, CSV and Parquet, plain or packed.
_READ = re.compile(r"\.(jsonl|ndjson|json|csv|parquet)(\.gz|\.zst)?\Z", re.IGNORECASE)
_MANIFEST = re.compile(r"manifest[^/]*\.json", re.IGNORECASE)


def days_named(name: str) -> tuple[date, date] | None:
    """Return the first and the last day that a name speaks of, None where it holds no date."""
    spans = [*_by_day(name), *_by_partition(name)] or [*_by_month(name)]
    return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None


def the_day_named(name: str) -> date | None:
    """Return the one day that a name speaks of, None where it names none or several."""
    span = days_named(name)
    return span[0] if span is not None and span[0] == span[1] else None


def may_hold_events_of(name: str, window: Window, neighbour_days: int) -> bool:
    """Say whether the file may hold events of the window: those of one day often end in files of the next."""
    span = days_named(name)
    if span is None:
        return True
    first = window.start.date() - neighbour_days * DAY
    last = (window.end - timedelta(microseconds=1)).date() + neighbour_days * DAY
    return span[0] <= last and span[1] >= first


def says_it_has_rows(name: str) -> bool:
    """Say whether the name ends like a kind of file that is read, and is no manifest's: markers and notes lie beside them."""
    last = name.rpartition("/")[2]
    return _READ.search(last) is not None and _MANIFEST.fullmatch(last) is None


def is_looked_for(name: str, pattern: str) -> bool:
    """Say whether the pattern takes the name: `*` and `?` within one part, `**` for any number of parts, none included."""
    return _compiled(pattern).fullmatch(name) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = pattern.split("/")
    written = [_part(part, is_last=number == len(parts)) for number, part in enumerate(parts, start=1)]
    return re.compile("".join(written), re.DOTALL)


def _part(part: str, *, is_last: bool) -> str:
    if part == "**":
        return ".*" if is_last else "(?:[^/]*/)*"
    signs = {"*": "[^/]*", "?": "[^/]"}
    return "".join(signs.get(sign, re.escape(sign)) for sign in part) + ("" if is_last else "/")


def _by_day(name: str) -> Iterator[tuple[date, date]]:
    for found in _DAYS.finditer(name):
        yield from _day(found[1], found[3], found[4])


def _by_partition(name: str) -> Iterator[tuple[date, date]]:
    for year, month, day in _PARTITION.findall(name):
        yield from _day(year, month, day) if day else _month(year, month)


def _by_month(name: str) -> Iterator[tuple[date, date]]:
    for year, month in _MONTHS.findall(name):
        yield from _month(year, month)


def _day(year: str, month: str, day: str) -> Iterator[tuple[date, date]]:
    try:
        named = date(int(year), int(month), int(day))
    except ValueError:  # the 31st of June is no date, so it says nothing
        return
    yield named, named


def _month(year: str, month: str) -> Iterator[tuple[date, date]]:
    if 1 <= int(month) <= 12:  # noqa: PLR2004 (months of a year)
        window = Month(int(year), int(month)).window
        yield window.start.date(), window.end.date() - DAY
