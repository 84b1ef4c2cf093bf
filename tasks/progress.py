"""How far a run is: one bar in Prefect's UI once it takes long enough to be watched, full where all of it was done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread
from typing import Protocol
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.runtime import flow_run

from blocks.answering import answering
from blocks.connection import brief_client
from domain.errors import OpsError, OutcomeUnknown
from tasks.parts import Part, is_done, seen, told_of
from tasks.reporting import event, key_of

# A run that is over sooner has no bar: each change of it is a request to Prefect's server. Twice this is the ten seconds
# after which there has to be one.
BAR_EVERY_SECONDS = 5.0
# A run that is over waits so long for the bar to say so.
_LAST_WAITS_SECONDS = 5.0
_PERCENT = 100.0
# Full is for the end: behind the last part come the report and the verdict.
_MOST_BEFORE_THE_END = 99.0


class Bar(Protocol):
    """Where the share that is done is shown, in percent."""

    def show(self, percent: float, words: str) -> None:
        """Show it; the words say what is being done."""


class PrefectBar:
    """The flow run's one progress artifact: created when it is first shown, and changed from then on.

    Where Prefect's server does not take it, the run goes on without, and the next time it is tried again. One that may have been
    created is looked for, and not created twice: a busy server may take an order long after nobody waits for its answer.
    """

    def __init__(self) -> None:
        self._id: UUID | None = None
        self._may_be_there = False
        self._is_told = False

    def show(self, percent: float, words: str) -> None:
        try:
            with answering(changes=True), brief_client() as client:
                self._sent(client, percent, words)
        except OpsError as error:
            self._may_be_there = self._may_be_there or (self._id is None and isinstance(error, OutcomeUnknown))
            if not self._is_told:
                event("progress.not_shown", kind=type(error).__name__)
            self._is_told = True

    def _sent(self, client: SyncPrefectClient, percent: float, words: str) -> None:
        run = UUID(flow_run.id) if flow_run.id else None
        key = key_of(f"{flow_run.flow_name}-progress")
        if self._id is None:
            # The first request also fetches what Prefect's client needs to change anything: where that fails, nothing was changed.
            with answering(changes=False):
                self._id = _found(client, key, run)
        if self._id is not None:
            client.update_artifact(self._id, ArtifactUpdate(description=words, data=percent))
        elif not self._may_be_there:
            new = ArtifactCreate(type="progress", key=key, description=words, data=percent, flow_run_id=run)
            self._id = client.create_artifact(new).id


def _found(client: SyncPrefectClient, key: str, run: UUID | None) -> UUID | None:
    """Return the run's own artifact, where it has one; outside of a run none can be told from another's."""
    if run is None:
        return None
    own = ArtifactFilter(key=ArtifactFilterKey(any_=[key]), flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
    return next((one.id for one in client.read_artifacts(artifact_filter=own, limit=1)), None)


@contextmanager
def shown_progress(every_seconds: float = BAR_EVERY_SECONDS) -> Iterator[None]:
    """Show how far this flow run is, from its first seconds to its end; tasks.parts says what it consists of.

    A thread shows it, so that one long wait for a vendor is seen as well, and no work waits for the showing.
    """
    whole, over = Part(), Event()
    # In a context of its own the thread would not know which run it shows.
    shown_here = (show_until, over.wait, whole, PrefectBar(), every_seconds)
    shower = Thread(target=copy_context().run, args=shown_here, name="progress", daemon=True)
    shower.start()
    try:
        with told_of(whole):
            yield
    finally:
        over.set()
        shower.join(_LAST_WAITS_SECONDS)


def show_until(
    is_over_within: Callable[[float], bool], whole: Part, bar: Bar, every_seconds: float = BAR_EVERY_SECONDS
) -> None:
    """Show what has changed every few seconds until the run is over; then how it ended, where anything was shown."""
    shown: tuple[float, str] | None = None
    while not is_over_within(every_seconds):
        now = _under_way(whole)
        if now != shown:
            bar.show(*now)
            shown = now
    if shown:
        bar.show(*_ended(whole))


def _under_way(whole: Part) -> tuple[float, str]:
    share, words = seen(whole)
    return min(round(share * _PERCENT, 1), _MOST_BEFORE_THE_END), words


def _ended(whole: Part) -> tuple[float, str]:
    if is_done(whole):
        return _PERCENT, "Everything was done; the run's state says what came of it."
    percent, words = _under_way(whole)
    return percent, f"Stopped before the end ({words}): the run's state says why."
