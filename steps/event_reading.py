"""One file of recorded events is read by DuckDB as rows of the same columns, whatever its kind; what is no event is a row too.

Imported by what counts alone: DuckDB costs a command a tenth of a second.
"""

import csv
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from domain.event_files import FileState
from domain.event_rows import hours_of, microseconds
from domain.reconciliation_sections import EventFiles
from domain.windows import Window
from steps.event_columns import CannotRead, Source, as_text, bad_of, late_mark, marks_of, quoted, target_of, time_of

# What the suffix says of the packing, and how such a file begins.
_PACKED = {".gz": ("gzip", b"\x1f\x8b"), ".zst": ("zstd", b"\x28\xb5\x2f\xfd"), "": ("none", b"")}
_PARQUET_BEGINS = b"PAR1"
_HOUR_US = 3_600_000_000
# A DuckDB thread holds buffers of 32 MiB, and as much again while it parses.
_MIB_PER_THREAD = 128
# Said of the file, not of a row: from here on rows cannot be told apart.
_ENDLESS = ("UNQUOTED VALUE", "LINE SIZE OVER MAXIMUM")
_REASON_LENGTH = 200


@dataclass(frozen=True, slots=True)
class EventFile:
    """A file on this machine. `name` is what people are told; `day` is the date in its name, None where it has none."""

    path: Path
    name: str
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A query that gives a file's rows in columns of ours.

    They are `id`, `target`, `us` (microseconds after 1970, NULL where unreadable), `hour`, those in `labels` as they stand
    in the file, and `marks` (domain.event_rows.Mark). `hour` is 0 before the window, 1 in its first hour, and so on to the one after its last hour.
    """

    sql: str
    labels: tuple[str, ...]


@contextmanager
def opened(time_zone: str, memory_mib: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a DuckDB that takes local times to be of this zone, fetches no extension and keeps to its share of memory."""
    threads = max(1, min(os.cpu_count() or 1, memory_mib // _MIB_PER_THREAD))
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "threads": threads,
        # Half: the other half is for what is made of the rows, and for what DuckDB does not count.
        "memory_limit": f"{memory_mib // 2}MiB",
        "preserve_insertion_order": False,
        "temp_directory": "",
    }
    connection = duckdb.connect(config=settings)
    try:
        connection.execute(f"SET TimeZone = {quoted(time_zone)}")
        # Of one MiB, its default, its threads would stand still while the rows are dealt with.
        connection.execute("SET streaming_buffer_size = '32MiB'")
        yield connection
    finally:
        connection.close()


@contextmanager
def damage_told(file: EventFile) -> Iterator[None]:
    """Turn what DuckDB says of a damaged file into CannotRead."""
    try:
        yield
    except duckdb.OutOfMemoryException as problem:
        raise CannotRead(
            FileState.UNREADABLE,
            "counting it takes more memory than reconciliation.memory_mib allows (are type and integration the right columns?)",
        ) from problem
    except (duckdb.Error, OSError, UnicodeDecodeError) as problem:
        said = (str(problem).splitlines() or [""])[0].replace(str(file.path), file.name)[:_REASON_LENGTH]
        state = FileState.PARTIAL if _begins_well(file.path) else FileState.UNREADABLE
        raise CannotRead(state, f"it is damaged or not what its name says ({said})") from problem


def reading(connection: duckdb.DuckDBPyConnection, file: EventFile, section: EventFiles, days: Window) -> Reading:
    """Return the query for a file's rows.

    Raises:
        CannotRead: it has no such columns, or of a type that says no time.
    """
    source = _source(connection, file.path, section)
    columns = section.columns
    wanted = {
        name: column
        for name, column in (
            ("environment", columns.environment),
            ("integration", columns.integration),
            ("type", columns.type),
            ("outcome", columns.outcome),
        )
        if column
    }
    needed = [columns.event_id, columns.at, *wanted.values(), *filter(None, (columns.sampled, columns.verify))]
    lacking = [name for name in needed if name not in source.types]
    if lacking:
        found = ", ".join(source.types) or "none"
        raise CannotRead(
            FileState.UNREADABLE, f"it has no column {', '.join(lacking)}; its columns are {found}"[:_REASON_LENGTH]
        )
    time = time_of(columns.at, source.types[columns.at], section.time_zone)
    inner = (
        f"SELECT {as_text(columns.event_id, source)} AS id, {target_of(as_text(columns.integration, source), section)} AS target, "  # noqa: S608 (names of ours, or quoted)
        f"{', '.join(f'{as_text(column, source)} AS {name}' for name, column in wanted.items())}, {time.us} AS us, "
        f"{bad_of(source, section)} AS bad, {marks_of(source, section, time, days)} AS said FROM {source.table}"
    )
    start, end = microseconds(days.start), microseconds(days.end)
    hour = (
        f"CASE WHEN us IS NULL OR us < {start} THEN 0 WHEN us >= {end} THEN {hours_of(days) + 1} "
        f"ELSE (us - {start}) // {_HOUR_US} + 1 END::INTEGER"
    )
    marks = f"((bad OR us IS NULL)::UTINYINT | said{late_mark(file.day, section)})::UTINYINT"
    sql = f"SELECT id, target, {', '.join(wanted)}, us, {hour} AS hour, {marks} AS marks FROM ({inner})"  # noqa: S608
    return Reading(sql, tuple(wanted))


def rejected_rows(connection: duckdb.DuckDBPyConnection) -> int:
    """Return how many lines of the CSV file just read were no rows, 0 for files of other kinds.

    Raises:
        CannotRead: from some line on, rows cannot be told apart.
    """
    if not connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchall():
        return 0
    told = "SELECT count(DISTINCT line), min(line) FILTER (error_type::VARCHAR IN ?) FROM reject_errors"
    ((lines, endless),) = connection.execute(told, [list(_ENDLESS)]).fetchall()
    if endless is not None:
        raise CannotRead(FileState.PARTIAL, f"a quote that opens in line {endless} is not closed where it should be")
    return int(lines)


def _source(connection: duckdb.DuckDBPyConnection, path: Path, section: EventFiles) -> Source:
    bare, packed = (path.with_suffix(""), path.suffix.lower()) if path.suffix.lower() in _PACKED else (path, "")
    read = _READERS.get(bare.suffix.lower())
    if read is None:
        raise CannotRead(
            FileState.UNREADABLE, "its name does not end like JSONL, CSV or Parquet (.gz and .zst may follow)"
        )
    return read(connection, path, section, _PACKED[packed][0])


def _json(_connection: duckdb.DuckDBPyConnection, path: Path, section: EventFiles, packed: str) -> Source:
    columns = section.columns
    texts = dict.fromkeys(
        filter(None, (columns.event_id, columns.at, columns.type, columns.integration, columns.environment,
                      columns.outcome, columns.sampled, columns.verify)), "VARCHAR",
    )  # fmt: skip
    # A line that is no JSON becomes a row of NULLs, which is bad.
    table = (
        f"read_json({as_glob(path)}, format = 'newline_delimited', records = true, ignore_errors = true, "
        f"compression = '{packed}', columns = {_columns(texts)})"
    )
    return Source(table, texts)


def _csv(connection: duckdb.DuckDBPyConnection, path: Path, _section: EventFiles, packed: str) -> Source:
    return csv_source(connection, path, packed)


def csv_source(connection: duckdb.DuckDBPyConnection, path: Path, packed: str) -> Source:
    """Return the rows of a CSV file by the names in its first line; `rejected_rows` tells of lines that are none.

    Raises:
        CannotRead: it has no first line.
    """
    same = f"{as_glob(path)}, auto_detect = false, compression = '{packed}', delim"
    # Read apart: where DuckDB looks for columns itself, one quote that is never closed makes it refuse the file.
    lines = connection.execute(
        f"SELECT line FROM read_csv({same} = '\x01', quote = '', escape = '', header = false, columns = {{'line': 'VARCHAR'}}, "  # noqa: S608 (quoted)
        "ignore_errors = true) LIMIT 1"
    ).fetchall()
    names = next(csv.reader([str(lines[0][0]).lstrip("\ufeff")]), []) if lines else []
    if not names:
        raise CannotRead(FileState.UNREADABLE, "it has no first line that names its columns")
    texts = dict.fromkeys(names, "VARCHAR")
    table = (
        f"read_csv({same} = ',', quote = '\"', escape = '\"', header = true, columns = {_columns(texts)}, "
        "ignore_errors = true, store_rejects = true, rejects_limit = 0)"
    )
    return Source(table, texts)


def _parquet(connection: duckdb.DuckDBPyConnection, path: Path, _section: EventFiles, _packed: str) -> Source:
    table = f"read_parquet({as_glob(path)})"
    described = connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()  # noqa: S608 (quoted)
    return Source(table, {str(row[0]): str(row[1]) for row in described})


_READERS: Mapping[str, Callable[[duckdb.DuckDBPyConnection, Path, EventFiles, str], Source]] = {
    ".jsonl": _json,
    ".ndjson": _json,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
}


def _columns(named: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{quoted(name)}: '{kind}'" for name, kind in named.items()) + "}"


def as_glob(path: Path) -> str:
    """Return the path as DuckDB takes it: its wildcards in brackets, so that they mean themselves."""
    return quoted("".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path)))


def _begins_well(path: Path) -> bool:
    """Tell whether the file begins as one of its kind does, so that it broke off rather than never was one."""
    begins = _PARQUET_BEGINS if path.suffix.lower() == ".parquet" else _PACKED.get(path.suffix.lower(), ("", b""))[1]
    try:
        with path.open("rb") as stream:
            return bool(begins) and stream.read(len(begins)) == begins
    except OSError:
        return False
