"""What a producer says that it wrote down, and where the files that are there say something else.

A manifest is JSON: {"files": [{"name", "rows", "bytes", "sha256", "min", "max"}]}. Only the name must be there; what a
manifest does not say is not compared. A difference is shown and ends no run: it tells which file to ask about. Of a file that
is not there as its producer wrote it, the days are not known.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Differs(Enum):
    """How a file differs from what its manifest says; the value is what people read."""

    UNREADABLE = "the manifest cannot be read"
    NAMED_TWICE = "the manifest names the file twice"
    MISSING = "the manifest names the file, and it is not there"
    EXTRA = "the file is there, and no manifest names it"
    SIZE = "the file has another size than its manifest says"
    DIGEST = "the file holds something else than its manifest says"
    ROWS = "the file has another number of rows than its manifest says"
    SPAN = "the file holds events outside the span that its manifest says"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as its producer describes it; None where nothing is said. `min` and `max` are moments of events."""

    name: str
    rows: int | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    min: datetime | None = None
    max: datetime | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. `rows` is how many events it may cost, 0 where that is not known."""

    name: str
    differs: Differs
    detail: str = ""
    rows: int = 0

    @property
    def words(self) -> str:
        return f"{self.differs.value}{': ' if self.detail else ''}{self.detail}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that the manifests of one folder say. `faults` are what could not be read of them."""

    entries: Mapping[str, Entry]
    faults: tuple[Difference, ...] = ()

    def among(self, names: Iterable[str]) -> "Manifest":
        """Return the same without entries of other names: files of other months are nobody's fault in this one."""
        kept = frozenset(names)
        return Manifest({name: entry for name, entry in self.entries.items() if name in kept}, self.faults)


def read_manifests(texts: Mapping[str, bytes]) -> Manifest:
    """Return what the manifests, by their names, say together. One that cannot be read is a fault and says nothing."""
    entries: dict[str, Entry] = {}
    faults: list[Difference] = []
    for source, text in texts.items():
        rows = _rows(text)
        if rows is None:
            faults.append(Difference(source, Differs.UNREADABLE, 'it is no JSON like {"files": [{"name": "..."}]}'))
            continue
        for row in rows:
            entry = _entry(row)
            if entry is None:
                faults.append(Difference(source, Differs.UNREADABLE, "one of its files has no name, or a wrong value"))
            elif entry.name in entries and entries[entry.name] != entry:
                faults.append(Difference(entry.name, Differs.NAMED_TWICE, f"the second time in {source}"))
            else:
                entries[entry.name] = entry
    return Manifest(entries, tuple(faults))


def differences_in_listing(manifest: Manifest, sizes: Mapping[str, int]) -> tuple[Difference, ...]:
    """Return how the files that are there, by name and size in bytes, differ from the manifest."""
    missing = [
        Difference(name, Differs.MISSING, rows=entry.rows or 0)
        for name, entry in manifest.entries.items()
        if name not in sizes
    ]
    extra = [Difference(name, Differs.EXTRA) for name in sizes if name not in manifest.entries]
    other_size = [
        Difference(name, Differs.SIZE, f"{sizes[name]:,} bytes, not {entry.size_bytes:,}")
        for name, entry in manifest.entries.items()
        if entry.size_bytes is not None and sizes.get(name, entry.size_bytes) != entry.size_bytes
    ]
    return (*manifest.faults, *missing, *extra, *other_size)


def difference_in_content(entry: Entry, sha256: str) -> Difference | None:
    """Return the difference where the file's digest is not the manifest's, None where it is, or nothing is said."""
    if entry.sha256 is None or entry.sha256 == sha256:
        return None
    return Difference(entry.name, Differs.DIGEST, "its sha256 differs", entry.rows or 0)


def differences_in_rows(
    entry: Entry, rows: int, earliest: datetime | None, latest: datetime | None
) -> tuple[Difference, ...]:
    """Return how what was read of a file, all its rows and the moments of its events, differs from the manifest."""
    found: list[Difference] = []
    if entry.rows is not None and entry.rows != rows:
        found.append(
            Difference(entry.name, Differs.ROWS, f"{rows:,}, not {entry.rows:,}", abs(entry.rows - rows))
        )  # fmt: skip
    if entry.min is not None and earliest is not None and earliest < entry.min:
        found.append(Difference(entry.name, Differs.SPAN, f"the earliest is of {earliest:%Y-%m-%d %H:%M:%S} UTC"))
    if entry.max is not None and latest is not None and latest > entry.max:
        found.append(Difference(entry.name, Differs.SPAN, f"the latest is of {latest:%Y-%m-%d %H:%M:%S} UTC"))
    return tuple(found)


def _rows(text: bytes) -> list[Any] | None:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    rows = said.get("files") if isinstance(said, dict) else None
    return rows if isinstance(rows, list) else None


def _entry(row: Any) -> Entry | None:
    if not isinstance(row, dict):
        return None
    try:
        return Entry(
            _name(row.get("name")), _number(row.get("rows")), _number(row.get("bytes")), _digest(row.get("sha256")),
            _moment(row.get("min")), _moment(row.get("max")),
        )  # fmt: skip
    except ValueError:
        return None


def _name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("no name")
    return value.removeprefix("./")


def _number(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("no number")
    return value


def _digest(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _SHA256.fullmatch(value.lower()):
        raise ValueError("no sha256")
    return value.lower()


def _moment(value: object) -> datetime | None:
    """Return the moment; one without an offset says too little to compare with and counts as a wrong value."""
    if value is None:
        return None
    moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    if moment is None or moment.tzinfo is None:
        raise ValueError("no moment with an offset")
    return moment
