"""Of a target that someone has to look into, some of the lost events are named: they are looked up again in the files that hold them.

Imports DuckDB: only the tasks that count import this.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from domain.errors import OpsError
from domain.event_files import ComparedIds, DayCell, FileCount, FileState, LostId, MissingEvent
from domain.reconciliation import Finding, SourceFact
from domain.reconciliation_sections import EventFiles
from steps.alone import folder_of_own
from steps.emitted_sides import Place, SourceRead, access_of, fetched_for, repeats_of
from steps.event_reading import EventFile
from steps.event_sources import SourceFile, opened_store
from steps.missing_events import missing_ids
from steps.reconciling import Answered, Question, assembled
from vendors.object_stores import Store

MOST_OF_A_TARGET = 100
# One that was waived is looked into as well.
_LOOKED_INTO = frozenset({Finding.BREACH, Finding.INCONCLUSIVE, Finding.WAIVED})


def missing_events(
    question: Question, answered: Answered, sources: Sequence[SourceRead], compared: ComparedIds, place: Place
) -> tuple[dict[str, tuple[str, ...]], tuple[SourceFact, ...]]:
    """Return lines of lost events, by target and time, and what could not be looked up.

    None is of a target that is in order, or is only counted. Only files that hold events of the cells are read again.
    """
    month = assembled(question, answered)
    wanted = {one.target for one in month.targets if one.by_ids and one.finding in _LOOKED_INTO}
    # A day that one side does not know has lost nothing that anybody knows of.
    known = {(cell.target, cell.day) for cell in month.cells if cell.compared is not None}
    lost = [one for one in compared.lost if one.cell.kind.target in wanted and _place_of(one) in known]
    compared = replace(compared, lost=tuple(_first_of_each(lost)))
    found: dict[tuple[str, str], MissingEvent] = {}
    facts: list[SourceFact] = []
    for source in sources:
        for event in _in_source(question, source, compared, place):
            if isinstance(event, SourceFact):
                facts.append(event)
                continue
            found.setdefault((event.target, event.event_id), event)
    lines: dict[str, tuple[str, ...]] = {}
    for event in sorted(found.values()):
        lines[event.target] = (*lines.get(event.target, ()), written(event))
    return {target: some[:MOST_OF_A_TARGET] for target, some in lines.items()}, tuple(facts)


def written(event: MissingEvent) -> str:
    """Return the event as a line: when it happened, what it was, its id, and in which file it is recorded."""
    return f"{event.at:%Y-%m-%dT%H:%M:%SZ} {event.type} {event.event_id} {event.file}"


def _place_of(lost: LostId) -> tuple[str, object]:
    return lost.cell.kind.target, lost.cell.day


def _first_of_each(lost: Sequence[LostId]) -> Iterator[LostId]:
    """Yield the first of each target, by day, so that few files have to be read again."""
    seen: Counter[str] = Counter()
    for one in sorted(lost, key=lambda one: (one.cell, one.prefix)):
        seen[one.cell.kind.target] += 1
        if seen[one.cell.kind.target] <= MOST_OF_A_TARGET:
            yield one


def _in_source(
    question: Question, source: SourceRead, compared: ComparedIds, place: Place
) -> Iterator[MissingEvent | SourceFact]:
    section, cells = source.section, {one.cell for one in compared.lost}
    counts = {count.name: count for count in source.counts}
    concerned = [file for file in source.files if _holds(counts[file.name], cells)]
    if section is None or not concerned:
        return
    try:
        # A folder of its own: events lie there in the clear, and what a killed run left is removed by the next.
        with (
            folder_of_own(place.spool / "looking") as folder,
            opened_store(section, access_of(question)) as store,
        ):
            for file in concerned:
                yield from _in_file(question, section, file, counts[file.name], compared, store, folder)
    except (OpsError, OSError) as error:
        # What is missing is counted; only its names cannot be had.
        why = error.happened if isinstance(error, OpsError) else error.strerror or type(error).__name__
        yield SourceFact(source.name, "", f"ids of lost events could not be looked up: {why}", 0, is_fault=True)


def _in_file(  # noqa: PLR0917 (what one file is read with)
    question: Question, section: EventFiles, file: SourceFile, count: FileCount, compared: ComparedIds, store: Store | None, folder: Path
) -> tuple[MissingEvent, ...]:  # fmt: skip
    with fetched_for(file, store, folder, repeats_of(question)) as path:
        return missing_ids(
            [(EventFile(path, file.name, file.day), count)], section, question.window, compared,
            {one.cell for one in compared.lost}, limit=len(compared.lost),
            memory_mib=question.context.config.reconciliation.memory_mib,
        )  # fmt: skip


def _holds(count: FileCount, cells: set[DayCell]) -> bool:
    return count.state is FileState.READ and not cells.isdisjoint(count.daily())
