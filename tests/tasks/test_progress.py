"""A bar is full at the end, or says that the work stopped; work that is soon done has none."""

from dataclasses import dataclass, field

from tasks.progress import BAR_AFTER_SECONDS, BAR_EVERY_SECONDS, Progress


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
