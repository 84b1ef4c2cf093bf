"""Files of a store, brought into a spool folder: whole, checked, and under a name that only this content has.

A file appears in the folder when all of it is there, by a rename; what is there under its name is not fetched again. Names
in the folder are made by us, so that no key of a store leads out of it.
"""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import uuid4

import google_crc32c

from domain.errors import OpsError, Rejected, Unavailable
from steps.event_sources import SourceFile
from steps.repeated_reads import Repeats
from vendors.object_stores import Check, Digest, Store

_UNFIT = re.compile(r"[^0-9A-Za-z._-]+")
# With the digest before it, well below what file systems allow.
_LONGEST_NAME = 120
_CHUNK_BYTES = 1024 * 1024
# What came down damaged once is fetched once more.
_FETCHES = 2


class _Sum(Protocol):
    def update(self, data: bytes, /) -> object: ...
    def digest(self) -> bytes: ...


_SUMS: dict[Check, Callable[[], _Sum]] = {
    Check.MD5: lambda: hashlib.md5(usedforsecurity=False),
    Check.CRC32C: google_crc32c.Checksum,
}


def fetched(file: SourceFile, store: Store | None, folder: Path, repeats: Repeats) -> Path:
    """Return where the file's content is on this machine, fetched into `folder` unless it is there already.

    Raises:
        Rejected: it was replaced or removed since it was listed, or may not be read.
        Unavailable: it could not be had whole in spite of repeats; nothing of it is left in the folder.
    """
    if file.path is not None:
        return file.path
    if store is None:
        raise Rejected(f"{file.name} is in no store.", "It cannot be read.", "Report it: this is a mistake of ours.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = folder / spool_name(file)
    if there.exists() and there.stat().st_size == file.size:
        return there
    # Not by Repeats: its bound is that of one request, and a file may take an hour.
    if not any(_fetch(file, store, there, repeats) for _ in range(_FETCHES)):
        raise _damaged(file)
    return there


def forget(file: SourceFile, folder: Path) -> None:
    """Remove what was fetched of the file; a file that was on this machine before stays."""
    if file.path is None:
        (folder / spool_name(file)).unlink(missing_ok=True)


def spool_name(file: SourceFile) -> str:
    """Return the name of one content in the spool: other content of the same key has another. Its end says the kind."""
    whose = hashlib.sha256("\0".join((file.key, file.identity, str(file.size))).encode()).hexdigest()[:32]
    return f"{whose}-{_UNFIT.sub('_', file.name)[-_LONGEST_NAME:]}"


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 in hex: what a manifest says of it."""
    summed = hashlib.sha256()
    with path.open("rb") as reading:
        while chunk := reading.read(_CHUNK_BYTES):
            summed.update(chunk)
    return summed.hexdigest()


def _fetch(file: SourceFile, store: Store, there: Path, repeats: Repeats) -> bool:
    """Fetch the file and say whether it is what its store has; what is not is dropped."""
    # Two runs may fetch the same file: each has its own beginning, and the last rename stands.
    begun = there.with_name(f"{there.name}.{uuid4().hex}.part")
    try:
        with begun.open("xb") as writing:
            begun.chmod(0o600)
            is_whole = _write_parts(file, store, writing, repeats)
        if is_whole:
            begun.replace(there)
        return is_whole
    finally:
        begun.unlink(missing_ok=True)


def _write_parts(file: SourceFile, store: Store, writing: BinaryIO, repeats: Repeats) -> bool:
    whole: Digest | None = None
    running: _Sum | None = None
    written = 0
    while written < file.size:
        part = repeats.read(lambda start=written: store.part(file.stored, start))  # type: ignore[misc]  # mypy infers no lambda with a default
        if written == 0 and part.whole is not None:
            whole, running = part.whole, _SUMS[part.whole.check]()
        if running is not None:
            running.update(part.body)
        writing.write(part.body)
        written += len(part.body)
    return whole is None or running is None or running.digest().hex() == whole.value


def _damaged(file: SourceFile) -> OpsError:
    return Unavailable(
        f"{file.name} came down damaged {_FETCHES} times: its checksum is not the one that its store names.",
        "Something on the way changed it; nothing of it was counted.",
        "Count again; if it stays, look at the proxy between this machine and the store, and at the object itself.",
        "store.damaged",
    )
