"""Lost events are named where both sides list them, and only there; what keeps them from being looked up is said."""

from datetime import date, timedelta

import pytest

from domain.event_counts import Count, Fate
from domain.reconciliation import Finding
from domain.reconciliation_sections import ReceivedSection
from domain.windows import DAY, day_window
from ledger.collected_counts import keep_counts
from steps.received_sides import section_digest
from tests.steps.conftest import OpenScene
from tests.steps.month_scenes import THREE_DAYS, MonthScene, Rows, Vendor, at, every_day, listed, recorded

FIRST, SECOND, THIRD = (date(2026, 10, day) for day in (1, 2, 3))
IDS = ReceivedSection(by="ids", type_field="kind")


@pytest.fixture
def prod(open_in: OpenScene) -> MonthScene:
    scene = MonthScene.of(open_in("prod", "slack"))
    scene.configure(received={"slack": IDS})
    return scene


def writes(scene: MonthScene, each: int) -> list[str]:
    """Write so many events into the file of each day, and return the names of those on the third one."""
    names = every_day(THREE_DAYS, each)
    for day in THREE_DAYS.days():
        scene.writes(str(day), [recorded(name, moment) for name, moment in names if moment.date() == day])
    return [name for name, moment in names if moment.date() == THIRD]


def days_named(rows: Rows) -> set[str]:
    return {line[:10] for line in rows.month().missing_ids}


def test_events_of_days_that_are_only_counted_are_not_named_and_take_no_place(prod: MonthScene) -> None:
    third = writes(prod, 200)
    for day, events in ((FIRST, 200), (SECOND, 100)):
        whole = day_window(day)
        counts = [Count(whole.start, DAY, "alert", Fate.ACCEPTED, events)]
        keep_counts(prod.scene.ledger, "run-1", "prod", "slack", whole, section_digest(IDS), counts)
    arrived = [listed(name, at(3)) for name in third[80:]]

    rows = prod.run(
        {"slack": Vendor("ids", arrived).counting(retention=timedelta(days=30))}, now=at(2, 5) + timedelta(days=30)
    )

    assert rows.month().finding is Finding.BREACH
    assert len(rows.month().missing_ids) == 80
    assert days_named(rows) == {str(THIRD)}


def test_events_of_days_that_files_do_not_tell_of_are_not_named(prod: MonthScene) -> None:
    third = writes(prod, 20)
    (prod.events / "events-2026-10-02.jsonl").unlink()
    prod.writes("2026-10-03", [recorded("late", at(2, 23.9)), *(recorded(name, at(3)) for name in third)])

    rows = prod.run({"slack": Vendor("ids").counting()})

    assert rows.month().finding is Finding.NO_DATA
    assert days_named(rows) <= {str(FIRST), str(THIRD)}


def test_verifications_that_did_not_arrive_are_not_named(prod: MonthScene) -> None:
    prod.configure(emitted={"gateway": prod.files(columns={"verify": "verify"})})
    writes(prod, 2)
    prod.writes("2026-10-01", [recorded("probe", at(1), verify=True), recorded("event", at(1), verify=False)])

    rows = prod.run({"slack": Vendor("ids").counting()}, day_window(FIRST))

    assert [line.split()[2] for line in rows.month().missing_ids] in ([], ["e-event"])


def test_a_machine_that_cannot_keep_what_is_looked_up_costs_the_names_alone(prod: MonthScene) -> None:
    writes(prod, 40)
    prod.place.spool.mkdir(parents=True, exist_ok=True)
    (prod.place.spool / "looking").write_bytes(b"no folder")

    rows = prod.run({"slack": Vendor("ids").counting()})

    assert (rows.month().finding, rows.month().missing_ids) == (Finding.BREACH, ())
    assert ["could not be looked up" in words for words in rows.fault_words()] == [True]


def test_what_a_killed_run_looked_into_is_removed(prod: MonthScene) -> None:
    writes(prod, 40)
    left = prod.place.spool / "looking" / "1234"
    left.mkdir(parents=True)
    (left / "half.part").write_bytes(b"half")

    rows = prod.run({"slack": Vendor("ids").counting()})

    assert len(rows.month().missing_ids) == 100
    assert list((prod.place.spool / "looking").iterdir()) == []
