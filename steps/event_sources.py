"""Which files belong to a window: of a folder, of S3 or of Google Storage, all chosen by the same rules.

A file is taken when its name fits the section's pattern, ends like a kind that is read, and does not say that it lies
elsewhere in time; what is left out is counted. Files are named by their path below the place, so that a move to another store changes nothing.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from domain.dated_names import is_looked_for, may_hold_events_of, says_it_has_rows, the_day_named
from domain.errors import BadInput, Rejected, Unavailable
from domain.event_manifest import Difference, Differs, Manifest, differences_in_listing, read_manifests
from domain.names import Target
from domain.reconciliation import SourceFact
from domain.reconciliation_sections import CounterSnapshots, EventFiles
from domain.windows import Window
from steps.repeated_reads import Repeats
from vendors.aws import access_key
from vendors.capabilities import Integration, checked_values
from vendors.fields import NOTHING_SENT
from vendors.http import Conduct
from vendors.object_stores import PART_BYTES, Store, StoredObject, bucket_and_prefix

# A manifest of more than one part is none that a person or a job of a month writes.
MANIFEST_LIMIT_BYTES = PART_BYTES
# So many names of files that are not read are shown.
_SHOWN = 3
# Which platform's credentials open which kind of store.
_OPENED_BY = {"s3": "awskey", "gs": "gcpkey"}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file. `path` is where it lies on this machine, None where it has to be fetched first.

    `name` is its path below the place, `key` the object's whole key in the store. `identity` changes whenever the content
    does: nanoseconds of the last change, ETag or generation. `day` is the one day that its name speaks of.
    """

    name: str
    path: Path | None
    size: int
    identity: str
    day: date | None
    key: str = ""

    @property
    def stored(self) -> StoredObject:
        return StoredObject(self.key, self.size, self.identity)


@dataclass(frozen=True, slots=True)
class Listing:
    """The files that may hold events of a window, by name, and what their manifests say; None where no manifest is asked for.

    `others` are files that the pattern takes and whose names end like none that is read.
    """

    files: tuple[SourceFile, ...]
    skipped_by_date: int
    manifest: Manifest | None
    differences: tuple[Difference, ...] = ()
    others: tuple[SourceFile, ...] = ()

    def facts(self, source: str) -> tuple[SourceFact, ...]:
        """Return what a reader has to know of the listing, for the section of that name."""
        differences = (*self.others_told(source), *(fact_of(source, one) for one in self.differences))
        if not self.skipped_by_date:
            return differences
        left_out = f"{self.skipped_by_date:,} files of other days were not read"
        return (SourceFact(source, "", left_out, 0, is_fault=False), *differences)

    def others_told(self, source: str) -> tuple[SourceFact, ...]:
        """Return how many files were not read for their names; a fault where one of them may hold events."""
        marks = [file for file in self.others if _is_mark(file)]
        rest = [file for file in self.others if not _is_mark(file)]
        told = (
            (marks, "were not read"),
            (rest, "end like none of .jsonl, .csv, .parquet (.gz and .zst may follow): not read"),
        )
        return tuple(
            SourceFact(source, "", f"{len(files):,} files {what}: {_shown(files)}", 0, is_fault=files is rest)
            for files, what in told
            if files
        )


def _is_mark(file: SourceFile) -> bool:
    """Whether the file holds nothing, or has a name that tools give to what is no data: _SUCCESS, .part-0.crc, a manifest."""
    last = file.name.rpartition("/")[2]
    return file.size == 0 or last.startswith(("_", ".")) or last.lower().endswith(".json")


def _shown(files: Sequence[SourceFile]) -> str:
    names = sorted(file.name for file in files)
    return ", ".join(names[:_SHOWN]) + (" and others" if len(names) > _SHOWN else "")


def fact_of(source: str, difference: Difference) -> SourceFact:
    return SourceFact(source, difference.name, difference.words, difference.rows, is_fault=True)


@dataclass(frozen=True, slots=True)
class Access:
    """What stores are reached with. `values` gives a target's values by variable name, None where there are none."""

    conduct: Conduct
    values: Callable[[Target], Mapping[str, str] | None]
    platforms: Mapping[str, Integration]


@contextmanager
def opened_store(section: EventFiles | CounterSnapshots, access: Access) -> Iterator[Store | None]:
    """Give the store that holds the section's files, None where they are in a folder. Nothing is asked yet.

    Raises:
        BadInput: the credentials are not of the store's kind or incomplete, or the host is not allowed here.
    """
    if "://" not in section.place:
        yield None
        return
    with closing(_store(section, access)) as store:
        yield store


def list_files(
    section: EventFiles | CounterSnapshots, window: Window, store: Store | None, repeats: Repeats
) -> Listing:  # fmt: skip
    """Return the files of the section that may hold events of the window, in the order of their names.

    Raises:
        BadInput: the folder is not there or cannot be read.
        Rejected, Unavailable: the store refuses, did not answer in spite of repeats, or lists in a circle.
    """
    named = section.manifest if isinstance(section, EventFiles) else ""
    found: list[SourceFile] = []
    manifests: list[SourceFile] = []
    others: list[SourceFile] = []
    skipped = 0
    for file in _in_folder(section) if store is None else _in_store(section, store, repeats):
        if named and is_looked_for(file.name, named):
            manifests.append(file)
        elif not is_looked_for(file.name, section.pattern):
            continue
        elif not may_hold_events_of(file.name, window, section.neighbour_days):
            skipped += 1
        elif says_it_has_rows(file.name):
            found.append(file)
        else:
            others.append(file)
    files = tuple(sorted(found, key=lambda file: file.name))
    if not named:
        return Listing(files, skipped, None, others=tuple(others))
    manifest = _manifest(section, window, manifests, store, repeats)
    return Listing(files, skipped, manifest, _differences(named, manifests, manifest, files), tuple(others))


def _store(section: EventFiles | CounterSnapshots, access: Access) -> Store:
    scheme, bucket, _ = bucket_and_prefix(section.place)
    values = _values(section.credentials, scheme, access)
    if scheme == "s3":
        from vendors.s3 import S3Bucket  # noqa: PLC0415 (botocore takes a quarter of a second, and most need none)

        key = access_key(values["access_key"]) if values else None
        return S3Bucket(bucket, access.conduct, key=key, region=values.get("region", ""), address=section.address)
    from vendors.google_storage import GoogleBucket  # noqa: PLC0415 (Google's clients take half a second)

    return GoogleBucket(bucket, access.conduct, key=values.get("key", ""), address=section.address)


def _values(named: str, scheme: str, access: Access) -> Mapping[str, str]:
    if not named:
        return {}
    target = Target.parse(named)
    fits = _OPENED_BY[scheme]
    if target.integration != fits:
        raise BadInput(
            f"credentials = {named!r} cannot open {scheme}://.",
            f"Such a place is read with the key of a target of {fits}, or as the worker itself. {NOTHING_SENT}",
            f"Name a target of {fits}, or leave credentials out.",
        )
    return checked_values(access.platforms[fits], access.values(target) or {})


def _in_folder(section: EventFiles | CounterSnapshots) -> Iterator[SourceFile]:
    root = Path(section.place)
    if not root.is_dir():
        raise _unreadable(section.place, "it is not there, or is no folder")
    for folder, _, names in os.walk(root, onerror=_refused):
        for name in names:
            path = Path(folder) / name
            try:
                seen = path.stat()
            except FileNotFoundError:  # it was moved away since, or is a link that leads nowhere
                continue
            below = path.relative_to(root).as_posix()
            yield SourceFile(below, path, seen.st_size, str(seen.st_mtime_ns), the_day_named(below))


def _refused(error: OSError) -> None:
    raise _unreadable(str(error.filename), str(error.strerror)) from error


def _unreadable(place: str, why: str) -> BadInput:
    return BadInput(
        f"The folder {place} cannot be read: {why}.",
        "What was emitted cannot be counted; that is not 0 events.",
        "Correct the place in opsflows.toml, or let the worker read the folder.",
    )


def _in_store(section: EventFiles | CounterSnapshots, store: Store, repeats: Repeats) -> Iterator[SourceFile]:
    _, _, prefix = bucket_and_prefix(section.place)
    cursor = ""
    seen: set[str] = set()
    while True:
        page = repeats.read(lambda after=cursor: store.page(prefix, after))  # type: ignore[misc]  # mypy infers no lambda with a default
        for one in page.objects:
            name = one.key.removeprefix(prefix)
            if name and not name.endswith("/"):  # consoles make empty objects look like folders
                yield SourceFile(name, None, one.size_bytes, one.version, the_day_named(name), one.key)
        cursor = page.cursor
        if not cursor:
            return
        if cursor in seen:
            raise _endless(section.place)
        seen.add(cursor)


def _endless(place: str) -> Unavailable:
    return Unavailable(
        f"The store led in a circle through its listing of {place}.",
        "The listing has no end, so nobody knows which files are there; none of them was counted.",
        "Count again; if it comes back, look at the proxy or the store behind the section's address.",
    )


def _manifest(
    section: EventFiles | CounterSnapshots, window: Window, manifests: list[SourceFile], store: Store | None, repeats: Repeats
) -> Manifest:  # fmt: skip
    """Return what the manifests say of files of this window; a manifest too large to be one is read as none."""
    said = read_manifests({file.name: _text(file, store, repeats) for file in manifests})
    return said.among(
        name
        for name in said.entries
        if is_looked_for(name, section.pattern)
        and may_hold_events_of(name, window, section.neighbour_days)
        and says_it_has_rows(name)
    )


def _text(file: SourceFile, store: Store | None, repeats: Repeats) -> bytes:
    if not 0 < file.size <= MANIFEST_LIMIT_BYTES:
        return b""
    if file.path is not None:
        return file.path.read_bytes()
    if store is None:
        raise Rejected(f"{file.name} is in no store.", "It cannot be read.", "Report it: this is a mistake of ours.")
    return repeats.read(lambda: store.part(file.stored, 0)).body


def _differences(
    named: str, manifests: list[SourceFile], manifest: Manifest, files: tuple[SourceFile, ...]
) -> tuple[Difference, ...]:
    if not manifests:
        return (Difference(named, Differs.UNREADABLE, "it is not there, so no file could be compared with it"),)
    return differences_in_listing(manifest, {file.name: file.size for file in files})
