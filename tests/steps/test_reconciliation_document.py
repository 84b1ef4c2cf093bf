"""The document is the same for the same month, whoever made it when, and another one for any other month."""

import json
from dataclasses import replace
from datetime import timedelta

from domain.reconciliation import Emitted, Finding, Received, Reconciliation, SourceFact, TargetMonth, Unresolved
from steps.reconciliation_document import contents, digest, digest_of, document
from tests.steps.reconciliations import MADE_AT, edition_of, sample


def test_the_digest_does_not_know_the_order_of_the_input() -> None:
    month = sample()
    mirrored = replace(
        month, cells=month.cells[::-1], targets=month.targets[::-1], facts=month.facts[::-1],
        overlays=month.overlays[::-1],
    )  # fmt: skip

    assert digest(mirrored) == digest(month)


def test_the_digest_does_not_know_when_and_by_which_run_the_report_was_made() -> None:
    month = sample()
    edition = edition_of(month)

    later = replace(edition, made_at=MADE_AT + timedelta(days=9), run="another", revision=3, signed=None)

    assert digest_of(document(month, edition)) == digest_of(document(month, later)) == edition.digest


def test_how_long_a_vendor_was_waited_for_is_no_other_result() -> None:
    month = sample()

    def waited(seconds: int) -> Reconciliation:
        missing = f"slack.com did not finish its answer to count within {seconds} s. Look again."
        return replace(month, cells=(replace(month.cells[0], missing=missing), *month.cells[1:]))

    assert digest(waited(20)) == digest(waited(7))


def test_what_people_decide_is_in_the_document_and_not_in_the_digest() -> None:
    month = sample()

    decided = replace(
        month, carried_over=(), unresolved=(Unresolved("2026-07", "slack", Finding.BREACH),),
        targets=tuple(replace(one, investigation=None, past=()) for one in month.targets),
    )  # fmt: skip

    assert digest(decided) == digest(month)
    assert contents(decided)["unresolved"] == [{"month": "2026-07", "target": "slack", "finding": "BREACH"}]


def test_one_event_more_is_another_digest() -> None:
    month = sample()
    first = month.cells[0]
    assert first.received is not None

    other = replace(first, received=replace(first.received, events=first.received.events + 1))

    assert digest(replace(month, cells=(other, *month.cells[1:]))) != digest(month)


def test_one_fact_more_is_another_digest() -> None:
    month = sample()

    told = replace(
        month, facts=(*month.facts, SourceFact("applications", "x.jsonl", "lines that are no events", 1, is_fault=True))
    )

    assert digest(told) != digest(month)


def test_a_written_document_can_be_checked_against_its_own_digest() -> None:
    month = sample()

    read = json.loads(json.dumps(document(month, edition_of(month))))

    assert read["edition"]["digest"] == digest_of(read)
    assert read["schema_version"] == 1


def test_what_is_not_known_is_null() -> None:
    month = sample()
    bare = _bare(month.targets[0], emitted=None, received=None)

    [row] = contents(replace(month, targets=(bare,), cells=()))["targets"]

    known = {key for key, value in row.items() if value == 0 and not isinstance(value, bool)}
    assert known == set()
    assert row["received"] is None
    assert row["loss_explained_vendor"] is None


def test_reasons_add_up_to_what_is_explained() -> None:
    rows = {row["target"]: row for row in contents(sample())["targets"]}

    sentry = rows["sentry"]

    assert sentry["loss_explained_vendor"] + sentry["loss_explained_rate_limit"] == sentry["loss_high"]
    assert sentry["loss_residual_high"] == 0


def _bare(one: TargetMonth, emitted: Emitted | None, received: Received | None) -> TargetMonth:
    return replace(one, emitted=emitted, received=received, compared=None, low=None, high=None, probes=None)
