"""What one source says of a window: event files counted and spooled, counters and Prometheus asked; a fault is told, not raised.

Imports DuckDB and NumPy: only the tasks that count import this.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from hashlib import sha256
from pathlib import Path

from domain.emitted_counts import EmittedCounts
from domain.errors import OpsError, Rejected
from domain.event_counts import Trust
from domain.event_files import FileCount, FileState
from domain.event_manifest import Difference, Manifest, difference_in_content, differences_in_rows
from domain.reconciliation import SourceFact
from domain.reconciliation_sections import IN_HOME, CounterSnapshots, EventFiles, PrometheusCounters
from steps.alone import TAKEN, alone_in
from steps.counted_files import CountedFile, InputFile, Kept, count_files, spools_of
from steps.counter_snapshots import snapshot_counts
from steps.emitted_estimates import estimated_counts
from steps.event_sources import Access, Listing, SourceFile, fact_of, list_files, opened_store
from steps.event_spools import Spool
from steps.fetched_files import fetched, forget, sha256_of
from steps.file_facts import Reader, days_missing, file_facts
from steps.kept_windows import prune_windows, window_name
from steps.reconciling import Question
from steps.repeated_reads import Repeats
from vendors.object_stores import Store
from vendors.whole_files import replace_whole

EmittedSource = EventFiles | CounterSnapshots | PrometheusCounters
# Called with a file's name, how many files are done, of how many, and how many rows they had.
Told = Callable[[str, int, int, int], None]
_TRUST = {"files": Trust.EXACT, "counters": Trust.COUNTERS, "prometheus": Trust.ESTIMATE}


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are on this machine: the project's home, and the folder for counts and fetched files."""

    home: Path
    spool: Path


@dataclass(frozen=True, slots=True)
class SourceRead:
    """What one source says. `targets` are those whose events are recorded there; `names_targets`: opsflows.toml says so.

    Event files have `counts` and `spools`, and `files` and `section` for a second look; counters and Prometheus have
    `numbers`. `days` are those of the window; `missing` names those of which the source says nothing, and why. `skipped`
    files are of other days.
    """

    name: str
    trust: Trust
    targets: tuple[str, ...]
    days: tuple[date, ...]
    names_targets: bool = False
    counts: tuple[FileCount, ...] = ()
    spools: tuple[Spool, ...] = ()
    files: tuple[SourceFile, ...] = ()
    section: EventFiles | None = None
    numbers: EmittedCounts | None = None
    missing: Mapping[date, str] = field(default_factory=dict)
    facts: tuple[SourceFact, ...] = ()
    files_read: int = 0
    skipped: int = 0

    @property
    def summary(self) -> str:
        rows = sum(count.rows for count in self.counts)
        events = sum(self.numbers.counts.values()) if self.numbers else rows
        skipped = f" {self.skipped:,} files of other days were not read." if self.skipped else ""
        within = f" in {self.files_read:,} files" if self.files_read else ""
        return f"{self.name}: {events:,} events{within}.{skipped}"


@dataclass(frozen=True, slots=True)
class _Reading:
    """One source being read: its files, where their counts are kept, and where they come from."""

    question: Question
    name: str
    targets: tuple[str, ...]
    listing: Listing
    store: Store | None
    folder: Path

    @property
    def memory_mib(self) -> int:
        return self.question.context.config.reconciliation.memory_mib

    @property
    def fetched_into(self) -> Path:
        return self.folder / window_name(self.question.window) / "fetched"


def read_source(question: Question, name: str, section: EmittedSource, place: Place, told: Told) -> SourceRead:
    """Return what the source says of the question's window. What cannot be read is missing, with the reason.

    Raises:
        Unavailable: another run is counting the same window of it; that says nothing of the source.
    """
    targets = section.targets or tuple(str(asked.target) for asked in question.asked)
    prune_windows(place.spool / "counted" / name, question.now)
    try:
        if isinstance(section, PrometheusCounters):
            return _estimated(question, name, section, targets)
        section = at_home(section, place.home)
        with opened_store(section, access_of(question)) as store:
            listing = list_files(section, question.window, store, repeats_of(question))
            reading = _Reading(question, name, targets, listing, store, place.spool / "counted" / name)
            if isinstance(section, CounterSnapshots):
                return _snapshots(reading, section)
            return _event_files(reading, section, told)
    except OpsError as error:
        if error.symptom == TAKEN:
            raise
        return unread(question, name, section, f"{error.happened} {error.next_step}")
    except OSError as error:
        why = f"The machine could not read or keep its files: {error.strerror or type(error).__name__}."
        return unread(question, name, section, why)


def unread(question: Question, name: str, section: EmittedSource, why: str) -> SourceRead:
    """Return what is known of a source that could not be read: no day of it."""
    targets = section.targets or tuple(str(asked.target) for asked in question.asked)
    return SourceRead(
        name, _TRUST[section.kind], targets, tuple(question.window.days()), bool(section.targets), missing=dict.fromkeys(question.window.days(), why),
        facts=(SourceFact(name, "", why, 0, is_fault=True),),
    )  # fmt: skip


def at_home(section: EventFiles | CounterSnapshots, home: Path) -> EventFiles | CounterSnapshots:
    if not section.place.startswith(IN_HOME):
        return section
    return section.model_copy(update={"place": str(home / section.place.removeprefix(IN_HOME))})


def access_of(question: Question) -> Access:
    context = question.context
    return Access(context.conduct, context.credentials, context.integrations)


def repeats_of(question: Question) -> Repeats:
    return Repeats(question.context.pace, question.context.clock)


@contextmanager
def fetched_for(file: SourceFile, store: Store | None, folder: Path, repeats: Repeats) -> Iterator[Path]:
    """Give where the file is on this machine, for as long as the block lasts."""
    try:
        yield fetched(file, store, folder, repeats)
    finally:
        forget(file, folder)


def _event_files(reading: _Reading, section: EventFiles, told: Told) -> SourceRead:
    question, listing = reading.question, reading.listing
    in_scope = frozenset(str(target) for target in question.context.declared.targets)
    kept = Kept(reading.folder, section, question.window, frozenset(section.targets) or in_scope)
    with alone_in(kept.of_window):
        try:
            counted = [*_counted(reading, kept, told)]
            differing = [*_differing(reading, kept)]
        finally:
            # What a killed run left goes too.
            shutil.rmtree(reading.fetched_into, ignore_errors=True)
    counts = tuple(count for count, _ in counted)
    share = question.context.config.reconciliation.bad_lines_percent / 100
    reader = Reader(reading.name, section, share, in_scope)
    differences = (*listing.differences, *differing, *(one for count in counts for one in _in_rows(listing, count)))
    return SourceRead(
        reading.name, Trust.EXACT, reading.targets, tuple(question.window.days()), bool(section.targets), counts,
        tuple(spools_of([one for _, one in counted if one is not None])), listing.files, section,
        missing=days_missing(reader, question.window, listing.manifest, differences, counts),
        facts=(*listing.others_told(reading.name), *(fact_of(reading.name, one) for one in differences), *(fact for count in counts for fact in file_facts(reader, count))),
        files_read=len(counts), skipped=listing.skipped_by_date,
    )  # fmt: skip


def _counted(reading: _Reading, kept: Kept, told: Told) -> Iterator[tuple[FileCount, CountedFile | None]]:
    """Yield what each file holds; one that its store refuses is unreadable, and the others are counted."""
    files = reading.listing.files
    for done, file in enumerate(files, start=1):
        try:
            (counted,) = count_files([_input(reading, kept, file)], kept, _untold, memory_mib=reading.memory_mib)
            found: tuple[FileCount, CountedFile | None] = (counted.count, counted)
        except (Rejected, OSError) as error:
            why = error.happened if isinstance(error, Rejected) else error.strerror or type(error).__name__
            found = (FileCount(file.name, file.day, FileState.UNREADABLE, why), None)
        told(file.name, done, len(files), found[0].rows)
        yield found


def _untold(_name: str, _done: int, _of: int, _rows: int) -> None:
    """Files are counted one by one here: how many there are is told from outside."""


def _input(reading: _Reading, kept: Kept, file: SourceFile) -> InputFile:
    """Return the file as the counter takes it: fetched only where it has to be read, for as long as that takes."""
    return InputFile(file.name, file.size, file.identity, file.day, partial(_opened, reading, kept, file))


@contextmanager
def _opened(reading: _Reading, kept: Kept, file: SourceFile) -> Iterator[Path]:
    with fetched_for(file, reading.store, reading.fetched_into, repeats_of(reading.question)) as path:
        if _digest_wanted(reading.listing.manifest, file):
            replace_whole(_digest_path(kept, file), sha256_of(path).encode())
        yield path


def _differing(reading: _Reading, kept: Kept) -> Iterator[Difference]:
    """Yield the files whose content is not what the manifest says; what was read of them is remembered with their counts."""
    manifest = reading.listing.manifest
    for file in reading.listing.files:
        if manifest is None or not _digest_wanted(manifest, file):
            continue
        try:
            digest = _digest_of(reading, kept, file)
        except (Rejected, OSError):  # it is unreadable, and told to be
            continue
        difference = difference_in_content(manifest.entries[file.name], digest)
        if difference is not None:
            yield difference


def _digest_of(reading: _Reading, kept: Kept, file: SourceFile) -> str:
    remembered = _digest_path(kept, file)
    if not remembered.exists():
        # It was counted when no manifest spoke of it.
        with _opened(reading, kept, file):
            pass
    return remembered.read_text()


def _digest_wanted(manifest: Manifest | None, file: SourceFile) -> bool:
    entry = manifest.entries.get(file.name) if manifest else None
    return entry is not None and entry.sha256 is not None


def _digest_path(kept: Kept, file: SourceFile) -> Path:
    """Return where the digest of this content is kept; other content of the same name has another place."""
    whose = sha256("\0".join((file.name, file.identity, str(file.size))).encode()).hexdigest()[:32]
    return kept.of_window / f"content-{whose}.sha256"


def _in_rows(listing: Listing, count: FileCount) -> Sequence[Difference]:
    entry = listing.manifest.entries.get(count.name) if listing.manifest else None
    if entry is None or count.state is not FileState.READ:
        return ()
    return differences_in_rows(entry, count.rows, count.first, count.last)


def _snapshots(reading: _Reading, section: CounterSnapshots) -> SourceRead:
    question, name, listing = reading.question, reading.name, reading.listing
    folder = reading.folder / window_name(question.window)
    with alone_in(folder):
        try:
            files = {
                file.name: fetched(file, reading.store, reading.fetched_into, repeats_of(question))
                for file in listing.files
            }
            numbers = snapshot_counts(
                name, files, section, question.window,
                scratch=folder / "scratch", memory_mib=reading.memory_mib,
                bad_share=question.context.config.reconciliation.bad_lines_percent / 100,
            )  # fmt: skip
        finally:
            shutil.rmtree(reading.fetched_into, ignore_errors=True)
            shutil.rmtree(folder / "scratch", ignore_errors=True)
    why = "no snapshot of a counter is of this day"
    return SourceRead(
        name, Trust.COUNTERS, reading.targets, tuple(question.window.days()), bool(section.targets), numbers=numbers,
        missing={**dict.fromkeys(numbers.uncounted_days, why), **numbers.unusable_days},
        facts=(*listing.others_told(name), *(fact_of(name, one) for one in listing.differences), *numbers.facts, *_of_others(question, name, numbers)),
        files_read=len(files), skipped=listing.skipped_by_date,
    )  # fmt: skip


def _estimated(question: Question, name: str, section: PrometheusCounters, targets: tuple[str, ...]) -> SourceRead:
    numbers = estimated_counts(name, section, question.window, question.context.conduct, repeats_of(question))
    missing = dict.fromkeys(numbers.uncounted_days, "Prometheus knows no counter of this day")
    facts = (*numbers.facts, *_of_others(question, name, numbers))
    return SourceRead(
        name, Trust.ESTIMATE, targets, tuple(question.window.days()), bool(section.targets), numbers=numbers,
        missing=missing, facts=facts,
    )  # fmt: skip


def _of_others(question: Question, name: str, numbers: EmittedCounts) -> Iterator[SourceFact]:
    """Yield what is counted for integrations that are not in scope."""
    in_scope = {str(target) for target in question.context.declared.targets}
    events: dict[str, int] = {}
    for (_, target, _), number in numbers.counts.items():
        if target not in in_scope:
            events[target] = events.get(target, 0) + number
    for target, number in sorted(events.items()):
        yield SourceFact(name, "", f"of {target or '(none)'}, which is not in scope", number, is_fault=True)
