"""What cumulative counters say that applications emitted: the growth from one snapshot to the next, within one process.

A process has an id that it takes when it starts, so a new process never looks like a counter that went down. Between two
snapshots nobody looked: that growth is counted on the day of the later one, the only day of which it is certain that it had
happened by then. So every event is in one day and one month, and how many may belong to an earlier day is said beside it.
A snapshot at midnight closes the day before. A counter that goes down within one process is a fault and counts nothing.

A counter that is first seen in the window counts from 0 where its process started there: the snapshot says so, or the
process was seen before without it, or snapshots of others reach back before it. Where nothing tells, it counts from what it
was first seen at, and what it stood at then is said.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from domain.emitted_counts import DayCell, EmittedCounts
from domain.event_counts import Trust
from domain.event_files import FileState
from domain.reconciliation import SourceFact
from domain.reconciliation_sections import CounterColumns, CounterSnapshots
from domain.windows import DAY, Window
from steps.event_columns import CannotRead
from steps.event_reading import as_glob, csv_source, rejected_rows
from steps.file_facts import days_in

_EPOCH = date(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_LARGEST = 2**53
# A thread of DuckDB holds buffers of 32 MiB, and as much again while it parses.
_MIB_PER_THREAD = 128
_PACKED = {".gz": "gzip", ".zst": "zstd"}
_KINDS = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")

_TABLES = """
CREATE MACRO utc_day(moment) AS moment // 86400000000;
CREATE TABLE snapshots (moment BIGINT, process VARCHAR, integration VARCHAR, type VARCHAR, value BIGINT, started BIGINT);
CREATE TABLE of_file AS FROM snapshots;
"""
# DuckDB adds to these whatever it did not take for a row.
_NEXT_FILE = "DELETE FROM of_file; DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans;"
_MOMENT = "epoch_us(TRY_CAST(CAST({} AS VARCHAR) AS TIMESTAMPTZ))"
_WHOLE_ROW = (
    "moment IS NOT NULL AND process <> '' AND integration IS NOT NULL AND type IS NOT NULL AND value IS NOT NULL"
)

# `grown` is by how much a counter grew since `since`, which is NULL where nobody saw the process before. A counter's first
# row counts from 0 where `counts_from_0` says so, else `unknown` is what it stood at. The rows of one snapshot may be
# written one after the other within a minute.
_GROWTH = """
CREATE TABLE growth AS
WITH coverage AS (SELECT min(moment) AS begins FROM snapshots),
seen AS (
    SELECT *, lag(value) OVER counter AS before, lag(moment) OVER counter AS before_at
    FROM snapshots
    WINDOW counter AS (PARTITION BY process, integration, type ORDER BY moment, value)
),
processes AS (SELECT process, utc_day(min(moment) - 1) AS process_day FROM snapshots GROUP BY process),
process_moments AS (SELECT DISTINCT process, moment FROM snapshots),
firsts AS (
    SELECT one.*, other.moment AS process_at, process_day,
        CASE
            WHEN other.moment IS NOT NULL THEN true
            WHEN started IS NOT NULL THEN started >= $start
            ELSE begins <= $start OR process_day > utc_day(begins - 1)
        END AS counts_from_0
    FROM (SELECT * FROM seen WHERE before IS NULL) AS one
    JOIN processes USING (process)
    ASOF LEFT JOIN process_moments AS other ON one.process = other.process AND one.moment - 60000000 >= other.moment
    CROSS JOIN coverage
),
steps AS (
    SELECT moment, process, integration, type, before_at AS since, greatest(value - before, 0) AS grown,
        false AS is_new, 0 AS unknown, greatest(before - value, 0) AS fallen
    FROM seen WHERE before IS NOT NULL
    UNION ALL
    SELECT moment, process, integration, type, coalesce(process_at, started), CASE WHEN counts_from_0 THEN value ELSE 0 END,
        process_at IS NULL AND counts_from_0, CASE WHEN counts_from_0 THEN 0 ELSE value END, 0
    FROM firsts
)
SELECT utc_day(moment - 1) AS day, moment <= $end AS in_window, process, integration, type, grown, is_new, unknown, fallen,
    CASE WHEN moment <= $end THEN utc_day(since) < utc_day(moment - 1) ELSE since < $end END AS may_be_earlier
FROM steps
WHERE moment > $start AND moment <= $until
"""
_COUNTED = """
SELECT day, integration, type, in_window, sum(grown)::BIGINT, coalesce(sum(grown) FILTER (may_be_earlier), 0)::BIGINT
FROM growth GROUP BY ALL ORDER BY ALL
"""
_FALLEN = """
SELECT integration, type, count(*), count(DISTINCT process), sum(fallen)::BIGINT, min(process)
FROM growth WHERE fallen > 0 AND in_window GROUP BY ALL ORDER BY ALL
"""
_UNKNOWN = """
SELECT integration, type, count(DISTINCT process), sum(unknown)::BIGINT
FROM growth WHERE unknown > 0 AND in_window GROUP BY ALL ORDER BY ALL
"""
_NEW = "SELECT count(DISTINCT process), sum(grown)::BIGINT FROM growth WHERE is_new AND in_window"


def snapshot_counts(
    source: str, files: Mapping[str, Path], section: CounterSnapshots, window: Window,
    *, scratch: Path, memory_mib: int, bad_share: float,
) -> EmittedCounts:  # fmt: skip
    """Return what the counters in the files, by their names, grew by on each UTC day of the window.

    `files` should reach back before the window by a snapshot: without one the first growth cannot be told. What does not
    fit in `memory_mib` MiB is put aside in `scratch`. A file with a share of bad rows above `bad_share`, 0.0-1.0, is as
    unusable as one that cannot be read: a process may have written nowhere else.
    """
    facts: list[SourceFact] = []
    unusable: dict[date, str] = {}
    with _opened(section, scratch, memory_mib) as database:
        for name, path in sorted(files.items()):
            try:
                facts += _take_in(source, name, path, section, database, bad_share)
            except CannotRead as told:
                facts.append(SourceFact(source, name, told.reason, 0, is_fault=True))
                of_file = days_in(section, name)
                unusable |= {day: f"{name}: {told.reason}" for day in window.days() if not of_file or day in of_file}
        _grow(database, window)
        counts, earlier = _counted(database, section)
        facts += _findings(source, database)
    uncounted = tuple(day for day in window.days() if day not in {cell[0] for cell in counts})
    facts += [
        SourceFact(source, "", f"{day}: no snapshot is of this day; its events are counted on the next one", 0, is_fault=True)
        for day in uncounted
    ]  # fmt: skip
    return EmittedCounts(counts, Trust.COUNTERS, tuple(facts), earlier, uncounted, unusable)


def _opened(section: CounterSnapshots, scratch: Path, memory_mib: int) -> duckdb.DuckDBPyConnection:
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "threads": max(1, min(os.cpu_count() or 1, memory_mib // _MIB_PER_THREAD)),
        # Half: the other half is for what DuckDB does not count.
        "memory_limit": f"{memory_mib // 2}MiB",
        "temp_directory": str(scratch),
        "preserve_insertion_order": False,
    }
    database = duckdb.connect(":memory:", config=settings)
    # That of times which name no offset.
    database.execute(f"SET TimeZone={_quoted(section.time_zone)}")
    database.execute(_TABLES)
    return database


def _take_in(  # noqa: PLR0917 (what one file is read with)
    source: str, name: str, path: Path, section: CounterSnapshots, database: duckdb.DuckDBPyConnection, bad_share: float
) -> list[SourceFact]:  # fmt: skip
    """Take a file's rows in, all or none, and return what a reader has to know of it.

    Raises:
        CannotRead: it is unusable; nothing of it was taken in.
    """
    if path.stat().st_size == 0:
        return []
    try:
        database.execute(_NEXT_FILE)
        database.execute(_taking(_table(path, section.columns, database), section.columns))
        rejected = rejected_rows(database)
    except duckdb.BinderException as error:
        raise CannotRead(FileState.UNREADABLE, "it lacks a column that the section names: not read") from error
    except (duckdb.Error, UnicodeDecodeError) as error:
        why = f"it cannot be read whole ({type(error).__name__}): not read"
        raise CannotRead(FileState.PARTIAL, why) from error
    bad = rejected + _number(database, f"SELECT count(*) FROM of_file WHERE NOT coalesce({_WHOLE_ROW}, false)")  # noqa: S608 (ours)
    rows = rejected + _number(database, "SELECT count(*) FROM of_file")
    if bad > bad_share * rows:
        why = f"{bad:,} of {rows:,} rows are no snapshots, above the limit of {bad_share:.1%}: not read"
        raise CannotRead(FileState.UNREADABLE, why)
    database.execute(f"INSERT INTO snapshots FROM of_file WHERE {_WHOLE_ROW}")
    return [SourceFact(source, name, f"{bad:,} rows are no snapshots: not counted", bad, is_fault=True)] if bad else []


def _table(path: Path, columns: CounterColumns, database: duckdb.DuckDBPyConnection) -> str:
    """Return where DuckDB finds the file's rows."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = _PACKED[suffixes.pop()] if suffixes and suffixes[-1] in _PACKED else "none"
    kind = suffixes[-1] if suffixes else ""
    if kind not in _KINDS:
        raise CannotRead(FileState.UNREADABLE, "its name ends like none of .jsonl, .csv, .parquet: not read")
    if kind == ".csv":
        return csv_source(database, path, packed).table
    if kind == ".parquet":
        return f"read_parquet({as_glob(path)})"
    written = ", ".join(f"{_quoted(name)}: 'VARCHAR'" for name in _names(columns))
    # A line that is no JSON becomes a row of NULLs, which is bad.
    return f"read_json({as_glob(path)}, format='newline_delimited', columns={{{written}}}, ignore_errors=true)"


def _names(columns: CounterColumns) -> list[str]:
    names = [columns.at, columns.process, columns.integration, columns.type, columns.value]
    return [*names, columns.started] if columns.started else names


def _taking(table: str, columns: CounterColumns) -> str:
    at, process, integration, kind, value = (_identifier(name) for name in _names(columns)[:5])
    started = _MOMENT.format(_identifier(columns.started)) if columns.started else "NULL"
    number = f"TRY_CAST(CAST({value} AS VARCHAR) AS DOUBLE)"
    return (
        f"INSERT INTO of_file SELECT {_MOMENT.format(at)}, CAST({process} AS VARCHAR), CAST({integration} AS VARCHAR), "  # noqa: S608 (names are quoted)
        f"CAST({kind} AS VARCHAR), CASE WHEN {number} BETWEEN 0 AND {_LARGEST} THEN {number}::BIGINT END, {started} "
        f"FROM {table}"
    )


def _grow(database: duckdb.DuckDBPyConnection, window: Window) -> None:
    # A day more than the window has: what is first seen then may have happened in the window.
    bounds = {"start": _us(window.start), "end": _us(window.end), "until": _us(window.end + DAY)}
    database.execute(_GROWTH, bounds)


def _counted(
    database: duckdb.DuckDBPyConnection, section: CounterSnapshots
) -> tuple[dict[DayCell, int], dict[DayCell, int]]:
    """Return the growth by cell, and how much of it may be of an earlier day; the latter of the day after the window too."""
    counts: dict[DayCell, int] = {}
    earlier: dict[DayCell, int] = {}
    for number, integration, kind, in_window, grown, may_be in database.execute(_COUNTED).fetchall():
        cell = (_EPOCH + number * DAY, section.integrations.get(integration, integration), kind)
        if in_window:
            counts[cell] = counts.get(cell, 0) + grown
        if may_be:
            earlier[cell] = earlier.get(cell, 0) + may_be
    return counts, earlier


def _findings(source: str, database: duckdb.DuckDBPyConnection) -> Iterator[SourceFact]:
    for integration, kind, falls, processes, events, example in database.execute(_FALLEN).fetchall():
        yield SourceFact(
            source, "",
            f"{integration} {kind}: the counter went down {falls:,} times within {processes:,} processes ({example} among "
            "them); what was counted between that and the snapshot before is lost",
            events, is_fault=True,
        )  # fmt: skip
    for integration, kind, processes, events in database.execute(_UNKNOWN).fetchall():
        yield SourceFact(
            source, "",
            f"{integration} {kind}: {processes:,} processes are first seen within the window, and no snapshot from before "
            "tells whether they started there; what they had counted by then is left out",
            events, is_fault=True,
        )  # fmt: skip
    processes, events = database.execute(_NEW).fetchall()[0]
    if processes:
        said = f"{processes:,} processes started within the window; what they had counted when first seen is counted"
        yield SourceFact(source, "", said, events, is_fault=False)


def _us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=moment.tzinfo)) // _MICROSECOND


def _number(database: duckdb.DuckDBPyConnection, question: str) -> int:
    row: Any = database.execute(question).fetchone()
    return int(row[0])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
