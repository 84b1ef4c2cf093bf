"""One process at a time works in a folder: it holds a lock for as long as it lives, and a killed one holds nothing."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.errors import Unavailable


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let nobody else into the folder until the end of the block.

    Raises:
        Unavailable: somebody is in it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(
                f"Another run is counting in {folder}.",
                "Two at once would write over each other; nothing was counted by this one.",
                "Wait for it to end, then run again: what it counted is not counted twice.",
                "counting.taken",
            ) from None
        yield
