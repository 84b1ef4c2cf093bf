"""What the comparison really finds in months with planted losses is told as it is: no number changes on its way to the page."""

import re
from datetime import UTC, datetime

from hypothesis import given, settings

from domain.findings import Rule
from domain.month_results import month_results
from domain.reconciliation import Reconciliation
from domain.windows import Month
from steps.reconciliation_document import contents, digest, digest_of
from steps.reconciliation_heat import heat_map
from steps.reconciliation_page import page
from steps.reconciliation_tables import cells_frame
from steps.reconciliation_waterfall import Kind, waterfall
from steps.reconciliation_words import LONGEST_MARKDOWN_BYTES, markdown, summary
from tests.domain.planted_months import Planted, months
from tests.steps.reconciliations import edition_of
from tests.steps.report_reading import events, read

RULE = Rule(0.01, 0.95)
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def reconciled(planted: Planted) -> Reconciliation:
    targets, cells = month_results([planted.sides()], RULE, planted.window, NOW)
    return Reconciliation(
        environment="prod", month=Month.of(planted.window.start), window=planted.window, tolerance=RULE.tolerance,
        confidence=RULE.confidence, targets=targets, cells=cells, facts=(), overlays=(), files_read=1,
        expected_false_alarms=0.0,
    )  # fmt: skip


@given(months(late=True, unrecorded=True))
@settings(deadline=None)
def test_every_waterfall_adds_up_to_what_was_received(planted: Planted) -> None:
    month = reconciled(planted)
    [one] = month.targets

    drawn = waterfall(one, month.cells)

    if drawn is None:
        assert one.compared is None or one.received is None or one.emitted is None
        return
    running = 0
    for at, bar in enumerate(drawn.bars):
        assert at == 0 or bar.step.kind is not Kind.LEVEL or bar.step.events == running
        running = bar.step.events if bar.step.kind is Kind.LEVEL else running + bar.step.events
    assert one.received is not None
    assert running == one.received.events


@given(months(late=True, unrecorded=True))
@settings(max_examples=30, deadline=None)
def test_the_page_has_the_numbers_of_the_comparison(planted: Planted) -> None:
    month = reconciled(planted)
    [one] = month.targets

    shown = read(page(month, edition_of(month)))

    [row] = shown.one("section", id="integrations").rows()
    assert one.compared is not None
    assert row[4:6] == [str(one.compared.loss), str(one.compared.excess)]
    assert one.finding.value in row[1]
    assert one.received is None or events(re.match(r"[\d,]+", row[3])[0]) == one.received.events  # type: ignore[index]  # it is a number


@given(months(late=True, unrecorded=True))
@settings(max_examples=30, deadline=None)
def test_every_form_of_the_report_can_be_made(planted: Planted) -> None:
    month = reconciled(planted)

    told = markdown(month, edition_of(month))

    assert summary(month).endswith(".")
    assert len(told.encode()) < LONGEST_MARKDOWN_BYTES
    assert digest_of(contents(month)) == digest(month)
    assert len(cells_frame(month)) == len(month.cells)
    assert all(cell.shown for row in heat_map(month).values() for cell in row)
