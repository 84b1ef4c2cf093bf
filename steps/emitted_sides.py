"""What one source says of a window: event files counted and spooled, counters and Prometheus asked; a fault is told, not raised.

Imports DuckDB and NumPy: only the tasks that count import this.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from domain.dated_names import days_named
from domain.emitted_counts import EmittedCounts
from domain.errors import OpsError
from domain.event_counts import Trust
from domain.event_files import FileCount, FileState
from domain.event_manifest import Difference, Differs, Manifest, difference_in_content, differences_in_rows
from domain.reconciliation import SourceFact
from domain.reconciliation_sections import IN_HOME, CounterSnapshots, EventFiles, PrometheusCounters
from domain.windows import DAY
from steps.alone import alone_in
from steps.counted_files import InputFile, Kept, count_files, spools_of
from steps.counter_snapshots import snapshot_counts
from steps.emitted_estimates import estimated_counts
from steps.event_sources import Access, Listing, SourceFile, fact_of, list_files, opened_store
from steps.event_spools import Spool
from steps.fetched_files import fetched, forget, sha256_of
from steps.reconciling import Question
from steps.repeated_reads import Repeats
from vendors.object_stores import Store

EmittedSource = EventFiles | CounterSnapshots | PrometheusCounters
# Called with a file's name, how many files are done, of how many, and how many rows they had.
Told = Callable[[str, int, int, int], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are on this machine: the project's home, and the folder for counts and fetched files."""

    home: Path
    spool: Path


@dataclass(frozen=True, slots=True)
class SourceRead:
    """What one source says. `targets` are those whose events are recorded there.

    Event files have `counts` and `spools`, counters and Prometheus have `numbers`. `missing` names days of which the source
    says nothing, and why.
    """

    name: str
    trust: Trust
    targets: tuple[str, ...]
    counts: tuple[FileCount, ...] = ()
    spools: tuple[Spool, ...] = ()
    numbers: EmittedCounts | None = None
    missing: Mapping[date, str] = field(default_factory=dict)
    facts: tuple[SourceFact, ...] = ()
    files_read: int = 0

    @property
    def summary(self) -> str:
        rows = sum(count.rows for count in self.counts)
        events = sum(self.numbers.counts.values()) if self.numbers else rows
        return (
            f"{self.name}: {events:,} events in {self.files_read} files."
            if self.files_read
            else f"{self.name}: {events:,} events."
        )


def read_source(question: Question, name: str, section: EmittedSource, place: Place, told: Told) -> SourceRead:
    """Return what the source says of the question's window. What cannot be read is missing, with the reason."""
    targets = section.targets or tuple(str(asked.target) for asked in question.asked)
    try:
        if isinstance(section, PrometheusCounters):
            return _estimated(question, name, section, targets)
        section = _at_home(section, place.home)
        with opened_store(section, _access(question)) as store:
            listing = list_files(section, question.window, store, _repeats(question))
            if isinstance(section, CounterSnapshots):
                return _snapshots(question, name, section, targets, listing, store, place)
            return _event_files(question, name, section, targets, listing, store, place, told)
    except OpsError as error:
        why = f"{error.happened} {error.next_step}"
        trust = _TRUST[section.kind]
        fact = SourceFact(name, "", why, 0, is_fault=True)
        return SourceRead(name, trust, targets, missing=dict.fromkeys(question.window.days(), why), facts=(fact,))


_TRUST = {"files": Trust.EXACT, "counters": Trust.COUNTERS, "prometheus": Trust.ESTIMATE}


def _event_files(  # noqa: PLR0917 (what one source is read with)
    question: Question, name: str, section: EventFiles, targets: tuple[str, ...], listing: Listing, store: Store | None, place: Place, told: Told
) -> SourceRead:  # fmt: skip
    reconciliation = question.context.config.reconciliation
    differing: list[Difference] = []
    inputs = [_input(question, name, file, listing.manifest, store, place, differing) for file in listing.files]
    declared = frozenset(str(target) for target in question.context.declared.targets)
    kept = Kept(place.spool / "counted" / name, section, question.window, declared)
    with alone_in(kept.of_window):
        counted = [*count_files(inputs, kept, told, memory_mib=reconciliation.memory_mib)]
    counts = tuple(one.count for one in counted)
    facts = [
        *listing.facts(name),
        *(fact_of(name, one) for one in differing),
        *(fact for count in counts for fact in _facts_of(name, count, reconciliation.bad_lines_percent / 100)),
        *(fact_of(name, one) for count in counts for one in _differs_in_rows(listing.manifest, count)),
    ]
    return SourceRead(
        name, Trust.EXACT, targets, counts, tuple(spools_of(counted)), missing=_days_missing(question, listing, counts),
        facts=tuple(facts), files_read=len(counts),
    )  # fmt: skip


def _input(  # noqa: PLR0917 (what one file is opened with)
    question: Question, name: str, file: SourceFile, manifest: Manifest | None, store: Store | None, place: Place, differing: list[Difference]
) -> InputFile:  # fmt: skip
    """Return the file as the counter takes it: fetched only where it has to be read, for as long as that takes."""
    folder = place.spool / "fetched" / name

    @contextmanager
    def opened() -> Iterator[Path]:
        try:
            path = fetched(file, store, folder, _repeats(question))
            entry = manifest.entries.get(file.name) if manifest else None
            difference = difference_in_content(entry, sha256_of(path)) if entry else None
            if difference is not None:
                differing.append(difference)
            yield path
        finally:
            forget(file, folder)

    return InputFile(file.name, file.size, file.identity, file.day, opened)


def _differs_in_rows(manifest: Manifest | None, count: FileCount) -> tuple[Difference, ...]:
    entry = manifest.entries.get(count.name) if manifest else None
    if entry is None or count.state is not FileState.READ:
        return ()
    return differences_in_rows(entry, count.rows, count.first, count.last)


def _facts_of(source: str, count: FileCount, bad_share: float) -> Iterator[SourceFact]:
    """Yield what a reader has to know of the file: whatever is not an event of this window and environment, by kind."""
    if count.state is not FileState.READ:
        yield SourceFact(source, count.name, f"{count.state.value}: {count.reason}", count.rows, is_fault=True)
        return
    told = (
        (count.bad, "lines that are no events", _is_above(count, bad_share)),
        (count.late, "late: in the file of another day", False),
        (count.outside, "of other days than those compared", False),
        (count.without_offset, "times without an offset, taken in the configured zone", False),
        (count.ambiguous, "in an hour that the clock went through twice", True),
        (count.absent, "in an hour that the clock left out", True),
        *((n, f"of environment {one or '(none)'}", False) for one, n in sorted(count.other_environments.items())),
        *(
            (n, f"of {one or '(none)'}, which is not in scope", True)
            for one, n in sorted(count.unknown_integrations.items())
        ),
    )
    yield from (SourceFact(source, count.name, what, events, is_fault=fault) for events, what, fault in told if events)


def _is_above(count: FileCount, share: float) -> bool:
    return count.bad > share * count.rows


def _days_missing(question: Question, listing: Listing, counts: Sequence[FileCount]) -> dict[date, str]:
    """Return the days that the files say nothing of: no file and no record is of it, or a file of it cannot be counted on."""
    share = question.context.config.reconciliation.bad_lines_percent / 100
    window = [*question.window.days()]
    told = {day for count in counts if count.state is FileState.READ for day in _days_of(count.name)}
    told |= {cell.day for count in counts for cell in count.daily()}
    missing = {day: "no file of this day is there, and no record is of it" for day in window if day not in told}
    for count in counts:
        why = _unusable(count, share)
        if why:
            missing |= dict.fromkeys([day for day in _days_of(count.name) or window if day in window], why)
    for difference in listing.differences:
        if difference.differs is Differs.MISSING:
            gone = [day for day in _days_of(difference.name) or window if day in window]
            missing |= dict.fromkeys(gone, f"{difference.name}: {difference.words}")
    return missing


def _unusable(count: FileCount, share: float) -> str:
    if count.state is not FileState.READ:
        return f"{count.name} {count.state.value}: {count.reason}"
    if count.rows and _is_above(count, share):
        return f"{count.name}: {count.bad:,} of {count.rows:,} lines are no events, above the limit of {share:.1%}"
    return ""


def _days_of(name: str) -> list[date]:
    span = days_named(name)
    return [] if span is None else [span[0] + timedelta(days=n) for n in range((span[1] - span[0]) // DAY + 1)]


def _snapshots(  # noqa: PLR0917 (what one source is read with)
    question: Question, name: str, section: CounterSnapshots, targets: tuple[str, ...], listing: Listing, store: Store | None, place: Place
) -> SourceRead:  # fmt: skip
    folder = place.spool / "fetched" / name
    files = {file.name: fetched(file, store, folder, _repeats(question)) for file in listing.files}
    numbers = snapshot_counts(
        name, files, section, question.window, scratch=place.spool / "scratch",
        memory_mib=question.context.config.reconciliation.memory_mib,
    )  # fmt: skip
    for file in listing.files:
        forget(file, folder)
    why = "no snapshot of a counter is of this day"
    return SourceRead(
        name, Trust.COUNTERS, targets, numbers=numbers, missing=dict.fromkeys(numbers.uncounted_days, why),
        facts=(*listing.facts(name), *numbers.facts), files_read=len(files),
    )  # fmt: skip


def _estimated(question: Question, name: str, section: PrometheusCounters, targets: tuple[str, ...]) -> SourceRead:
    numbers = estimated_counts(name, section, question.window, question.context.conduct, _repeats(question))
    missing = dict.fromkeys(numbers.uncounted_days, "Prometheus knows no counter of this day")
    return SourceRead(name, Trust.ESTIMATE, targets, numbers=numbers, missing=missing, facts=numbers.facts)


def _at_home(section: EventFiles | CounterSnapshots, home: Path) -> EventFiles | CounterSnapshots:
    if not section.place.startswith(IN_HOME):
        return section
    return section.model_copy(update={"place": str(home / section.place.removeprefix(IN_HOME))})


def _access(question: Question) -> Access:
    context = question.context
    return Access(context.conduct, context.credentials, context.integrations)


def _repeats(question: Question) -> Repeats:
    return Repeats(question.context.pace, question.context.clock)
