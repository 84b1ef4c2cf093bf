"""A file is replaced whole or not at all, is read by its owner alone, and has one writer at a time.

Drafts and the lock lie beside the file and end in `.local`, so that a rule like `.env*.local` keeps them out of git as well.
"""

import fcntl
import os
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from domain.errors import OutcomeUnknown, Unavailable

OWNER_ONLY = 0o600
_SUFFIX = ".local"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def one_writer(file: Path, patience: timedelta) -> Iterator[None]:
    """Keep every other writer of `file` out, in this process and in others; a killed one frees it.

    Raises:
        Unavailable: another writer had it for longer than `patience`.
        OSError: no lock can be made beside the file.
    """
    descriptor = os.open(_beside(file, "lock"), _LOCK, OWNER_ONLY)
    gained: Future[None] = Future()
    # The kernel has no limit to give; so a thread waits, and is left behind where that takes too long.
    threading.Thread(target=_wait_for_lock, args=(descriptor, gained), daemon=True).start()
    try:
        gained.result(patience.total_seconds())
    except TimeoutError:
        if gained.cancel():
            raise Unavailable(
                f"Another process has been writing {file} for more than {patience.total_seconds():g} s.",
                "Nothing was changed.",
                "See whether a worker on that machine is stopped; the next step tries again.",
            ) from None
        gained.result()
    try:
        yield
    finally:
        # Said, because a process forked in the meantime would keep the lock open.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def replace_whole(file: Path, content: bytes) -> None:
    """Put `content` in the place of `file`, mode 0600, durably; the owner stays where we may give files away.

    Killed anywhere, it leaves the old file or the new one, and at worst a draft of mode 0600.

    Raises:
        OutcomeUnknown: it is replaced, but may not outlive a power cut.
        OSError: nothing was changed.
    """
    draft = _beside(file, f"draft-{secrets.token_hex(4)}")
    descriptor = os.open(draft, _NEW, OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, OWNER_ONLY)
            _keep_owner(descriptor, file)
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _make_durable(file)


def remove_drafts(file: Path) -> None:
    """Remove what killed writers of `file` left. Only its one writer may call this."""
    left = _beside(file, "draft-").name.removesuffix(_SUFFIX)
    for entry in file.parent.iterdir():
        if entry.name.startswith(left) and entry.name.endswith(_SUFFIX):
            entry.unlink(missing_ok=True)


def _beside(file: Path, what: str) -> Path:
    return file.with_name(f"{file.name}.opsflows-{what}{_SUFFIX}")


def _wait_for_lock(descriptor: int, gained: "Future[None]") -> None:
    """Wait; where nobody waits for us any more by then, let go."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        fault: OSError | None = error
    else:
        fault = None
    if not gained.set_running_or_notify_cancel():
        os.close(descriptor)
    elif fault is not None:
        os.close(descriptor)
        gained.set_exception(fault)
    else:
        gained.set_result(None)


def _keep_owner(descriptor: int, file: Path) -> None:
    with suppress(FileNotFoundError):
        there, made = file.stat(), os.fstat(descriptor)
        if made.st_uid != there.st_uid:
            os.fchown(descriptor, there.st_uid, there.st_gid)
        elif made.st_gid != there.st_gid:
            # With mode 0600 the group means nothing; it is kept for whoever looks.
            with suppress(PermissionError):
                os.fchown(descriptor, -1, there.st_gid)


def _make_durable(file: Path) -> None:
    try:
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise OutcomeUnknown(
            f"{file} is replaced, but its folder could not be written through ({error.strerror}).",
            "A power cut could bring the old file back.",
            "Look at the disk; the next step writes the file again.",
        ) from error
