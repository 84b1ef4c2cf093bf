"""Unchanged files are not read again, an interrupted run goes on where it stopped, and nothing damaged is trusted."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pytest

from domain.event_files import DayCell, EventKind, FileState
from domain.windows import Month
from steps.counted_files import CountedFile, InputFile, Kept, count_files, spools_of
from steps.event_ids import compare_ids
from tests.steps.event_rows import JULY, SECTION, TARGETS, event, jsonl

CELL = DayCell(date(2026, 7, 1), EventKind("slack", "alert"))


@dataclass(slots=True)
class Folder:
    """A folder of input files that notes which of them are opened."""

    path: Path
    opened: list[str] = field(default_factory=list)

    def holds(self, name: str, rows: int) -> InputFile:
        jsonl(self.path / name, [event(f"{name}-{at}") for at in range(rows)])
        return self.file(name)

    def file(self, name: str) -> InputFile:
        stat = (self.path / name).stat()
        return InputFile(name, stat.st_size, f"{name} {stat.st_size}", None, lambda: self._open(name))

    def _open(self, name: str) -> AbstractContextManager[Path]:
        @contextmanager
        def noted() -> Iterator[Path]:
            self.opened.append(name)
            yield self.path / name

        return noted()


@dataclass(slots=True)
class Progress:
    told: list[tuple[str, int, int, int]] = field(default_factory=list)

    def __call__(self, name: str, done: int, every: int, rows: int) -> None:
        self.told.append((name, done, every, rows))


@pytest.fixture
def source(tmp_path: Path) -> Folder:
    (tmp_path / "in").mkdir()
    return Folder(tmp_path / "in")


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "home" / "prod" / "events", SECTION, JULY, TARGETS)


def run(files: list[InputFile], kept: Kept) -> list[CountedFile]:
    return list(count_files(files, kept, Progress()))


def test_an_unchanged_file_is_not_read_again(source: Folder, kept: Kept) -> None:
    files = [source.holds("a.jsonl", 3), source.holds("b.jsonl", 2)]

    first, again = run(files, kept), run(files, kept)

    assert source.opened == ["a.jsonl", "b.jsonl"]
    assert [(one.count, one.spool) for one in again] == [(one.count, one.spool) for one in first]
    assert [one.was_kept for one in (*first, *again)] == [False, False, True, True]


def test_what_was_kept_is_matched_as_what_was_just_counted(source: Folder, kept: Kept, tmp_path: Path) -> None:
    files = [source.holds("a.jsonl", 3), source.holds("b.jsonl", 2)]
    run(files, kept)

    found = compare_ids(spools_of(run(files, kept)), [], JULY, tmp_path)

    assert found.emitted[CELL].unique == 5


def test_progress_is_told_after_each_file(source: Folder, kept: Kept) -> None:
    files = [source.holds("a.jsonl", 3), source.holds("b.jsonl", 2)]
    progress = Progress()

    for _ in count_files(files, kept, progress):
        pass

    assert progress.told == [("a.jsonl", 1, 2, 3), ("b.jsonl", 2, 2, 2)]


def test_an_interrupted_run_goes_on_at_the_first_unfinished_file(source: Folder, kept: Kept) -> None:
    files = [source.holds(f"{name}.jsonl", 2) for name in "abc"]
    running = count_files(files, kept, Progress())
    next(running)
    next(running)
    del running

    run(files, kept)

    assert source.opened == ["a.jsonl", "b.jsonl", "c.jsonl"]


def test_what_a_killed_run_left_of_a_file_goes_when_it_is_counted(source: Folder, kept: Kept) -> None:
    file = source.holds("a.jsonl", 2)
    run([file], kept)
    (entry,) = kept.of_window.glob("*.json")
    entry.unlink()

    run([file], kept)

    assert sorted(path.suffix for path in kept.of_window.iterdir()) == [".ids", ".json"]


def test_a_changed_file_replaces_what_was_kept_of_it(source: Folder, kept: Kept) -> None:
    run([source.holds("a.jsonl", 3)], kept)

    (counted,) = run([source.holds("a.jsonl", 4)], kept)

    assert counted.count.rows == 4
    assert sorted(path.suffix for path in kept.of_window.iterdir()) == [".ids", ".json"]


@pytest.mark.parametrize("changed", ["section", "targets"])
def test_another_question_is_answered_anew(source: Folder, kept: Kept, changed: str) -> None:
    file = source.holds("a.jsonl", 3)
    run([file], kept)
    other = {
        "section": replace(kept, section=SECTION.model_copy(update={"time_zone": "Europe/Berlin"})),
        "targets": replace(kept, targets=frozenset({"sentry"})),
    }[changed]

    (counted,) = run([file], other)

    assert not counted.was_kept


def test_months_are_kept_beside_each_other(source: Folder, kept: Kept) -> None:
    file = source.holds("a.jsonl", 3)
    august = replace(kept, days=Month(2026, 8).window)

    run([file], kept)
    run([file], august)
    (july_again,) = run([file], kept)

    assert july_again.was_kept
    assert july_again.count.counted == 3


@pytest.mark.parametrize("suffix", [".json", ".ids"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_what_is_damaged_is_counted_anew(source: Folder, kept: Kept, suffix: str, damage: str) -> None:
    file = source.holds("a.jsonl", 3)
    run([file], kept)
    (path,) = kept.of_window.glob(f"*{suffix}")
    whole = path.read_bytes()
    path.write_bytes(whole[:-5] if damage == "cut" else whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:])
    if damage == "gone":
        path.unlink()

    (counted,) = run([file], kept)

    assert not counted.was_kept
    assert counted.count.counted == 3
    assert counted.spool.is_whole()


def test_a_moved_home_keeps_its_counts(source: Folder, kept: Kept, tmp_path: Path) -> None:
    file = source.holds("a.jsonl", 3)
    run([file], kept)
    (tmp_path / "home").rename(tmp_path / "elsewhere")

    (counted,) = run([file], replace(kept, folder=tmp_path / "elsewhere" / "prod" / "events"))

    assert counted.was_kept
    assert counted.spool.is_whole()


def test_a_file_that_could_not_be_read_is_tried_again(source: Folder, kept: Kept) -> None:
    (source.path / "a.jsonl.gz").write_bytes(b"broken")
    file = source.file("a.jsonl.gz")

    first, again = run([file], kept), run([file], kept)

    assert [one.count.state for one in (*first, *again)] == [FileState.UNREADABLE] * 2
    assert source.opened == ["a.jsonl.gz"] * 2
    assert spools_of(again) == []


def test_what_is_kept_is_its_owners_alone(source: Folder, kept: Kept) -> None:
    run([source.holds("a.jsonl", 3)], kept)

    assert {path.stat().st_mode & 0o777 for path in kept.of_window.iterdir()} == {0o600}
    assert kept.of_window.stat().st_mode & 0o777 == 0o700
