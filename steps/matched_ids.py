"""Both sides by id: what each source recorded once, and what the vendor's lists have of it, by UTC day, target and type.

Imports DuckDB and NumPy: only the tasks that count import this.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path
from uuid import uuid4

from domain.event_counts import NOT_SPLIT, Listed, Trust
from domain.event_files import ComparedIds, DayCell, EmittedIds, EventKind
from domain.names import Target
from domain.reconciliation import Emitted, Received, SourceFact
from domain.reconciliation_sections import EventFiles
from steps.emitted_sides import SourceRead
from steps.event_ids import compare_ids
from steps.event_reading import EventFile
from steps.event_spools import Spool, spool_file
from steps.reconciling import EmittedSide, Matched, Question

_HOURS = 24
# What stands for no type in the file of a vendor's list, where an empty one would be no event.
_NO_TYPE = "-"


@dataclass(frozen=True, slots=True)
class ById:
    """What ids say: every source's side, and the matched side of each target whose vendor lists ids."""

    emitted: tuple[EmittedSide, ...]
    matched: Mapping[str, Matched]
    facts: tuple[SourceFact, ...]


def match_ids(
    question: Question, sources: Sequence[SourceRead], received: Mapping[str, Sequence[Spool]], folder: Path
) -> ById:
    """Return both sides by id. `received` holds the spools of the targets whose vendor lists ids."""
    files = [source for source in sources if source.numbers is None]
    ids = compare_ids(
        [spool for source in files for spool in source.spools],
        [spool for spools in received.values() for spool in spools],
        question.window,
        folder,
        memory_mib=question.context.config.reconciliation.memory_mib,
    )
    hours = _hours(source for source in files)
    sides = [*_file_sides(files, ids, hours), *_number_sides(sources)]
    splits = {str(asked.target) for asked in question.asked if asked.section.splits_types}
    counted_only = {side.target for side in sides if side.trust is not Trust.EXACT and side.days}
    matched = {
        target: Matched(_matched(target, ids, splits=target in splits))
        for target in received
        # Where a part of what was emitted is known as numbers alone, ids would call all of it lost.
        if target not in counted_only
    }
    return ById(tuple(sides), matched, tuple(_facts(ids)))


def spool_listed(
    question: Question, target: Target, listed: Iterable[Listed], folder: Path
) -> Spool:  # fmt: skip
    """Return the spool of events that a vendor listed; they are written down and counted by the code that counts files."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"{target.integration}-{target.instance}-{uuid4().hex}.jsonl"
    with file.open("x", encoding="utf-8") as writing:
        file.chmod(0o600)
        for one in listed:
            said = {
                "event_id": one.event_id,
                "timestamp": one.at.astimezone(UTC).isoformat(),
                "event_type": one.type or _NO_TYPE,
                "integration": str(target),
            }
            writing.write((json.dumps(said, ensure_ascii=False) + "\n") * one.copies)
    section = EventFiles(environment=question.context.environment, place=str(folder))
    try:
        _, spool = spool_file(
            EventFile(file, file.name), section, question.window, [str(target)], file.with_suffix(".ids"),
            memory_mib=question.context.config.reconciliation.memory_mib,
        )  # fmt: skip
    finally:
        file.unlink()
    return spool


def _file_sides(
    files: Sequence[SourceRead], ids: ComparedIds, hours: Mapping[tuple[str, date, str], tuple[int, ...]]
) -> Iterator[EmittedSide]:
    """Yield what the files say of each target; ids are unique over all files, so they are one side together."""
    days: dict[str, dict[tuple[date, str], Emitted]] = {}
    by_cell: dict[tuple[str, date, str], list[tuple[EventKind, EmittedIds]]] = {}
    for cell, found in ids.emitted.items():
        if not cell.kind.is_probe:
            by_cell.setdefault((cell.kind.target, cell.day, cell.kind.type), []).append((cell.kind, found))
    for (target, day, kind), rows in by_cell.items():
        days.setdefault(target, {})[day, kind] = _emitted(rows, hours.get((target, day, kind), ()))
    for target in sorted({target for source in files for target in source.targets}):
        recorded_by = [source for source in files if target in source.targets]
        missing = {day: f"{source.name}: {why}" for source in recorded_by for day, why in source.missing.items()}
        yield EmittedSide(target, Trust.EXACT, days.get(target, {}), missing)


def _emitted(rows: Sequence[tuple[EventKind, EmittedIds]], by_hour: tuple[int, ...]) -> Emitted:
    drops: Counter[str] = Counter()
    for kind, found in rows:
        if kind.outcome and not kind.sampled_out:
            drops[kind.outcome] += found.unique
    return Emitted(
        records=sum(found.rows for _, found in rows),
        unique=sum(found.unique for _, found in rows),
        sent=sum(found.unique for kind, found in rows if kind.is_sent),
        drops=tuple(sorted((+drops).items())),
        sampled_out=sum(found.unique for kind, found in rows if kind.sampled_out),
        by_hour=by_hour,
    )


def _number_sides(sources: Iterable[SourceRead]) -> Iterator[EmittedSide]:
    for source in sources:
        if source.numbers is None:
            continue
        for target in source.targets:
            days = {
                (day, kind): Emitted(events, events, events)
                for (day, of, kind), events in source.numbers.counts.items()
                if of == target
            }
            yield EmittedSide(
                target, source.trust, days, {day: f"{source.name}: {why}" for day, why in source.missing.items()}
            )


def _hours(files: Iterable[SourceRead]) -> dict[tuple[str, date, str], tuple[int, ...]]:
    """Return the records that were sent, by target, day and type, hour by hour."""
    found: dict[tuple[str, date, str], list[int]] = {}
    for source in files:
        for count in source.counts:
            for at, kind, rows in count.hourly():
                if kind.is_sent and not kind.is_probe:
                    found.setdefault((kind.target, at.date(), kind.type), [0] * _HOURS)[at.hour] += rows
    return {key: tuple(hours) for key, hours in found.items()}


def _matched(target: str, ids: ComparedIds, *, splits: bool) -> dict[tuple[date, str], Received]:
    """Return the target's side by id: what arrived by its own day and type, what is lost by those of the record."""
    sums: dict[tuple[date, str], Counter[str]] = {}
    for cell, arrived in ids.received.items():
        if cell.kind.target == target:
            told = {"events": arrived.rows, "unique": arrived.unique, "extra": arrived.extra}
            sums.setdefault(_key(cell, splits=splits), Counter()).update(told)
    for cell, emitted in ids.emitted.items():
        if cell.kind.target == target and not cell.kind.is_probe:
            sums.setdefault(_key(cell, splits=splits), Counter()).update({"lost": emitted.lost(cell.kind)})
    return {
        key: Received(found["events"], found["unique"], found["lost"], found["extra"]) for key, found in sums.items()
    }


def _key(cell: DayCell, *, splits: bool) -> tuple[date, str]:
    """Return day and type; where the vendor does not split types, all are one."""
    return cell.day, cell.kind.type if splits and cell.kind.type != _NO_TYPE else NOT_SPLIT


def _facts(ids: ComparedIds) -> Iterator[SourceFact]:
    probes = sum(found.rows for cell, found in ids.emitted.items() if cell.kind.is_probe)
    if probes:
        yield SourceFact("emitted", "", "verifications, left out of both sides", probes, is_fault=False)
