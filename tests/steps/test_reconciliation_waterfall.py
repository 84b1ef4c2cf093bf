"""The steps add up from what was recorded to what was received, whatever the counts can and cannot tell."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.event_counts import NOT_SPLIT
from domain.reconciliation import Bounds, Cell, Compared, Emitted, Explained, Finding, Received, TargetMonth, Why
from steps.reconciliation_waterfall import Kind, Step, Waterfall, waterfall
from tests.steps.compared_months import month_of
from tests.steps.reconciliations import big, sample

DAY = date(2026, 10, 1)
events = st.integers(0, 5_000)


def steps(drawn: Waterfall | None) -> list[Step]:
    assert drawn is not None
    return [bar.step for bar in drawn.bars]


def assert_adds_up(drawn: Waterfall | None) -> None:
    running = 0
    for at, step in enumerate(steps(drawn)):
        assert at == 0 or step.kind is not Kind.LEVEL or step.events == running, step
        running = step.events if step.kind is Kind.LEVEL else running + step.events


def month_with(emitted: Emitted, received: Received, compared: Compared) -> tuple[TargetMonth, Cell]:
    cell = Cell(DAY, "slack", NOT_SPLIT, emitted, received, compared, Finding.OK)
    return month_of("slack", [cell], Finding.OK, "", emitted=emitted, received=received, compared=compared), cell


@pytest.mark.parametrize("one", sample().targets, ids=lambda one: one.target)
def test_every_integration_of_the_sample_adds_up(one: TargetMonth) -> None:
    drawn = waterfall(one, [cell for cell in sample().cells if cell.target == one.target])

    assert_adds_up(drawn)
    assert one.received is not None
    assert steps(drawn)[-1].events == one.received.events


@given(st.tuples(*[events] * 8))
def test_whatever_the_numbers_they_add_up(numbers: tuple[int, ...]) -> None:
    sent, drops, sampled, repeats, got, lost, over, told = numbers
    emitted = Emitted(
        sent + drops + sampled + repeats, sent + drops + sampled, sent, (("queue_overflow", drops),), sampled
    )
    reasons = (Explained(Why.VENDOR, "filtered", min(told, lost)),)
    compared = Compared(sent, got, Bounds(lost // 2, lost), Bounds(over, over), None, reasons)
    month, cell = month_with(emitted, Received(got), compared)

    drawn = waterfall(month, [cell])

    assert_adds_up(drawn)
    assert drawn is not None
    assert all(bar.left >= 0 and bar.left + bar.width <= 100.01 for bar in drawn.bars)


def test_many_reasons_become_one_step_without_losing_an_event() -> None:
    reasons = tuple(Explained(Why.VENDOR, f"reason {number}", number) for number in range(1, 41))
    compared = Compared(2_000, 1_180, Bounds(820, 820), Bounds(0, 0), None, reasons)
    month, cell = month_with(Emitted(2_000, 2_000, 2_000), Received(1_180), compared)

    drawn = waterfall(month, [cell])

    told = [step for step in steps(drawn) if step.kind is Kind.MINUS]
    assert len(told) == 6
    assert sum(step.events for step in told) == -820


def test_what_counts_cannot_tell_is_a_step_of_its_own() -> None:
    reasons = (Explained(Why.VENDOR, "filtered", 40),)
    compared = Compared(1_000, 990, Bounds(10, 60), Bounds(0, 0), None, reasons)
    month, cell = month_with(Emitted(1_050, 1_000, 1_000), Received(990), compared)

    drawn = waterfall(month, [cell])

    assert Step("perhaps not missing: counts cannot tell", 30, Kind.UNCLEAR) in steps(drawn)


def test_repeats_that_need_not_have_arrived_are_no_step() -> None:
    datadog = next(one for one in sample().targets if one.target == "datadog")

    drawn = waterfall(datadog, [cell for cell in sample().cells if cell.target == "datadog"])

    assert drawn is not None
    assert drawn.unsure == 124
    assert [step.events for step in steps(drawn)][-4:] == [35_348, -12, 0, 35_336]


def test_an_integration_without_any_data_has_no_chart() -> None:
    month, cell = month_with(Emitted(1, 1, 1), Received(1), Compared(1, 1, Bounds(0, 0), Bounds(0, 0), None))
    bare = month_of("slack", [cell], Finding.NO_DATA, "", received=None, compared=None)

    assert waterfall(bare, []) is None
    assert waterfall(month, [cell]) is not None


def test_a_level_that_says_the_same_again_is_left_out() -> None:
    drawn = waterfall(big(targets=1, types=1).targets[0], [])

    words = [step.words for step in steps(drawn) if step.kind is Kind.LEVEL]
    assert "handed over" not in words
