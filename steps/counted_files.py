"""A file that was counted is not read again while it stays as it was; an interrupted run goes on at the first unfinished one.

What was found lies in a folder of the window: per file one entry with its counts, and its spool. An entry is trusted only where
its key, its digest and its spool's checksum are right; anything else is counted anew.
"""

import hashlib
import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from domain.event_files import FileCount, FileState
from domain.reconciliation_sections import EventFiles
from domain.windows import Window
from steps.event_reading import EventFile
from steps.event_spools import HASHED_BY, Spool, spool_file
from steps.kept_windows import window_name
from vendors.whole_files import replace_whole

# Raised whenever an entry, a spool or a rule of counting changes its meaning.
_LAYOUT = 1
_NAME_LENGTH = 24

Told = Callable[[str, int, int, int], None]


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to be counted. `identity` is another one whenever the content is (ETag, generation, time of the last change).

    `opened` gives it on this machine, and is called only where the file has to be read: the place to fetch it and to
    remove it again.
    """

    name: str
    size: int
    identity: str
    day: date | None
    opened: Callable[[], AbstractContextManager[Path]]


@dataclass(frozen=True, slots=True)
class CountedFile:
    """What one file holds. `was_kept` tells that it was counted in an earlier run."""

    file: InputFile
    count: FileCount
    spool: Spool
    was_kept: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """Where the counts of one source are kept, and for which question they are right."""

    folder: Path
    section: EventFiles
    days: Window
    targets: frozenset[str]

    @property
    def of_window(self) -> Path:
        return self.folder / window_name(self.days)

    def key(self, file: InputFile) -> str:
        """Return what is another text whenever the file's counts could be other ones."""
        asked = (
            _LAYOUT, HASHED_BY, file.name, file.size, file.identity, str(file.day), self.section.model_dump_json(),
            self.days.start.isoformat(), self.days.end.isoformat(), *sorted(self.targets),
        )  # fmt: skip
        return hashlib.sha256("\x00".join(map(str, asked)).encode()).hexdigest()


def count_files(files: Sequence[InputFile], kept: Kept, told: Told, *, memory_mib: int = 1024) -> Iterator[CountedFile]:
    """Yield what each file holds, in their order; `told(name, done files, all files, rows)` is called after each.

    A file that could not be read is tried again in the next run. Two runs must not count for the same folder and window
    at the same time.
    """
    for done, file in enumerate(files, start=1):
        counted = _from_earlier(file, kept) or _counted(file, kept, memory_mib)
        told(file.name, done, len(files), counted.count.rows)
        yield counted


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    count: FileCount
    spool: Spool


_ENTRY = TypeAdapter(_Entry)


def _from_earlier(file: InputFile, kept: Kept) -> CountedFile | None:
    """Return what an earlier run found; None where there is nothing, or nothing that can be trusted."""
    try:
        digest, _, body = _entry_path(file, kept).read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        entry = _ENTRY.validate_json(body)
    except (OSError, ValidationError):
        return None
    # The folder may have been moved; a spool lies beside its entry.
    spool = replace(entry.spool, path=kept.of_window / entry.spool.path.name)
    if entry.key != kept.key(file) or not spool.is_whole():
        return None
    return CountedFile(file, entry.count, spool, was_kept=True)


def _counted(file: InputFile, kept: Kept, memory_mib: int) -> CountedFile:
    kept.of_window.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove(file, kept)
    path = kept.of_window / f"{_stem(file)}-{secrets.token_hex(4)}.ids"
    with file.opened() as local:
        found = EventFile(local, file.name, file.day)
        count, spool = spool_file(found, kept.section, kept.days, kept.targets, path, memory_mib=memory_mib)
    if count.state is FileState.READ:
        body = _ENTRY.dump_json(_Entry(kept.key(file), count, spool))
        replace_whole(_entry_path(file, kept), hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    return CountedFile(file, count, spool, was_kept=False)


def _remove(file: InputFile, kept: Kept) -> None:
    """Remove what is kept of the file, and what a killed run left of it."""
    for stale in kept.of_window.glob(f"{_stem(file)}*"):
        stale.unlink(missing_ok=True)


def _entry_path(file: InputFile, kept: Kept) -> Path:
    return kept.of_window / f"{_stem(file)}.json"


def _stem(file: InputFile) -> str:
    return hashlib.sha256(file.name.encode()).hexdigest()[:_NAME_LENGTH]


def spools_of(counted: Collection[CountedFile]) -> list[Spool]:
    """Return the spools of the files that could be read."""
    return [one.spool for one in counted if one.count.state is FileState.READ]
