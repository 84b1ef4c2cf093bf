"""Each row of a file is in a cell or in a count that says why not, whatever the file's kind and the row's faults."""

import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event_files import DayCell, EventKind, FileState
from domain.reconciliation_sections import EventColumns, EventFiles
from domain.windows import Month
from tests.steps.event_rows import FULL, JULY, SECTION, by_hand, counted, event, in_every_format, iso, jsonl

SLACK = EventKind("slack", "alert")
GOOD = b'{"event_id":"1","timestamp":"2026-07-01T00:00:00Z","event_type":"alert","integration":"slack"}'
BERLIN = SECTION.model_copy(update={"time_zone": "Europe/Berlin"})


def test_every_kind_of_file_gives_the_same_counts(tmp_path: Path) -> None:
    rows = [
        event(1, env="prod", outcome="sent", sampled="true", verify="false"),
        event(2, env="prod", outcome="queue full", sampled="true", verify=""),
        event(3, env="staging", outcome="sent", sampled="true", verify=""),
        event(4, to="pd", env="prod", outcome="sent", sampled="false", verify="true"),
        event(5, to="jira", env="prod", outcome="sent", sampled="", verify=""),
        event(6, "2026-08-01T00:00:00Z", env="prod", outcome="sent", sampled="", verify=""),
        event(7, kind="", env="prod", outcome="sent", sampled="", verify=""),
        event(8, env="prod", outcome="sent", sampled="perhaps", verify=""),
    ]

    counts = [counted(path, FULL) for path in in_every_format(tmp_path, rows)]

    assert len(counts) == 7
    for count in counts:
        assert (count.state, count.rows, count.bad, count.outside) == (FileState.READ, 8, 2, 1), count
        assert (count.other_environments, count.unknown_integrations) == ({"staging": 1}, {"jira": 1})
        assert dict(count.daily()) == {
            DayCell(date(2026, 7, 1), SLACK): 1,
            DayCell(date(2026, 7, 1), EventKind("slack", "alert", "queue full")): 1,
            DayCell(date(2026, 7, 1), EventKind("pagerduty/payments", "alert", "", sampled_out=True, is_probe=True)): 1,
        }


@pytest.mark.parametrize(
    "line",
    [
        b"not json", b"\x00\x00\x00", b"\xff\xfe{}", b"123", b"null", b"[1]", b"{}", GOOD[:40], GOOD + GOOD,
        GOOD.replace(b"00:00:00Z", b"00:00:60Z"), GOOD.replace(b'"1"', b'""'), GOOD.replace(b'"1"', b"null"),
        GOOD.replace(b'"alert"', b"null"), GOOD.replace(b'"slack"', b'""'), GOOD.replace(b"2026-07-01", b"2026-02-30"),
        GOOD.replace(b"2026-07-01T00:00:00Z", b"infinity"), GOOD.replace(b"2026-07-01T00:00:00Z", b"1782864000"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_event_is_counted_as_bad_and_costs_no_other_row(tmp_path: Path, line: bytes) -> None:
    path = jsonl(tmp_path / "a.jsonl", [GOOD, line, GOOD])

    count = counted(path)

    assert (count.state, count.rows, count.bad, count.counted) == (FileState.READ, 3, 1, 2)


def test_a_byte_order_mark_carriage_returns_and_blank_lines_cost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD + b"\r\n\r\n\n" + GOOD + b"\r\n" + GOOD)

    count = counted(path)

    assert (count.rows, count.bad, count.counted) == (3, 0, 3)


def test_a_short_a_long_and_an_undecodable_line_of_csv_are_bad(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    good = b"1,2026-07-01T00:00:00Z,alert,slack"
    lines = [b'integration,"event_type",timestamp,event_id', b"slack,alert,2026-07-01T00:00:00Z,1", b"slack,alert"]
    lines += [lines[1] + b",more", b"\xff,alert,2026-07-01T00:00:00Z,2", b"", b"\x00", lines[1], good]
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines))

    count = counted(path)

    assert (count.state, count.rows, count.bad, count.counted) == (FileState.READ, 7, 5, 2)


def test_a_quote_that_is_never_closed_makes_the_file_partial(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        'event_id,timestamp,event_type,integration\n1,2026-07-01T00:00:00Z,alert,slack\n"2,x,alert,slack\n3\n'
    )

    count = counted(path)

    assert (count.state, count.rows) == (FileState.PARTIAL, 0)
    assert "line 3" in count.reason


def test_an_archive_that_breaks_off_is_partial_and_counts_nothing(tmp_path: Path) -> None:
    whole = gzip.compress(b"\n".join(GOOD.replace(b'"1"', b'"%d"' % (at * 7919)) for at in range(20_000)))
    path = tmp_path / "2026-07-01.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])

    count = counted(path, day=date(2026, 7, 1))

    assert (count.state, count.rows, count.day) == (FileState.PARTIAL, 0, date(2026, 7, 1))
    assert str(tmp_path) not in count.reason


def test_parquet_without_its_end_is_partial(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([event(at) for at in range(1000)]), path)
    path.write_bytes(path.read_bytes()[:-100])

    count = counted(path)

    assert (count.state, count.rows) == (FileState.PARTIAL, 0)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.parquet", "a.csv.gz", "a.txt"])
def test_a_file_that_is_not_what_its_name_says_is_unreadable(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"hello, this is something else\n" * 10)

    count = counted(tmp_path / name)

    assert (count.state, count.rows) == (FileState.UNREADABLE, 0)
    assert count.reason


def test_a_file_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    count = counted(tmp_path / "gone.jsonl")

    assert count.state is FileState.UNREADABLE


def test_an_archive_of_several_members_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(GOOD + b"\n") + gzip.compress(GOOD + b"\n"))

    count = counted(path)

    assert count.counted == 2


def test_an_empty_file_was_read_and_holds_nothing(tmp_path: Path) -> None:
    count = counted(jsonl(tmp_path / "a.jsonl", []))

    assert (count.state, count.rows, count.first, count.cells) == (FileState.READ, 0, None, ())


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_file_without_a_named_column_says_which_and_what_it_has(tmp_path: Path, name: str) -> None:
    made = in_every_format(tmp_path, [event(1)])
    columns = EventColumns(at="occurred_at")
    path = next(one for one in made if one.name == name)

    count = counted(path, EventFiles(environment="prod", place="/x", columns=columns))

    assert count.state is FileState.UNREADABLE
    assert "occurred_at" in count.reason
    assert "timestamp" in count.reason


def test_names_with_wildcards_and_quotes_mean_themselves(tmp_path: Path) -> None:
    jsonl(tmp_path / "a1.jsonl", [event(1), event(2)])
    path = jsonl(tmp_path / "a[1]*'?.jsonl", [event(1)])

    assert counted(path).counted == 1


def test_a_column_may_have_any_name(tmp_path: Path) -> None:
    columns = EventColumns(event_id='id "x"', at="it's", type="us", integration="hour")
    rows = [{'id "x"': "1", "it's": "2026-07-01T05:00:00Z", "us": "alert", "hour": "slack"}]
    section = EventFiles(environment="prod", place="/x", columns=columns)

    found = [dict(counted(path, section).daily()) for path in in_every_format(tmp_path, rows)]

    assert found == [{DayCell(date(2026, 7, 1), SLACK): 1}] * 7


def test_an_offset_decides_the_month_and_is_not_dropped(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [event(1, "2026-07-01T01:00:00+02:00"), event(2, "2026-06-30T22:00:00-05:00")])

    count = counted(path)

    assert (count.outside, count.counted, count.without_offset) == (1, 1, 0)
    assert next(count.hourly())[0] == datetime(2026, 7, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize("at", ["2026-07-31T23:59:59.999999Z", "2026-07-31T23:59:59.999999999Z"])
def test_the_last_moment_of_a_month_is_in_it(tmp_path: Path, at: str) -> None:
    count = counted(jsonl(tmp_path / "a.jsonl", [event(1, at), event(2, "2026-08-01T00:00:00Z")]))

    assert (count.counted, count.outside) == (1, 1)
    assert count.daily() == {DayCell(date(2026, 7, 31), SLACK): 1}


@pytest.mark.parametrize(
    ("unit", "zone"), [("ns", None), ("ns", "UTC"), ("us", None), ("us", "UTC"), ("ns", "Asia/Tokyo")]
)
def test_parquet_times_of_every_unit_keep_the_last_moment_in_its_month(
    tmp_path: Path, unit: str, zone: str | None
) -> None:
    last_ns = np.array([1785542399_999_999_999], dtype=np.int64)
    moments = pa.array(last_ns if unit == "ns" else last_ns // 1000, pa.timestamp(unit, zone))
    table = {"event_id": ["1"], "timestamp": moments, "event_type": ["alert"], "integration": ["slack"]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")

    count = counted(tmp_path / "a.parquet")

    assert (count.counted, count.without_offset) == (1, 0 if zone else 1)


def test_parquet_ids_and_words_may_have_other_types_than_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "event_id": pa.array([1, 2, None], pa.int64()),
            "timestamp": pa.array([1782864000] * 3, pa.timestamp("s", "UTC")),
            "event_type": pa.array(["alert"] * 3).dictionary_encode(),
            "integration": pa.array(["slack"] * 3).dictionary_encode(),
            "verify": pa.array([True, None, False]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    section = EventFiles(environment="prod", place="/x", columns=EventColumns(verify="verify"))

    count = counted(tmp_path / "a.parquet", section)

    assert (count.rows, count.bad) == (3, 1)
    assert {kind.is_probe: rows for _, kind, rows in count.hourly()} == {True: 1, False: 1}


def test_a_number_is_no_time(tmp_path: Path) -> None:
    table = pa.table({"event_id": ["1"], "timestamp": [1782864000], "event_type": ["a"], "integration": ["slack"]})
    pq.write_table(table, tmp_path / "a.parquet")

    count = counted(tmp_path / "a.parquet")

    assert count.state is FileState.UNREADABLE
    assert "BIGINT" in count.reason


def test_a_time_without_offset_is_of_the_configured_zone_and_counted(tmp_path: Path) -> None:
    rows = [event(1, "2026-07-01T01:00:00"), event(2, "2026-07-01 03:00:00"), event(3, "2026-07-01T01:00:00Z")]

    count = counted(jsonl(tmp_path / "a.jsonl", rows), BERLIN)

    assert (count.without_offset, count.outside, count.counted) == (2, 1, 2)
    assert [(at.hour, rows) for at, _, rows in count.hourly()] == [(1, 2)]


def test_hours_that_the_clock_shows_twice_or_never_are_counted(tmp_path: Path) -> None:
    autumn = [
        event(at, f"2026-10-25T{time}")
        for at, time in enumerate(("01:59:59", "02:00:00", "02:59:59.999", "03:00:00", "02:30:00Z"))
    ]
    spring = [
        event(at, f"2026-03-29T{time}")
        for at, time in enumerate(("01:59:59", "02:00:00", "02:59:59.999", "03:00:00", "02:30:00Z"))
    ]

    twice = counted(jsonl(tmp_path / "a.jsonl", autumn), BERLIN, Month(2026, 10).window)
    never = counted(jsonl(tmp_path / "b.jsonl", spring), BERLIN, Month(2026, 3).window)

    assert (twice.without_offset, twice.ambiguous, twice.absent) == (4, 2, 0)
    assert (never.without_offset, never.ambiguous, never.absent) == (4, 0, 2)
    # The second of the two hours is taken; what never was is taken an hour later.
    assert [(at.hour, rows) for at, _, rows in twice.hourly()] == [(23, 1), (1, 2), (2, 2)]
    assert [(at.hour, rows) for at, _, rows in never.hourly()] == [(0, 1), (1, 3), (2, 1)]


def test_rows_of_another_day_than_the_files_own_are_late(tmp_path: Path) -> None:
    rows = [event(1, "2026-07-01T23:30:00Z"), event(2, "2026-07-02T00:30:00Z"), event(3, "2026-07-02T22:30:00Z")]
    path = jsonl(tmp_path / "2026-07-02.jsonl", rows)

    in_utc, in_berlin, undated = (
        counted(path, day=date(2026, 7, 2)),
        counted(path, BERLIN, day=date(2026, 7, 2)),
        counted(path),
    )

    assert (in_utc.late, in_berlin.late, undated.late) == (1, 1, 0)
    assert in_utc.counted == 3
    assert (in_utc.first, in_utc.last) == (
        datetime(2026, 7, 1, 23, 30, tzinfo=UTC),
        datetime(2026, 7, 2, 22, 30, tzinfo=UTC),
    )


def test_a_row_without_environment_is_not_ours_where_files_name_one(tmp_path: Path) -> None:
    count = counted(jsonl(tmp_path / "a.jsonl", [event(1), event(2, env="prod")]), FULL)

    assert (count.other_environments, count.counted) == ({"": 1}, 1)


def test_an_outcome_that_is_not_said_is_a_kind_of_its_own_where_it_does_not_mean_sent(tmp_path: Path) -> None:
    section = FULL.model_copy(update={"sent": ("sent",)})

    count = counted(jsonl(tmp_path / "a.jsonl", [event(1, env="prod"), event(2, env="prod", outcome="sent")]), section)

    assert {kind.outcome for _, kind, _ in count.hourly()} == {"", "not said"}


def test_a_column_with_another_word_in_each_row_is_refused_in_words(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [event(at, kind=f"type {at}") for at in range(66_000)])

    count = counted(path)

    assert count.state is FileState.UNREADABLE
    assert "right columns" in count.reason


_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "event_id": st.integers(0, 30).map(str),
            "timestamp": st.tuples(
                st.integers(-4 * 3600 * 10**6, (31 * 24 + 4) * 3600 * 10**6), st.integers(-11, 12)
            ).map(lambda pair: iso(JULY.start + timedelta(microseconds=pair[0]), pair[1])),
            "event_type": st.sampled_from(["a", "b", "ü ,\"'\x1f"]),
            "integration": st.sampled_from(["slack", "sentry", "pd", "pagerduty/payments"]),
            "env": st.just("prod"),
            "outcome": st.sampled_from(["sent", "ok", "", "queue full", "network"]),
            "sampled": st.sampled_from(["true", "false", ""]),
            "verify": st.sampled_from(["true", "false", ""]),
        }
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.parametrize("examples", [15, pytest.param(40, marks=pytest.mark.prove)])
def test_any_month_is_counted_as_plain_python_counts_it(tmp_path: Path, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(rows=_ROWS, bad=st.integers(0, 3), foreign=st.integers(0, 3), unknown=st.integers(0, 3))
    def it_is(rows: list[dict[str, str]], bad: int, foreign: int, unknown: int) -> None:
        others = [event(at, env="staging") for at in range(foreign)] + [
            event(at, to="jira", env="prod") for at in range(unknown)
        ]
        path = jsonl(tmp_path / "a.jsonl", [*rows, *others, *[b"{broken"] * bad])

        count = counted(path, FULL)

        planted = by_hand(rows)
        assert count.daily() == planted
        assert (count.bad, count.outside) == (bad, len(rows) - planted.total())
        assert (sum(count.other_environments.values()), sum(count.unknown_integrations.values())) == (foreign, unknown)
        assert count.rows == len(rows) + bad + foreign + unknown

    it_is()


def test_a_leap_day_is_a_day(tmp_path: Path) -> None:
    count = counted(jsonl(tmp_path / "a.jsonl", [event(1, "2028-02-29T12:00:00Z")]), days=Month(2028, 2).window)

    assert [cell.day for cell in count.daily()] == [date(2028, 2, 29)]


def test_wild_times_are_outside(tmp_path: Path) -> None:
    rows = [
        event(1, "0001-01-01T00:00:00Z"),
        event(2, "9999-12-31T23:59:59Z"),
        event(3, "200000-01-01T00:00:00Z"),
        event(4),
    ]

    count = counted(jsonl(tmp_path / "a.jsonl", rows), days=JULY)

    assert (count.outside, count.counted, count.last) == (3, 1, None)
