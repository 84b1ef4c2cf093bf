"""A revision says in sentences what it changes, and says nothing where nothing changed."""

from dataclasses import replace
from typing import Any

import pytest

from domain.reconciliation import Finding, Reconciliation, SourceFact, Unresolved
from steps.reconciliation_changes import changes
from steps.reconciliation_document import contents, digest, document
from tests.steps.reconciliations import edition_of, sample


def changed(target: str, **more: Any) -> Reconciliation:
    month = sample()
    return replace(
        month, targets=tuple(replace(one, **more) if one.target == target else one for one in month.targets)
    )  # fmt: skip


def test_the_same_month_has_no_changes_whoever_made_the_report() -> None:
    month = sample()
    edition = edition_of(month)

    assert changes(document(month, edition), document(month, replace(edition, revision=3, run="another"))) == []


def test_another_finding_is_told_first() -> None:
    told = changes(contents(sample()), contents(changed("slack", finding=Finding.EXPLAINED)))

    assert told == ["slack: BREACH is now EXPLAINED."]


def test_numbers_are_told_with_how_far_they_moved() -> None:
    month = sample()
    slack = next(one for one in month.targets if one.target == "slack")
    assert slack.received is not None

    told = changes(
        contents(month), contents(changed("slack", received=replace(slack.received, events=slack.received.events + 12)))
    )

    assert told == ["slack: received 34,326 is now 34,338 (12 more); duplicates 244 is now 256 (12 more)."]


def test_cells_are_told_by_integration_and_day() -> None:
    month = sample()
    cells = tuple(
        replace(cell, finding=Finding.OK) if cell.target == "slack" and cell.finding is Finding.BREACH else cell
        for cell in month.cells
    )

    told = changes(contents(month), contents(replace(month, cells=cells)))

    assert told == ["slack: 8 cells changed, on 12-13 October."]


def test_a_number_that_became_known_was_not_zero_before() -> None:
    bare = contents(changed("slack", received=None))

    told = changes(bare, contents(sample()))

    assert told == ["slack: received not known is now 34,326; duplicates not known is now 244."]


@pytest.mark.parametrize(
    "other",
    [
        replace(sample(), tolerance=0.02),
        replace(sample(), confidence=0.99),
        replace(sample(), files_read=218),
        replace(sample(), expected_false_alarms=0.5),
        replace(sample(), facts=(SourceFact("a", "b", "late", 1, is_fault=False),)),
        replace(sample(), overlays=()),
        replace(sample(), targets=sample().targets[:-1], cells=tuple(c for c in sample().cells if "/" not in c.target)),
        changed("slack", missing_ids=()),
        changed("slack", low=0.01),
        changed("pagerduty", shift=None),
    ],
)
def test_whatever_changes_the_digest_is_told(other: Reconciliation) -> None:
    told = changes(contents(sample()), contents(other))

    assert digest(other) != digest(sample())
    assert told


@pytest.mark.parametrize(
    "other",
    [
        replace(sample(), carried_over=()),
        replace(sample(), unresolved=(Unresolved("2026-07", "slack", Finding.BREACH),)),
        changed("slack", why="something else"),
        changed("slack", past=()),
    ],
)
def test_what_people_decided_since_is_told_and_changes_no_digest(other: Reconciliation) -> None:
    told = changes(contents(sample()), contents(other))

    assert digest(other) == digest(sample())
    assert told
