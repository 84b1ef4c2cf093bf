"""Progress is a line a second at most, whatever is counted; what a part came to is never left out; a bar comes when it is worth it."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, is_dataclass

import pytest

from tasks.counting_progress import CountingProgress
from tasks.progress import BAR_AFTER_SECONDS
from tasks.reconciliation import Gathered


@dataclass(slots=True)
class Shown:
    """A bar that remembers, and a clock that stands still until it is moved."""

    percents: list[float] = field(default_factory=list)
    now: float = 100.0

    def show(self, percent: float, words: str) -> None:
        del words
        self.percents.append(percent)


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
    shown = Shown()
    progress = CountingProgress(2, shown, lambda: shown.now)

    for done in range(1, 100):
        progress.file("gateway", f"{done}.jsonl", done, 300, 10)
    shown.now += 1
    progress.file("gateway", "100.jsonl", 100, 300, 10)

    assert heard.lines == [
        "counting.file source=gateway file=1.jsonl done=1 of=300 rows=10",
        "counting.file source=gateway file=100.jsonl done=100 of=300 rows=1000",
    ]


def test_what_a_part_came_to_is_told_also_within_the_second(heard: Heard) -> None:
    shown = Shown()
    progress = CountingProgress(2, shown, lambda: shown.now)

    progress.page("slack", 1)
    progress.page("slack", 2)
    progress.part("slack: 9 events received.")
    progress.part("datadog: 8 events received.")

    assert heard.lines == [
        "counting.page integration=slack pages=1",
        "counting.part done=1 of=2 words=slack: 9 events received.",
        "counting.part done=2 of=2 words=datadog: 8 events received.",
    ]


def test_a_bar_is_shown_once_counting_takes_long_and_is_full_at_the_end() -> None:
    shown = Shown()
    progress = CountingProgress(2, shown, lambda: shown.now)

    progress.file("gateway", "1.jsonl", 1, 4, 10)
    shown.now += BAR_AFTER_SECONDS
    progress.file("gateway", "2.jsonl", 2, 4, 10)
    progress.file("gateway", "3.jsonl", 3, 4, 10)
    shown.now += BAR_AFTER_SECONDS
    progress.part("gateway: 40 events in 4 files.")
    progress.end()

    assert shown.percents == [25.0, 50.0, 100.0]


def test_what_is_counted_quickly_shows_no_bar() -> None:
    shown = Shown()
    progress = CountingProgress(1, shown, lambda: shown.now)

    progress.part("gateway: 40 events in 4 files.")
    progress.end()

    assert shown.percents == []


def test_what_grows_in_other_threads_is_nothing_that_prefect_walks_through() -> None:
    assert not is_dataclass(Gathered)
