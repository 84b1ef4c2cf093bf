"""What a reader has to know of counted files: whatever is not an event of this window, and the days that no file tells of.

A day is told by a file that has its name, or by records in files that name no day. A late record in the file of another day
tells nothing of its own: the file that lacks may hold a thousand.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from domain.dated_names import days_named
from domain.event_files import FileCount, FileState
from domain.event_manifest import Difference, Differs, Manifest
from domain.event_rows import local_day
from domain.reconciliation import SourceFact
from domain.reconciliation_sections import CounterSnapshots, EventFiles
from domain.windows import DAY, Window, day_window

_MICROSECOND = timedelta(microseconds=1)
# By these a file is not there as its producer wrote it. How many rows differ is a share, as bad lines are.
_ANOTHER = frozenset({Differs.MISSING, Differs.SIZE, Differs.DIGEST})


@dataclass(frozen=True, slots=True)
class Reader:
    """How the files of one source are judged.

    `bad_share` is the share, 0.0-1.0, of bad lines above which a file is unusable, and of rows more or fewer than its
    manifest says. `in_scope` are the environment's targets: events of these that are not counted here are no fault.
    """

    source: str
    section: EventFiles
    bad_share: float
    in_scope: Collection[str]


def file_facts(reader: Reader, count: FileCount) -> Iterator[SourceFact]:
    """Yield by kind what the file holds beside events of this window and environment."""
    if count.state is not FileState.READ:
        yield SourceFact(reader.source, count.name, f"{count.state.value}: {count.reason}", count.rows, is_fault=True)
        return
    told = (
        (count.bad, "lines that are no events", _is_above(count, reader.bad_share)),
        (count.late, "late: in the file of another day", False),
        (count.outside, "of other days than those compared", False),
        (count.without_offset, "times without an offset, taken in the configured zone", False),
        (count.ambiguous, "in an hour that the clock went through twice", True),
        (count.absent, "in an hour that the clock left out", True),
        *((n, f"of environment {one or '(none)'}", False) for one, n in sorted(count.other_environments.items())),
        *((n, *_elsewhere(reader, one)) for one, n in sorted(count.unknown_integrations.items())),
    )
    yield from (
        SourceFact(reader.source, count.name, what, events, is_fault=fault) for events, what, fault in told if events
    )


def days_missing(
    reader: Reader, window: Window, manifest: Manifest | None, differences: Iterable[Difference], counts: Sequence[FileCount]
) -> dict[date, str]:  # fmt: skip
    """Return the days of the window that the files do not tell of, or cannot be counted on for, and why.

    `differences` are all that there are to the manifest, in the listing as in what was read.
    """
    within = [*window.days()]
    named, recorded = _days_told(counts)
    missing = {
        day: "no file of this day is there, and no record of it in a file without a date"
        for day in within
        if day not in recorded and not _dates_of(reader.section, day) <= named
    }
    unusable = [(count.name, why) for count in counts if (why := _unusable(count, reader.bad_share))]
    otherwise = [
        (one.name, f"{one.name}: {one.words}") for one in differences if _costs(one, manifest, reader.bad_share)
    ]
    for name, why in (*unusable, *otherwise):
        spoiled = days_in(reader.section, name)
        missing |= {day: why for day in within if not spoiled or day in spoiled}
    return missing


def _elsewhere(reader: Reader, written: str) -> tuple[str, bool]:
    if reader.section.integrations.get(written, written) in reader.in_scope:
        return f"of {written}, which is none of the targets of this source", False
    return f"of {written or '(none)'}, which is not in scope", True


def _days_told(counts: Sequence[FileCount]) -> tuple[set[date], set[date]]:
    """Return the dates in names of readable files, and the UTC days of records in those without one."""
    readable = [count for count in counts if count.state is FileState.READ]
    named = {day for count in readable for day in _named(count.name)}
    return named, {cell.day for count in readable if not _named(count.name) for cell in count.daily()}


def _named(name: str) -> list[date]:
    span = days_named(name)
    return [] if span is None else [span[0] + timedelta(days=n) for n in range((span[1] - span[0]) // DAY + 1)]


def _dates_of(section: EventFiles, day: date) -> set[date]:
    """Return the dates that the UTC day has in the source's time zone, in which its files are named."""
    zone, window = ZoneInfo(section.time_zone), day_window(day)
    return {window.start.astimezone(zone).date(), (window.end - _MICROSECOND).astimezone(zone).date()}


def days_in(section: EventFiles | CounterSnapshots, name: str) -> set[date]:
    """Return the UTC days of which a file of that name has a part; none where it names no date."""
    zone = ZoneInfo(section.time_zone)
    return {day for named in _named(name) for day in local_day(named, zone).days()}


def _costs(difference: Difference, manifest: Manifest | None, share: float) -> bool:
    """Whether the file is not the one that its producer wrote, so that nobody knows what is not in it."""
    if difference.differs is not Differs.ROWS:
        return difference.differs in _ANOTHER
    entry = manifest.entries.get(difference.name) if manifest else None
    return difference.rows > share * ((entry.rows if entry else None) or 0)


def _unusable(count: FileCount, share: float) -> str:
    if count.state is not FileState.READ:
        return f"{count.name} {count.state.value}: {count.reason}"
    if _is_above(count, share):
        return f"{count.name}: {count.bad:,} of {count.rows:,} lines are no events, above the limit of {share:.1%}"
    return ""


def _is_above(count: FileCount, share: float) -> bool:
    return count.bad > share * count.rows
