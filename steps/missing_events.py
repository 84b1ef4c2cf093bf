"""Lost ids are looked up again in the files that may hold them, since a spool keeps hashes alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.event_files import ComparedIds, DayCell, FileCount, FileState, LostId, MissingEvent
from domain.reconciliation_sections import EventFiles
from domain.windows import Window
from steps.event_columns import CannotRead
from steps.event_reading import EventFile, damage_told, opened, reading

_HASH_BITS = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def missing_ids(
    counted: Iterable[tuple[EventFile, FileCount]],
    section: EventFiles,
    days: Window,
    compared: ComparedIds,
    cells: Iterable[DayCell],
    *,
    limit: int = 100,
    memory_mib: int = 1024,
) -> tuple[MissingEvent, ...]:
    """Return up to `limit` events of these cells that were sent and did not arrive, by time.

    They are of the sample that `compared` kept. Only files that hold rows of their cells are read again; one that cannot be
    read any more adds nothing.
    """
    wanted = set(cells)
    lost = [one for one in compared.lost if one.cell in wanted]
    found: dict[tuple[str, str], MissingEvent] = {}
    for file, count in counted:
        prefixes = _held(count, lost)
        if prefixes and len(found) < limit:
            query = _Query(section, days, tuple(prefixes), _HASH_BITS - compared.prefix_bits)
            for event in _looked_up(file, query, memory_mib):
                found.setdefault((event.target, event.event_id), event)
    return tuple(sorted(found.values())[:limit])


def _held(count: FileCount, lost: Sequence[LostId]) -> list[int]:
    held = count.daily() if count.state is FileState.READ else {}
    return [one.prefix for one in lost if one.cell in held]


@dataclass(frozen=True, slots=True)
class _Query:
    """Which events are looked for: those whose hash, without its last `left_out` bits, is one of `prefixes`."""

    section: EventFiles
    days: Window
    prefixes: tuple[int, ...]
    left_out: int


def _looked_up(file: EventFile, query: _Query, memory_mib: int) -> list[MissingEvent]:
    try:
        with opened(query.section.time_zone, memory_mib) as connection, damage_told(file):
            rows = reading(connection, file, query.section, query.days)
            found = connection.execute(
                f"SELECT id, us, target, type FROM ({rows.sql}) "  # noqa: S608 (names of ours)
                f"WHERE hash(target, id) >> {query.left_out} IN (SELECT unnest(?::UBIGINT[])) AND us IS NOT NULL",
                [list(query.prefixes)],
            ).fetchall()
    except CannotRead:
        return []
    return [
        MissingEvent(_EPOCH + timedelta(microseconds=us), target, kind, event_id, file.name)
        for event_id, us, target, kind in found
    ]
