"""A backup is read as a stream, too: decrypted into a pipe, and every member held against the manifest at its end."""

import hashlib
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import IO

import pyrage  # type: ignore[import-untyped]  # it ships no types

from domain.backups import MANIFEST, Manifest, Sealed, checked_name, read_manifest
from domain.errors import BadInput
from ledger.backup_file import unusable

_AT_ONCE = 1 << 20


def members_of(file: Path, identities: Path) -> Iterator[tuple[str, "Content"]]:
    """Yield name and content of each member, in the archive's order; whoever comes to the end has seen a whole file.

    Raises:
        BadInput: it cannot be read or opened, or is damaged; raised by reading a content as well.
    """
    keys = _identities(identities)
    try:
        encrypted = file.open("rb")
    except OSError as error:
        raise unusable(
            file, f"cannot be read ({error.strerror})", "Nothing was put back.", "Name the backup's file."
        ) from error
    receiving, sending = os.pipe()
    with encrypted, os.fdopen(receiving, "rb", buffering=_AT_ONCE) as plain:
        work = _Decrypting(encrypted, sending, keys)
        work.start()
        try:
            for name, content in _unpacked(plain):
                yield name, Content(content, partial(work.broke_off, file))
            # The file's end is proven by its last piece, which lies behind the archive's.
            while plain.read(_AT_ONCE):
                pass
        except tarfile.TarError:
            raise work.broke_off(file) from None
        finally:
            plain.close()
            work.join()
        work.check(file)


def verify_backup(file: Path, identities: Path) -> Manifest:
    """Return the manifest, having read the whole file and found every member as the manifest says.

    Raises:
        BadInput: as members_of; a member is missing, was added or differs.
    """
    found: dict[str, Sealed] = {}
    told = b""
    for name, stream in members_of(file, identities):
        if told or name in found:
            raise _damaged(file, f"{name} is there twice, or behind the end")
        if name == MANIFEST:
            told = stream.read()
        else:
            found[name] = _sealed(stream)
    if not told:
        raise _damaged(file, "its manifest is missing")
    manifest = read_manifest(told)
    listed = manifest.members
    for name in sorted(set(listed) | set(found)):
        if found.get(name) != listed.get(name):
            raise _damaged(file, f"{name} is not what its manifest says")
    return manifest


def sha256_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Content:
    """One member's content, to be read once, before the next member is asked for."""

    _stream: IO[bytes]
    _broke_off: Callable[[], BadInput]

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, all that are left without a size; nothing at the end. Raises BadInput where the file ends too soon."""
        try:
            return self._stream.read(size if size >= 0 else None)  # type: ignore[arg-type]  # tarfile takes None for all
        except tarfile.TarError:
            raise self._broke_off() from None


class _Decrypting(Thread):
    """Decrypts into a pipe while the archive is read from its other end."""

    def __init__(self, encrypted: IO[bytes], sending: int, keys: list[object]) -> None:
        super().__init__(name="decrypting", daemon=True)
        self._parts = (encrypted, sending, keys)
        self._raised: Exception | None = None

    def run(self) -> None:
        encrypted, sending, keys = self._parts
        # A reader that went away has a reason of its own, and tells it.
        with suppress(BrokenPipeError), os.fdopen(sending, "wb") as pipe:
            try:
                pyrage.decrypt_io(encrypted, pipe, keys)
            except (pyrage.DecryptError, OSError, ValueError) as error:
                self._raised = error

    def check(self, file: Path) -> None:
        """Raise what kept it from the end, once it has ended."""
        self.join()
        if self._raised is not None and not isinstance(self._raised, BrokenPipeError):
            raise self.broke_off(file)

    def broke_off(self, file: Path) -> BadInput:
        """Return why the archive has no end."""
        self.join()
        if "No matching keys" in str(self._raised):
            return unusable(
                file, "was encrypted to another recipient", "This identity does not open it. Nothing was put back.",
                "Use the identity whose public key the backup was made for.",
            )  # fmt: skip
        return _damaged(file)


def _unpacked(plain: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    with closing(tarfile.open(fileobj=plain, mode="r|")) as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.isfile() else None
            # A link or a device would lead elsewhere; ours hold files alone.
            name = checked_name(entry.name if content else f"../{entry.name}")
            if content:
                yield name, content


def _sealed(stream: "Content") -> Sealed:
    digest, size = hashlib.sha256(), 0
    while piece := stream.read(_AT_ONCE):
        digest.update(piece)
        size += len(piece)
    return Sealed(digest.hexdigest(), size)


def _identities(file: Path) -> list[object]:
    try:
        lines = [line.strip() for line in file.read_text().splitlines()]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError):
        found = []
    if not found:
        raise BadInput(
            f"{file} holds no identity of age.",
            "An identity is a line that begins with AGE-SECRET-KEY-1, as age-keygen writes it. Nothing was put back.",
            "Name the identity's file with --identity.",
        )
    return found


def _damaged(file: Path, how: str = "") -> BadInput:
    return unusable(
        file, f"is damaged or not whole{f': {how}' if how else ''}", "Nothing was put back.",
        "Use another copy of it, or the backup before it.",
    )  # fmt: skip
