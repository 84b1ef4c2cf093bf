"""Looks over the shoulder of every process that starts below this one: arguments and environment, as its user can read them."""

import os
import threading
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_PROC = Path("/proc")
# A kubectl lives for fifty milliseconds and more.
_EVERY_S = 0.01


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What was read of one process: its arguments, and the environment that it was given with them."""

    command: bytes
    environment: bytes

    def is_of(self, program: str) -> bool:
        return Path(os.fsdecode(self.command.partition(b"\0")[0])).name == program

    def names(self) -> set[str]:
        """Return the names that its environment has."""
        return {os.fsdecode(row.partition(b"=")[0]) for row in self.environment.split(b"\0") if row}

    def environment_without(self, names: Container[str]) -> bytes:
        rows = self.environment.split(b"\0")
        return b"\0".join(row for row in rows if os.fsdecode(row.partition(b"=")[0]) not in names)


@dataclass(slots=True)
class Seen:
    """What was seen of processes that started since."""

    glimpses: set[Glimpse] = field(default_factory=set)

    @property
    def everything(self) -> bytes:
        return b"\n".join(part for one in self.glimpses for part in (self._spaced(one), one.environment))

    def of(self, program: str) -> list[Glimpse]:
        """Return the glimpses of processes that ran the program of that name."""
        return [one for one in self.glimpses if one.is_of(program)]

    def command_with(self, *words: str) -> bool:
        return any(all(word.encode() in self._spaced(one) for word in words) for one in self.glimpses)

    @staticmethod
    def _spaced(one: Glimpse) -> bytes:
        return one.command.replace(b"\0", b" ")


@contextmanager
def watched_processes() -> Iterator[Seen]:
    """Give what is seen of new processes below this one until the end; nothing on a machine without /proc."""
    seen, over = Seen(), threading.Event()
    if not (_PROC / "self" / "environ").exists():
        yield seen
        return
    watcher = threading.Thread(target=_watch, args=(_Watch(seen), over), daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _there() -> set[str]:
    """Return the ids of all processes."""
    return {name for name in os.listdir(_PROC) if name.isdigit()}  # noqa: PTH208 (200 times a second: no path for each)


@dataclass(slots=True)
class _Watch:
    """One look after the other; what cannot have changed since the last one is not read again.

    `below` holds the arguments last seen of each process below this one; `others` are not looked at any more.
    """

    seen: Seen
    below: dict[str, bytes] = field(default_factory=dict)
    others: set[str] = field(default_factory=_there)

    def look(self) -> None:
        there = _there()
        self.others &= there
        self.below = {entry: command for entry, command in self.below.items() if entry in there}
        # Sorted as numbers, a parent mostly comes before its child.
        for entry in sorted(there - self.others, key=int):
            if entry in self.below or self._is_below(entry):
                self._read(entry)
            else:
                self.others.add(entry)

    def _is_below(self, entry: str) -> bool:
        # The name in parentheses may hold anything; state and parent follow the last one.
        parent = _read(_PROC / entry / "stat").rpartition(b")")[2].split()[1:2]
        return bool(parent) and (int(parent[0]) == os.getpid() or parent[0].decode() in self.below)

    def _read(self, entry: str) -> None:
        """Read it where its arguments are others than last time: what it runs changes, and its environment with it."""
        command = _read(_PROC / entry / "cmdline")
        if command != self.below.get(entry):
            environment = _read(_PROC / entry / "environ")
            # In between it may have become another program; then the next look reads it anew.
            if _read(_PROC / entry / "cmdline") == command:
                self.seen.glimpses.add(Glimpse(command, environment))
                self.below[entry] = command
                return
        self.below.setdefault(entry, b"")


def _watch(watch: _Watch, over: threading.Event) -> None:
    while not over.wait(_EVERY_S):
        watch.look()


def _read(file: Path) -> bytes:
    """Return the content, empty where the process is gone or another's."""
    try:
        return file.read_bytes()
    except OSError:
        return b""
