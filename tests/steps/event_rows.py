"""Files of recorded events, written row by row, and what plain Python counts in them."""

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from domain.event_files import DayCell, EventKind, FileCount
from domain.reconciliation_sections import EventColumns, EventFiles
from domain.windows import Month, Window
from steps.event_counting import count_file
from steps.event_reading import EventFile
from steps.event_spools import Spool, spool_file

JULY = Month(2026, 7).window
TARGETS = frozenset({"slack", "sentry", "pagerduty/payments"})
SECTION = EventFiles(environment="prod", place="/events")
COLUMNS = EventColumns(environment="env", outcome="outcome", sampled="sampled", verify="verify")
FULL = EventFiles(environment="prod", place="/events", columns=COLUMNS, integrations={"pd": "pagerduty/payments"})


def event(
    number: object, at: str = "2026-07-01T00:00:00Z", kind: str = "alert", to: str = "slack", **more: Any
) -> dict[str, Any]:
    return {"event_id": f"e-{number}", "timestamp": at, "event_type": kind, "integration": to, **more}


def jsonl(path: Path, rows: Iterable[Mapping[str, Any] | bytes]) -> Path:
    """Write the rows; bytes stand as they are."""
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    content = b"".join(line + b"\n" for line in lines)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def in_every_format(folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Write the same rows as every kind of file that is read."""
    plain = jsonl(folder / "a.jsonl", rows)
    table = pa.Table.from_pylist([dict(row) for row in rows])
    pq.write_table(table, folder / "a.parquet")
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    (folder / "a.csv").write_text(text.getvalue())
    made = [plain, folder / "a.csv", folder / "a.parquet"]
    for one in made[:2]:
        packed = one.with_name(one.name + ".gz")
        packed.write_bytes(gzip.compress(one.read_bytes()))
        made.append(packed)
        made.append(zst(one))
    return made


def zst(path: Path) -> Path:
    """Pack a file of text, by DuckDB: Python 3.11 has no zstd of its own."""
    packed = path.with_name(path.name + ".zst")
    lines = [(line,) for line in path.read_text().splitlines()]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE lines (line VARCHAR)")
        connection.executemany("INSERT INTO lines VALUES (?)", lines)
        connection.execute(
            f"COPY lines TO '{packed}' (FORMAT csv, HEADER false, DELIMITER '\x01', QUOTE '', ESCAPE '', COMPRESSION zstd)"
        )
    return packed


def counted(path: Path, section: EventFiles = SECTION, days: Window = JULY, **more: Any) -> FileCount:
    """Count it both ways, in the aggregate and row by row: they must agree."""
    file = EventFile(path, path.name, **more)
    count = count_file(file, section, days, TARGETS)
    again, spool = spooled(path, section, days, **more)
    assert again == count
    assert spool.is_whole()
    return count


def spooled(path: Path, section: EventFiles = SECTION, days: Window = JULY, **more: Any) -> tuple[FileCount, Spool]:
    number = len(list(path.parent.glob("spools/*")))
    return spool_file(
        EventFile(path, path.name, **more), section, days, TARGETS, path.parent / "spools" / f"{number}.ids"
    )


def by_hand(rows: Iterable[Mapping[str, Any]], days: Window = JULY) -> Counter[DayCell]:
    """Count rows of FULL's columns, all of them good and ours, in plain Python."""
    found: Counter[DayCell] = Counter()
    for row in rows:
        at = datetime.fromisoformat(row["timestamp"]).astimezone(UTC)
        if days.start <= at < days.end:
            found[DayCell(at.date(), kind_by_hand(row))] += 1
    return found


def kind_by_hand(row: Mapping[str, Any]) -> EventKind:
    outcome = row.get("outcome", "")
    return EventKind(
        {"pd": "pagerduty/payments"}.get(row["integration"], row["integration"]),
        row["event_type"],
        "" if outcome in {"sent", "ok", ""} else outcome,
        row.get("sampled") == "false",
        row.get("verify") == "true",
    )


def iso(moment: datetime, hours_east: int = 0) -> str:
    local = moment.astimezone(UTC) + timedelta(hours=hours_east)
    sign = "Z" if not hours_east else f"{'+' if hours_east > 0 else '-'}{abs(hours_east):02}:00"
    return local.strftime("%Y-%m-%dT%H:%M:%S.%f") + sign
