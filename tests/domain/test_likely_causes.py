"""The first cause that fits is told with what to do next; what agrees has none."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.event_counts import Trust, Unit
from domain.likely_causes import Case, likely_cause
from domain.reconciliation import Bounds, Cell, Compared, Explained, Finding, ShiftFound, Why
from domain.vendor_clock import at_vendor
from domain.windows import HOUR

FIRST = date(2026, 10, 1)
NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
DAYS = 31
NOTHING = Bounds(0, 0)


def compared(lost: int = 0, over: int = 0, *, expected: int = 1000, reasons: Sequence[Explained] = ()) -> Compared:
    return Compared(
        expected,
        expected - lost + over,
        Bounds(lost, lost),
        Bounds(over, over),
        None,
        tuple(reasons) if lost else (),
        tuple(reasons) if over else (),
    )


def cell(day: int, kind: str, what: Compared | None, missing: str = "") -> Cell:
    return Cell(
        FIRST + timedelta(days=day),
        "slack",
        kind,
        None,
        None,
        what,
        Finding.NO_DATA if what is None else Finding.OK,
        missing,
    )


def case(
    cells: Sequence[Cell],
    *,
    finding: Finding = Finding.BREACH,
    month: Compared | None = None,
    shift: ShiftFound | None = None,
    trust: Trust = Trust.EXACT,
    unit: Unit = Unit.EVENTS,
    by_ids: bool = False,
    days_missing: Sequence[date] = (),
) -> Case:
    known = [one.compared for one in cells if one.compared is not None]
    lost, over = (sum(one.loss.high for one in known), sum(one.excess.high for one in known))
    whole = month or compared(lost, over, expected=1000 * DAYS)
    return Case("slack", finding, whole, cells, shift, (trust,), unit, by_ids, tuple(days_missing))


def cause_of(what: Case) -> str:
    found = likely_cause(what)
    assert found is not None
    assert found.cause.endswith((".", "?"))
    assert found.next_step.endswith(".")
    return found.cause


def steady(lost: int = 20, over: int = 0, kinds: str = "ab") -> list[Cell]:
    return [cell(day, kind, compared(lost, over)) for day in range(DAYS) for kind in kinds]


@pytest.mark.parametrize("finding", [Finding.OK, Finding.PROVISIONAL])
def test_what_agrees_or_is_not_over_has_no_cause(finding: Finding) -> None:
    assert likely_cause(case(steady(), finding=finding)) is None


def test_what_could_not_be_read_is_named_with_its_days() -> None:
    lacking = [cell(day, "a", None, "received: the vendor did not answer") for day in (3, 4)]

    found = cause_of(case(lacking, finding=Finding.NO_DATA, days_missing=[one.day for one in lacking]))

    assert found == "4 Oct, 5 Oct: received: the vendor did not answer."


def test_many_missing_days_are_counted() -> None:
    lacking = [cell(day, "a", None, "emitted: none was found") for day in range(10)]

    found = cause_of(case(lacking, finding=Finding.NO_DATA, days_missing=[one.day for one in lacking]))

    assert found.endswith("7 Oct and 3 more: emitted: none was found.")


def test_a_shift_is_the_time_zone_and_not_loss() -> None:
    found = likely_cause(case(steady(), shift=ShiftFound(-8, "The vendor's hours are ours moved 8 h earlier.")))

    assert found is not None
    assert found.cause.endswith("It is the time zone, not loss.")
    assert 'time_zone = "Etc/GMT-8"' in found.next_step


@pytest.mark.parametrize("hours", [-14, -8, -1, 1, 12])
def test_the_zone_that_is_advised_undoes_the_shift(hours: int) -> None:
    found = likely_cause(case(steady(), shift=ShiftFound(hours, "Moved.")))

    assert found is not None
    named = re.search(r'time_zone = "([^"]+)"', found.next_step)
    assert named is not None
    assert at_vendor(NOON, ZoneInfo(named[1])) == NOON + hours * HOUR


@pytest.mark.parametrize("hours", [-24, -15, 13, 24])
def test_a_shift_that_no_time_zone_has_is_another_clocks(hours: int) -> None:
    found = likely_cause(case(steady(), shift=ShiftFound(hours, "Moved.")))

    assert found is not None
    assert found.next_step.startswith(f"No time zone is {abs(hours)} h away")


def test_merged_alerts_are_below_what_was_sent_with_nothing_lost() -> None:
    assert "merges repeats" in cause_of(case(steady(), unit=Unit.MERGED))
    assert "merges repeats" not in cause_of(case(steady(), unit=Unit.MERGED, by_ids=True))
    assert "merges repeats" not in cause_of(case(steady(0, 20), unit=Unit.MERGED))


def test_an_estimate_is_told_before_the_vendor_is_blamed() -> None:
    assert "estimate of Prometheus" in cause_of(case(steady(), trust=Trust.ESTIMATE))


@pytest.mark.parametrize(("lost", "over"), [(20, 0), (0, 20)])
def test_an_explained_difference_tells_its_greatest_reason(lost: int, over: int) -> None:
    reasons = [Explained(Why.VENDOR, "filtered: too old", 600), Explained(Why.INCIDENT, "down", 20)]
    month = compared(31 * lost, 31 * over, expected=31_000, reasons=reasons)

    found = cause_of(case(steady(lost, over), finding=Finding.EXPLAINED, month=month))

    assert found == "Mostly the vendor says so: filtered: too old (600 events)."


@pytest.mark.parametrize(("by_ids", "next_step"), [(False, 'by = "ids"'), (True, "record what it samples out")])
def test_what_may_be_nothing_is_not_told_as_a_loss(by_ids: bool, next_step: str) -> None:  # noqa: FBT001 (a parameter)
    month = Compared(31_000, 31_000, Bounds(0, 900), NOTHING, None)

    found = likely_cause(case(steady(), finding=Finding.INCONCLUSIVE, month=month, by_ids=by_ids))

    assert found is not None
    assert found.cause.startswith("It may be nothing")
    assert next_step in found.next_step


@pytest.mark.parametrize(("copies", "repeats", "told"), [(600, 0, True), (620, 20, True), (620, 400, False)])
def test_copies_that_nobody_recorded_are_told_where_ids_show_them(copies: int, repeats: int, told: bool) -> None:  # noqa: FBT001 (a parameter)
    recorded = (Explained(Why.REPEATS, "sent more than once", repeats),)
    over = Bounds(repeats + 600, repeats + 600)
    month = Compared(31_000, 31_000 + over.high, NOTHING, over, copies, (), recorded)

    found = cause_of(case(steady(0, 20), month=month, by_ids=True))

    assert ("The vendor has events more than once" in found) == told


def test_types_that_nobody_recorded_come_from_another_sender() -> None:
    cells = [*steady(0, 1, "a"), *(cell(day, "foreign", compared(0, 50, expected=0)) for day in range(DAYS))]

    assert "another sender" in cause_of(case(cells))


def test_a_few_bad_days_are_named() -> None:
    cells = [cell(day, "a", compared(300 if day in {11, 12} else 1)) for day in range(DAYS)]

    assert cause_of(case(cells)) == "It happened on 12 October, 13 October; the other days agree."


def test_a_type_that_is_most_of_it_is_named() -> None:
    cells = [*steady(1, kinds="a"), *steady(30, kinds="b")]

    assert cause_of(case(cells)) == "It is events of type 'b' (930 of 961)."


def test_what_began_on_a_day_and_goes_on_is_told_from_that_day() -> None:
    cells = [cell(day, kind, compared(20 if day >= 14 else 0)) for day in range(DAYS) for kind in "ab"]

    assert cause_of(case(cells)) == "It began on 15 October and goes on."


def test_what_began_and_ended_is_not_told_to_go_on() -> None:
    cells = [cell(day, kind, compared(20 if 3 <= day < 12 else 0)) for day in range(DAYS) for kind in "ab"]

    assert "goes on" not in cause_of(case(cells))


def test_the_rest_is_even_and_names_the_side() -> None:
    assert cause_of(case(steady())) == "Events are lost evenly, over all days and types."
    assert cause_of(case(steady(0, 20))) == "Events are too many evenly, over all days and types."


def test_the_heavier_side_is_told() -> None:
    assert case(steady(20, 10)).is_loss
    assert not case(steady(10, 20)).is_loss
