"""What vendors counted, kept because they forget it sooner than a month is over. What was never collected is no 0."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, select

from domain.errors import BadInput
from domain.event_counts import Count, Fate
from domain.windows import Window, day_window
from ledger import chain
from ledger.facts import COUNTS_KEPT, record_fact
from ledger.opening import Ledger
from ledger.reconciliation_schema import COLLECTED_COUNTS


@dataclass(frozen=True, slots=True)
class KeptCounts:
    """Counts that begin within the window that was asked for, and the parts of it that were collected, which never overlap."""

    counts: tuple[Count, ...]
    windows_held: tuple[Window, ...]

    def days_missing(self, window: Window) -> tuple[date, ...]:
        """Return the UTC days of which some part of the window was not collected: their counts are not known."""
        return tuple(day for day in window.days() if not self._holds(day_window(day).overlap(window)))

    def _holds(self, part: Window | None) -> bool:
        held = (part.overlap(one) for one in self.windows_held) if part else ()
        return part is None or sum((one.span for one in held if one), timedelta(0)) == part.span


def keep_counts(  # noqa: PLR0917 (the parts of one row, in its order)
    ledger: Ledger,
    run_id: str,
    environment: str,
    target: str,
    window: Window,
    section_digest: str,
    counts: Iterable[Count],
) -> bool:
    """Keep what the vendor counted in the window, in place of what is kept of it or of parts of it.

    The same counts of the same window stay as they are, with the run that kept them first. False, with nothing changed,
    where a longer window that covers this one is kept: that one is more complete.

    Raises:
        BadInput: the window covers a kept one in part, so that events would be counted twice or not at all.
    """
    told = json.dumps([_row(count) for count in counts], separators=(",", ":"), ensure_ascii=False)
    values = {
        "environment": environment,
        "target": target,
        "section": section_digest,
        "window_start": window.start,
        "window_end": window.end,
        "counts": told,
        "run_id": run_id,
    }
    with ledger.writing() as connection:
        chain.hold(connection)
        held = _held(connection, environment, target, window, section_digest)
        if any(one != window and _covers(one, window) for one, _ in held):
            return False
        crossing = [one for one, _ in held if not _covers(window, one)]
        if crossing:
            raise _crosses(target, window, crossing[0])
        if [one for one, _ in held] == [window] and _texts(connection, held) == [told]:
            return True
        record_fact(ledger, connection, COUNTS_KEPT, values, ends=[seq for _, seq in held])
    return True


def kept_counts(ledger: Ledger, environment: str, target: str, window: Window, section_digest: str) -> KeptCounts:
    """Return what is kept of the window, asked with this section. A count is taken by its start and never cut."""
    with ledger.reading() as connection:
        held = _held(connection, environment, target, window, section_digest)
        told = _texts(connection, held)
    counts = (_count(row) for text in told for row in json.loads(text))
    parts = (one.overlap(window) for one, _ in held)
    return KeptCounts(
        tuple(count for count in counts if window.start <= count.start < window.end),
        tuple(part for part in parts if part),
    )


def _held(
    connection: Connection, environment: str, target: str, window: Window, section: str
) -> list[tuple[Window, int]]:
    """Return the kept windows that share time with this one, in order, with their entries in the chain."""
    kept = COLLECTED_COUNTS.c
    query = select(kept.window_start, kept.window_end, kept.seq).where(
        kept.environment == environment,
        kept.target == target,
        kept.section == section,
        kept.window_start < window.end,
        kept.window_end > window.start,
    )
    return [(Window(row[0], row[1]), row[2]) for row in connection.execute(query.order_by(kept.window_start))]


def _texts(connection: Connection, held: Iterable[tuple[Window, int]]) -> list[str]:
    """Return what was counted in these windows, in their order."""
    kept = COLLECTED_COUNTS.c
    query = select(kept.counts).where(kept.seq.in_([seq for _, seq in held]))
    return list(connection.execute(query.order_by(kept.window_start)).scalars())


def _covers(one: Window, other: Window) -> bool:
    return one.start <= other.start and other.end <= one.end


def _row(count: Count) -> list[object]:
    seconds = count.span.total_seconds()
    start = count.start.isoformat()
    return [start, seconds, count.type, count.fate.name, count.events, count.reason, count.is_probe]


def _count(row: list[object]) -> Count:
    start, seconds, event_type, fate, events, reason, is_probe = row
    return Count(
        datetime.fromisoformat(str(start)),
        timedelta(seconds=float(str(seconds))),
        str(event_type),
        Fate[str(fate)],
        int(str(events)),
        str(reason),
        bool(is_probe),
    )


def _crosses(target: str, window: Window, kept: Window) -> BadInput:
    return BadInput(
        f"Counts of {target} from {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC cross those kept from "
        f"{kept.start:%Y-%m-%d %H:%M} to {kept.end:%Y-%m-%d %H:%M} UTC.",
        "Events of the time that both have would be counted twice. Nothing was kept.",
        "Collect whole UTC days; a window that covers the kept one takes its place.",
    )
