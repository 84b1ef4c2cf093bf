"""What ids on both sides say is what plain Python finds, cell by cell: loss and duplication are never netted."""

import resource
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import BadInput
from domain.event_files import ComparedIds, DayCell, EmittedIds, EventKind, FileState, ReceivedIds, expected_collisions
from domain.windows import Month
from steps.event_ids import compare_ids
from steps.event_reading import EventFile
from steps.event_spools import HASHED_BY, Spool, new_spool
from steps.missing_events import missing_ids
from tests.steps.event_rows import FULL, JULY, SECTION, event, in_every_format, iso, jsonl, kind_by_hand, spooled

FIRST = date(2026, 7, 1)
SLACK = EventKind("slack", "alert")


def compared(
    tmp_path: Path, emitted: Sequence[Mapping[str, Any]], received: Sequence[Mapping[str, Any]], **more: Any
) -> ComparedIds:
    sides = []
    for name, rows in (("emitted", emitted), ("received", received)):
        ours = [{"env": "prod", **row} for row in rows]
        sides.append([spooled(jsonl(tmp_path / f"{name}.jsonl", ours), FULL)[1]])
    return compare_ids(sides[0], sides[1], JULY, tmp_path / "spare", **more)


def test_loss_duplicates_and_extras_are_told_apart(tmp_path: Path) -> None:
    emitted = [event(1), event(1), event(2), event(3), event(4)]
    received = [event(1), event(2), event(2), event(2), event(9)]

    found = compared(tmp_path, emitted, received)

    cell = DayCell(FIRST, SLACK)
    assert found.emitted == {cell: EmittedIds(rows=5, unique=4, duplicates=1, retried=0, received=2)}
    assert found.received == {cell: ReceivedIds(rows=5, unique=3, duplicates=2, extra=1)}
    assert found.emitted[cell].lost(SLACK) == 2
    assert [one.cell for one in found.lost] == [cell, cell]


def test_one_id_at_two_integrations_is_two_events(tmp_path: Path) -> None:
    found = compared(tmp_path, [event(1), event(1, to="sentry")], [event(1)])

    assert {cell.kind.target: (ids.unique, ids.received) for cell, ids in found.emitted.items()} == {
        "slack": (1, 1),
        "sentry": (1, 0),
    }


def test_an_event_that_was_dropped_and_later_sent_is_sent_once(tmp_path: Path) -> None:
    dropped = event(1, "2026-07-01T00:00:00Z", outcome="queue full")
    sent = event(1, "2026-07-02T00:00:00Z", outcome="sent")

    found = compared(tmp_path, [dropped, sent], [event(1)])

    assert found.emitted == {
        DayCell(FIRST, EventKind("slack", "alert", "queue full")): EmittedIds(1, 0, 0, 1, 0),
        DayCell(date(2026, 7, 2), SLACK): EmittedIds(1, 1, 0, 0, 1),
    }


def test_what_was_dropped_is_not_lost_and_its_repeats_are_duplicates(tmp_path: Path) -> None:
    dropped = event(1, outcome="queue full")
    sampled_out = event(2, sampled="false")

    found = compared(tmp_path, [dropped, dropped, sampled_out], [])

    assert {
        cell.kind.outcome: (ids.unique, ids.duplicates, ids.lost(cell.kind)) for cell, ids in found.emitted.items()
    } == {
        "queue full": (1, 1, 0),
        "": (1, 0, 0),
    }
    assert found.lost == ()


def test_an_id_counts_on_its_first_day_and_repeats_on_theirs(tmp_path: Path) -> None:
    found = compared(tmp_path, [event(1, "2026-07-03T00:00:00Z"), event(1, "2026-07-02T00:00:00Z")], [])

    assert {cell.day.day: (ids.rows, ids.unique, ids.duplicates) for cell, ids in found.emitted.items()} == {
        2: (1, 1, 0),
        3: (1, 0, 1),
    }


def test_an_event_at_the_months_edge_is_neither_lost_nor_extra(tmp_path: Path) -> None:
    emitted = [event(1, "2026-06-30T23:59:59.9Z"), event(2, "2026-07-31T23:59:59.9Z")]
    received = [event(1, "2026-07-01T00:00:00.1Z"), event(2, "2026-08-01T00:00:00.1Z")]

    found = compared(tmp_path, emitted, received)

    assert found.emitted == {DayCell(date(2026, 7, 31), SLACK): EmittedIds(1, 1, 0, 0, 1)}
    assert found.received == {DayCell(FIRST, SLACK): ReceivedIds(1, 1, 0, 0)}


def test_ids_match_whatever_kind_of_file_they_are_in(tmp_path: Path) -> None:
    rows = [event(at) for at in range(50)]
    paths = in_every_format(tmp_path, rows)
    one, *others = [spooled(path)[1] for path in paths]

    found = [compare_ids([one], [other], JULY, tmp_path / "spare").emitted for other in others]

    assert found == [{DayCell(FIRST, SLACK): EmittedIds(50, 50, 0, 0, 50)}] * 6


def test_nothing_on_either_side_is_nothing(tmp_path: Path) -> None:
    found = compare_ids([], [], JULY, tmp_path)

    assert (found.emitted, found.received, found.lost) == ({}, {}, ())


def test_many_small_spools_are_one(tmp_path: Path) -> None:
    spools = [spooled(jsonl(tmp_path / f"{at}.jsonl", [event(at), event(0)]))[1] for at in range(1, 21)]

    found = compare_ids(spools[:10], spools[10:], JULY, tmp_path / "spare")

    assert found.emitted == {DayCell(FIRST, SLACK): EmittedIds(20, 11, 9, 0, 1)}
    assert found.received == {DayCell(FIRST, SLACK): ReceivedIds(20, 11, 9, 10)}
    assert list((tmp_path / "spare").iterdir()) == []


def test_slices_for_less_memory_change_nothing(tmp_path: Path) -> None:
    emitted = [{"env": "prod", **event(at % 6000, kind=f"t{at % 6}")} for at in range(9000)]
    received = [{"env": "prod", **event(at, kind=f"t{at % 6}")} for at in range(500, 7000)]
    spools = [spooled(jsonl(tmp_path / f"{at}.jsonl", rows), FULL)[1] for at, rows in enumerate((emitted, received))]

    whole = compare_ids(spools[:1], spools[1:], JULY, tmp_path)
    sliced = compare_ids(spools[:1], spools[1:], JULY, tmp_path, bytes_at_once=1 << 11)

    assert sliced == whole
    assert sum(ids.lost(cell.kind) for cell, ids in whole.emitted.items()) == 500


@pytest.mark.parametrize("ids", [20_000, pytest.param(60_000, marks=pytest.mark.prove)])
def test_short_ids_that_count_upwards_share_no_hash(tmp_path: Path, ids: int) -> None:
    rows = [{"event_id": str(at), "timestamp": "2026-07-01T00:00:00Z", "event_type": "alert", "integration": to} for at in range(ids) for to in ("slack", "sentry")]  # fmt: skip
    _, spool = spooled(jsonl(tmp_path / "a.jsonl", rows))

    found = compare_ids([spool], [], JULY, tmp_path)

    assert [one.unique for one in found.emitted.values()] == [ids, ids]


def test_a_spool_of_other_days_or_another_hash_is_refused(tmp_path: Path) -> None:
    _, spool = spooled(jsonl(tmp_path / "a.jsonl", [event(1)]))

    with pytest.raises(BadInput, match="Count its file anew"):
        compare_ids([spool], [], Month(2026, 6).window, tmp_path)
    with pytest.raises(BadInput, match="Count its file anew"):
        compare_ids([replace(spool, hashed_by="duckdb 0")], [], JULY, tmp_path)


def test_more_cells_than_a_key_has_room_for_are_refused(tmp_path: Path) -> None:
    kinds = tuple(EventKind("slack", str(at)) for at in range(40_000))
    spool = Spool(tmp_path / "none", kinds, 31 * 24 + 2)

    with pytest.raises(BadInput, match="1048576 are the most"):
        compare_ids([spool], [], JULY, tmp_path)


def test_a_spool_belongs_to_its_owner_alone_and_is_never_written_over(tmp_path: Path) -> None:
    _, spool = spooled(jsonl(tmp_path / "a.jsonl", [event(1)]))

    assert spool.path.stat().st_mode & 0o777 == 0o600
    assert spool.path.parent.stat().st_mode & 0o777 == 0o700
    assert spool.hashed_by == HASHED_BY
    with pytest.raises(FileExistsError):
        new_spool(spool.path)


def test_the_spool_of_a_file_that_breaks_off_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    good = "".join(f"{at},2026-07-01T00:00:00Z,alert,slack\n" for at in range(100))
    path.write_text("event_id,timestamp,event_type,integration\n" + good + '"1,x\n')

    count, spool = spooled(path)

    assert (count.state, spool.rows, spool.path.stat().st_size) == (FileState.PARTIAL, 0, 0)


def test_a_full_disk_is_not_told_as_a_damaged_file(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [event(at) for at in range(1000)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="large"):
            spooled(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("other_types", [0, 40])
def test_lost_events_are_found_again_in_the_files_that_hold_them(tmp_path: Path, other_types: int) -> None:
    emitted = [event(at, iso(JULY.start + timedelta(hours=at))) for at in range(48)]
    # More cells leave fewer bits of the hash.
    emitted += [event(f"more-{at}", kind=f"type {at}") for at in range(other_types)]
    path, unconcerned = jsonl(tmp_path / "a.jsonl", emitted), jsonl(tmp_path / "b.jsonl", [event(99, kind="other")])
    counts = [spooled(one) for one in (path, unconcerned)]
    _, received = spooled(jsonl(tmp_path / "received.jsonl", [one for one in emitted if one["event_id"] != "e-30"]))
    found = compare_ids([spool for _, spool in counts], [received], JULY, tmp_path / "spare")
    unconcerned.unlink()

    files = [(EventFile(one, one.name), count) for one, (count, _) in zip((path, unconcerned), counts, strict=True)]
    missing = missing_ids(files, SECTION, JULY, found, [DayCell(date(2026, 7, 2), SLACK)])

    assert [(one.event_id, one.at, one.type, one.file) for one in missing] == [
        ("e-30", datetime(2026, 7, 2, 6, tzinfo=UTC), "alert", "a.jsonl")
    ]


def test_the_sample_of_lost_ids_has_its_limit_for_each_type(tmp_path: Path) -> None:
    emitted = [event(f"{kind}{at}", kind=kind) for kind in "ab" for at in range(300)] + [event("c", kind="c")]

    found = compared(tmp_path, emitted, [event("elsewhere")], samples=7)

    assert Counter(one.cell.kind.type for one in found.lost) == {"a": 7, "b": 7, "c": 1}


def test_ids_of_days_that_the_other_side_does_not_list_are_no_sample(tmp_path: Path) -> None:
    emitted = [event(at, iso(JULY.start + timedelta(hours=at))) for at in range(48)] + [event("b", to="pd")]

    found = compared(tmp_path, emitted, [event("elsewhere")], listed={"slack": {date(2026, 7, 2)}}, samples=7)

    assert [one.cell.day for one in found.lost] == [date(2026, 7, 2)] * 7
    assert sum(one.lost(cell.kind) for cell, one in found.emitted.items()) == 49


def test_the_odds_of_a_shared_hash_are_stated() -> None:
    assert expected_collisions(100_000_000, 59) == pytest.approx(0.0087, abs=0.0002)


_EVENTS = st.lists(
    st.builds(
        lambda number, hours, kind, to, outcome, probe: event(
            number, iso(JULY.start + timedelta(hours=hours)), kind, to, outcome=outcome, verify=probe
        ),
        st.integers(0, 12), st.integers(-30, 31 * 24 + 30), st.sampled_from("ab"), st.sampled_from(["slack", "pd"]),
        st.sampled_from(["sent", "sent", "queue full", "network"]), st.sampled_from(["", "", "true"]),
    ),
    max_size=40,
)  # fmt: skip


@pytest.mark.parametrize("examples", [12, pytest.param(30, marks=pytest.mark.prove)])
def test_any_two_sides_are_compared_as_plain_python_compares_them(tmp_path: Path, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(emitted=_EVENTS, received=_EVENTS)
    def they_are(emitted: list[dict[str, Any]], received: list[dict[str, Any]]) -> None:
        received = [{**row, "outcome": ""} for row in received]

        found = compared(tmp_path, emitted, received)

        assert dict(found.emitted) == _emitted_by_hand(emitted, received)
        assert dict(found.received) == _received_by_hand(emitted, received)

    they_are()


def _emitted_by_hand(
    emitted: Iterable[Mapping[str, Any]], received: Iterable[Mapping[str, Any]]
) -> dict[DayCell, EmittedIds]:
    arrived = {_identity(row) for row in received}
    sums: dict[DayCell, list[int]] = {}
    for identity, rows in _by_id(emitted).items():
        first, *others = sorted(rows, key=lambda cell: (not cell.kind.is_sent, cell.day, cell.kind))
        for cell in rows:
            sums.setdefault(cell, [0, 0, 0, 0, 0])[0] += 1
        sums[first][1] += 1
        sums[first][4] += identity in arrived
        for cell in others:
            sums[cell][3 if first.kind.is_sent and not cell.kind.is_sent else 2] += 1
    return {cell: EmittedIds(*some) for cell, some in sums.items() if _is_inside(cell)}


def _received_by_hand(
    emitted: Iterable[Mapping[str, Any]], received: Iterable[Mapping[str, Any]]
) -> dict[DayCell, ReceivedIds]:
    known = {_identity(row) for row in emitted}
    sums: dict[DayCell, list[int]] = {}
    for identity, rows in _by_id(received).items():
        first, *others = sorted(rows)
        for cell in rows:
            sums.setdefault(cell, [0, 0, 0, 0])[0] += 1
        sums[first][1] += 1
        sums[first][3] += identity not in known
        for cell in others:
            sums[cell][2] += 1
    return {cell: ReceivedIds(*some) for cell, some in sums.items() if _is_inside(cell)}


def _by_id(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], list[DayCell]]:
    """Return the cells of each id; all days before the window are one, and all days after it."""
    found: dict[tuple[str, str], list[DayCell]] = {}
    for row in rows:
        day = datetime.fromisoformat(row["timestamp"]).date()
        edge = min(max(day, date(2026, 6, 30)), date(2026, 8, 1))
        found.setdefault(_identity(row), []).append(DayCell(edge, kind_by_hand(row)))
    return found


def _identity(row: Mapping[str, Any]) -> tuple[str, str]:
    return kind_by_hand(row).target, row["event_id"]


def _is_inside(cell: DayCell) -> bool:
    return cell.day.month == JULY.start.month
