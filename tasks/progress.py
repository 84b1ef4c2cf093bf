"""How far a run is: a bar in Prefect's UI once it takes long enough to be watched, full at the end or said to have stopped."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Protocol, cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from blocks.answering import answering
from domain.errors import OpsError
from tasks.reporting import event, key_of

# A run that is done sooner needs no bar: each change of it is a request to Prefect's server.
BAR_AFTER_SECONDS = 5.0
BAR_EVERY_SECONDS = 5.0
_PERCENT = 100.0


class Bar(Protocol):
    """Where the share that is done is shown, in percent."""

    def show(self, percent: float, words: str) -> None:
        """Show it; the words say what is being done."""


class PrefectBar:
    """A progress artifact of the run: created when it is first shown, and changed from then on."""

    def __init__(self, key: str) -> None:
        self._key = key_of(key)
        self._id: UUID | None = None

    def show(self, percent: float, words: str) -> None:
        try:
            with answering(changes=True):
                if self._id is None:
                    self._id = cast("UUID", create_progress_artifact(percent, key=self._key, description=words))
                else:
                    update_progress_artifact(self._id, percent, description=words)
        except OpsError as error:
            # A bar that cannot be shown costs no work.
            event("progress.not_shown", kind=type(error).__name__)


class Progress:
    """Shows how many parts are done, from any thread; each counts as much as another."""

    def __init__(self, parts: int, bar: Bar, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts = max(parts, 1)
        self._bar = bar
        self._clock = clock
        self._lock = Lock()
        self._done = 0
        self._share = 0.0
        self._next_bar = clock() + BAR_AFTER_SECONDS
        self._is_shown = False

    def part(self, words: str) -> int:
        """Show that one more part is done; return how many are."""
        with self._lock:
            self._done += 1
            self._show(0.0, words)
            return self._done

    def within(self, share: float, words: str) -> None:
        """Show how much of the part under way is done (0.0-1.0)."""
        with self._lock:
            self._show(share, words)

    def end(self, words: str) -> None:
        """Fill the bar, where one was shown."""
        with self._lock:
            if self._is_shown:
                self._bar.show(_PERCENT, words)

    def stop(self) -> None:
        """Say that it goes no further, where a bar was shown; it stays where it was."""
        with self._lock:
            if self._is_shown:
                self._bar.show(self._share * _PERCENT, "Stopped before the end: the run's state says why.")

    def _show(self, within_part: float, words: str) -> None:
        # The last part is full when everything is done, not before.
        self._share = min((self._done + within_part) / self._parts, 1.0)
        if self._clock() < self._next_bar:
            return
        self._next_bar = self._clock() + BAR_EVERY_SECONDS
        self._is_shown = True
        self._bar.show(self._share * _PERCENT, words)


@contextmanager
def progress_of(key: str, parts: int, clock: Callable[[], float] = time.monotonic) -> Iterator[Progress]:
    """Give the progress of so many parts; its bar is full at the end, or says that it stopped where the block raises."""
    progress = Progress(parts, PrefectBar(f"{key}-progress"), clock)
    try:
        yield progress
    except BaseException:
        progress.stop()
        raise
    progress.end("Everything was done; the run's state says what came of it.")
