"""How far a run is: a bar in Prefect's UI once it takes long enough to be watched, full at the end or said to have stopped."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Protocol
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.utilities.context import get_task_and_flow_run_ids

from blocks.answering import answering
from blocks.connection import brief_client
from domain.errors import OpsError
from tasks.reporting import event, key_of

# A run that is done sooner needs no bar: each change of it is a request to Prefect's server.
BAR_AFTER_SECONDS = 5.0
BAR_EVERY_SECONDS = 5.0
# The last one waits so long for the one that is being shown.
_LAST_WAITS_SECONDS = 5.0
_PERCENT = 100.0


class Bar(Protocol):
    """Where the share that is done is shown, in percent."""

    def show(self, percent: float, words: str) -> None:
        """Show it; the words say what is being done."""


class PrefectBar:
    """A progress artifact of the run: created when it is first shown, and changed from then on.

    The work that it tells of waits for it some seconds at most, and once: a bar that could not be shown is given up for the run.
    """

    def __init__(self, key: str) -> None:
        self._key = key_of(key)
        self._id: UUID | None = None
        self._is_given_up = False

    def show(self, percent: float, words: str) -> None:
        if self._is_given_up:
            return
        try:
            with answering(changes=True), brief_client() as client:
                self._sent(client, percent, words)
        except OpsError as error:
            self._is_given_up = True
            event("progress.not_shown", kind=type(error).__name__)

    def _sent(self, client: SyncPrefectClient, percent: float, words: str) -> None:
        if self._id is not None:
            client.update_artifact(self._id, ArtifactUpdate(description=words, data=percent))
            return
        task_run, flow_run = get_task_and_flow_run_ids()
        new = ArtifactCreate(
            type="progress", key=self._key, description=words, data=percent, task_run_id=task_run, flow_run_id=flow_run
        )
        self._id = client.create_artifact(new).id


class Progress:
    """Shows how many parts are done, from any thread; each counts as much as another. No thread waits for what another shows."""

    def __init__(self, parts: int, bar: Bar, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts = max(parts, 1)
        self._bar = bar
        self._clock = clock
        self._lock = Lock()
        self._showing = Lock()
        self._done = 0
        self._share = 0.0
        self._next_bar = clock() + BAR_AFTER_SECONDS
        self._is_shown = False

    def part(self, words: str) -> int:
        """Show that one more part is done; return how many are."""
        with self._lock:
            self._done += 1
            done, is_due = self._done, self._counted(0.0)
        if is_due:
            self._show(words)
        return done

    def within(self, share: float, words: str) -> None:
        """Show how much of the part under way is done (0.0-1.0)."""
        with self._lock:
            is_due = self._counted(share)
        if is_due:
            self._show(words)

    def end(self, words: str) -> None:
        """Fill the bar, where one was shown."""
        self._show_last(1.0, words)

    def stop(self) -> None:
        """Say that it goes no further, where a bar was shown; it stays where it was."""
        self._show_last(self._share, "Stopped before the end: the run's state says why.")

    def _counted(self, within_part: float) -> bool:
        """Keep the share, and say whether it is time to show it."""
        # The last part is full when everything is done, not before.
        self._share = min((self._done + within_part) / self._parts, 1.0)
        if self._clock() < self._next_bar:
            return False
        self._next_bar = self._clock() + BAR_EVERY_SECONDS
        self._is_shown = True
        return True

    def _show(self, words: str) -> None:
        if not self._showing.acquire(blocking=False):
            return
        try:
            self._bar.show(self._share * _PERCENT, words)
        finally:
            self._showing.release()

    def _show_last(self, share: float, words: str) -> None:
        if not self._is_shown or not self._showing.acquire(timeout=_LAST_WAITS_SECONDS):
            return
        try:
            self._bar.show(share * _PERCENT, words)
        finally:
            self._showing.release()


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
