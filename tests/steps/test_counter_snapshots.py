"""Cumulative counters: what grew on each day, and what cannot be told is said and never made up."""

import csv
import gzip
import io
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.emitted_counts import EmittedCounts
from domain.event_counts import Trust
from domain.windows import DAY, Month, Window, day_window
from steps.counter_snapshots import snapshot_counts
from tests.steps.storing import counter_files, write

OCTOBER = Month(2026, 10).window
THREE_DAYS = Window(OCTOBER.start, OCTOBER.start + 3 * DAY)
Row = tuple[str, str, str, str, object]
NAMES = ("timestamp", "process_start_id", "integration", "event_type", "value")
# Seen before the month, so that what begins in it is known to begin in it.
BEFORE: Row = ("2026-09-30T12:00:00Z", "old", "slack", "login", 100)


def jsonl(rows: Iterable[Row]) -> str:
    return "".join(json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in rows)


def counted(
    folder: Path, files: dict[str, str | bytes], window: Window = OCTOBER, *, bad_share: float = 0.5, **more: object
) -> EmittedCounts:
    write(folder, files)
    paths = {name: folder / name for name in files}
    section = counter_files(folder, **more)
    return snapshot_counts(
        "app", paths, section, window, scratch=folder / "scratch", memory_mib=256, bad_share=bad_share
    )


def of_rows(folder: Path, *rows: Row, window: Window = OCTOBER) -> EmittedCounts:
    return counted(folder, {"a.jsonl": jsonl(rows)}, window)


def by_day(counts: EmittedCounts, target: str = "slack") -> dict[str, int]:
    return {f"{day:%m-%d}": events for (day, name, _), events in counts.counts.items() if name == target}


def faults(counts: EmittedCounts) -> list[tuple[str, int]]:
    """Return the faults but for days without a snapshot, which nearly every test has."""
    return [
        (fact.what, fact.events)
        for fact in counts.facts
        if fact.is_fault and "no snapshot is of this day" not in fact.what
    ]


def test_a_day_counts_from_its_first_to_its_last_snapshot(tmp_path: Path) -> None:
    counts = of_rows(
        tmp_path,
        BEFORE,
        ("2026-10-01T00:00:00Z", "old", "slack", "login", 110),
        ("2026-10-01T12:00:00Z", "old", "slack", "login", 150),
        ("2026-10-02T00:00:00Z", "old", "slack", "login", 175),
        ("2026-10-02T12:00:00Z", "old", "slack", "login", 180),
    )

    # What the snapshot of midnight shows had happened by then: it closes the day before.
    assert by_day(counts) == {"10-01": 65, "10-02": 5}
    assert counts.trust is Trust.COUNTERS
    assert counts.may_be_earlier == {}
    assert faults(counts) == []


def test_processes_are_counted_each_for_itself_and_summed(tmp_path: Path) -> None:
    counts = of_rows(
        tmp_path,
        BEFORE,
        ("2026-10-01T10:00:00Z", "p1", "slack", "login", 0),
        ("2026-10-01T10:00:00Z", "p2", "slack", "login", 0),
        ("2026-10-01T11:00:00Z", "p1", "slack", "login", 5),
        ("2026-10-01T11:00:00Z", "p2", "slack", "login", 7),
        ("2026-10-01T12:00:00Z", "p3", "slack", "login", 3),
    )

    assert by_day(counts) == {"10-01": 15}


def test_a_process_that_started_in_the_window_counts_from_0(tmp_path: Path) -> None:
    counts = of_rows(tmp_path, BEFORE, ("2026-10-05T10:00:00Z", "new", "slack", "login", 40))

    assert by_day(counts) == {"10-05": 40}
    [fact] = [fact for fact in counts.facts if "started within the window" in fact.what]
    assert (fact.events, fact.is_fault) == (40, False)


def test_a_counter_that_its_process_did_not_have_before_counts_from_0(tmp_path: Path) -> None:
    counts = of_rows(
        tmp_path,
        ("2026-10-05T10:00:00Z", "p", "slack", "login", 1000),
        ("2026-10-05T10:00:01Z", "p", "slack", "logout", 500),
        ("2026-10-05T11:00:00Z", "p", "slack", "login", 1001),
        ("2026-10-05T11:00:00Z", "p", "slack", "error", 3),
    )

    assert {kind: events for (_, _, kind), events in counts.counts.items()} == {"login": 1, "logout": 0, "error": 3}


def test_where_nothing_reaches_back_before_the_window_a_first_snapshot_is_no_growth(tmp_path: Path) -> None:
    counts = of_rows(
        tmp_path,
        ("2026-10-01T10:00:00Z", "p", "slack", "login", 1_000_000),
        ("2026-10-01T11:00:00Z", "p", "slack", "login", 1_000_005),
        ("2026-10-04T11:00:00Z", "later", "slack", "login", 8),
    )

    assert by_day(counts) == {"10-01": 5, "10-04": 8}
    [(words, events)] = faults(counts)
    assert events == 1_000_000
    assert "no snapshot from before tells" in words


@pytest.mark.parametrize(("started", "grown"), [("2026-10-01T09:00:00Z", 30), ("2026-09-30T09:00:00Z", 0)])
def test_the_moment_at_which_a_process_started_decides_where_it_is_written_down(
    started: str, grown: int, tmp_path: Path
) -> None:
    row = dict(zip(NAMES, ("2026-10-01T10:00:00Z", "p", "slack", "login", 30), strict=True)) | {"born": started}

    counts = counted(tmp_path, {"a.jsonl": json.dumps(row)}, columns={"started": "born"})

    assert by_day(counts) == {"10-01": grown}
    assert len(faults(counts)) == (0 if grown else 1)


def test_growth_over_midnight_is_of_the_later_day_and_may_be_of_the_earlier(tmp_path: Path) -> None:
    counts = of_rows(
        tmp_path,
        BEFORE,
        ("2026-10-01T00:10:00Z", "old", "slack", "login", 130),
        ("2026-10-03T00:10:00Z", "old", "slack", "login", 160),
        ("2026-10-31T23:50:00Z", "old", "slack", "login", 170),
        ("2026-11-01T00:10:00Z", "old", "slack", "login", 200),
    )

    assert by_day(counts) == {"10-01": 30, "10-03": 30, "10-31": 10}
    assert counts.may_be_earlier == {
        (date(2026, 10, 1), "slack", "login"): 30,
        (date(2026, 10, 3), "slack", "login"): 30,
        (date(2026, 10, 31), "slack", "login"): 10,
        (date(2026, 11, 1), "slack", "login"): 30,
    }
    assert date(2026, 10, 2) in counts.uncounted_days


def test_two_months_share_no_event_and_lose_none(tmp_path: Path) -> None:
    rows: list[Row] = [
        BEFORE,
        ("2026-10-31T23:50:00Z", "old", "slack", "login", 170),
        ("2026-11-01T00:10:00Z", "old", "slack", "login", 200),
    ]

    october, november = (of_rows(tmp_path, *rows, window=month.window) for month in (Month(2026, 10), Month(2026, 11)))

    assert sum(october.counts.values()) + sum(november.counts.values()) == 100


def test_a_counter_that_goes_down_within_a_process_is_a_fault_and_no_negative_count(tmp_path: Path) -> None:
    counts = of_rows(
        tmp_path,
        BEFORE,
        ("2026-10-01T10:00:00Z", "old", "slack", "login", 150),
        ("2026-10-01T11:00:00Z", "old", "slack", "login", 20),
        ("2026-10-01T12:00:00Z", "old", "slack", "login", 25),
    )

    assert by_day(counts) == {"10-01": 55}
    [(words, events)] = faults(counts)
    assert "went down 1 times" in words
    assert "old" in words
    assert events == 130


def test_a_snapshot_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    rows = jsonl([BEFORE, ("2026-10-01T10:00:00Z", "old", "slack", "login", 150)])

    counts = counted(tmp_path, {"a.jsonl": rows, "b.jsonl": rows})

    assert by_day(counts) == {"10-01": 50}


def test_the_order_of_rows_and_files_does_not_matter(tmp_path: Path) -> None:
    rows: list[Row] = [
        BEFORE,
        *((f"2026-10-01T{hour:02}:00:00Z", "old", "slack", "login", 100 + hour) for hour in range(24)),
    ]

    counts = counted(tmp_path, {"a.jsonl": jsonl(rows[::-2]), "b.jsonl": jsonl(rows[-2::-2])})

    assert by_day(counts) == {"10-01": 23}
    assert faults(counts) == []


def as_csv(rows: Iterable[Row]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([NAMES, *rows])
    return out.getvalue()


def as_parquet(rows: Iterable[Row]) -> bytes:
    table = [dict(zip(NAMES, row, strict=True)) for row in rows]
    for row in table:
        row["timestamp"] = datetime.fromisoformat(str(row["timestamp"]))
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(table), out)
    return out.getvalue()


@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.ndjson", "a.jsonl.gz", "a.csv", "a.csv.gz", "a.parquet", "a[1]*?.jsonl"]
)
def test_every_kind_of_file_says_the_same(name: str, tmp_path: Path) -> None:
    rows: list[Row] = [BEFORE, ("2026-10-01T10:00:00+02:00", "old", "slack", "login", 150)]
    content = as_parquet(rows) if "parquet" in name else (as_csv if "csv" in name else jsonl)(rows).encode()

    counts = counted(tmp_path, {name: gzip.compress(content) if name.endswith(".gz") else content})

    assert by_day(counts) == {"10-01": 50}
    assert faults(counts) == []


def test_times_without_an_offset_are_of_the_sections_zone(tmp_path: Path) -> None:
    rows: list[Row] = [BEFORE, ("2026-10-05 01:30:00", "old", "slack", "login", 150)]

    counts = counted(tmp_path, {"a.jsonl": jsonl(rows)}, time_zone="Europe/Berlin")

    assert by_day(counts) == {"10-04": 50}


def test_names_in_the_files_are_translated_to_targets(tmp_path: Path) -> None:
    rows: list[Row] = [("2026-09-30T12:00:00Z", "p", name, "login", 0) for name in ("Slack", "slack")]
    rows += [("2026-10-01T12:00:00Z", "p", name, "login", 4) for name in ("Slack", "slack")]

    counts = counted(tmp_path, {"a.jsonl": jsonl(rows)}, integrations={"Slack": "slack"})

    assert by_day(counts) == {"10-01": 8}


@pytest.mark.parametrize(
    "bad",
    [
        "{", "[1]", "null", '{"timestamp": "2026-10-01T10:00:00Z"}',
        jsonl([("yesterday", "old", "slack", "login", 1)]), jsonl([("2026-10-01T10:00:00Z", "", "slack", "login", 1)]),
        jsonl([("2026-10-01T10:00:00Z", "old", "slack", "login", -1)]), jsonl([("2026-10-01T10:00:00Z", "old", "slack", "login", "many")]),
        jsonl([("2026-10-01T10:00:00Z", "old", "slack", "login", 1e300)]), jsonl([("2026-10-01T10:00:00Z", "old", "slack", "login", None)]),
    ],
)  # fmt: skip
def test_a_row_that_is_no_snapshot_is_counted_and_shown(bad: str, tmp_path: Path) -> None:
    rows = jsonl([BEFORE, ("2026-10-01T10:00:00Z", "old", "slack", "login", 150)])

    counts = counted(tmp_path, {"a.jsonl": f"{rows}{bad}\n\n"})

    assert by_day(counts) == {"10-01": 50}
    assert faults(counts) == [("1 rows are no snapshots: not counted", 1)]


def test_a_short_line_of_csv_and_one_that_is_no_text_are_shown(tmp_path: Path) -> None:
    rows = as_csv([BEFORE, ("2026-10-01T10:00:00Z", "old", "slack", "login", 150)]).encode()

    counts = counted(
        tmp_path, {"a.csv": rows + b"2026-10-01T11:00:00Z,old\r\n2026-10-01T12:00:00Z,o\xff,slack,login,170\r\n"}
    )

    assert by_day(counts) == {"10-01": 50}
    assert [events for _, events in faults(counts)] == [2]


def test_lines_of_one_csv_file_are_not_told_of_the_next(tmp_path: Path) -> None:
    rows = as_csv([BEFORE, ("2026-10-01T10:00:00Z", "old", "slack", "login", 150)]).encode()

    counts = counted(tmp_path, {"a.csv": rows + b"2026-10-01T12:00:00Z,o\xff,slack,login,170\r\n", "b.csv": rows})

    assert faults(counts) == [("1 rows are no snapshots: not counted", 1)]


def hourly(process: str, day: int, rows: int) -> str:
    """Return that many snapshots of one process, an hour or less apart."""
    return jsonl(
        (f"2026-10-{day:02}T{n % 24:02}:{n // 24:02}:00Z", process, "slack", "login", n % 24) for n in range(rows)
    )


def test_bad_rows_above_their_limit_make_a_file_unusable_and_its_day_is_not_known(tmp_path: Path) -> None:
    good = {
        f"a-2026-10-{day:02}.jsonl": jsonl([(f"2026-10-{day:02}T12:00:00Z", "old", "slack", "login", 100 * day)])
        for day in (1, 2, 3)
    }
    garbage = hourly("pod", 2, 3) + "garbage\n" * 500

    counts = counted(tmp_path, {**good, "b-2026-10-02.jsonl": garbage}, THREE_DAYS, bad_share=0.01)

    assert counts.unusable_days == {
        date(2026, 10, 2): "b-2026-10-02.jsonl: 500 of 503 rows are no snapshots, above the limit of 1.0%: not read"
    }
    assert sum(by_day(counts).values()) == 200


@pytest.mark.parametrize(("rows", "is_usable"), [(99, True), (98, False)])
def test_the_limit_is_a_share_of_all_rows_of_the_file(rows: int, *, is_usable: bool, tmp_path: Path) -> None:
    counts = counted(tmp_path, {"2026-10-02.jsonl": hourly("pod", 2, rows) + "{\n"}, bad_share=0.01)

    assert (counts.unusable_days == {}) is is_usable


@pytest.mark.parametrize(
    ("name", "days"), [("pod-2026-10-02.jsonl.gz", [2]), ("pod.jsonl.gz", [1, 2, 3]), ("pod-2026-09-30.jsonl.gz", [])]
)
def test_of_a_file_that_cannot_be_read_no_day_is_known(name: str, days: list[int], tmp_path: Path) -> None:
    good = jsonl([BEFORE, *((f"2026-10-0{day}T12:00:00Z", "old", "slack", "login", 100 + day) for day in (1, 2, 3))])

    counts = counted(tmp_path, {"a.jsonl": good, name: b"\x1f\x8bno gzip"}, THREE_DAYS)

    assert [day.day for day in counts.unusable_days] == days
    assert counts.uncounted_days == ()


def test_a_quote_that_is_never_closed_makes_the_rest_of_a_csv_file_unknown(tmp_path: Path) -> None:
    rows = as_csv([BEFORE, ("2026-10-01T10:00:00Z", "old", "slack", "login", 150)])

    counts = counted(
        tmp_path, {"2026-10-01.csv": f'{rows}"broken\n' + "2026-10-01T11:00:00Z,old,slack,login,160\n" * 9}
    )

    assert [day.day for day in counts.unusable_days] == [1]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cut.jsonl.gz", gzip.compress(jsonl([BEFORE]).encode() * 5000)[:-20], "cannot be read whole"),
        ("none.parquet", b"PAR1", "cannot be read whole"),
        ("other.csv", "a,b\n1,2\n", "lacks a column"),
        ("notes.txt", "hello", "its name ends like none"),
        ("bare", "hello", "its name ends like none"),
    ],
)
def test_a_file_that_cannot_be_read_is_shown_and_the_others_count(
    name: str, content: str | bytes, words: str, tmp_path: Path
) -> None:
    good = jsonl([BEFORE, ("2026-10-01T10:00:00Z", "old", "slack", "login", 150)])

    counts = counted(tmp_path, {"a.jsonl": good, name: content})

    assert by_day(counts) == {"10-01": 50}
    [(said, _)] = faults(counts)
    assert words in said


def test_without_any_file_every_day_is_uncounted_and_none_is_0(tmp_path: Path) -> None:
    counts = counted(tmp_path, {"empty.jsonl": ""})

    assert counts.counts == {}
    assert len(counts.uncounted_days) == 31


def test_names_of_columns_are_names_whatever_they_hold(tmp_path: Path) -> None:
    columns = {"at": "the 'at'", "process": 'p"id', "integration": "to.whom", "type": "kind; --", "value": "n"}
    rows = [dict(zip(columns.values(), row, strict=True)) for row in (
        ("2026-09-30T12:00:00Z", "p", "slack", "login", 1), ("2026-10-01T12:00:00Z", "p", "slack", "login", 9),
    )]  # fmt: skip

    counts = counted(tmp_path, {"a.jsonl": "\n".join(json.dumps(row) for row in rows)}, columns=columns)

    assert by_day(counts) == {"10-01": 8}


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[int, list[tuple[int, int]]]]:
    """Draw processes: the minute at which each starts, and its events, as minutes after that and how many."""
    event = st.tuples(st.integers(1, 60 * 40), st.integers(0, 50))
    return draw(st.lists(st.tuples(st.integers(0, 60 * 24 * 3), st.lists(event, max_size=8)), min_size=1, max_size=4))


@pytest.mark.parametrize("examples", [10, pytest.param(25, marks=pytest.mark.prove)])
def test_what_processes_emitted_is_what_is_counted_when_they_write_each_hour(tmp_path: Path, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(lives())
    def it_is(drawn: list[tuple[int, list[tuple[int, int]]]]) -> None:
        began = datetime(2026, 9, 30, 0, 30, tzinfo=UTC)
        window = Window(day_window(date(2026, 10, 1)).start, day_window(date(2026, 10, 6)).end)
        rows: list[Row] = [("2026-09-30T00:00:00Z", "witness", "slack", "login", 7)]
        emitted = 0
        for number, (start, events) in enumerate(drawn):
            born = began + timedelta(minutes=start)
            moments = [(born + timedelta(minutes=after), many) for after, many in events]
            last = max([born, *(at for at, _ in moments)]) + timedelta(hours=1)
            rows.append((born.isoformat(), f"p{number}", "slack", "login", 0))
            hour = born.replace(minute=0) + timedelta(hours=1)
            while hour <= last:
                rows.append(
                    (hour.isoformat(), f"p{number}", "slack", "login", sum(many for at, many in moments if at <= hour))
                )
                hour += timedelta(hours=1)
            # Snapshots are of whole hours, so each event is in the day of the snapshot that shows it first.
            emitted += sum(many for at, many in moments if window.start < at <= window.end)

        counts = of_rows(tmp_path, *rows, window=window)

        assert sum(counts.counts.values()) == emitted
        assert faults(counts) == []
        assert counts.may_be_earlier == {}
        assert DAY * len(list(window.days())) == window.span

    it_is()
