"""Processes that are killed as a container is, with all they started, and started again as compose's restart policy would."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_LOOKS_EVERY_S = 0.2
_STOPS_WITHIN_S = 15
# docker waits longer each time for what dies at once; here that is a second between two starts.
_BETWEEN_STARTS_S = 1.0
# Prefect turns SIGTERM into SIGINT, which a child of a background shell would ignore.
_WITH_INTERRUPT = ("env", "--default-signal=INT")


@dataclass(slots=True)
class Supervised:
    """One service as a process: `wanted` says whether it is started again when it ends."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    wanted: bool = False
    starts: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    _started: float = 0.0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def start(self) -> None:
        with self._lock, self.log.open("ab") as log:
            self.wanted, self.starts, self._started = True, self.starts + 1, time.monotonic()
            self.process = subprocess.Popen(
                [*_WITH_INTERRUPT, *self.command], env=dict(self.environment), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip

    def start_again_where_it_ended(self) -> None:
        with self._lock:
            ended = self.process is not None and self.process.poll() is not None
            if self.wanted and ended and time.monotonic() - self._started > _BETWEEN_STARTS_S:
                self.start()

    def kill(self) -> None:
        """End it and everything it started by SIGKILL, as a container that is killed."""
        with self._lock:
            assert self.process is not None
            for pid in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()

    def keep_down(self) -> None:
        """End it as kill does, and do not start it again until `start` is called."""
        with self._lock:
            self.wanted = False
            self.kill()

    def stop(self) -> None:
        """End it in order, and do not start it again."""
        with self._lock:
            self.wanted = False
            if self.process is None or self.process.poll() is not None:
                return
            below = descendants(self.process.pid)
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=_STOPS_WITHIN_S)
            for pid in [self.process.pid, *below]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()

    def resident_mb(self) -> int:
        """Return the memory of the service with all that it started, in MB; what processes share counts in each."""
        pages = sum(int(_read(pid, "statm").split()[1]) for pid in self.processes())
        return pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000

    def cpu_seconds(self) -> float:
        """Return what the service's running processes have used of the processors since each was started."""
        rows = [_read(pid, "stat").rpartition(")")[2].split() for pid in self.processes()]
        return sum(int(row[11]) + int(row[12]) for row in rows) / os.sysconf("SC_CLK_TCK")

    def processes(self) -> list[int]:
        """Return the service's process and every one below it."""
        assert self.process is not None
        return [self.process.pid, *descendants(self.process.pid)]


class Supervisor:
    """Starts again whatever ends and is wanted, until it is left."""

    def __init__(self, services: Mapping[str, Supervised]) -> None:
        self._services = services
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOKS_EVERY_S):
            for service in self._services.values():
                service.start_again_where_it_ended()


def descendants(pid: int) -> list[int]:
    """Return every process below this one."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = parents.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _read(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()
