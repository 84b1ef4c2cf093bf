"""One process at a time works in a folder: it holds a lock for as long as it lives, and a killed one holds nothing."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from domain.errors import Unavailable

_LOCK = ".lock"
# Why an Unavailable was raised, for those who have to tell it from others.
TAKEN = "counting.taken"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let nobody else into the folder until the end of the block.

    Raises:
        Unavailable: somebody is in it.
    """
    lock = _held(folder)
    if lock is None:
        raise Unavailable(
            f"Another run is counting in {folder}.",
            "Two at once would write over each other; nothing was counted by this one.",
            "Wait for it to end, then run again: what it counted is not counted twice.",
            TAKEN,
        )
    try:
        # Its time tells when the folder was last used.
        os.utime(lock)
        yield
    finally:
        os.close(lock)


@contextmanager
def folder_of_own(parent: Path) -> Iterator[Path]:
    """Give a new folder that is removed at the end of the block; those that killed processes left are removed before."""
    if parent.is_dir():
        for other in sorted(parent.iterdir()):
            removed_unless_held(other)
    folder = parent / uuid4().hex
    with alone_in(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def removed_unless_held(folder: Path) -> bool:
    """Remove the folder and say so; False, with nothing changed, where it is none or somebody is in it."""
    if not folder.is_dir() or folder.is_symlink():
        return False
    lock = _held(folder)
    if lock is None:
        return False
    try:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
    return True


def last_used(folder: Path) -> datetime:
    """Return when somebody was last let in, or the folder was made."""
    lock = folder / _LOCK
    return datetime.fromtimestamp((lock if lock.exists() else folder).stat().st_mtime, UTC)


def _held(folder: Path) -> int | None:
    """Return the descriptor of the folder's lock, None where somebody else holds it."""
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # whoever removes folders was here in between
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        # A lock in a folder that was removed meanwhile keeps nobody out of the one that is there now.
        if _is_there(folder / _LOCK, lock):
            return lock
        os.close(lock)


def _is_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
