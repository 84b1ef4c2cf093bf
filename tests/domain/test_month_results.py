"""A month is what its days say: what is missing is named, what waits is not judged, and chance alone is no breach."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from domain.event_counts import NOT_SPLIT, Fate, Trust
from domain.findings import decided
from domain.month_results import Sides, false_alarms_expected, month_results, waived
from domain.reconciliation import Bounds, Emitted, Finding, Overlay, ProbeRatio, Received, Waiver, Why
from domain.verdicts import Verdict
from domain.windows import DAY, HOUR, Month, Window, day_window
from tests.domain.target_months import MINUTE, OCTOBER, RULE, SETTLED, Key, every_day, result_of, sides_of
from tests.domain.test_clock_shift import RHYTHM

DAY_ONE = date(2026, 10, 1)
WAIVER = Waiver("slack", "Ada", "a known limit", date(2026, 12, 31))


def test_a_month_that_agrees_is_ok_with_a_cell_for_every_day() -> None:
    month, cells = result_of(sides_of(*every_day(1000, 1000)))

    assert (month.finding, month.raw_above, month.cause) == (Finding.OK, False, None)
    assert [cell.day for cell in cells] == list(OCTOBER.window.days())
    assert month.low == 0
    assert month.high == pytest.approx(0.000119, abs=1e-6)


def test_a_february_has_its_29th() -> None:
    february = Month(2024, 2)
    days = {(day, "a"): Emitted(9, 9, 9) for day in february.window.days()}
    received = {key: Received(9) for key in days if key[0].day != 29}

    month, cells = result_of(sides_of(days, received), february.window)

    assert len(cells) == 29
    assert month.compared is not None
    assert (month.compared.expected, month.compared.loss) == (261, Bounds(9, 9))


@pytest.mark.parametrize("by_ids", [False, True])
def test_an_integration_to_which_nothing_was_sent_is_ok_where_nothing_arrived(by_ids: bool) -> None:  # noqa: FBT001 (a parameter)
    month, cells = result_of(sides_of({}, {}, by_ids=by_ids))

    assert (month.finding, month.why, cells) == (
        Finding.OK,
        "nothing was expected, and nothing arrived without a reason",
        [],
    )
    assert (month.emitted, month.received) == (Emitted(0, 0, 0), Received(0, 0, 0, 0))


@pytest.mark.parametrize(
    ("received", "by_ids"), [(Received(5), False), (Received(5, 5, 0, 5), True)]
)  # fmt: skip
def test_what_arrived_where_nothing_was_sent_is_a_breach(received: Received, by_ids: bool) -> None:  # noqa: FBT001 (a parameter)
    month, cells = result_of(sides_of({}, {(DAY_ONE + DAY, "a"): received}, by_ids=by_ids))

    assert (month.finding, month.raw_above) == (Finding.BREACH, True)
    assert [cell.finding for cell in cells] == [Finding.BREACH]
    assert month.cause is not None
    assert "another sender" in month.cause.cause


def test_what_a_vendor_received_nothing_of_is_lost_and_not_unknown() -> None:
    emitted, _ = every_day(100, 0)

    month, cells = result_of(sides_of(emitted, {}))

    assert month.finding is Finding.BREACH
    assert month.received == Received(0)
    assert {cell.compared.loss for cell in cells if cell.compared} == {Bounds(100, 100)}


def test_a_day_without_data_is_not_a_day_without_events() -> None:
    emitted, received = every_day(1000, 1000)
    missing = {DAY_ONE: "the vendor keeps 30 days"}
    del received[DAY_ONE, "a"]

    month, cells = result_of(replace(sides_of(emitted, received), received_missing=missing))

    assert (month.finding, month.days_missing) == (Finding.NO_DATA, (DAY_ONE,))
    assert (cells[0].finding, cells[0].received, cells[0].compared) == (Finding.NO_DATA, None, None)
    assert (cells[0].emitted, cells[0].missing) == (Emitted(1000, 1000, 1000), "received: the vendor keeps 30 days")
    assert month.compared is not None
    assert (month.compared.expected, month.compared.loss) == (30_000, Bounds(0, 0))
    assert month.cause is not None
    assert month.cause.cause.startswith("1 Oct: received: the vendor keeps 30 days")


def test_what_was_read_of_a_day_that_is_missing_counts_for_nothing() -> None:
    missing = {DAY_ONE: "events.jsonl.gz is truncated"}

    month, cells = result_of(replace(sides_of(*every_day(1000, 1000)), emitted_missing=missing))

    assert cells[0].emitted is None
    assert month.emitted is not None
    assert month.emitted.sent == 30_000


def test_a_day_that_both_sides_lack_says_why_for_each() -> None:
    sides = replace(
        sides_of(*every_day(10, 10)), emitted_missing={DAY_ONE: "no file"}, received_missing={DAY_ONE: "no answer"}
    )

    _, cells = result_of(sides)

    assert cells[0].missing == "emitted: no file; received: no answer"


def test_a_month_of_which_a_side_knows_nothing_has_no_number_there() -> None:
    emitted, _ = every_day(10, 10)
    nothing = dict.fromkeys(OCTOBER.window.days(), "no answer")

    month, cells = result_of(replace(sides_of(emitted, {}), received_missing=nothing))

    assert (month.finding, month.received, month.compared) == (Finding.NO_DATA, None, None)
    assert (month.low, month.high, month.raw_above) == (None, None, False)
    assert month.emitted == Emitted(310, 310, 310)
    assert {cell.finding for cell in cells} == {Finding.NO_DATA}


def test_a_side_that_says_nothing_at_all_is_no_data_even_without_a_type() -> None:
    nothing = dict.fromkeys(OCTOBER.window.days(), "no answer")

    month, cells = result_of(replace(sides_of({}, {}), emitted_missing=nothing, received_missing=nothing))

    assert (month.finding, len(cells), {cell.type for cell in cells}) == (Finding.NO_DATA, 31, {NOT_SPLIT})


def test_missing_days_hide_no_breach_of_the_others() -> None:
    month, _ = result_of(replace(sides_of(*every_day(1000, 900)), received_missing={DAY_ONE: "no answer"}))

    assert month.finding is Finding.NO_DATA
    assert "1 days without data; of the others BREACH" in month.why


def test_before_it_settles_a_month_is_provisional_whatever_it_says() -> None:
    sides = sides_of(*every_day(1000, 900))

    before, _ = result_of(sides, now=SETTLED - timedelta(microseconds=1))
    after, _ = result_of(sides, now=SETTLED)

    assert before.finding is Finding.PROVISIONAL
    assert before.why.startswith("settles 2026-11-05 00:00 UTC; so far BREACH: ")
    assert after.finding is Finding.BREACH
    assert decided([before]) is Verdict.WAITING


@pytest.mark.parametrize("finding", [Finding.BREACH, Finding.INCONCLUSIVE, Finding.NO_DATA])
def test_a_waiver_is_printed_with_what_it_accepts_and_is_never_green(finding: Finding) -> None:
    month, _ = result_of(sides_of(*every_day(1000, 900)))

    found = waived(replace(month, finding=finding, why="it differs"), WAIVER)

    assert (found.finding, found.waiver) == (Finding.WAIVED, WAIVER)
    assert found.why == f"waived until 2026-12-31 by Ada (a known limit); {finding.value}: it differs"
    assert decided([found]) is Verdict.WAITING


@pytest.mark.parametrize("finding", [Finding.OK, Finding.EXPLAINED, Finding.PROVISIONAL])
def test_what_needs_no_acceptance_is_not_waived(finding: Finding) -> None:
    month = replace(result_of(sides_of({}, {}))[0], finding=finding)

    assert waived(month, WAIVER) is month
    assert waived(month, None) is month


def test_one_waived_integration_does_not_waive_another() -> None:
    month, _ = result_of(sides_of(*every_day(1000, 900)))

    assert decided([waived(month, WAIVER), month]) is Verdict.HOLD


def test_types_that_the_vendor_does_not_tell_apart_are_compared_together() -> None:
    hours = (1,) * 24
    emitted = {(DAY_ONE, kind): Emitted(24, 24, 24, by_hour=hours) for kind in "ab"}

    month, cells = result_of(
        replace(sides_of(emitted, {(DAY_ONE, NOT_SPLIT): Received(48)}), splits_types=False)
    )  # fmt: skip

    assert (month.finding, len(cells)) == (Finding.OK, 1)
    assert cells[0].emitted == Emitted(48, 48, 48, by_hour=(2,) * 24)


def test_hours_of_types_together_are_known_where_each_ones_are() -> None:
    emitted = {(DAY_ONE, "a"): Emitted(24, 24, 24, by_hour=(1,) * 24), (DAY_ONE, "b"): Emitted(5, 5, 5)}

    _, cells = result_of(replace(sides_of(emitted, {}), splits_types=False))

    assert cells[0].emitted == Emitted(29, 29, 29)


def test_an_explained_difference_stays_listed() -> None:
    emitted, received = every_day(1000, 900)
    refused = {key: replace(one, losses=((Fate.FILTERED, "old", 100),)) for key, one in received.items()}

    month, cells = result_of(sides_of(emitted, refused))

    assert (month.finding, month.raw_above) == (Finding.EXPLAINED, True)
    assert {cell.finding for cell in cells} == {Finding.EXPLAINED}
    assert month.cause is not None
    assert "filtered: old (3,100 events)" in month.cause.cause


def test_a_breach_of_an_estimate_does_not_tell() -> None:
    month, _ = result_of(replace(sides_of(*every_day(1000, 900)), trust=(Trust.COUNTERS, Trust.ESTIMATE)))

    assert month.finding is Finding.INCONCLUSIVE
    assert month.why.startswith("what was emitted is an estimate: ")


def test_what_belongs_to_a_target_goes_with_its_month() -> None:
    sides = replace(sides_of(*every_day(10, 10)), probes=ProbeRatio(40, 39), missing_ids=("x1",))

    month, _ = result_of(sides)

    assert (month.probes, month.missing_ids, month.settles_at) == (ProbeRatio(40, 39), ("x1",), SETTLED)


def test_a_sample_that_is_too_small_to_tell_is_not_judged() -> None:
    month, _ = result_of(sides_of(*every_day(2_000, 1_000), rate=0.5))

    assert month.finding is Finding.INCONCLUSIVE
    assert "so few events are sampled" in month.why


def test_a_large_sample_is_ok_although_every_day_of_it_is_noisy() -> None:
    chance = np.random.default_rng(7)
    emitted, _ = every_day(40_000, 0)
    received = {key: Received(int(chance.binomial(40_000, 0.5))) for key in emitted}

    month, cells = result_of(sides_of(emitted, received, rate=0.5))

    assert month.finding is Finding.OK
    assert Finding.BREACH not in {cell.finding for cell in cells}


def test_a_loss_within_a_samplers_noise_of_the_rule_is_not_ok() -> None:
    """1.4 % are missing of which 0.5 % may be noise: the true loss may be below the rule or above."""
    month, _ = result_of(sides_of(*every_day(12_000, 5_916), rate=0.5))

    assert month.finding is Finding.INCONCLUSIVE


def test_a_few_sampled_events_do_not_spoil_a_month_of_many() -> None:
    emitted, received = every_day(10_000, 10_000)
    debug, seen = every_day(10, 1, "debug")
    sides = sides_of({**emitted, **debug}, {**received, **seen})

    month, _ = result_of(replace(sides, manner=replace(sides.manner, rates={"debug": 0.1})))

    assert month.finding is Finding.OK


def test_a_sampled_month_keeps_what_an_incident_explains() -> None:
    emitted, received = every_day(40_000, 20_000)
    received[DAY_ONE + DAY, "a"] = Received(0)
    sides = sides_of(emitted, received, rate=0.5)
    down = Overlay(day_window(DAY_ONE + DAY), "slack", "the vendor was down")

    month, _ = result_of(replace(sides, manner=replace(sides.manner, overlays=(down,))))

    assert month.finding is Finding.EXPLAINED
    assert month.compared is not None
    assert [(one.why, one.events) for one in month.compared.loss_explained] == [(Why.INCIDENT, 20_000)]


def at_utc_minus_8(*, knows_november: bool) -> Sides:
    """Return an October of a vendor in whose words every event is 8 hours earlier."""
    chance = random.Random(3)  # noqa: S311 (test data)
    hours = [round(events * chance.uniform(0.9, 1.1)) for _ in range(32) for events in RHYTHM]
    october = hours[: 31 * 24]
    theirs = (hours if knows_november else [*october, *([0] * 24)])[8 : 31 * 24 + 8]
    days = list(OCTOBER.window.days())
    emitted = {(day, "a"): of_day(october, number) for number, day in enumerate(days)}
    received = {(day, "a"): of_day(theirs, number) for number, day in enumerate(days)}
    return sides_of(
        {key: Emitted(sum(one), sum(one), sum(one), by_hour=one) for key, one in emitted.items()},
        {key: Received(sum(one), by_hour=one) for key, one in received.items()},
    )


def of_day(hours: list[int], number: int) -> tuple[int, ...]:
    return tuple(hours[number * 24 : number * 24 + 24])


@pytest.mark.parametrize("knows_november", [True, False])
def test_a_vendor_at_utc_minus_8_is_found_and_not_called_loss(knows_november: bool) -> None:  # noqa: FBT001 (a parameter)
    month, cells = result_of(at_utc_minus_8(knows_november=knows_november))

    assert month.shift is not None
    assert month.shift.hours == -8
    assert month.finding is not Finding.EXPLAINED
    assert month.cause is None or "It is the time zone, not loss." in month.cause.cause
    # What a day lacks is not all explained away as lateness of a minute.
    assert any(cell.compared and cell.compared.loss_residual.low for cell in cells)


def test_a_shift_is_found_beside_days_without_events_or_data() -> None:
    sides = at_utc_minus_8(knows_november=True)
    emitted = {key: one for key, one in sides.emitted.items() if key[0].day not in {10, 11}}
    received = {key: one for key, one in sides.received.items() if key[0].day not in {10, 11}}

    month, _ = result_of(
        replace(sides, emitted=emitted, received=received, received_missing={date(2026, 10, 31): "no answer"})
    )

    assert month.shift is not None
    assert month.shift.hours == -8


def test_a_shift_of_a_sampled_vendor_is_found() -> None:
    sides = at_utc_minus_8(knows_november=True)
    received = {
        key: Received(sum(halves), by_hour=halves)
        for key, one in sides.received.items()
        if (halves := tuple(n // 2 for n in one.by_hour))
    }

    month, _ = result_of(replace(sides, received=received, manner=replace(sides.manner, rate=0.5)))

    assert month.shift is not None
    assert month.shift.hours == -8


def test_without_hours_on_both_sides_no_shift_is_looked_for() -> None:
    sides = at_utc_minus_8(knows_november=True)
    received = {**sides.received, (DAY_ONE, "a"): Received(5)}

    month, _ = result_of(replace(sides, received=received))

    assert month.shift is None


def grid(loss: float, *, bad: tuple[str, str] = ("", "")) -> Iterator[Sides]:
    """Yield six targets with twenty types and 300 events a day, each lost with this chance; a bad one with 5 %."""
    chance = np.random.default_rng(20261001)
    for target in ("slack", "sentry", "pagerduty", "opsgenie", "datadog", "splunk"):
        emitted: dict[Key, Emitted] = {}
        received: dict[Key, Received] = {}
        for day in OCTOBER.window.days():
            for number in range(20):
                kind = f"type{number}"
                lost = int(chance.binomial(300, 0.05 if (target, kind) == bad else loss))
                emitted[day, kind] = Emitted(300, 300, 300)
                received[day, kind] = Received(300 - lost)
        sides = sides_of(emitted, received)
        yield replace(sides, target=target, manner=replace(sides.manner, shift=MINUTE))


def test_chance_alone_is_no_breach_where_the_naive_rule_cries_wolf_some_fifty_times() -> None:
    months, cells = month_results(list(grid(0.003)), RULE, OCTOBER.window, SETTLED)

    naive = sum((cell.compared.difference_share or 0) > RULE.tolerance for cell in cells if cell.compared)
    assert len(cells) == 31 * 6 * 20
    assert 40 <= naive <= 60
    assert [cell for cell in cells if cell.finding is Finding.BREACH] == []
    assert {month.finding for month in months} == {Finding.OK}
    assert (decided(months), false_alarms_expected(cells)) == (Verdict.GREEN, 0)


def test_a_cell_that_is_bad_enough_alone_is_not_among_many() -> None:
    """Four of a hundred come about by chance once in fifty cells."""
    bad = {(DAY_ONE, "a"): Emitted(100, 100, 100)}, {(DAY_ONE, "a"): Received(96)}
    others = every_day(100, 100, "b")

    _, alone = result_of(sides_of(*bad))
    _, among = result_of(sides_of({**bad[0], **others[0]}, {**bad[1], **others[1]}))

    assert [cell.finding for cell in alone] == [Finding.BREACH]
    assert [cell.finding for cell in among if cell.type == "a"] == [Finding.INCONCLUSIVE]


def test_a_type_that_loses_five_percent_stands_out_of_the_grid() -> None:
    months, cells = month_results(list(grid(0.003, bad=("sentry", "type7"))), RULE, OCTOBER.window, SETTLED)

    breaches = {(cell.target, cell.type) for cell in cells if cell.finding is Finding.BREACH}
    assert breaches == {("sentry", "type7")}
    assert false_alarms_expected(cells) == pytest.approx(
        0.05 * sum(cell.finding is Finding.BREACH for cell in cells)
    )  # fmt: skip
    assert [month.finding for month in months if month.target != "sentry"] == [Finding.OK] * 5


def test_cells_of_several_targets_are_told_in_the_order_asked() -> None:
    sides = sides_of(*every_day(10, 10))

    months, cells = month_results(
        [replace(sides, target="splunk"), replace(sides, target="datadog")], RULE, OCTOBER.window, SETTLED
    )

    assert [month.target for month in months] == ["splunk", "datadog"]
    assert [cell.target for cell in cells] == ["splunk"] * 31 + ["datadog"] * 31


def test_a_single_day_is_compared_as_a_month_is() -> None:
    window = Window(datetime(2026, 10, 9, tzinfo=UTC), datetime(2026, 10, 10, tzinfo=UTC))
    key = (date(2026, 10, 9), "a")

    month, cells = result_of(sides_of({key: Emitted(1000, 1000, 1000)}, {key: Received(900)}), window)

    assert (month.finding, [cell.day for cell in cells]) == (Finding.BREACH, [key[0]])
    assert window.end - window.start == 24 * HOUR


def window_of(begin: int, end: int, *, explains: bool = False) -> Overlay:
    start = day_window(DAY_ONE).start
    return Overlay(Window(start + begin * HOUR, start + end * HOUR), "slack", "a rotation", explains)


def test_the_loss_in_known_windows_is_told_and_not_explained_by_them() -> None:
    hours, arrived = (10,) * 24, (10,) * 9 + (2, 2) + (10,) * 9 + (8,) + (10,) * 3
    sides = sides_of(
        {(DAY_ONE, "a"): Emitted(240, 240, 240, by_hour=hours)}, {(DAY_ONE, "a"): Received(222, by_hour=arrived)}
    )

    month, _ = result_of(replace(sides, windows=(window_of(9, 11),)))

    assert month.loss_in_windows == Bounds(16, 16)
    assert month.compared is not None
    assert month.compared.loss_residual == Bounds(18, 18)


@pytest.mark.parametrize(("end", "within"), [(12, Bounds(80, 120)), (24, Bounds(200, 200)), (1, Bounds(0, 10))])
def test_where_hours_are_not_known_the_loss_in_windows_is_what_cannot_lie_outside(end: int, within: Bounds) -> None:
    sides = sides_of({(DAY_ONE, "a"): Emitted(240, 240, 240)}, {(DAY_ONE, "a"): Received(40)})

    month, _ = result_of(replace(sides, windows=(window_of(0, end),)))

    assert month.loss_in_windows == within


def test_without_known_windows_nobody_asks_what_lies_in_them() -> None:
    month, _ = result_of(sides_of(*every_day(10, 5)))

    assert month.loss_in_windows is None
