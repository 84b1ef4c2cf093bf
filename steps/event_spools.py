"""One pass over a file counts its rows and keeps each event's hash and cell in a spool, ordered by the first byte of the hash.

Ids themselves are not kept. Spools of several files are matched later (steps/event_ids.py), one first byte at a time. A hash is
DuckDB's, and may be another one in its next version: spools of different versions are never matched.
"""

import os
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import duckdb
import numpy as np
import pyarrow.compute
from numpy.typing import NDArray

from domain.event_files import EventKind, FileCount
from domain.event_rows import Judge, RowGroup, RowWords, file_count, hours_of
from domain.reconciliation_sections import EventFiles
from domain.windows import Window
from steps.event_columns import CannotRead
from steps.event_counting import not_too_many, rejected_group, words_of
from steps.event_reading import EventFile, Reading, damage_told, opened, reading, rejected_rows

PARTS = 256
HASHED_BY = f"duckdb {duckdb.__version__}"
Hashes = NDArray[np.uint64]
Codes = NDArray[np.uint32]
_PART_SHIFT = np.uint64(56)
_BATCH_ROWS = 1 << 18
# So many rows are put in order at a time: few enough to stay near the processor.
_ORDERED_ROWS = 1 << 19
# Times hours, these still are counted in an array that costs little.
_MOST_COMBINED = 1 << 12
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows of a spool that were written together: all hashes, then all codes; part `n` ends at row `ends[n]`."""

    ends: tuple[int, ...]

    @property
    def rows(self) -> int:
        return self.ends[-1]


@dataclass(frozen=True, slots=True)
class Spool:
    """Events of one file, in a file of ours.

    A row's code is `kind * hours + hour`; of hours, the first is before the window and the last after it. `checksum` is
    the CRC-32 of the whole file.
    """

    path: Path
    kinds: tuple[EventKind, ...]
    hours: int
    segments: tuple[Segment, ...] = ()
    checksum: int = 0
    hashed_by: str = HASHED_BY

    @property
    def rows(self) -> int:
        return sum(segment.rows for segment in self.segments)

    def holds(self, number: int) -> bool:
        """Tell whether a hash begins with this byte."""
        return any(segment.ends[number] > (segment.ends[number - 1] if number else 0) for segment in self.segments)

    def part(self, number: int) -> Iterator[tuple[Hashes, Codes]]:
        """Yield the hashes and codes of which the hash begins with this byte."""
        with self.path.open("rb") as stream:
            at = 0
            for segment in self.segments:
                first = segment.ends[number - 1] if number else 0
                rows = segment.ends[number] - first
                if rows:
                    hashes = _read(stream, at + first * 8, rows, np.dtype(np.uint64))
                    yield hashes, _read(stream, at + segment.rows * 8 + first * 4, rows, np.dtype(np.uint32))
                at += segment.rows * 12

    def all_parts(self) -> Iterator[tuple[Hashes, Codes]]:
        """Yield all hashes and codes, segment by segment."""
        with self.path.open("rb") as stream:
            for segment in self.segments:
                hashes = _read(stream, stream.tell(), segment.rows, np.dtype(np.uint64))
                yield hashes, _read(stream, stream.tell(), segment.rows, np.dtype(np.uint32))

    def is_whole(self) -> bool:
        """Tell whether the file is what was written."""
        try:
            return _checksum(self.path) == self.checksum
        except OSError:
            return False


@dataclass(slots=True)
class SpoolWriter:
    """Writes a spool: puts rows in order and out whenever enough are waiting. Readable by its owner alone."""

    path: Path
    segments: list[Segment] = field(default_factory=list)
    checksum: int = 0
    _waiting: list[tuple[Hashes, Codes]] = field(default_factory=list)
    _rows: int = 0

    def add(self, hashes: Hashes, codes: Codes) -> None:
        self._waiting.append((hashes, codes))
        self._rows += len(hashes)
        if self._rows >= _ORDERED_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        if not self._rows:
            return
        hashes = np.concatenate([one for one, _ in self._waiting])
        codes = np.concatenate([one for _, one in self._waiting])
        self._waiting.clear()
        self._rows = 0
        parts = (hashes >> _PART_SHIFT).astype(np.uint8)
        # Stable means by radix for bytes: several times as fast as comparing.
        order = np.argsort(parts, kind="stable")
        self._append(hashes[order])
        self._append(codes[order])
        self.segments.append(Segment(tuple(np.cumsum(np.bincount(parts, minlength=PARTS)).tolist())))

    def _append(self, array: NDArray[Any]) -> None:
        content = memoryview(array.data).cast("B")
        self.checksum = zlib.crc32(content, self.checksum)
        with self.path.open("ab") as stream:
            stream.write(content)


def new_spool(path: Path) -> SpoolWriter:
    """Begin a spool at a path where nothing is yet; its folder is made for the owner alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, _NEW, 0o600))
    return SpoolWriter(path)


def spool_file(
    file: EventFile,
    section: EventFiles,
    days: Window,
    targets: Collection[str],
    path: Path,
    *,
    memory_mib: int = 1024,
) -> tuple[FileCount, Spool]:
    """Return what count_file does, and the spool of the file's events, written to `path`, in the same single pass.

    Events outside of the window are in the spool too: they take part when ids are matched. Of a file that cannot be read
    the spool is empty.
    """
    writer = new_spool(path)
    tally = _Tally(Judge(section, targets), hours_of(days) + 2)
    try:
        with opened(section.time_zone, memory_mib) as connection:
            with damage_told(file):
                rows = reading(connection, file, section, days)
            for batch in _batches(connection, file, rows):
                writer.add(*tally.taken(batch, rows.labels))
            writer.flush()
            rejected = rejected_rows(connection)
    except CannotRead as told:
        path.write_bytes(b"")
        return FileCount(file.name, file.day, told.state, told.reason), Spool(path, (), hours_of(days) + 2)
    groups = [*tally.groups(), rejected_group(rejected)]
    count = file_count(file.name, file.day, groups, tally.judge, days, (tally.first, tally.last))
    return count, Spool(path, tuple(tally.kinds), tally.hours, tuple(writer.segments), writer.checksum)


def _batches(connection: duckdb.DuckDBPyConnection, file: EventFile, rows: Reading) -> Iterator[Any]:
    """Yield the rows in Arrow batches. What goes wrong while they are dealt with is not the file's fault."""
    query = f"SELECT hash(target, id) AS hash, us, hour, marks, {', '.join(rows.labels)} FROM ({rows.sql})"  # noqa: S608
    with damage_told(file):
        yield from connection.sql(query).to_arrow_reader(_BATCH_ROWS)


@dataclass(slots=True)
class _Tally:
    """Counts batches of rows by words and hour, and gives the events among them their codes."""

    judge: Judge
    hours: int
    first: int | None = None
    last: int | None = None
    kinds: dict[EventKind, int] = field(default_factory=dict)
    _counts: dict[RowWords, NDArray[np.int64]] = field(default_factory=dict)

    def taken(self, batch: Any, labels: Sequence[str]) -> tuple[Hashes, Codes]:
        """Count a batch; return the hashes and codes of its events."""
        self._span(batch.column("us"))
        words, combined = _combined(batch, labels)
        hours = _numbers(batch.column("hour"))
        by_hour = combined * np.int32(self.hours) + hours
        counts = np.bincount(by_hour, minlength=len(words) * self.hours).reshape(len(words), self.hours)
        for said, counted in zip(words, counts, strict=True):
            if counted.any():
                self._counts[said] = self._counts[said] + counted if said in self._counts else counted.copy()
        not_too_many(len(self._counts))
        # In order of the words and hours here, what each is called in the spool.
        numbers = np.array([self._number(said) for said in words], dtype=np.int64)
        ours = (numbers >= 0)[combined] if (numbers < 0).any() else None
        names = (numbers[:, None] * self.hours + np.arange(self.hours)).astype(np.uint32).ravel()
        hashes, codes = _numbers(batch.column("hash")), names[by_hour]
        return (hashes, codes) if ours is None else (hashes[ours], codes[ours])

    def groups(self) -> Iterator[RowGroup]:
        for said, counts in self._counts.items():
            seen = np.flatnonzero(counts)
            yield RowGroup(said, seen.tolist(), counts[seen].tolist())

    def _number(self, said: RowWords) -> int:
        """Return the number of the rows' kind, -1 where they are no events of ours."""
        kind = self.judge.kind_of(said)
        return self.kinds.setdefault(kind, len(self.kinds)) if isinstance(kind, EventKind) else -1

    def _span(self, moments: Any) -> None:
        span = pyarrow.compute.min_max(moments).as_py()
        if span["min"] is not None:
            self.first = span["min"] if self.first is None else min(self.first, span["min"])
            self.last = span["max"] if self.last is None else max(self.last, span["max"])


def _combined(batch: Any, labels: Sequence[str]) -> tuple[list[RowWords], NDArray[np.int32]]:
    """Return words, and for each of a batch's rows which of them it has. Some may be of no row."""
    columns = [batch.column("marks"), *(batch.column(label) for label in labels)]
    encoded = [column.dictionary_encode(null_encoding="encode") for column in columns]
    texts = [one.dictionary.to_pylist() for one in encoded]
    codes = _numbers(encoded[0].indices)
    combos: list[tuple[Any, ...]] = [(marks,) for marks in texts[0]]
    for column, words in zip(encoded[1:], texts[1:], strict=True):
        not_too_many(len(words))
        if len(words) > 1:
            codes = codes * np.int32(len(words)) + _numbers(column.indices)
        combos = [(*combo, word) for combo in combos for word in words]
        if len(combos) > _MOST_COMBINED:
            # Most combinations do not occur.
            present, codes = np.unique(codes, return_inverse=True)
            combos = [combos[at] for at in present.tolist()]
            not_too_many(len(combos))
            codes = codes.astype(np.int32)
    return [words_of(labels, said, marks) for marks, *said in combos], codes


def _numbers(column: Any) -> NDArray[Any]:
    """Return an Arrow column without NULLs as it lies in memory. Arrow's own to_numpy would load pandas."""
    return np.from_dlpack(column)


def _read(stream: IO[bytes], offset: int, rows: int, kind: np.dtype[Any]) -> NDArray[Any]:
    stream.seek(offset)
    return np.frombuffer(stream.read(rows * kind.itemsize), dtype=kind)


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum
