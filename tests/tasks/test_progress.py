"""A bar is full at the end, or says that the work stopped; work that is soon done has none."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.progress import BAR_AFTER_SECONDS, BAR_EVERY_SECONDS, PrefectBar, Progress


@dataclass(slots=True)
class Shown:
    """A bar that remembers, and a clock that stands still until it is moved."""

    said: list[tuple[float, str]] = field(default_factory=list)
    now: float = 100.0

    def show(self, percent: float, words: str) -> None:
        self.said.append((percent, words))


def test_work_that_is_soon_done_has_no_bar() -> None:
    bar = Shown()
    progress = Progress(2, bar, lambda: bar.now)

    for name in ("a", "b"):
        progress.part(name)
    progress.end("Done.")

    assert bar.said == []


def test_a_bar_is_full_at_the_end_and_is_changed_seldom() -> None:
    bar = Shown()
    progress = Progress(4, bar, lambda: bar.now)

    bar.now += BAR_AFTER_SECONDS
    progress.part("a")
    progress.part("b")
    bar.now += BAR_EVERY_SECONDS
    progress.part("c")
    progress.end("Done.")

    assert bar.said == [(25.0, "a"), (75.0, "c"), (100.0, "Done.")]


def test_a_bar_of_work_that_stopped_stays_where_it_was_and_says_so() -> None:
    bar = Shown()
    progress = Progress(4, bar, lambda: bar.now)

    bar.now += BAR_AFTER_SECONDS
    progress.part("a")
    progress.stop()

    assert bar.said[-1] == (25.0, "Stopped before the end: the run's state says why.")


class Stuck:
    """A bar that does not come back from showing until it is let go."""

    def __init__(self) -> None:
        self.began, self.may_end = threading.Event(), threading.Event()
        self.said: list[float] = []

    def show(self, percent: float, words: str) -> None:
        del words
        self.said.append(percent)
        self.began.set()
        self.may_end.wait(30)


def test_while_a_bar_is_stuck_the_other_threads_go_on() -> None:
    bar, now = Stuck(), [100.0]
    progress = Progress(4, bar, lambda: now[0])
    now[0] += BAR_AFTER_SECONDS
    stuck = threading.Thread(target=progress.part, args=("a",))

    stuck.start()
    assert bar.began.wait(30)
    now[0] += BAR_EVERY_SECONDS
    done = progress.part("b")
    progress.within(0.5, "c")
    bar.may_end.set()
    stuck.join(30)
    progress.end("Done.")

    assert (done, bar.said) == (2, [25.0, 100.0])


def test_a_bar_that_the_server_turns_away_is_asked_for_once_and_the_work_goes_on() -> None:
    with _turning_away() as (api, asked), temporary_settings({PREFECT_API_URL: api}):
        bar = PrefectBar("turned-away")

        for percent in (25.0, 50.0, 100.0):
            bar.show(percent, "words")

    # Prefect's client would ask again, and wait the hour first.
    assert len(asked) == 1


@contextmanager
def _turning_away() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(HTTPStatus.SERVICE_UNAVAILABLE)
            self.send_header("Retry-After", "3600")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api", asked
    finally:
        server.shutdown()
        server.server_close()
