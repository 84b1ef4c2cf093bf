"""Pages are added up and written down as they come; what belongs to a window that is asked for again leaves no trace."""

import json
import os
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.errors import BadInput
from domain.event_counts import Count, Fate, Listed, Page
from domain.windows import DAY, HOUR
from steps.received_pages import ReceivedPages, list_file
from tests.steps.month_scenes import SETTLED, at, listed


def texts(file: Path) -> list[tuple[str, str, str]]:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [(row["event_id"], row["timestamp"], row["event_type"]) for row in rows]


def test_counts_of_one_hour_and_kind_are_one() -> None:
    pages = ReceivedPages("slack")
    for hour in (3, 3, 4):
        pages.take(Page((Count(at(1, hour), HOUR, "a", Fate.ACCEPTED, 2),)))
    pages.keep()

    assert [(one.start, one.events) for one in pages.counts] == [(at(1, 3), 4), (at(1, 4), 2)]


def test_a_count_of_nought_is_kept() -> None:
    pages = ReceivedPages("slack")
    pages.take(Page((Count(at(1, 3), HOUR, "a", Fate.ACCEPTED, 0),)))
    pages.keep()

    assert [one.events for one in pages.counts] == [0]


def test_what_was_dropped_is_neither_counted_nor_written(tmp_path: Path) -> None:
    with list_file(tmp_path, SETTLED) as writing:
        pages = ReceivedPages("slack", writing=writing)
        for numbers, settle in (((1, 2), pages.keep), ((3, 4, 5), pages.drop), ((6,), pages.keep)):
            pages.take(Page(listed=tuple(listed(n, at(1), "é") for n in numbers)))
            settle()

    assert [row[0] for row in texts(Path(writing.name))] == ["e-1", "e-2", "e-6"]
    assert sum(one.events for one in pages.counts) == 3


def test_listed_events_are_written_where_they_happened_and_copies_each(tmp_path: Path) -> None:
    with list_file(tmp_path, SETTLED) as writing:
        pages = ReceivedPages("slack", "Etc/GMT-8", writing)
        pages.take(Page(listed=(listed(1, at(1, 4), copies=2), Listed("", at(1, 4), ""), Listed("", at(1, 4), ""))))
        pages.take(Page(listed=(listed("probe", at(1, 4), is_probe=True),)))
        pages.keep()

    noon = "2026-10-01T12:00:00+00:00"
    assert texts(Path(writing.name)) == [
        ("e-1", noon, "alert"), ("e-1", noon, "alert"), ("(no id, 1)", noon, "-"), ("(no id, 2)", noon, "-"),
    ]  # fmt: skip
    assert [(one.start, one.type, one.events, one.is_probe) for one in pages.counts] == [
        (at(1), "", 2, False), (at(1), "alert", 2, False), (at(1), "alert", 1, True),
    ]  # fmt: skip


def test_a_list_is_its_owners_alone(tmp_path: Path) -> None:
    with list_file(tmp_path / "lists", SETTLED) as writing:
        modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "lists", Path(writing.name))]

    assert modes == [0o700, 0o600]


def test_a_list_goes_where_the_vendor_broke_off(tmp_path: Path) -> None:
    with pytest.raises(BadInput), list_file(tmp_path, SETTLED):
        raise BadInput("No.", "Nothing is known.", "Ask again.")

    assert list(tmp_path.iterdir()) == []


def test_lists_that_killed_runs_left_are_removed_and_those_of_others_stay(tmp_path: Path) -> None:
    for name, age in (("killed", 3 * DAY), ("running", HOUR)):
        file = tmp_path / f"{name}.listed.jsonl"
        file.touch()
        moment = (SETTLED - age).timestamp()
        os.utime(file, (moment, moment))

    with list_file(tmp_path, SETTLED) as writing:
        names = {file.name for file in tmp_path.iterdir()}

    assert names == {"running.listed.jsonl", Path(writing.name).name}


def test_memory_does_not_grow_with_the_events_that_are_listed(tmp_path: Path) -> None:
    def taken(pages: int) -> int:
        with list_file(tmp_path, SETTLED) as writing:
            receiver = ReceivedPages("slack", writing=writing)
            tracemalloc.start()
            for page in _pages(pages):
                receiver.take(page)
                receiver.keep()
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert sum(one.events for one in receiver.counts) == pages * 500
        return peak

    few, many = taken(2), taken(40)

    # An event that is held costs over 200 bytes; what Python's collector has not taken yet varies by as much as a page.
    assert many - few < 38 * 500 * 50


def _pages(number: int) -> Iterator[Page]:
    start = datetime(2026, 10, 1, tzinfo=UTC)
    for page in range(number):
        yield Page(listed=tuple(Listed(f"{page}-{n}", start + timedelta(seconds=n), "alert") for n in range(500)))
