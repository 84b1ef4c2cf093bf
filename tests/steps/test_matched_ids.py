"""Ids say what is lost, what came twice and what nobody recorded, by the day and type of each side; nothing is netted."""

from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import Rejected
from domain.event_counts import NOT_SPLIT, Count, Fate, Listed, Page, Trust
from domain.event_files import ComparedIds, DayCell, EmittedIds, EventKind
from domain.names import Target
from domain.reconciliation import Bounds, Finding
from domain.reconciliation_sections import CounterSnapshots, EventFiles, ReceivedSection
from domain.windows import DAY, Window, day_window
from ledger.collected_counts import keep_counts
from steps.event_counting import MOST_WORDS
from steps.matched_ids import id_facts, spool_listed
from steps.received_pages import ReceivedPages, list_file
from steps.received_sides import section_digest
from tests.steps.conftest import OpenScene
from tests.steps.event_rows import jsonl
from tests.steps.month_scenes import COLUMNS, SETTLED, START, MonthScene, Rows, Vendor, at, every_day, listed, recorded

FIRST, SECOND, THIRD = (date(2026, 10, day) for day in (1, 2, 3))
TWO_DAYS = Window(START, START + 2 * DAY)
IDS = ReceivedSection(by="ids", type_field="kind")


@pytest.fixture
def prod(open_in: OpenScene) -> MonthScene:
    scene = MonthScene.of(open_in("prod", "slack", "sentry"))
    scene.configure(received={"slack": IDS, "sentry": ReceivedSection(wanted=False)})
    return scene


def writes(scene: MonthScene, *rows: dict[str, object], window: Window = TWO_DAYS) -> None:
    """Write each record into the file of its day; each day of the window has a file."""
    for day in window.days():
        scene.writes(str(day), [row for row in rows if str(row["timestamp"]).startswith(str(day))])


def run(scene: MonthScene, *events: Listed, window: Window = TWO_DAYS, **counting: object) -> Rows:
    return scene.run({"slack": Vendor("ids", list(events)).counting(**counting)}, window)


def numbers(rows: Rows) -> dict[tuple[date, str], tuple[object, ...]]:
    return {
        (cell.day, cell.type): (one.events, one.unique, one.lost, one.extra)
        for cell in rows.cells()
        for one in (cell.received,)
        if one is not None
    }


def test_loss_duplication_and_strangers_are_told_apart(prod: MonthScene) -> None:
    writes(prod, *(recorded(n, at(1)) for n in range(10)))

    rows = run(prod, *(listed(n, at(1)) for n in range(8)), listed(0, at(1)), listed("stranger", at(1)))

    assert numbers(rows) == {(FIRST, "alert"): (10, 9, 2, 1)}
    assert rows.month().compared is not None
    assert (rows.month().compared.loss, rows.month().compared.excess) == (Bounds(2, 2), Bounds(2, 2))  # type: ignore[union-attr]


def test_what_arrives_on_the_other_side_of_midnight_is_not_lost(prod: MonthScene) -> None:
    writes(prod, recorded(1, at(1, 23.999)))

    rows = run(prod, listed(1, at(2, 0.001)))

    assert numbers(rows) == {(FIRST, "alert"): (0, 0, 0, 0), (SECOND, "alert"): (1, 1, 0, 0)}


@pytest.mark.parametrize("arrives", [START - timedelta(minutes=1), TWO_DAYS.end + timedelta(minutes=1)])
def test_what_arrives_beyond_the_windows_ends_is_not_lost(prod: MonthScene, arrives: datetime) -> None:
    edge = START if arrives < START else TWO_DAYS.end - timedelta(microseconds=1)
    writes(prod, recorded(1, edge))

    rows = run(prod, listed(1, arrives))

    assert [one.lost for cell in rows.cells() if (one := cell.received)] == [0]


def test_an_event_of_the_day_before_is_no_stranger(prod: MonthScene) -> None:
    prod.writes("2026-09-30", [recorded(1, START - timedelta(microseconds=1))])
    writes(prod)

    rows = run(prod, listed(1, START))

    assert numbers(rows) == {(FIRST, "alert"): (1, 1, 0, 0)}


def test_types_that_are_not_split_are_one_on_both_sides(prod: MonthScene) -> None:
    prod.configure(received={"slack": ReceivedSection(by="ids"), "sentry": ReceivedSection(wanted=False)})
    writes(prod, recorded(1, at(1), kind="a"), recorded(2, at(1), kind="b"))

    rows = run(prod, listed(1, at(1), ""), listed(3, at(1), ""))

    assert numbers(rows) == {(FIRST, NOT_SPLIT): (2, 2, 1, 1)}
    assert [cell.emitted.sent for cell in rows.cells() if cell.emitted] == [2]


def test_an_event_without_a_type_at_the_vendor_is_received(prod: MonthScene) -> None:
    writes(prod, recorded(1, at(1)), recorded(2, at(1), kind="-"))

    rows = run(prod, listed(1, at(1), ""), listed(2, at(1), "-"))

    assert [one.lost for cell in rows.cells() if (one := cell.received)] == [0] * len(rows.cells())
    assert (FIRST, NOT_SPLIT) in numbers(rows)


def test_an_event_without_an_id_is_received_and_nobodys(prod: MonthScene) -> None:
    writes(prod, recorded(1, at(1)))

    rows = run(prod, listed(1, at(1)), *(Listed("", at(1), "alert") for _ in range(2)))

    assert numbers(rows) == {(FIRST, "alert"): (3, 3, 0, 2)}


def test_merged_repeats_are_copies(prod: MonthScene) -> None:
    writes(prod, recorded(1, at(1)), recorded(1, at(1)))

    rows = run(prod, listed(1, at(1), copies=3))

    assert numbers(rows) == {(FIRST, "alert"): (3, 1, 0, 0)}


def test_a_drop_that_was_sent_later_left_no_copy_behind(prod: MonthScene) -> None:
    prod.configure(emitted={"gateway": prod.files(columns={"outcome": "outcome"})})
    writes(
        prod, recorded(1, at(1), outcome="queue_full"), recorded(1, at(1, 13)), recorded(2, at(1)), recorded(2, at(1))
    )

    rows = run(prod, listed(1, at(1, 14), copies=2), listed(2, at(1)))

    [emitted] = [cell.emitted for cell in rows.cells() if cell.emitted]
    assert (emitted.repeats, emitted.resent) == (2, 1)


def test_verifications_are_left_out_of_both_sides_and_told(prod: MonthScene) -> None:
    prod.configure(emitted={"gateway": prod.files(columns=COLUMNS.model_copy(update={"environment": "", "outcome": "", "sampled": ""}))})  # fmt: skip
    writes(prod, recorded(1, at(1), verify=""), recorded("probe", at(1), verify="true"))

    rows = run(prod, listed(1, at(1)), listed("probe", at(1), is_probe=True))

    assert numbers(rows) == {(FIRST, "alert"): (1, 1, 0, 0)}
    told = [(one.what, one.events) for one in rows.reconciliation.facts if not one.is_fault]
    assert ("verifications, left out of both sides", 1) in told


def test_what_the_client_dropped_is_not_lost(prod: MonthScene) -> None:
    columns = {"outcome": "outcome", "sampled": "sampled"}
    prod.configure(emitted={"gateway": prod.files(columns=columns)})
    writes(
        prod,
        recorded(1, at(1), outcome="sent", sampled=True),
        recorded(2, at(1), outcome="queue_full", sampled=True),
        recorded(3, at(1), outcome="sent", sampled=False),
    )

    rows = run(prod, listed(1, at(1)))

    (cell,) = rows.cells()
    assert cell.emitted is not None
    assert (cell.emitted.sent, cell.emitted.drops, cell.emitted.sampled_out) == (1, (("queue_full", 1),), 1)
    assert numbers(rows) == {(FIRST, "alert"): (1, 1, 0, 0)}


def test_lost_events_are_named_where_someone_has_to_look(prod: MonthScene) -> None:
    names = every_day(TWO_DAYS, 50)
    writes(prod, *(recorded(name, moment) for name, moment in names))
    gone = {names[3][0], names[-1][0], names[60][0], names[61][0]}

    rows = run(prod, *(listed(name, moment) for name, moment in names if name not in gone))

    assert rows.month().finding is Finding.BREACH
    assert rows.month().missing_ids == tuple(
        f"{moment:%Y-%m-%dT%H:%M:%SZ} alert e-{name} events-{moment:%Y-%m-%d}.jsonl" for name, moment in names if name in gone
    )  # fmt: skip


def test_a_hundred_lost_events_are_named_and_no_more(prod: MonthScene) -> None:
    names = every_day(TWO_DAYS, 150)
    writes(prod, *(recorded(name, moment) for name, moment in names))
    arrived = [listed(name, moment) for name, moment in names if moment >= at(2, 0)]

    rows = run(prod, *arrived)

    assert len(rows.month().missing_ids) == 100
    assert all("events-2026-10-01.jsonl" in line for line in rows.month().missing_ids)


def test_a_target_that_is_in_order_names_nothing(prod: MonthScene) -> None:
    names = every_day(TWO_DAYS, 500)
    writes(prod, *(recorded(name, moment) for name, moment in names))

    rows = run(prod, *(listed(name, moment) for name, moment in names[1:]))

    assert (rows.month().finding, rows.month().missing_ids) == (Finding.OK, ())


def test_the_odds_that_ids_share_a_hash_are_told(prod: MonthScene) -> None:
    writes(prod, recorded(1, at(1)))

    rows = run(prod, listed(1, at(1)))

    (told,) = [one for one in rows.reconciliation.facts if one.source == "ids"]
    assert told.is_fault is False
    assert told.what == (
        "ids are told apart by 64 bits of a hash: fewer than 0.000001 pairs of different ids are expected to share them; "
        "each such pair hides a loss or adds a duplicate"
    )


@pytest.mark.parametrize(
    ("pairs", "words", "is_fault"), [(0.0043, "0.004300 pairs", False), (1.1, "1.100000 pairs", True)]
)
def test_pairs_that_are_expected_to_share_a_hash_are_a_fault(pairs: float, words: str, *, is_fault: bool) -> None:
    cell = DayCell(FIRST, EventKind("slack", "alert"))
    compared = ComparedIds({cell: EmittedIds(1, 1, 0, 0, 1)}, {}, (), 52, pairs)

    (told,) = id_facts(compared)

    assert (words in told.what, told.is_fault) == (True, is_fault)


def test_days_that_are_kept_as_counts_are_not_all_lost(prod: MonthScene) -> None:
    window = Window(START, START + 3 * DAY)
    names = every_day(window, 10)
    writes(prod, *(recorded(name, moment) for name, moment in names), window=window)
    for day, events in ((FIRST, 10), (SECOND, 0)):
        whole = day_window(day)
        count = Count(whole.start, DAY, "alert", Fate.ACCEPTED, events)
        keep_counts(prod.scene.ledger, "run-1", "prod", "slack", whole, section_digest(IDS), [count])
    vendor = Vendor("ids", [listed(name, moment) for name, moment in names if moment >= at(3, 0)])

    rows = prod.run({"slack": vendor.counting(retention=timedelta(days=30))}, window, at(2, 5) + timedelta(days=30))

    lost = {cell.day: cell.compared.loss for cell in rows.cells() if cell.compared}
    assert lost == {FIRST: Bounds(0, 0), SECOND: Bounds(10, 10), THIRD: Bounds(0, 0)}
    assert all(cell.day == THIRD for cell in rows.cells() if cell.received and cell.received.lost is not None)


def test_where_a_part_is_counted_ids_decide_nothing(prod: MonthScene) -> None:
    writes(prod, recorded(1, at(1)))
    (prod.scene.home / "counters").mkdir()
    snapshots = [
        {"timestamp": moment.isoformat(), "process_start_id": "p", "event_type": "alert", "integration": "slack", "value": value}
        for moment, value in ((at(1, 0), 0), (at(1, 12), 5), (at(2, 0), 6), (at(2, 12), 6), (at(3, 0), 6))
    ]  # fmt: skip
    jsonl(prod.scene.home / "counters" / "all.jsonl", snapshots)
    counters = CounterSnapshots(kind="counters", environment="prod", place=str(prod.scene.home / "counters"))
    prod.configure(emitted={"gateway": prod.files(), "batch": counters})

    rows = run(prod, *(listed(n, at(1)) for n in range(1, 8)))

    assert (rows.month().by_ids, rows.month().trust) == (False, (Trust.EXACT, Trust.COUNTERS))
    assert rows.month().compared is not None
    assert rows.month().compared.loss == Bounds(0, 0)  # type: ignore[union-attr]
    assert rows.month().emitted is not None
    assert rows.month().emitted.sent == 7  # type: ignore[union-attr]


def exported(scene: MonthScene, *rows: dict[str, object], **said: object) -> ReceivedSection:
    folder = scene.scene.home / "exported"
    folder.mkdir(exist_ok=True)
    jsonl(folder / "list-2026-10-01-2026-10-02.jsonl", rows)
    return ReceivedSection(export=EventFiles.model_validate({"environment": "prod", "place": str(folder), **said}))


def test_an_exported_list_is_matched_as_an_asked_one(prod: MonthScene) -> None:
    section = exported(prod, recorded(1, at(1)), recorded(2, at(1)), recorded(2, at(1)), recorded("x", at(1)))
    prod.configure(received={"slack": section, "sentry": ReceivedSection(wanted=False)})
    writes(prod, *(recorded(n, at(1)) for n in (1, 2, 3)))

    rows = run(prod)

    assert numbers(rows) == {(FIRST, "alert"): (4, 3, 1, 1)}
    assert rows.month().by_ids


def test_verifications_in_an_export_are_left_out(prod: MonthScene) -> None:
    section = exported(
        prod, recorded(1, at(1), verify=""), recorded(2, at(1), verify="true"), columns={"verify": "verify"}
    )  # fmt: skip
    prod.configure(received={"slack": section, "sentry": ReceivedSection(wanted=False)})
    writes(prod, recorded(1, at(1)))

    assert numbers(run(prod)) == {(FIRST, "alert"): (1, 1, 0, 0)}


def test_an_export_that_two_share_is_not_counted_twice(prod: MonthScene) -> None:
    section = exported(prod, recorded(1, at(1)), recorded(1, at(1), to="sentry"))
    prod.configure(received={"slack": section, "sentry": section})
    writes(prod, recorded(1, at(1)), recorded(1, at(1), to="sentry"))

    rows = prod.run({name: Vendor("ids").counting() for name in ("slack", "sentry")}, TWO_DAYS)

    assert {cell.target: (cell.received.events, cell.received.lost) for cell in rows.cells("slack") + rows.cells("sentry") if cell.received} == {"slack": (1, 0), "sentry": (1, 0)}  # fmt: skip
    assert rows.fault_words() == []


def test_a_list_with_another_type_in_each_row_is_not_taken_for_losses(prod: MonthScene) -> None:
    writes(prod, recorded(1, at(1)))

    rows = run(prod, *many_types())

    assert (rows.month().finding, rows.month().missing_ids) == (Finding.NO_DATA, ())
    assert "cannot be matched" in rows.month().why


def written(folder: Path, *events: Listed) -> Path:
    with list_file(folder / "lists", SETTLED) as writing:
        pages = ReceivedPages("slack", writing=writing)
        pages.take(Page(listed=events))
        pages.keep()
    return Path(writing.name)


def many_types() -> list[Listed]:
    return [listed(n, at(1), f"type {n}") for n in range(MOST_WORDS + 1)]


def test_what_is_written_down_of_a_list_is_removed(prod: MonthScene, tmp_path: Path) -> None:
    writes(prod, recorded(1, at(1)))
    question = prod.question({"slack": Vendor("ids").counting()}, TWO_DAYS)

    file, other = written(tmp_path, listed(1, at(1))), written(tmp_path, *many_types())

    spool = spool_listed(question, Target("slack"), file, tmp_path / "spools")
    with pytest.raises(Rejected):
        spool_listed(question, Target("slack"), other, tmp_path / "spools")
    run(prod, listed(1, at(1)))

    assert list((tmp_path / "lists").iterdir()) == list((prod.place.spool / "lists").iterdir()) == []
    assert spool.rows == 1
    assert list((prod.place.spool / "matching").iterdir()) == []


_HAPPENED = st.lists(
    st.tuples(
        st.integers(0, 47), st.sampled_from(["a", "b"]), st.integers(1, 3), st.integers(0, 3), st.sampled_from([-2, 0, 0, 2]),
        st.booleans(),
    ),
    max_size=30,
)  # fmt: skip


@pytest.mark.prove
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_HAPPENED, st.integers(0, 4))
def test_whatever_happened_each_event_is_lost_doubled_or_strange_and_counted_once(
    prod: MonthScene, happened: list[tuple[int, str, int, int, int, bool]], strangers: int
) -> None:
    rows, events, truth = [], [listed(f"s{n}", at(1), "a") for n in range(strangers)], Counter(strange=strangers)
    for number, (hour, kind, records, copies, late, dropped) in enumerate(happened):
        moment = START + timedelta(hours=hour, minutes=30)
        outcome = "queue_full" if dropped else "sent"
        rows += [recorded(number, moment, kind=kind, outcome=outcome)] * records
        arrives = 0 if dropped else copies
        events += [listed(number, moment + timedelta(hours=late), kind)] * arrives
        # What arrives on a neighbouring day is not lost, and is no copy of the window's.
        within = TWO_DAYS.start <= moment + timedelta(hours=late) < TWO_DAYS.end
        truth.update(sent=not dropped, dropped=dropped, lost=not dropped and not copies, repeats=records - 1)
        truth.update(copies=arrives - 1 if arrives and within else 0)
    prod.configure(emitted={"gateway": prod.files(columns={"outcome": "outcome"})})
    writes(prod, *rows)

    found = run(prod, *events).reconciliation.cells

    told = Counter(
        {
            "sent": sum(cell.emitted.sent for cell in found if cell.emitted),
            "dropped": sum(cell.emitted.dropped for cell in found if cell.emitted),
            "repeats": sum(cell.emitted.repeats for cell in found if cell.emitted),
            "lost": sum(cell.received.lost or 0 for cell in found if cell.received),
            "copies": sum(cell.received.duplicates or 0 for cell in found if cell.received),
            "strange": sum(cell.received.extra or 0 for cell in found if cell.received),
        }
    )
    assert +told == +truth
