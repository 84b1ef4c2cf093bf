"""Every day of the map has a number or a sign: loss with a minus, excess with a plus, and no data is no number."""

from dataclasses import replace
from datetime import date

from domain.event_counts import NOT_SPLIT
from domain.reconciliation import Finding, Received, Reconciliation
from steps.reconciliation_heat import MINUS, HeatCell, heat_map
from tests.steps.compared_months import cell_of, emitted_of
from tests.steps.reconciliations import provisional_sample, sample

FIRST = date(2026, 10, 1)


def day(of: dict[str, list[HeatCell]], target: str, number: int) -> HeatCell:
    return of[target][number - 1]


def one_day(sent: int, received: int, *, repeats: int = 0) -> HeatCell:
    """Return the first day of a month in which datadog has one cell."""
    month = sample()
    cell = cell_of(FIRST, "datadog", NOT_SPLIT, emitted_of(sent, repeats=repeats), Received(received))
    return heat_map(replace(month, cells=(cell,)))["datadog"][0]


def test_every_day_of_every_integration_shows_something() -> None:
    drawn = heat_map(sample())

    assert {len(row) for row in drawn.values()} == {31}
    assert all(cell.shown.strip() and cell.says for row in drawn.values() for cell in row)


def test_an_unexplained_loss_stands_out_and_says_how_much() -> None:
    cell = day(heat_map(sample()), "slack", 13)

    assert cell.shown == f"{MINUS}55"
    assert cell.look == "loss above"
    assert cell.says.endswith("lost, unexplained")


def test_an_explained_difference_has_a_letter() -> None:
    cell = day(heat_map(sample()), "sentry", 3)

    assert (cell.look, cell.mark) == ("loss explained", "e")


def test_a_waived_difference_has_another_letter() -> None:
    cell = day(heat_map(sample()), "pagerduty/payments", 3)

    assert (cell.look, cell.mark) == ("loss waived", "w")


def test_too_few_events_to_tell_is_a_question() -> None:
    cell = day(heat_map(sample()), "opsgenie", 9)

    assert (cell.look, cell.mark) == ("loss unclear", "?")


def test_a_day_without_data_is_a_state_and_no_number() -> None:
    cell = day(heat_map(sample()), "splunk", 18)

    assert (cell.shown, cell.says, cell.look) == ("▨", "no data", "nodata")


def test_a_day_that_has_no_cell_at_all_has_no_data() -> None:
    drawn = heat_map(replace(sample(), cells=()))

    assert {cell.look for row in drawn.values() for cell in row} == {"nodata"}


def test_a_day_of_which_some_types_are_missing_says_so() -> None:
    month = sample()
    cells = tuple(
        replace(cell, received=None, compared=None, finding=Finding.NO_DATA)
        if (cell.target, cell.type, cell.day) == ("datadog", "disk.full", FIRST)
        else cell
        for cell in month.cells
    )

    cell = day(heat_map(replace(month, cells=cells)), "datadog", 1)

    assert cell.look == "even partly"
    assert cell.says.endswith("1 of 4 types have no data")


def test_too_much_has_a_plus() -> None:
    cell = one_day(1_000, 1_200)

    assert (cell.shown, cell.look) == ("+20", "excess above")


def test_what_repeats_may_hide_is_told_as_at_most_so_much() -> None:
    cell = one_day(1_000, 1_000, repeats=30)

    assert (cell.shown, cell.look) == ("≤3.0", "even")
    assert cell.says == "0 % to 3 % lost"


def test_a_day_on_which_nothing_was_expected_is_no_zero() -> None:
    cell = one_day(0, 0)

    assert cell.shown == "\N{EN DASH}"


def test_what_arrives_where_nothing_was_expected_stands_out_as_a_breach() -> None:
    month = sample()
    cell = replace(cell_of(FIRST, "datadog", NOT_SPLIT, emitted_of(0), Received(500)), finding=Finding.BREACH)

    found = heat_map(replace(month, cells=(cell,)))["datadog"][0]

    assert (found.shown, found.look) == ("+", "excess above")
    assert found.says.endswith("500 received, nothing expected, unexplained")


def test_the_month_of_an_integration_is_provisional_whatever_its_cells_say() -> None:
    month = sample()
    waiting = tuple(replace(one, finding=Finding.PROVISIONAL) for one in month.targets)

    drawn = heat_map(replace(month, targets=waiting))

    assert all(cell.look.endswith("provisional") for cell in drawn["datadog"])


def test_a_provisional_day_says_so() -> None:
    month: Reconciliation = provisional_sample()

    cell = day(heat_map(month), "datadog", 1)

    assert cell.look.endswith("provisional")
    assert cell.says.endswith("provisional")
