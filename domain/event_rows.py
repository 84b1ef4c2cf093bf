"""What becomes of recorded rows: equal ones are judged together, as an event of ours, another's, or none."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum, IntFlag
from zoneinfo import ZoneInfo

from domain.event_files import EventKind, FileCount, KindHours
from domain.reconciliation_sections import EventFiles
from domain.windows import DAY, HOUR, Window, day_window

# The outcome of rows that say none, where opsflows.toml does not count these as sent.
NOT_SAID = "not said"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Mark(IntFlag):
    """What is said of a row beside its words."""

    BAD = 1
    WITHOUT_OFFSET = 2
    AMBIGUOUS = 4
    ABSENT = 8
    LATE = 16
    SAMPLED_OUT = 32
    PROBE = 64


@dataclass(frozen=True, slots=True)
class RowWords:
    """The words of equal rows, as they stand in the file; empty where there is none."""

    environment: str
    integration: str
    type: str
    outcome: str
    marks: int


@dataclass(frozen=True, slots=True)
class RowGroup:
    """How many rows have these words, by hour: 0 is before the window, 1 its first hour, the last one after it."""

    words: RowWords
    hours: Sequence[int]
    rows: Sequence[int]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Rows that are not ours to count: `bad` ones, or of another environment or an unknown integration, by its name."""

    where: "Place"
    name: str = ""


class Place(Enum):
    BAD = "bad"
    ENVIRONMENT = "other environment"
    INTEGRATION = "unknown integration"


@dataclass(frozen=True, slots=True)
class Judge:
    """Says what rows are, by what opsflows.toml says of them. `targets` are those in scope, as str(Target) writes them."""

    section: EventFiles
    targets: Collection[str]

    def kind_of(self, words: RowWords) -> EventKind | Elsewhere:
        """Return what the rows are; what is no event at all is bad, whoever's it may be."""
        if words.marks & Mark.BAD or not words.type or not words.integration:
            return Elsewhere(Place.BAD)
        if self.section.columns.environment and words.environment not in self.section.own_environments:
            return Elsewhere(Place.ENVIRONMENT, words.environment)
        target = self.section.integrations.get(words.integration, words.integration)
        if target not in self.targets:
            return Elsewhere(Place.INTEGRATION, words.integration)
        outcome = "" if words.outcome in self.section.sent else words.outcome or NOT_SAID
        return EventKind(
            target, words.type, outcome, bool(words.marks & Mark.SAMPLED_OUT), bool(words.marks & Mark.PROBE)
        )


def file_count(  # noqa: PLR0917 (six facts of one file)
    name: str,
    day: date | None,
    groups: Iterable[RowGroup],
    judge: Judge,
    days: Window,
    span_us: tuple[int | None, int | None],
) -> FileCount:
    """Return what the groups amount to. `span_us` holds the earliest and latest time, in microseconds after 1970."""
    elsewhere: dict[Place, Counter[str]] = {place: Counter() for place in Place}
    marked: Counter[Mark] = Counter()
    hourly: dict[EventKind, dict[int, int]] = {}
    outside = rows = 0
    after = hours_of(days) + 1
    for group in groups:
        total = sum(group.rows)
        rows += total
        kind = judge.kind_of(group.words)
        if isinstance(kind, Elsewhere):
            elsewhere[kind.where][kind.name] += total
            continue
        # Tens of thousands of hours: so few steps as can be are made for each.
        inside = dict(zip(group.hours, group.rows, strict=True))
        outside += inside.pop(0, 0) + inside.pop(after, 0)
        hourly[kind] = _added(hourly[kind], inside) if kind in hourly else inside
        marked.update({mark: total for mark in Mark if group.words.marks & mark})
    first_hour = (days.start - _EPOCH) // HOUR - 1
    return FileCount(
        name=name,
        day=day,
        rows=rows,
        bad=elsewhere[Place.BAD].total(),
        other_environments=dict(elsewhere[Place.ENVIRONMENT]),
        unknown_integrations=dict(elsewhere[Place.INTEGRATION]),
        outside=outside,
        late=marked[Mark.LATE],
        without_offset=marked[Mark.WITHOUT_OFFSET],
        ambiguous=marked[Mark.AMBIGUOUS],
        absent=marked[Mark.ABSENT],
        first=_moment(span_us[0]),
        last=_moment(span_us[1]),
        cells=tuple(_cells(hourly, first_hour)),
    )


def hours_of(days: Window) -> int:
    return days.span // HOUR


def microseconds(moment: datetime) -> int:
    """Return how many microseconds after 1970 it is."""
    return (moment - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class ClockChange:
    """Local times, from `start` and before `end`, that the clock showed twice or (`mark` ABSENT) never."""

    mark: Mark
    start: datetime
    end: datetime


def clock_changes(zone: ZoneInfo, days: Window) -> tuple[ClockChange, ...]:
    """Return the local times, without an offset, that are no or two moments, in the days and one beside them."""
    return tuple(_changes(zone, Window(days.start - DAY, days.end + DAY)))


def local_day(day: date, zone: ZoneInfo) -> Window:
    """Return the moments that have this date in the zone."""
    following = day + DAY
    start = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    return Window(start, datetime(following.year, following.month, following.day, tzinfo=zone).astimezone(UTC))


def _changes(zone: ZoneInfo, window: Window) -> Iterator[ClockChange]:
    for day in window.days():
        start = day_window(day).start
        if start.astimezone(zone).utcoffset() == (start + DAY).astimezone(zone).utcoffset():
            continue
        moment = start
        while moment < start + DAY:
            before, after = (at.astimezone(zone).replace(tzinfo=None) for at in (moment, moment + _QUARTER))
            # A clock that is changed goes by another time than a quarter of an hour.
            if after < before + _QUARTER:
                yield ClockChange(Mark.AMBIGUOUS, after, before + _QUARTER)
            elif after > before + _QUARTER:
                yield ClockChange(Mark.ABSENT, before + _QUARTER, after)
            moment += _QUARTER


# Clocks are changed at whole quarters of an hour.
_QUARTER = timedelta(minutes=15)


def _added(some: dict[int, int], more: dict[int, int]) -> dict[int, int]:
    return {hour: some.get(hour, 0) + more.get(hour, 0) for hour in some.keys() | more.keys()}


def _cells(hourly: dict[EventKind, dict[int, int]], first_hour: int) -> Iterator[KindHours]:
    for kind in sorted(hourly):
        found = hourly[kind]
        hours = sorted(found)
        if hours:
            yield KindHours(kind, tuple([first_hour + hour for hour in hours]), tuple([found[hour] for hour in hours]))


def _moment(us: int | None) -> datetime | None:
    """Return the moment; None where there is none that a calendar of ours has."""
    try:
        return None if us is None else _EPOCH + timedelta(microseconds=us)
    except OverflowError:
        return None
