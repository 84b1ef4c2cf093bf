"""Progress is a line a second at most, whatever is counted; what a part came to is never left out; files are shares of the run."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass

import pytest

from tasks.counting_progress import CountingProgress
from tasks.parts import Part, seen, told_of
from tasks.reconciliation import Gathered


@dataclass(slots=True)
class Clock:
    """It stands still until it is moved."""

    now: float = 100.0

    def read(self) -> float:
        return self.now


class Heard(logging.Handler):
    """Remembers the events of a run."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def heard() -> Iterator[Heard]:
    listener, log = Heard(), logging.getLogger("opsflows.progress")
    before = log.level
    log.addHandler(listener)
    log.setLevel(logging.INFO)
    yield listener
    log.removeHandler(listener)
    log.setLevel(before)


def test_many_files_within_a_second_are_one_line_and_their_records_are_added_up(heard: Heard) -> None:
    clock = Clock()
    progress = CountingProgress(2, clock.read)

    with progress.reading("gateway"):
        for done in range(1, 100):
            progress.file("gateway", f"{done}.jsonl", done, 300, 10)
        clock.now += 1
        progress.file("gateway", "100.jsonl", 100, 300, 10)

    assert heard.lines == [
        "counting.file source=gateway file=1.jsonl done=1 of=300 rows=10",
        "counting.file source=gateway file=100.jsonl done=100 of=300 rows=1000",
    ]


def test_what_a_part_came_to_is_told_also_within_the_second(heard: Heard) -> None:
    progress = CountingProgress(2, Clock().read)

    with progress.reading("slack"):
        progress.page("slack", 1)
        progress.page("slack", 2)
    progress.part("slack: 9 events received.")
    progress.part("datadog: 8 events received.")

    assert heard.lines == [
        "counting.page integration=slack pages=1",
        "counting.part done=1 of=2 words=slack: 9 events received.",
        "counting.part done=2 of=2 words=datadog: 8 events received.",
    ]


def test_files_and_pages_are_seen_as_shares_of_the_run() -> None:
    whole = Part()

    with told_of(whole):
        progress = CountingProgress(2, Clock().read)
        with progress.reading("gateway"):
            progress.file("gateway", "1.jsonl", 1, 4, 1000)
            of_files = seen(whole)
        with progress.reading("slack"):
            progress.page("slack", 3)
            of_pages = seen(whole)

    assert of_files == (0.125, "0 of 2 done; under way: gateway (1 of 4 files, 1,000 records)")
    assert of_pages == (0.5, "1 of 2 done; under way: slack (3 pages)")


def test_what_grows_in_other_threads_is_nothing_that_prefect_walks_through() -> None:
    assert not is_dataclass(Gathered)
