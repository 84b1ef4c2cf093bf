"""What names of files say of days, and which names a pattern takes."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dated_names import days_named, is_looked_for, may_hold_events_of, says_it_has_rows, the_day_named
from domain.windows import Month, Window

OCTOBER = Month(2026, 10).window
FIFTH = date(2026, 10, 5)


@pytest.mark.parametrize(
    "name",
    [
        "events-2026-10-05.jsonl", "2026/10/05/13/part.gz", "events20261005.csv", "20261005T130000Z.csv", "2026100513.gz",
        "year=2026/month=10/day=05/p.parquet", "y=2026/m=10/d=5/p.parquet", "dt=2026-10-05/part-0000.parquet",
        "2026_10_05T13.jsonl", "2026-10-05T13:00:00Z.jsonl", "2026-10-05.1.jsonl", "2026-10-05-13.jsonl",
        "20261005_130000.jsonl", "host-7/2026.10.05.jsonl.gz",
    ],
)  # fmt: skip
def test_a_day_is_read_however_it_is_written(name: str) -> None:
    assert the_day_named(name) == FIFTH


@pytest.mark.parametrize(
    "name",
    ["events.jsonl", "1728123456789.csv", "part-202610.csv", "550e8400-e29b-41d4-a716-446655440000.csv", "120261005.csv", "2026-31-31", ""],
)  # fmt: skip
def test_what_is_no_date_is_taken_for_none(name: str) -> None:
    assert days_named(name) is None


@pytest.mark.parametrize("name", ["2026-10.csv", "2026/10/part.csv", "year=2026/month=10/p.parquet"])
def test_a_month_spans_its_days(name: str) -> None:
    assert days_named(name) == (date(2026, 10, 1), date(2026, 10, 31))
    assert the_day_named(name) is None


def test_several_dates_span_from_the_first_to_the_last() -> None:
    assert days_named("2026-09-30_2026-11-02.csv") == (date(2026, 9, 30), date(2026, 11, 2))
    assert days_named("export-2026-11-03/2026-10-05.csv") == (FIFTH, date(2026, 11, 3))


@pytest.mark.parametrize(
    ("name", "neighbours", "taken"),
    [
        ("2026-10-31.csv", 0, True),
        ("2026-11-01.csv", 0, False),
        ("2026-11-01.csv", 1, True),
        ("2026-11-02.csv", 1, False),
        ("2026-09-30.csv", 0, False),
        ("2026-09-30.csv", 1, True),
        ("2026-09-01_2026-12-01.csv", 0, True),
        ("anything.csv", 0, True),
    ],
)
def test_files_of_the_window_and_its_neighbour_days_may_hold_its_events(
    name: str, neighbours: int, taken: bool  # noqa: FBT001 (a row of the table)
) -> None:  # fmt: skip
    assert may_hold_events_of(name, OCTOBER, neighbours) is taken


def test_a_window_that_ends_at_midnight_does_not_touch_the_next_day() -> None:
    day = Window(datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))

    assert not may_hold_events_of("2026-03-01.csv", day, 0)


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.sampled_from(["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%Y_%m_%d"]))
def test_every_day_is_read_back_from_its_name(day: date, form: str) -> None:
    assert the_day_named(f"events-{day.strftime(form)}.jsonl") == day


@given(st.text(alphabet="0123456789-_/.Taz=", max_size=40))
def test_no_name_is_too_odd_to_be_read(name: str) -> None:
    span = days_named(name)

    assert span is None or timedelta(0) <= span[1] - span[0]


@pytest.mark.parametrize(
    ("name", "pattern", "taken"),
    [
        ("a", "**/*", True),
        ("a/b/c", "**/*", True),
        ("a/b", "*", False),
        ("/a//b", "**/*", True),
        ("a.jsonl", "*.jsonl", True),
        ("a.jsonl.gz", "*.jsonl", False),
        ("x/manifest.json", "**/manifest.json", True),
        ("manifest.json", "**/manifest.json", True),
        ("a/b/c", "a/**", True),
        ("ab/c", "a/**", False),
        ("a[1].csv", "a[1].csv", True),
        ("a1.csv", "a[1].csv", False),
        ("day-1.csv", "day-?.csv", True),
        ("a\nb", "*", True),
    ],
)
def test_a_pattern_takes_parts_of_a_name(name: str, pattern: str, taken: bool) -> None:  # noqa: FBT001 (a row of the table)
    assert is_looked_for(name, pattern) is taken


@pytest.mark.parametrize(
    ("name", "has_rows"),
    [
        ("2026/10/05.jsonl", True), ("a.NDJSON.GZ", True), ("a.csv.zst", True), ("a.b.json", True), ("dt=1/part-0.parquet", True),
        ("_SUCCESS", False), ("README.md", False), ("a.jsonl.bz2", False), ("a.parquet.crc", False), ("jsonl", False),
        ("2026/10/manifest.json", False), ("Manifest-5.json", False), ("manifests/a.json", True),
    ],
)  # fmt: skip
def test_what_is_read_ends_like_a_kind_of_rows_and_is_no_manifest(name: str, *, has_rows: bool) -> None:
    assert says_it_has_rows(name) is has_rows
