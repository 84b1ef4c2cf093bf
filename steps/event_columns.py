"""What a row of a file says, as expressions of DuckDB: when, whose, and what marks it has, whatever type its columns have."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from domain.event_files import FileState
from domain.event_rows import ClockChange, Mark, clock_changes, local_day, microseconds
from domain.reconciliation_sections import EventFiles
from domain.windows import Window


class CannotRead(Exception):
    """A file cannot be read to its end. It is a fact of the file, told in its count."""

    def __init__(self, state: FileState, reason: str) -> None:
        super().__init__(state, reason)
        self.state = state
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Source:
    """Where DuckDB finds the rows, and the type of each column."""

    table: str
    types: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Time:
    """How a column says when: the microseconds, and whether and which local time it says without an offset."""

    us: str
    without_offset: str
    local: str


def time_of(column: str, type_name: str, zone: str) -> Time:
    name = named(column)
    if type_name == "VARCHAR":
        has_offset = f"(suffix({name}, 'Z') OR regexp_matches({name}, ':\\d.*[-+A-Za-z]'))"
        lacks = f"{name} IS NOT NULL AND NOT {has_offset}"
        return Time(f"epoch_us(TRY_CAST({name} AS TIMESTAMPTZ))", lacks, f"TRY_CAST({name} AS TIMESTAMP)")
    if type_name in _WITH_OFFSET:
        return Time(_WITH_OFFSET[type_name].format(name), _NEVER, "")
    if type_name not in _LOCAL:
        raise CannotRead(FileState.UNREADABLE, f"its column {column} is {type_name}, which does not say when")
    local = _LOCAL[type_name].format(name)
    return Time(
        f"epoch_us({local})" if zone == "UTC" else f"epoch_us({local}::TIMESTAMPTZ)", f"{name} IS NOT NULL", local
    )


_NEVER = "false"
# A cast from nanoseconds rounds, and so would move the last moment of a month into the next; a division does not.
_WITH_OFFSET = {"TIMESTAMP WITH TIME ZONE": "epoch_us({})", "TIMESTAMPTZ_NS": "epoch_ns({}) // 1000"}
_LOCAL = {
    "TIMESTAMP": "{}",
    "TIMESTAMP_S": "{}::TIMESTAMP",
    "TIMESTAMP_MS": "{}::TIMESTAMP",
    "TIMESTAMP_NS": "make_timestamp(epoch_ns({}) // 1000)",
    "DATE": "{}::TIMESTAMP",
}


def bad_of(source: Source, section: EventFiles) -> str:
    """Return when a row is no event, but for its time. Mark.BAD is 1, as a true BOOLEAN is."""
    columns = section.columns
    name = named(columns.event_id)
    lacks = [f"{name} IS NULL"] + ([f"{name} = ''"] if source.types[columns.event_id] == "VARCHAR" else [])
    neither = [
        f"{_truth(column, source)} IS NULL AND nullif({as_text(column, source)}, '') IS NOT NULL"
        for column in (columns.sampled, columns.verify)
        if column
    ]
    return "(" + " OR ".join(lacks + neither) + ")"


def marks_of(source: Source, section: EventFiles, time: Time, days: Window) -> str:
    """Return the sum of the other marks. Each costs every row, so that only those which may be true are looked for."""
    terms = ["0"]
    if time.without_offset != _NEVER:
        terms.append(_if(time.without_offset, Mark.WITHOUT_OFFSET))
        changes = clock_changes(ZoneInfo(section.time_zone), days)
        terms += [_if(f"({time.without_offset}) AND {_within(time.local, change)}", change.mark) for change in changes]
    if section.columns.sampled:
        terms.append(_if(f"NOT {_truth(section.columns.sampled, source)}", Mark.SAMPLED_OUT))
    if section.columns.verify:
        terms.append(_if(_truth(section.columns.verify, source), Mark.PROBE))
    return "(" + " | ".join(terms) + ")"


def _truth(column: str, source: Source) -> str:
    return f"TRY_CAST({as_text(column, source)} AS BOOLEAN)"


def late_mark(day: date | None, section: EventFiles) -> str:
    if day is None:
        return ""
    own = local_day(day, ZoneInfo(section.time_zone))
    return " | " + _if(f"us < {microseconds(own.start)} OR us >= {microseconds(own.end)}", Mark.LATE)


def _within(local: str, change: ClockChange) -> str:
    return f"{local} >= TIMESTAMP '{change.start}' AND {local} < TIMESTAMP '{change.end}'"


def _if(condition: str, mark: Mark) -> str:
    return f"CASE WHEN {condition} THEN {int(mark)} ELSE 0 END"


def target_of(integration: str, section: EventFiles) -> str:
    if not section.integrations:
        return integration
    cases = " ".join(f"WHEN {quoted(name)} THEN {quoted(target)}" for name, target in section.integrations.items())
    return f"CASE {integration} {cases} ELSE {integration} END"


def as_text(column: str, source: Source) -> str:
    name = named(column)
    return name if source.types[column] == "VARCHAR" else f"{name}::VARCHAR"


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def named(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
