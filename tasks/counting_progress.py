"""How far counting is: at most one line a second, and a bar in Prefect's UI once it takes long enough to be watched."""

import time
from collections.abc import Callable
from threading import Lock

from tasks.progress import Bar, Progress
from tasks.reporting import event

LINE_EVERY_SECONDS = 1.0


class CountingProgress:
    """Tells what is being read, from any thread. `parts` are sources and vendors; each counts as much as another."""

    def __init__(self, parts: int, bar: Bar, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts = max(parts, 1)
        self._shown = Progress(parts, bar, clock)
        self._clock = clock
        self._lock = Lock()
        self._rows: dict[str, int] = {}
        self._next_line = clock()

    def file(self, source: str, name: str, done: int, of: int, rows: int) -> None:
        """Tell that a file of the source is done; `rows` are its own."""
        with self._lock:
            self._rows[source] = self._rows.get(source, 0) + rows
            so_far = self._rows[source]
            tells = self._is_time_for_a_line() and done < of
        self._shown.within(done / of if done < of else 0.0, f"{source}: {done} of {of} files, {so_far:,} records")
        if tells:
            event("counting.file", source=source, file=name, done=done, of=of, rows=so_far)

    def page(self, integration: str, pages: int) -> None:
        """Tell that so many pages of an integration's answers were read."""
        with self._lock:
            tells = self._is_time_for_a_line()
        self._shown.within(0.0, f"{integration}: {pages} pages")
        if tells:
            event("counting.page", integration=integration, pages=pages)

    def part(self, words: str) -> None:
        """Tell what came of a source or a vendor; this line is never left out."""
        with self._lock:
            self._next_line = self._clock() + LINE_EVERY_SECONDS
        done = self._shown.part(words)
        event("counting.part", done=done, of=self._parts, words=words)

    def end(self) -> None:
        """Fill the bar, where one was shown."""
        self._shown.end("Everything was read.")

    def stop(self) -> None:
        """Say that counting goes no further, where a bar was shown."""
        self._shown.stop()

    def _is_time_for_a_line(self) -> bool:
        if self._clock() < self._next_line:
            return False
        self._next_line = self._clock() + LINE_EVERY_SECONDS
        return True
