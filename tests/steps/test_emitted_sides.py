"""A source says what it recorded and what it cannot say; nothing is read twice, and no fault is passed over."""

import gzip
import hashlib
import json
import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.errors import Unavailable
from domain.event_counts import Trust
from domain.event_files import FileState
from domain.reconciliation_sections import CounterSnapshots
from domain.windows import DAY, Window
from steps.alone import alone_in
from steps.emitted_sides import SourceRead
from steps.kept_windows import window_name
from tests.steps.conftest import OpenScene
from tests.steps.event_rows import in_every_format, jsonl
from tests.steps.month_scenes import START, THREE_DAYS, MonthScene, Vendor, at, recorded

FIRST, SECOND, THIRD = (date(2026, 10, day) for day in (1, 2, 3))
ONE_DAY = Window(START, START + DAY)


@pytest.fixture
def prod(open_in: OpenScene) -> MonthScene:
    return MonthScene.of(open_in("prod", "slack", "sentry"))


def read(scene: MonthScene, window: Window = THREE_DAYS, told: Any = lambda *_: None) -> SourceRead:
    (source,) = scene.read(scene.question({"slack": Vendor().counting()}, window), told)
    return source


def three_days(scene: MonthScene) -> None:
    for day in (1, 2, 3):
        scene.writes(f"2026-10-0{day}", [recorded(f"{day}-{n}", at(day)) for n in range(day)])


def faults(source: SourceRead) -> list[str]:
    return [f"{one.file} {one.what}" for one in source.facts if one.is_fault]


def counted(source: SourceRead) -> dict[date, int]:
    days: dict[date, int] = {}
    for count in source.counts:
        for cell, rows in count.daily().items():
            days[cell.day] = days.get(cell.day, 0) + rows
    return days


def test_every_day_that_has_a_file_is_told(prod: MonthScene) -> None:
    three_days(prod)

    source = read(prod)

    assert (source.trust, source.missing, source.facts) == (Trust.EXACT, {}, ())
    assert counted(source) == {FIRST: 1, SECOND: 2, THIRD: 3}
    assert source.summary == "gateway: 6 events in 3 files."


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".jsonl.zst", ".csv", ".csv.gz", ".csv.zst", ".parquet"])
def test_files_of_every_kind_are_one_source(prod: MonthScene, tmp_path: Path, ending: str) -> None:
    made = tmp_path / "made"
    made.mkdir()
    whole = {
        path.name.removeprefix("a"): path for path in in_every_format(made, [recorded(1, at(1)), recorded(2, at(1))])
    }
    (prod.events / f"events-2026-10-01{ending}").write_bytes(whole[ending].read_bytes())

    source = read(prod, ONE_DAY)

    assert (counted(source), source.missing, faults(source)) == ({FIRST: 2}, {}, [])


def test_a_day_without_a_file_is_missing_and_not_empty(prod: MonthScene) -> None:
    three_days(prod)
    (prod.events / "events-2026-10-02.jsonl").unlink()

    assert list(read(prod).missing) == [SECOND]


def test_a_late_record_does_not_stand_for_the_file_of_its_day(prod: MonthScene) -> None:
    three_days(prod)
    (prod.events / "events-2026-10-02.jsonl").unlink()
    prod.writes("2026-10-03", [recorded("late", at(2, 23.9)), recorded("3", at(3))])

    assert list(read(prod).missing) == [SECOND]


def test_an_empty_file_says_that_nothing_was_emitted(prod: MonthScene) -> None:
    three_days(prod)
    prod.writes("2026-10-02", [])

    source = read(prod)

    assert (source.missing, counted(source)) == ({}, {FIRST: 1, THIRD: 3})


def test_in_files_without_a_date_records_tell_of_their_days(prod: MonthScene) -> None:
    jsonl(prod.events / "all.jsonl", [recorded(1, at(1)), recorded(3, at(3))])

    assert list(read(prod).missing) == [SECOND]


def test_a_file_that_breaks_off_leaves_its_day_without_data(prod: MonthScene) -> None:
    three_days(prod)
    whole = gzip.compress(b"".join(json.dumps(recorded(n, at(2))).encode() + b"\n" for n in range(500)))
    (prod.events / "events-2026-10-02.jsonl").unlink()
    (prod.events / "events-2026-10-02.jsonl.gz").write_bytes(whole[:-40])

    source = read(prod)

    assert list(source.missing) == [SECOND]
    assert "breaks off" in source.missing[SECOND]
    assert [one.startswith("events-2026-10-02.jsonl.gz breaks off") for one in faults(source)] == [True]


@pytest.mark.parametrize(("good", "is_usable"), [(99, True), (98, False)])
def test_bad_lines_cost_a_day_above_their_limit(prod: MonthScene, good: int, *, is_usable: bool) -> None:
    rows: list[Any] = [recorded(n, at(1)) for n in range(good)]
    prod.writes("2026-10-01", [*rows, b"{"])

    source = read(prod, ONE_DAY)

    assert (source.missing == {}) is is_usable
    assert [(one.what, one.events, one.is_fault) for one in source.facts] == [
        ("lines that are no events", 1, not is_usable)
    ]  # fmt: skip


def test_what_is_not_of_this_environment_and_scope_is_shown_by_kind(prod: MonthScene) -> None:
    columns = {"environment": "env"}
    prod.configure(emitted={"gateway": prod.files(columns=columns, targets=["slack"])})
    rows = [
        recorded(1, at(1), env="prod"),
        recorded(2, at(1), env="staging"),
        recorded(3, at(1), env="prod", to="sentry"),
        recorded(4, at(1), env="prod", to="pigeon"),
        recorded(5, at(9), env="prod"),
    ]
    prod.writes("2026-10-01", rows)

    source = read(prod, ONE_DAY)

    assert counted(source) == {FIRST: 1}
    assert {(one.what, one.is_fault) for one in source.facts} == {
        ("of environment staging", False),
        ("of sentry, which is none of the targets of this source", False),
        ("of pigeon, which is not in scope", True),
        ("of other days than those compared", False),
        ("late: in the file of another day", False),
    }


def test_a_place_that_is_not_there_is_a_fault_and_no_day_of_nothing(prod: MonthScene) -> None:
    prod.configure(emitted={"gateway": prod.files(place=str(prod.events / "gone"))})

    source = read(prod)

    assert list(source.missing) == [FIRST, SECOND, THIRD]
    assert len(faults(source)) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_costs_its_day_alone(prod: MonthScene) -> None:
    three_days(prod)
    (prod.events / "events-2026-10-02.jsonl").chmod(0)

    assert list(read(prod).missing) == [SECOND]


def test_progress_is_told_file_by_file(prod: MonthScene) -> None:
    three_days(prod)
    told: list[tuple[str, int, int, int]] = []

    read(prod, told=lambda *one: told.append(one))

    assert told == [(f"events-2026-10-0{day}.jsonl", day, 3, day) for day in (1, 2, 3)]


def test_an_unchanged_file_is_not_read_again_and_a_changed_one_is(prod: MonthScene) -> None:
    three_days(prod)
    read(prod)
    kept = prod.events / "events-2026-10-01.jsonl"
    seen = kept.stat()
    kept.write_bytes(b"x" * seen.st_size)
    os.utime(kept, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    prod.writes("2026-10-03", [recorded(n, at(3)) for n in range(9)])

    assert counted(read(prod)) == {FIRST: 1, SECOND: 2, THIRD: 9}


def test_files_of_other_days_are_counted_where_they_do_not_change_what_a_month_says(prod: MonthScene) -> None:
    three_days(prod)
    before = read(prod)
    prod.writes("2026-12-24", [recorded("x", at(24, month=12))])

    after = read(prod)

    assert (before.skipped, after.skipped, after.facts) == (0, 1, before.facts)
    assert "1 files of other days were not read" in after.summary


def manifest(scene: MonthScene, **changed: Any) -> None:
    entries = []
    for file in sorted(scene.events.glob("*.jsonl")):
        content = file.read_bytes()
        said = {"name": file.name, "rows": content.count(b"\n"), "sha256": hashlib.sha256(content).hexdigest()}
        entries.append(said | (changed if file.name == "events-2026-10-02.jsonl" else {}))
    (scene.events / "manifest.json").write_text(json.dumps({"files": entries}))
    scene.configure(emitted={"gateway": scene.files(manifest="manifest.json", pattern="*.jsonl")})


def test_what_a_manifest_says_otherwise_is_a_fault_in_every_run(prod: MonthScene) -> None:
    three_days(prod)
    manifest(prod, sha256="0" * 64, rows=7)

    first, again = read(prod), read(prod)

    assert len(faults(first)) == 2
    assert faults(first) == faults(again)
    assert list(first.missing) == list(again.missing) == [SECOND]


@pytest.mark.parametrize(
    ("said", "is_usable"),
    [({"rows": 100}, True), ({"rows": 101}, True), ({"rows": 99}, False), ({"rows": 200}, False), ({"rows": 0}, False),
     ({"bytes": 7}, False), ({"sha256": "0" * 64}, False), ({"min": "2026-10-02T13:00:00Z"}, True)],
)  # fmt: skip
def test_a_file_that_is_not_what_its_manifest_says_costs_its_day(
    prod: MonthScene, said: dict[str, Any], *, is_usable: bool
) -> None:
    three_days(prod)
    prod.writes("2026-10-02", [recorded(n, at(2)) for n in range(100)])
    manifest(prod, **said)

    source = read(prod)

    assert list(source.missing) == ([] if is_usable else [SECOND])
    assert bool(faults(source)) is (said != {"rows": 100})


def test_a_file_of_a_neighbouring_day_that_is_not_what_its_manifest_says_costs_no_day(prod: MonthScene) -> None:
    three_days(prod)
    prod.writes("2026-10-04", [recorded("4", at(4))])
    manifest(prod)
    prod.writes("2026-10-04", [recorded("4", at(4)), recorded("5", at(4))])

    source = read(prod)

    assert source.missing == {}
    assert len(faults(source)) == 2


def test_a_manifest_that_comes_later_is_held_against_what_was_counted_before(prod: MonthScene) -> None:
    three_days(prod)
    read(prod)
    manifest(prod, sha256="0" * 64)

    assert faults(read(prod)) == [
        "events-2026-10-02.jsonl the file holds something else than its manifest says: its sha256 differs"
    ]


def test_a_file_that_the_manifest_names_and_is_not_there_costs_its_day(prod: MonthScene) -> None:
    three_days(prod)
    manifest(prod)
    (prod.events / "events-2026-10-02.jsonl").unlink()

    source = read(prod)

    assert list(source.missing) == [SECOND]
    assert len(faults(source)) == 1


def test_files_that_are_no_event_files_by_their_names_cost_no_day(prod: MonthScene) -> None:
    three_days(prod)
    manifest(prod)
    prod.configure(emitted={"gateway": prod.files()})
    for name, content in {
        "_SUCCESS": b"",
        "README.md": b"of the gateway",
        ".events-2026-10-02.jsonl.crc": b"crc",
    }.items():
        (prod.events / name).write_bytes(content)

    source = read(prod)

    assert (source.missing, source.files_read) == ({}, 3)
    assert [(one.what, one.is_fault) for one in source.facts] == [
        ("3 files were not read: .events-2026-10-02.jsonl.crc, _SUCCESS, manifest.json", False),
        ("1 files end like none of .jsonl, .csv, .parquet (.gz and .zst may follow): not read: README.md", True),
    ]  # fmt: skip


def test_a_day_whose_only_file_is_of_no_kind_that_is_read_is_missing(prod: MonthScene) -> None:
    three_days(prod)
    (prod.events / "events-2026-10-02.jsonl").rename(prod.events / "events-2026-10-02.log")

    assert list(read(prod).missing) == [SECOND]


def test_nothing_is_left_of_what_a_killed_run_fetched(prod: MonthScene) -> None:
    three_days(prod)
    folder = prod.place.spool / "counted" / "gateway" / window_name(THREE_DAYS)
    (folder / "fetched").mkdir(parents=True)
    (folder / "fetched" / "half.part").write_bytes(b"half")

    read(prod)

    assert not (folder / "fetched").exists()


def test_while_another_run_counts_the_same_window_nothing_is_said_of_the_source(prod: MonthScene) -> None:
    three_days(prod)
    folder = prod.place.spool / "counted" / "gateway" / window_name(THREE_DAYS)

    with alone_in(folder), pytest.raises(Unavailable):
        read(prod)


@pytest.mark.parametrize(
    ("change", "utc_hours"),
    [
        # 2026-10-25, 03:00 becomes 02:00: the day has 25 hours, and the second of both 02:30 is taken.
        ("2026-10-25", {"2026-10-25T00:30:00": "2026-10-24T22", "2026-10-25T02:30:00": "2026-10-25T01", "2026-10-25T23:30:00": "2026-10-25T22"}),
        # 2026-03-29, 02:00 becomes 03:00: the day has 23 hours, and 02:30 is taken an hour later.
        ("2026-03-29", {"2026-03-29T00:30:00": "2026-03-28T23", "2026-03-29T02:30:00": "2026-03-29T01", "2026-03-29T23:30:00": "2026-03-29T21"}),
    ],
)  # fmt: skip
def test_local_times_are_taken_across_both_changes_of_the_clock(
    prod: MonthScene, change: str, utc_hours: dict[str, str]
) -> None:
    day = date.fromisoformat(change)
    for one in (day - DAY, day, day + DAY):
        rows = [recorded(local, at(1)) | {"timestamp": local} for local in utc_hours] if one == day else []
        prod.writes(str(one), rows)
    prod.configure(emitted={"gateway": prod.files(time_zone="Europe/Berlin")})
    start = at(day.day - 1, 0, month=day.month)

    source = read(prod, Window(start, start + 2 * DAY))

    assert source.missing == {}
    hours = {f"{moment:%Y-%m-%dT%H}" for count in source.counts for moment, _, _ in count.hourly()}
    assert hours == set(utc_hours.values())
    assert [one.what for one in source.facts if one.is_fault] == [
        "in an hour that the clock went through twice" if day.month == 10 else "in an hour that the clock left out"
    ]


def test_a_utc_day_needs_the_files_of_both_local_days(prod: MonthScene) -> None:
    three_days(prod)
    prod.configure(emitted={"gateway": prod.files(time_zone="Europe/Berlin")})

    assert list(read(prod).missing) == [THIRD]


def test_the_last_microsecond_is_in_the_window_and_the_next_is_not(prod: MonthScene) -> None:
    prod.writes("2026-10-01", [recorded(1, START + DAY - timedelta(microseconds=1)), recorded(2, START + DAY)])

    source = read(prod, ONE_DAY)

    assert counted(source) == {FIRST: 1}
    assert source.counts[0].outside == 1


def test_counters_that_are_in_no_scope_are_a_fault(prod: MonthScene) -> None:
    rows = [
        {"timestamp": moment.isoformat(), "process_start_id": "p", "event_type": "alert", "integration": to, "value": value}
        for to in ("slack", "pigeon")
        for moment, value in ((at(1, 0), 0), (at(1, 12), 5), (at(2, 0), 9))
    ]  # fmt: skip
    jsonl(prod.events / "snapshots.jsonl", rows)
    counters = CounterSnapshots(kind="counters", environment="prod", place=str(prod.events))
    prod.configure(emitted={"gateway": counters})

    source = read(prod, ONE_DAY)

    assert [(one.what, one.events) for one in source.facts if one.is_fault] == [("of pigeon, which is not in scope", 9)]
    assert (source.trust, source.missing) == (Trust.COUNTERS, {})
    assert not (prod.place.spool / "counted" / "gateway" / window_name(ONE_DAY) / "scratch").exists()


def test_a_file_of_counters_that_is_unusable_costs_its_day(prod: MonthScene) -> None:
    rows = [
        {"timestamp": at(day, 12).isoformat(), "process_start_id": "p", "event_type": "alert", "integration": "slack", "value": day}
        for day in (1, 2, 3)
    ]  # fmt: skip
    jsonl(prod.events / "snapshots.jsonl", rows)
    (prod.events / "pod-2026-10-02.jsonl").write_bytes(json.dumps(rows[1]).encode() + b"\n" + b"garbage\n" * 500)
    prod.configure(emitted={"gateway": CounterSnapshots(kind="counters", environment="prod", place=str(prod.events))})

    source = read(prod)

    assert list(source.missing) == [SECOND]
    assert "500 of 501 rows are no snapshots" in source.missing[SECOND]


def test_a_packed_file_whose_content_is_not_packed_is_unreadable(prod: MonthScene) -> None:
    (prod.events / "events-2026-10-01.jsonl.gz").write_bytes(b"plain")

    source = read(prod, ONE_DAY)

    assert [count.state for count in source.counts] == [FileState.UNREADABLE]
    assert list(source.missing) == [FIRST]
