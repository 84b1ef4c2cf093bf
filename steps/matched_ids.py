"""Both sides by id: what each source recorded once, and what the vendor's lists have of it, by UTC day, target and type.

Imports DuckDB and NumPy: only the tasks that count import this.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from domain.emitted_counts import EmittedCounts
from domain.errors import Rejected
from domain.event_counts import NOT_SPLIT, Trust
from domain.event_files import ComparedIds, EmittedIds, EventKind, FileState
from domain.names import Target
from domain.reconciliation import Emitted, Received, SourceFact
from domain.reconciliation_sections import EventFiles
from domain.windows import DAY
from steps.alone import folder_of_own
from steps.emitted_sides import Place, SourceRead
from steps.event_ids import compare_ids
from steps.event_reading import EventFile
from steps.event_spools import Spool, spool_file
from steps.received_pages import NO_TYPE
from steps.received_sides import ReceivedSide
from steps.reconciling import Answered, EmittedSide, Matched, Question
from steps.second_look import missing_events

_HOURS = 24
# Below it the number of pairs that share a hash is told as that.
_TOLD_FROM = 0.000001


@dataclass(frozen=True, slots=True)
class ById:
    """What ids say: every source's side, and the matched side of each target whose vendor lists ids."""

    emitted: tuple[EmittedSide, ...]
    matched: Mapping[str, Matched]
    facts: tuple[SourceFact, ...]
    compared: ComparedIds


def match_sides(
    question: Question, sources: Sequence[SourceRead], exports: Mapping[str, SourceRead], received: Mapping[str, ReceivedSide], place: Place
) -> tuple[ById, dict[str, ReceivedSide]]:  # fmt: skip
    """Return both sides by id, and what is received, in which a list that could not be counted is missing.

    The vendors' lists are removed, whatever happens. What is lost of a target that someone will have to look into is looked up again in the files that hold it.
    """
    told = dict(received)
    spools = {name: list(read.spools) for name, read in exports.items()}
    try:
        with folder_of_own(place.spool / "matching") as folder:
            for asked in question.asked:
                name = str(asked.target)
                if asked.section.by != "ids" or asked.section.export is not None or name not in told:
                    continue
                file = told[name].listed
                try:
                    spools[name] = [] if file is None else [spool_listed(question, asked.target, file, folder)]
                except Rejected as error:
                    untold = dict.fromkeys(question.window.days(), f"{error.happened} {error.next_step}")
                    told[name] = ReceivedSide(missing=untold)
            found = match_ids(question, sources, spools, _listed(question, sources, told, spools), folder)
    finally:
        for side in received.values():
            if side.listed is not None:
                side.listed.unlink(missing_ok=True)
    answered = Answered(found.emitted, told, found.matched, (), 0)
    missing, facts = missing_events(question, answered, sources, found.compared, place)
    matched = {name: replace(one, missing_ids=missing.get(name, ())) for name, one in found.matched.items()}
    said = [fact for side in received.values() for fact in side.facts]
    return replace(found, matched=matched, facts=(*found.facts, *facts, *said)), told


def match_ids(
    question: Question, sources: Sequence[SourceRead], received: Mapping[str, Sequence[Spool]], listed: Mapping[str, frozenset[date]], folder: Path
) -> ById:  # fmt: skip
    """Return both sides by id. `received` holds the spools of the targets whose vendor lists ids, on the days in `listed`."""
    files = [source for source in sources if source.section is not None]
    ids = compare_ids(
        [spool for source in files for spool in source.spools],
        [spool for spools in received.values() for spool in spools],
        question.window,
        folder,
        listed=listed,
        memory_mib=question.context.config.reconciliation.memory_mib,
    )
    recorded = [source for source in sources if source.trust is Trust.EXACT]
    sides = [*_file_sides(recorded, ids, _hours(files)), *_number_sides(sources)]
    splits = {str(asked.target) for asked in question.asked if asked.section.splits_types}
    counted_only = {side.target for side in sides if side.trust is not Trust.EXACT and (side.days or side.missing)}
    matched = {
        target: Matched(_matched(target, ids, splits=target in splits))
        for target in received
        # Where a part of what was emitted is known as numbers alone, ids would call all of it lost.
        if target not in counted_only
    }
    return ById(tuple(sides), matched, tuple(id_facts(ids)), ids)


def _listed(
    question: Question, sources: Sequence[SourceRead], received: Mapping[str, ReceivedSide], targets: Iterable[str]
) -> dict[str, frozenset[date]]:
    """Return the days on which the ids of both sides are known, by target: only of these can one say which are lost."""
    return {
        target: frozenset(question.window.days())
        - received[target].missing.keys()
        - received[target].counted_only
        - {day for source in sources if target in source.targets for day in source.missing}
        for target in targets
        if target in received
    }


def spool_listed(question: Question, target: Target, file: Path, folder: Path) -> Spool:
    """Return the spool of the events that a vendor listed, counted by the code that counts files. The file is removed.

    Raises:
        Rejected: the list cannot be counted: it has too many types, or takes more memory than is allowed.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    section = EventFiles(environment=question.context.environment, place=str(file.parent))
    try:
        count, spool = spool_file(
            EventFile(file, file.name), section, question.window, [str(target)], folder / f"{file.stem}.ids",
            memory_mib=question.context.config.reconciliation.memory_mib,
        )  # fmt: skip
    finally:
        file.unlink(missing_ok=True)
    if count.state is not FileState.READ or count.bad:
        raise Rejected(
            f"The list of {target} cannot be matched: {count.reason or f'{count.bad:,} of its events have no usable time'}.",
            "Its ids were not compared, and nobody knows what is missing.",
            'See whether type_field names the right field; or count instead of listing: by = "counts".',
        )
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
        repeats_kept_back=sum(found.rows - found.unique for kind, found in rows if not kind.is_sent),
    )


def _number_sides(sources: Iterable[SourceRead]) -> Iterator[EmittedSide]:
    """Yield what counters say of each target; a day on which none of its counters is there was not counted."""
    for source in sources:
        if source.trust is Trust.EXACT:
            continue
        numbers = source.numbers
        known = {target for _, target, _ in numbers.counts} if numbers else set(source.targets)
        for target in source.targets:
            if target not in known and not source.names_targets:
                continue
            days = dict(_counted_days(numbers, target)) if numbers else {}
            told = {day for day, _ in days}
            absent = {day for day in source.days if day not in told}
            missing = {**dict.fromkeys(absent, f"no counter of {target} is there"), **source.missing}
            yield EmittedSide(
                target, source.trust, days, {day: f"{source.name}: {why}" for day, why in sorted(missing.items())}
            )


def _counted_days(numbers: EmittedCounts, target: str) -> Iterator[tuple[tuple[date, str], Emitted]]:
    earlier = numbers.may_be_earlier
    for (day, of, kind), events in numbers.counts.items():
        if of == target:
            later = earlier.get((day + DAY, of, kind), 0)
            yield (
                (day, kind),
                Emitted(events, events, events, may_be_earlier=earlier.get((day, of, kind), 0), may_be_later=later),
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
        if cell.kind.target == target and not cell.kind.is_probe:
            told = {"events": arrived.rows, "unique": arrived.unique, "extra": arrived.extra}
            kind = NOT_SPLIT if cell.kind.type == NO_TYPE else cell.kind.type
            sums.setdefault((cell.day, kind if splits else NOT_SPLIT), Counter()).update(told)
    for cell, emitted in ids.emitted.items():
        if cell.kind.target == target and not cell.kind.is_probe:
            key = (cell.day, cell.kind.type if splits else NOT_SPLIT)
            sums.setdefault(key, Counter()).update({"lost": emitted.lost(cell.kind)})
    return {
        key: Received(found["events"], found["unique"], found["lost"], found["extra"]) for key, found in sums.items()
    }


def id_facts(ids: ComparedIds) -> Iterator[SourceFact]:
    """Yield what a reader has to know of the comparison: how many probes are left out, and the odds that two ids were one."""
    probes = sum(found.rows for cell, found in ids.emitted.items() if cell.kind.is_probe)
    if probes:
        yield SourceFact("emitted", "", "verifications, left out of both sides", probes, is_fault=False)
    if ids.emitted or ids.received:
        pairs = ids.expected_collisions
        odds = f"{pairs:.6f}" if pairs >= _TOLD_FROM else f"fewer than {_TOLD_FROM:.6f}"
        yield SourceFact(
            "ids", "",
            f"ids are told apart by {ids.prefix_bits} bits of a hash: {odds} pairs of different ids are expected to share them; "
            "each such pair hides a loss or adds a duplicate",
            0, is_fault=pairs >= 1,
        )  # fmt: skip
