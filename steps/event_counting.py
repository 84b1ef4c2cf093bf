"""The rows of one file are counted by hour and kind in one pass, aggregated by DuckDB before Python sees any of them."""

from collections.abc import Collection, Sequence
from typing import Any

from domain.event_files import FileCount, FileState
from domain.event_rows import Judge, Mark, RowGroup, RowWords, file_count
from domain.reconciliation_sections import EventFiles
from domain.windows import Window
from steps.event_columns import CannotRead
from steps.event_reading import EventFile, damage_told, opened, reading, rejected_rows

# A file with more different words than these has them from the wrong column; so many still fit into memory.
MOST_WORDS = 1 << 14


def count_file(
    file: EventFile, section: EventFiles, days: Window, targets: Collection[str], *, memory_mib: int = 1024
) -> FileCount:
    """Return what the file holds of these days; a file that cannot be read says so in its state and counts nothing.

    `days` begins and ends at a whole hour. `targets` are the integrations in scope, as str(Target) writes them; rows of
    others are counted by name.
    """
    try:
        return _counted(file, section, days, targets, memory_mib)
    except CannotRead as told:
        return FileCount(file.name, file.day, told.state, told.reason)


def not_too_many(words: int) -> None:
    """Let pass what cells can be made of.

    Raises:
        CannotRead: the file has more different words than that.
    """
    if words > MOST_WORDS:
        raise CannotRead(
            FileState.UNREADABLE,
            f"it has more than {MOST_WORDS} different types, integrations and outcomes (are these the right columns?)",
        )


def rejected_group(rows: int) -> RowGroup:
    """Return the lines that DuckDB did not take for rows, as bad ones."""
    return RowGroup(RowWords("", "", "", "", int(Mark.BAD)), (0,), (rows,))


def words_of(labels: Sequence[str], texts: Sequence[str | None], marks: int) -> RowWords:
    """Return the words of a row; a column that is not there, or empty in this row, has the empty word."""
    said = dict(zip(labels, texts, strict=True))
    environment, integration, kind, outcome = (
        said.get(label) or "" for label in ("environment", "integration", "type", "outcome")
    )
    return RowWords(environment, integration, kind, outcome, marks)


def _counted(
    file: EventFile, section: EventFiles, days: Window, targets: Collection[str], memory_mib: int
) -> FileCount:
    with opened(section.time_zone, memory_mib) as connection, damage_told(file):
        rows = reading(connection, file, section, days)
        labels = ", ".join(rows.labels)
        hourly = (
            f"SELECT {labels}, marks, hour, count(*) AS n, min(us) AS first, max(us) AS last "  # noqa: S608 (names of ours)
            f"FROM ({rows.sql}) GROUP BY ALL"
        )
        found = connection.execute(
            f"SELECT {labels}, marks, list(hour), list(n), min(first), max(last) "  # noqa: S608 (names of ours)
            f"FROM ({hourly}) GROUP BY ALL LIMIT {MOST_WORDS + 1}"
        ).fetchall()
        not_too_many(len(found))
        rejected = rejected_rows(connection)
    groups = [_group(row, rows.labels) for row in found] + [rejected_group(rejected)]
    return file_count(file.name, file.day, groups, Judge(section, targets), days, _span(found))


def _group(row: Sequence[Any], labels: Sequence[str]) -> RowGroup:
    *texts, marks, hours, counts, _first, _last = row
    return RowGroup(words_of(labels, texts, marks), hours, counts)


def _span(found: Sequence[Sequence[Any]]) -> tuple[int | None, int | None]:
    firsts = [row[-2] for row in found if row[-2] is not None]
    return (min(firsts), max(row[-1] for row in found if row[-1] is not None)) if firsts else (None, None)
