"""Looks over the shoulder of every process that starts below this one: arguments and environment, as its user can read them."""

import os
import re
import threading
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_PROC = Path("/proc")
# A kubectl lives for fifty milliseconds and more.
_EVERY_S = 0.01
# A process becomes another program soon after its start or not at all: a shell that gives itself up, `env`.
_FOLLOWED_LOOKS = 200
_NUMBERS = re.compile(rb"^(Tgid|Pid|PPid):\s*(\d+)$", re.MULTILINE)


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


def _read(file: Path) -> bytes:
    """Return the content, empty where the process is gone or another's."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _newest() -> int:
    """Return the number of the process, or thread, that started last. Source: proc(5), /proc/loadavg."""
    return int(_read(_PROC / "loadavg").split()[-1])


@dataclass(slots=True)
class _Watch:
    """One look after the other, cheap because of what is left out: no process that was there before, none but ours.

    `below` holds the arguments last seen of each process below this one, `young` for how many looks more it is followed, and
    `unborn` the numbers that were given away when nothing was there yet.
    """

    seen: Seen
    newest: int = field(default_factory=_newest)
    below: dict[int, bytes] = field(default_factory=dict)
    young: dict[int, int] = field(default_factory=dict)
    unborn: list[int] = field(default_factory=list)

    def look(self) -> None:
        again, self.unborn = self.unborn, []
        for process in (*again, *self._started()):
            said = _read(_PROC / str(process) / "status")
            if not said and process not in again:
                self.unborn.append(process)
            elif self._is_below(said):
                self.below[process], self.young[process] = b"", _FOLLOWED_LOOKS
        for process in list(self.young):
            self._read(process)
            self.young[process] -= 1
        self.young = {process: left for process, left in self.young.items() if left}

    def _started(self) -> list[int]:
        """Return what started since the last look: processes have growing numbers, until these begin anew."""
        before, self.newest = self.newest, _newest()
        if self.newest >= before:
            return list(range(before + 1, self.newest + 1))
        there = sorted(int(name) for name in os.listdir(_PROC) if name.isdigit())  # noqa: PTH208 (names, and no paths)
        return [process for process in there if process > before or process <= self.newest]

    def _is_below(self, said: bytes) -> bool:
        """Say whether it is a process of ours, and no thread of one."""
        told = {key: int(number) for key, number in _NUMBERS.findall(said)}
        is_process = told.get(b"Tgid") == told.get(b"Pid")
        return is_process and (told.get(b"PPid") == os.getpid() or told.get(b"PPid") in self.below)

    def _read(self, process: int) -> None:
        """Read it where its arguments are others than last time: what it runs changes, and its environment with it."""
        folder = _PROC / str(process)
        command = _read(folder / "cmdline")
        if command in {b"", self.below[process]}:
            return
        environment = _read(folder / "environ")
        # In between it may have become another program; then the next look reads it anew.
        if _read(folder / "cmdline") == command:
            self.seen.glimpses.add(Glimpse(command, environment))
            self.below[process] = command


def _watch(watch: _Watch, over: threading.Event) -> None:
    while not over.wait(_EVERY_S):
        watch.look()
