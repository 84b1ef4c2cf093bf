"""How far counting is: at most one line a second in the log, and the share that a bar in Prefect's UI shows."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from tasks.parts import Part, expect, part, tell
from tasks.reporting import event

LINE_EVERY_SECONDS = 1.0


class CountingProgress:
    """Tells what is being read, from any thread. `parts` are sources and vendors; each counts as much as another."""

    def __init__(self, parts: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts = parts
        self._clock = clock
        self._lock = Lock()
        self._done = 0
        self._rows: dict[str, int] = {}
        self._reading: dict[str, Part] = {}
        self._next_line = clock()
        expect(parts)

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Let files and pages of that name count as its share until the block ends."""
        with part(name) as one:
            self._reading[name] = one
            yield

    def file(self, source: str, name: str, done: int, of: int, rows: int) -> None:
        """Tell that a file of the source is done; `rows` are its own."""
        with self._lock:
            self._rows[source] = self._rows.get(source, 0) + rows
            so_far = self._rows[source]
            tells = self._is_time_for_a_line() and done < of
        tell(self._reading[source], done / of, f"{done} of {of} files, {so_far:,} records")
        if tells:
            event("counting.file", source=source, file=name, done=done, of=of, rows=so_far)

    def page(self, integration: str, pages: int) -> None:
        """Tell that so many pages of an integration's answers were read."""
        with self._lock:
            tells = self._is_time_for_a_line()
        tell(self._reading[integration], 0.0, f"{pages} pages")
        if tells:
            event("counting.page", integration=integration, pages=pages)

    def part(self, words: str) -> None:
        """Tell what came of a source or a vendor; this line is never left out."""
        with self._lock:
            self._next_line = self._clock() + LINE_EVERY_SECONDS
            self._done += 1
            done = self._done
        event("counting.part", done=done, of=self._parts, words=words)

    def _is_time_for_a_line(self) -> bool:
        if self._clock() < self._next_line:
            return False
        self._next_line = self._clock() + LINE_EVERY_SECONDS
        return True
