"""What a month's comparison says holds for what was planted: bounds contain the truth, and nothing is netted or told twice."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.comparing import summed
from domain.event_counts import Fate
from domain.findings import Rule
from domain.month_results import month_results
from domain.reconciliation import Bounds, Cell, Compared, Explained, Finding, TargetMonth, Why
from domain.windows import HOUR
from tests.domain.planted_months import SETTLED, Copy, Group, Key, Outcome, Planted, months

RULE = Rule(0.01, 0.95)
# Other months are drawn in every run. How long one takes says how busy the machine is, and nothing else.
_few = settings(max_examples=40, deadline=None)


def told(planted: Planted) -> tuple[TargetMonth, tuple[Cell, ...]]:
    months_told, cells = month_results([planted.sides()], RULE, planted.window, SETTLED)
    return months_told[0], cells


def compared_of(cell: Cell | TargetMonth) -> Compared:
    assert cell.compared is not None
    return cell.compared


def every(month: TargetMonth, cells: Iterable[Cell]) -> list[Compared]:
    return [compared_of(month), *(compared_of(cell) for cell in cells)]


def because(explained: Iterable[Explained], *whys: Why) -> int:
    return sum(one.events for one in explained if one.why in whys)


@_few
@given(months(unrecorded=True, by_ids=True))
def test_by_ids_the_loss_is_exactly_what_was_lost(planted: Planted) -> None:
    _, cells = told(planted)

    lost = {
        (cell.day, cell.type): sum(
            group.events
            for group in planted.groups
            if group.is_sent and not group.accepted and (planted.day(group.day), group.type) == (cell.day, cell.type)
        )
        for cell in cells
    }
    assert {(cell.day, cell.type): compared_of(cell).loss for cell in cells} == {
        key: Bounds(events, events) for key, events in lost.items()
    }


@_few
@given(months(unrecorded=True, by_ids=True))
def test_by_ids_the_excess_is_exactly_what_arrived_beyond_one_of_each(planted: Planted) -> None:
    _, cells = told(planted)

    for cell in cells:
        beyond = planted.beyond((cell.day, cell.type))
        assert compared_of(cell).excess == Bounds(beyond, beyond)


@_few
@given(months(unrecorded=True, by_ids=True))
@example(
    Planted(
        1,
        (Group(0, 9, "a", 10, copies=(Copy.ACCEPTED, Copy.DEDUPLICATED)), Group(0, 9, "a", 10, copies=(Copy.SILENT,))),
        by_ids=True,
    )
)
@example(Planted(1, (Group(0, 9, "a", 10, copies=(Copy.LIMITED, Copy.ACCEPTED)), Group(0, 9, "a", 10, copies=(Copy.SILENT,))), by_ids=True))  # fmt: skip
def test_by_ids_what_was_lost_without_a_word_lies_within_the_residual(planted: Planted) -> None:
    month, cells = told(planted)

    for cell in cells:
        assert_within(planted, cell, (cell.day, cell.type))
    assert_month_within(planted, month)


@_few
@given(months(by_ids=True))
def test_by_ids_and_without_repeats_the_residual_is_exact(planted: Planted) -> None:
    once = replace(
        planted,
        incident=None,
        groups=tuple(replace(group, copies=group.copies[:1], twins=0) for group in planted.groups),
    )
    month, cells = told(once)

    for cell in cells:
        silent = once.silent((cell.day, cell.type))
        assert compared_of(cell).loss_residual == Bounds(silent, silent)
    assert compared_of(month).loss_residual == Bounds(once.silent(), once.silent())


@_few
@given(months(by_ids=False))
@example(
    Planted(
        1,
        (
            Group(0, 9, "a", 10, copies=(Copy.LIMITED, Copy.LIMITED)),
            Group(0, 9, "a", 10, copies=(Copy.SILENT, Copy.SILENT)),
        ),
    )
)
@example(
    Planted(
        2, (Group(0, 9, "a", 10, copies=(Copy.SILENT,)), Group(1, 9, "a", 10, copies=(Copy.LIMITED, Copy.ACCEPTED)))
    )
)
@example(
    Planted(
        1,
        (Group(0, 9, "a", 10, outcome=Outcome.SAMPLED), Group(0, 9, "a", 10, copies=(Copy.SILENT,))),
        tells_drops=True,
    )
)
@example(Planted(1, (Group(0, 9, "a", 10, copies=(Copy.LIMITED,)), Group(0, 15, "a", 10, copies=(Copy.SILENT,))), incident=(9, 11)))  # fmt: skip
def test_by_counts_what_was_lost_without_a_word_lies_within_the_residual(planted: Planted) -> None:
    month, cells = told(planted)

    for cell in cells:
        assert_within(planted, cell, (cell.day, cell.type))
    assert_month_within(planted, month)


@_few
@given(months(by_ids=False))
def test_by_counts_what_arrived_beyond_one_of_each_lies_within_the_excess(planted: Planted) -> None:
    _, cells = told(planted)

    for cell in cells:
        excess = compared_of(cell).excess
        assert excess.low <= planted.beyond((cell.day, cell.type)) <= excess.high


@_few
@given(months(by_ids=False, unrecorded=True))
def test_by_counts_what_nobody_recorded_hides_losses_and_invents_none(planted: Planted) -> None:
    month, cells = told(planted)

    for cell in cells:
        assert compared_of(cell).loss_residual.low <= planted.silent((cell.day, cell.type))
    left = compared_of(month)
    explained = because(left.loss_explained, Why.INCIDENT)
    assert left.loss_residual.low <= planted.silent() <= left.loss_residual.high + explained + planted.unrecorded


@_few
@given(months(by_ids=False, late=True))
def test_lateness_takes_no_more_off_the_truth_than_came_late(planted: Planted) -> None:
    month, _ = told(planted)

    left = compared_of(month)
    chance = because(left.loss_explained, Why.INCIDENT, Why.BOUNDARY)
    assert left.loss_residual.low - planted.moved <= planted.silent()
    assert planted.silent() <= left.loss_residual.high + chance + planted.moved


@_few
@given(st.lists(st.integers(0, 20), min_size=1, max_size=6), st.integers(20, 40))
def test_a_lag_that_goes_on_for_days_shows_nothing_missing_or_too_much(late: list[int], sent: int) -> None:
    groups = [
        Group(day, 23, "a", events, late=is_late)
        for day, late_ones in enumerate(late)
        for events, is_late in ((sent - late_ones, False), (late_ones, True))
        if events
    ]

    month, cells = told(Planted(len(late), tuple(groups), shift=HOUR))

    for found in every(month, cells):
        assert (found.loss_residual.low, found.excess_residual) == (0, Bounds(0, 0))
    # What came after the last day is all that nothing shows.
    assert compared_of(month).loss_residual.high == late[-1]


@_few
@given(months(late=True, unrecorded=True))
def test_what_is_explained_and_what_is_left_are_the_difference(planted: Planted) -> None:
    month, cells = told(planted)

    for found in every(month, cells):
        for raw, explained, left in (
            (found.loss, found.loss_explained, found.loss_residual),
            (found.excess, found.excess_explained, found.excess_residual),
        ):
            assert all(one.events > 0 for one in explained)
            assert sum(one.events for one in explained) + left.high == raw.high
            assert 0 <= left.low <= left.high


# Ids are matched beyond the ends of the month, so that what came late is in no count of it.
@_few
@given(months(late=True, unrecorded=True, by_ids=False) | months(unrecorded=True, by_ids=True))
def test_loss_and_excess_are_the_whole_difference_and_never_netted(planted: Planted) -> None:
    month, cells = told(planted)

    for found in every(month, cells):
        assert found.expected == found.received + found.loss.high - found.excess.high
        assert found.expected == found.received + found.loss.low - found.excess.low


@_few
@given(months(late=True, unrecorded=True))
def test_the_month_is_the_sum_of_its_cells(planted: Planted) -> None:
    month, cells = told(planted)

    found, parts = compared_of(month), [compared_of(cell) for cell in cells]
    assert found == summed(parts)
    assert found.expected == sum(part.expected for part in parts)
    assert found.loss == sum((part.loss for part in parts), start=Bounds(0, 0))
    assert found.excess == sum((part.excess for part in parts), start=Bounds(0, 0))
    assert found.loss_residual == sum((part.loss_residual for part in parts), start=Bounds(0, 0))
    assert found.excess_residual == sum((part.excess_residual for part in parts), start=Bounds(0, 0))
    assert month.emitted is not None
    assert month.received is not None
    assert month.emitted.sent == sum(cell.emitted.sent for cell in cells if cell.emitted)
    assert month.received.events == sum(cell.received.events for cell in cells if cell.received)


@_few
@given(months(late=True, unrecorded=True))
def test_a_vendors_reason_explains_no_more_than_the_vendor_said(planted: Planted) -> None:
    _, cells = told(planted)

    for cell in cells:
        assert cell.received is not None
        said = {(fate, reason): events for fate, reason, events in cell.received.losses}
        for one in compared_of(cell).loss_explained:
            if one.why in {Why.VENDOR, Why.RATE_LIMIT}:
                fate, _, reason = one.words.partition(": ")
                assert one.events <= said[Fate(fate), reason]


@_few
@given(months(late=True, unrecorded=True), st.data())
def test_a_day_without_data_is_no_data_and_so_is_the_month(planted: Planted, data: st.DataObject) -> None:
    day = planted.day(data.draw(st.integers(0, planted.days - 1)))
    sides = planted.sides(received_missing={day: "the vendor did not answer"})

    (month,), cells = month_results([sides], RULE, planted.window, SETTLED)

    assert (month.finding, month.days_missing) == (Finding.NO_DATA, (day,))
    of_day = [cell for cell in cells if cell.day == day]
    assert of_day
    assert {(cell.finding, cell.received, cell.compared) for cell in of_day} == {(Finding.NO_DATA, None, None)}
    assert {cell.missing for cell in of_day} == {"received: the vendor did not answer"}


def assert_within(planted: Planted, cell: Cell, key: Key) -> None:
    found = compared_of(cell)
    incident = because(found.loss_explained, Why.INCIDENT)
    silent = planted.silent(key)
    assert found.loss_residual.low <= silent <= found.loss_residual.high + incident
    # An incident explains nothing that was lost at another time.
    assert planted.silent(key, outside_incident=True) <= found.loss_residual.high


def assert_month_within(planted: Planted, month: TargetMonth) -> None:
    left = compared_of(month)
    assert left.loss_residual.low <= planted.silent()
    assert planted.silent(outside_incident=True) <= left.loss_residual.high
