"""How far counting is: at most one line a second, and a bar in Prefect's UI once it takes long enough to be watched."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Protocol, cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from blocks.answering import answering
from domain.errors import OpsError
from tasks.reporting import event

LINE_EVERY_SECONDS = 1.0
# A run that is done sooner needs no bar: each change of it is a request to Prefect's server.
BAR_AFTER_SECONDS = 5.0
BAR_EVERY_SECONDS = 5.0
_PERCENT = 100.0


class Bar(Protocol):
    """Where the share that is done is shown, in percent."""

    def show(self, percent: float, words: str) -> None:
        """Show it; the words say what is being read."""


class PrefectBar:
    """A progress artifact of the run: created when it is first shown, and changed from then on."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._id: UUID | None = None

    def show(self, percent: float, words: str) -> None:
        try:
            with answering(changes=True):
                if self._id is None:
                    self._id = cast("UUID", create_progress_artifact(percent, key=self._key, description=words))
                else:
                    update_progress_artifact(self._id, percent, description=words)
        except OpsError as error:
            # A bar that cannot be shown costs no count.
            event("counting.not_shown", kind=type(error).__name__)


class CountingProgress:
    """Tells what is being read, from any thread. `parts` are sources and vendors; each counts as much as another."""

    def __init__(self, parts: int, bar: Bar, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts = max(parts, 1)
        self._bar = bar
        self._clock = clock
        self._lock = Lock()
        self._done = 0
        self._rows: dict[str, int] = {}
        self._next_line = clock()
        self._next_bar = clock() + BAR_AFTER_SECONDS
        self._is_shown = False

    def file(self, source: str, name: str, done: int, of: int, rows: int) -> None:
        """Tell that a file of the source is done; `rows` are its own."""
        with self._lock:
            self._rows[source] = self._rows.get(source, 0) + rows
            so_far = self._rows[source]
            tells = self._is_time_for_a_line() and done < of
            self._show(done / of if done < of else 0.0, f"{source}: {done} of {of} files, {so_far:,} records")
        if tells:
            event("counting.file", source=source, file=name, done=done, of=of, rows=so_far)

    def page(self, integration: str, pages: int) -> None:
        """Tell that so many pages of an integration's answers were read."""
        with self._lock:
            tells = self._is_time_for_a_line()
            self._show(0.0, f"{integration}: {pages} pages")
        if tells:
            event("counting.page", integration=integration, pages=pages)

    def part(self, words: str) -> None:
        """Tell what came of a source or a vendor; this line is never left out."""
        with self._lock:
            self._done += 1
            self._next_line = self._clock() + LINE_EVERY_SECONDS
            self._show(0.0, words)
            done = self._done
        event("counting.part", done=done, of=self._parts, words=words)

    def end(self) -> None:
        """Fill the bar, where one was shown."""
        with self._lock:
            if self._is_shown:
                self._bar.show(_PERCENT, "Everything was read.")

    def _is_time_for_a_line(self) -> bool:
        if self._clock() < self._next_line:
            return False
        self._next_line = self._clock() + LINE_EVERY_SECONDS
        return True

    def _show(self, within_part: float, words: str) -> None:
        if self._clock() < self._next_bar:
            return
        self._next_bar = self._clock() + BAR_EVERY_SECONDS
        self._is_shown = True
        # The last part is full when everything was read, not before.
        self._bar.show(min((self._done + within_part) / self._parts, 1.0) * _PERCENT, words)
