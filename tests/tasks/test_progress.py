"""A run that takes long has one bar, full at the end, or saying that the work stopped; one that is soon over has none."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import Artifact
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.catalog import CATALOG, Entry
from tasks.parts import Part, count_done, expect, is_done, part, tell, told_of
from tasks.progress import BAR_EVERY_SECONDS, PrefectBar, show_until, shown_progress
from tests.program import eventually


class Shown:
    """A bar that remembers."""

    def __init__(self) -> None:
        self.said: list[tuple[float, str]] = []

    def show(self, percent: float, words: str) -> None:
        self.said.append((percent, words))


def after_each_tick(*happens: Callable[[], object]) -> Callable[[float], bool]:
    """Return a wait in whose stead one thing happens a tick; after the last one the run is over."""
    left = list(happens)

    def is_over_within(seconds: float) -> bool:
        assert seconds == BAR_EVERY_SECONDS
        if not left:
            return True
        left.pop(0)()
        return False

    return is_over_within


def nothing() -> None:
    """Let a tick pass."""


def test_a_run_that_is_soon_over_has_no_bar() -> None:
    bar, whole = Shown(), Part(expected=2, done=2)

    show_until(after_each_tick(), whole, bar)

    assert bar.said == []


def test_one_long_wait_has_a_bar_that_says_what_is_waited_for() -> None:
    bar, whole = Shown(), Part()

    with told_of(whole), part("slack-default-prod-send"):
        show_until(after_each_tick(nothing, nothing), whole, bar)

    # The second tick has nothing new to say.
    assert bar.said[0] == (0.0, "0 of 1 done; under way: slack-default-prod-send")
    assert len(bar.said) == len(["the first tick", "the end"])


def test_a_bar_is_changed_where_something_changed_and_full_only_at_the_end() -> None:
    bar, whole = Shown(), Part(expected=2)
    one_more = Part("a")

    def done() -> None:
        whole.done += 1

    def read() -> None:
        whole.under_way.append(one_more)
        tell(one_more, 0.5, "2 of 4 files")

    def read_to_the_end() -> None:
        whole.under_way.remove(one_more)
        whole.done += 1

    show_until(after_each_tick(nothing, done, read, nothing, read_to_the_end), whole, bar)

    assert bar.said == [
        (0.0, "0 of 2 done"),
        (50.0, "1 of 2 done"),
        (75.0, "1 of 2 done; under way: a (2 of 4 files)"),
        (99.0, "2 of 2 done"),
        (100.0, "Everything was done; the run's state says what came of it."),
    ]


def test_a_bar_of_work_that_stopped_stays_where_it_was_and_says_so() -> None:
    bar, whole = Shown(), Part(expected=4, done=1)

    show_until(after_each_tick(nothing), whole, bar)

    assert bar.said[-1] == (25.0, "Stopped before the end (1 of 4 done): the run's state says why.")
    assert not is_done(whole)


@flow(name="try-progress", persist_result=False)
def shows_itself() -> str:
    with shown_progress():
        expect(4)
        count_done(1)
        bar = PrefectBar()
        for percent in (25.0, 50.0):
            bar.show(percent, f"{percent} percent")
    return str(flow_run.id)


@pytest.mark.usefixtures("prefect")
def test_a_run_has_one_artifact_which_is_changed() -> None:
    run_id = shows_itself()

    [artifact] = artifacts_of(run_id)
    assert (artifact.key, artifact.type, artifact.data) == ("try-progress-progress", "progress", 50.0)
    assert (artifact.description, artifact.task_run_id) == ("50.0 percent", None)


def artifacts_of(run_id: str) -> list[Artifact]:
    """Return everything that Prefect's UI shows beside this run."""
    own = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(run_id)]))
    with get_client(sync_client=True) as client:
        return client.read_artifacts(artifact_filter=own)


@flow(name="try-bar", persist_result=False)
def takes_until_it_is_seen() -> str:
    run_id = str(flow_run.id)
    with shown_progress(every_seconds=0.05):
        expect(2)
        count_done(1)
        with part("prod"):
            eventually(lambda: [row for row in artifacts_of(run_id) if row.data == 50.0])
    return run_id


@pytest.mark.usefixtures("prefect")
def test_a_run_that_takes_long_is_shown_beside_itself_by_one_bar_which_ends_full() -> None:
    run_id = takes_until_it_is_seen()

    [artifact] = artifacts_of(run_id)
    assert (artifact.key, artifact.type, artifact.data) == ("try-bar-progress", "progress", 100.0)


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_every_deployments_run_is_shown(entry: Entry) -> None:
    # Whichever of the flow's functions does it: each of them is a global of its module.
    module = entry.flow.fn.__globals__

    assert module["shown_progress"] is shown_progress


@pytest.fixture
def in_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_run, "id", str(uuid4()), raising=False)
    monkeypatch.setattr(flow_run, "flow_name", "sweep", raising=False)


@pytest.mark.usefixtures("in_a_run")
def test_a_bar_that_the_server_turns_away_is_asked_for_once_a_time_and_the_work_goes_on() -> None:
    with _busy_at("/") as (api, asked), temporary_settings({PREFECT_API_URL: api}):
        bar = PrefectBar()

        for percent in (25.0, 50.0):
            bar.show(percent, "words")

    # Prefect's client would ask again each time, and wait the hour first.
    assert asked == [_LEAVE, _LEAVE]


@pytest.mark.usefixtures("in_a_run")
def test_a_bar_that_may_have_been_created_is_looked_for_and_not_created_twice() -> None:
    with _busy_at(_CREATE) as (api, asked), temporary_settings({PREFECT_API_URL: api}):
        bar = PrefectBar()

        for percent in (25.0, 50.0, 75.0):
            bar.show(percent, "words")

    assert [path for path in asked if path != _LEAVE] == [_LOOK, _CREATE, _LOOK, _LOOK]


@pytest.mark.usefixtures("in_a_run")
def test_a_bar_that_cannot_have_been_created_is_tried_again() -> None:
    bar = PrefectBar()
    with _busy_at(_LEAVE) as (api, _):
        pass
    # Nobody listens there, and then somebody does who has no time yet.
    with temporary_settings({PREFECT_API_URL: api}):
        bar.show(25.0, "words")
    with _busy_at(_LEAVE) as (api, _), temporary_settings({PREFECT_API_URL: api}):
        bar.show(50.0, "words")

    with _busy_at(_CREATE) as (api, asked), temporary_settings({PREFECT_API_URL: api}):
        bar.show(75.0, "words")

    assert asked[-1] == _CREATE


@flow(name="try-unanswered", persist_result=False)
def is_not_answered_at_first() -> tuple[str, UUID]:
    run_id, bar = str(flow_run.id), PrefectBar()
    with _busy_at(_CREATE) as (api, _), temporary_settings({PREFECT_API_URL: api}):
        bar.show(25.0, "25 percent")
    # The server takes the order when nobody waits for it any more.
    PrefectBar().show(50.0, "50 percent")
    [created] = artifacts_of(run_id)
    bar.show(75.0, "75 percent")
    return run_id, created.id


@pytest.mark.usefixtures("prefect")
def test_a_bar_whose_creation_was_not_answered_is_found_and_changed() -> None:
    run_id, created = is_not_answered_at_first()

    [artifact] = artifacts_of(run_id)
    assert (artifact.id, artifact.data) == (created, 75.0)


# What Prefect's client asks for before it may change anything.
_LEAVE = "/api/csrf-token"
_LOOK, _CREATE = "/api/artifacts/filter", "/api/artifacts/"


@contextmanager
def _busy_at(busy: str) -> Iterator[tuple[str, list[str]]]:
    """Serve what knows no artifact, and has no time for requests at this path; `/` is all of them."""
    asked: list[str] = []

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            path = self.path.partition("?")[0]
            asked.append(path)
            if busy in {"/", path}:
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, b"")
            else:
                # A server without such tokens answers 404, and Prefect's client goes on without.
                self._answer(HTTPStatus.NOT_FOUND if path == _LEAVE else HTTPStatus.OK, b"[]")

        def _answer(self, status: HTTPStatus, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Retry-After", "3600")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api", asked
    finally:
        server.shutdown()
        server.server_close()
