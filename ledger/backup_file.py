"""A backup is one tar archive encrypted with age, as a stream: whatever its size, little of it is in memory, none of it in the clear on a disk.

It is written beside its place and put there whole. Its last member is a manifest of all the others' digests.
"""

import errno
import hashlib
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from uuid import uuid4

import pyrage  # type: ignore[import-untyped]  # it ships no types

from domain.backups import MANIFEST, Sealed, checked_name
from domain.errors import BadInput, Unavailable

_BLOCK = 512
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
# What a file system says that has no hard links, or no syncing of folders: exFAT, CIFS, some of FUSE.
_NOT_OFFERED = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the archive; `chunks` come to exactly `size` bytes."""

    name: str
    size: int
    chunks: Iterable[bytes]

    @classmethod
    def of(cls, name: str, content: bytes) -> "Member":
        return cls(name, len(content), (content,))


@dataclass(frozen=True, slots=True)
class Written:
    """What was written; `sha256` is that of the encrypted file."""

    file: Path
    sha256: str
    size: int
    members: Mapping[str, Sealed]


def check_place(file: Path) -> None:
    """See that a backup may be written there.

    Raises:
        BadInput: there is something already, there is no such folder, or others than its owner may write into it.
    """
    if file.exists() or file.is_symlink():
        raise unusable(file, "is there already", "A backup never overwrites anything.", "Name a new file.")
    try:
        folder = file.parent.stat()
    except OSError as error:
        raise unusable(file, f"has no folder ({error.strerror})", "Nothing was written.", "Make the folder.") from error
    if folder.st_mode & _OTHERS_MAY_WRITE:
        # A folder that is shared on purpose, such as /tmp, must stay so: without it the machine breaks.
        is_own = folder.st_uid == os.geteuid() and not folder.st_mode & stat.S_ISVTX
        raise unusable(
            file, "would lie in a folder that others can write to", "They could put another file in its place.",
            f"Take that from them (chmod go-w {file.parent})." if is_own
            else "Make a folder of your own (mkdir -m 700 ~/backups) and name a file in it.",
        )  # fmt: skip


def age_keys(recipients: Iterable[str]) -> list[object]:
    """Return the keys that age encrypts to.

    Raises:
        BadInput: the checksum in one of them is wrong, so that a letter is. The recipient itself is not shown.
    """
    try:
        return [pyrage.x25519.Recipient.from_str(one) for one in recipients]
    except pyrage.RecipientError:
        raise BadInput(
            "A recipient has a letter that is wrong: its checksum does not fit.",
            "Nobody could open what is encrypted to it. Nothing was written.",
            "Copy the whole recipient (age1...) anew, as age-keygen printed it.",
        ) from None


def write_backup(
    file: Path, recipients: Iterable[str], members: Iterable[Member], end: Callable[[Mapping[str, Sealed]], bytes]
) -> Written:
    """Write the members and the manifest to a new file that its owner alone can read; whole, or not at all.

    `end` is given the digests of all members and returns the manifest.

    Raises:
        BadInput: the place cannot be used; a recipient is none.
        Unavailable: the disk is full or broke; nothing was left behind. What raises while members are read comes through.
    """
    check_place(file)
    keys = age_keys(recipients)
    sealed: dict[str, Sealed] = {}
    source = _Source(_archive(members, sealed, end))
    draft = file.with_name(f".{file.name}.{uuid4().hex[:8]}.part")
    try:
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                sink = _Sink(stream)
                _encrypt(source, sink, keys)
                stream.flush()
                os.fsync(stream.fileno())
            _put(draft, file)
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(file.parent)
    except OSError as error:
        if error is source.raised:
            raise
        if isinstance(error, FileExistsError):
            raise unusable(
                file, "is there already", "A backup never overwrites anything.", "Name a new file."
            ) from None
        raise Unavailable(
            f"The backup {file} could not be written: {error.strerror or error}.",
            "Nothing was left behind, so there is no backup of this moment.",
            "Make room, or name a file on another disk, and run it again.",
            "backup.not_written",
        ) from error
    return Written(file, sink.digest.hexdigest(), sink.size, sealed)


@dataclass(slots=True)
class _Source:
    """The archive as age reads it: pulled piece by piece. age turns what is raised here into its own error, so it is kept."""

    pieces: Iterator[bytes]
    raised: BaseException | None = None
    _left: memoryview = field(default_factory=lambda: memoryview(b""))

    def read(self, size: int) -> bytes:
        try:
            while not self._left:
                self._left = memoryview(next(self.pieces))
        except StopIteration:
            return b""
        except BaseException as error:
            self.raised = error
            raise
        some, self._left = self._left[:size], self._left[size:]
        return bytes(some)


@dataclass(slots=True)
class _Sink:
    """The file as age writes it. age does not tell of every write that fails, so the first failure is kept here."""

    stream: IO[bytes]
    size: int = 0
    raised: OSError | None = None
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def write(self, piece: bytes) -> int:
        try:
            self.stream.write(piece)
        except OSError as error:
            self.raised = self.raised or error
            raise
        self.digest.update(piece)
        self.size += len(piece)
        return len(piece)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except OSError as error:
            self.raised = self.raised or error
            raise


def _encrypt(source: _Source, sink: _Sink, keys: list[object]) -> None:
    try:
        pyrage.encrypt_io(source, sink, keys)
    except (pyrage.EncryptError, OSError):
        if source.raised is None and sink.raised is None:
            raise
    for raised in (source.raised, sink.raised):
        if raised is not None:
            raise raised


def _archive(
    members: Iterable[Member], sealed: dict[str, Sealed], end: Callable[[Mapping[str, Sealed]], bytes]
) -> Iterator[bytes]:
    for member in members:
        digest = hashlib.sha256()
        yield _header(member)
        for piece in member.chunks:
            digest.update(piece)
            yield piece
        yield bytes(-member.size % _BLOCK)
        sealed[member.name] = Sealed(digest.hexdigest(), member.size)
    last = Member.of(MANIFEST, end(sealed))
    yield _header(last)
    yield from last.chunks
    yield bytes(-last.size % _BLOCK) + bytes(2 * _BLOCK)


def _header(member: Member) -> bytes:
    entry = tarfile.TarInfo(checked_name(member.name))
    entry.size, entry.mode = member.size, 0o600
    return entry.tobuf(tarfile.PAX_FORMAT)


def unusable(file: Path, what: str, means: str, next_step: str) -> BadInput:
    """Return what is said of a file that cannot be used."""
    return BadInput(f"The backup {file} {what}.", means, next_step)


def _put(draft: Path, file: Path) -> None:
    """Give the draft its name, unless somebody else made a file of that name meanwhile."""
    try:
        # Unlike a rename this fails where the name is taken.
        os.link(draft, file)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
        # Without links the name is taken first, by an empty file that is then replaced.
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            draft.rename(file)
        except OSError:
            file.unlink()
            raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
    finally:
        os.close(descriptor)
