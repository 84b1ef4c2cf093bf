"""The report says first what an on-call must know, and shows a phase that was not reached as such, never as 0."""

from datetime import timedelta

import pytest

from domain.checklist import CHECKLIST, StepResult, StepState
from domain.errors import OpsError
from domain.probes import CleanUp, Outcome, ProbeResult
from domain.verdicts import Judgement, Verdict, World
from steps.plan import planned
from steps.reports import (
    day1_report,
    first_line,
    last_of_each,
    plan_report,
    probe_documents,
    probe_section,
    summary,
    verification_report,
)
from tests.steps.rehearsal_context import DATADOG, SLACK, SPLUNK, Scene

MS = timedelta(milliseconds=1)
PASSED = ProbeResult(
    SLACK, "message", "n1", Outcome.PASS, CleanUp.DONE, sent=31 * MS, confirmed=80 * MS, cleaned=95 * MS, took=95 * MS, attempts=1,
)  # fmt: skip
FAILED = ProbeResult(
    DATADOG, "event", "n2", Outcome.FAIL, CleanUp.NOTHING_SENT, took=2 * MS, attempts=3, symptom="datadog.key_unknown",
    happened="Datadog answered 403.", means="The key is wrong.", next_step="Set DD_SITE.",
)  # fmt: skip
KEPT = ProbeResult(SLACK, "message", "n3", Outcome.PASS, CleanUp.KEPT, took=9 * MS)


def results_of_day1(**states: StepState) -> list[StepResult]:
    given = {int(number.removeprefix("s")): state for number, state in states.items()}
    return [
        StepResult(s.number, given.get(s.number, StepState.DONE), f"detail {s.number}.", "Do it.") for s in CHECKLIST
    ]


def test_the_first_line_names_the_first_step_that_needs_someone() -> None:
    line = first_line(results_of_day1(s13=StepState.WAITS_FOR_STEP, s12=StepState.BLOCKED, s21=StepState.HOLD))

    assert line.startswith("step 12 BLOCKED: detail 12. Do it. (")


def test_the_first_line_of_a_green_run_is_its_counts() -> None:
    assert first_line(results_of_day1(s23=StepState.NOT_APPLICABLE)) == "29 DONE, 1 NOT APPLICABLE"


def test_a_step_that_waits_for_another_is_not_what_needs_someone() -> None:
    assert first_line(results_of_day1(s13=StepState.WAITS_FOR_STEP)) == "29 DONE, 1 WAITS FOR STEP"


def test_the_report_of_day_one_has_a_row_per_step_under_its_verdict(staging: Scene) -> None:
    walk = staging.walk()
    walk.results.append(PASSED)
    results = results_of_day1(s12=StepState.HOLD)

    report = day1_report(walk, CHECKLIST, results, Judgement(Verdict.HOLD, World.REAL))

    lines = report.splitlines()
    assert lines[0] == "# Day 1 of staging: HOLD"
    assert lines[2].startswith("step 12 HOLD")
    assert "by ada (claimed)" in report
    assert sum(line.startswith(f"| {step.number} |") for step in CHECKLIST for line in lines) == 30
    assert "| slack | message | PASS | 31 ms | 80 ms | done | 95 ms | n1 |" in lines


def test_what_would_break_a_table_does_not(staging: Scene) -> None:
    results = results_of_day1()
    results[0] = StepResult(1, StepState.DONE, "a|b\nc")

    report = day1_report(staging.walk(), CHECKLIST, results, Judgement(Verdict.GREEN, World.REAL))

    assert "| a/b c | - |" in report


def test_a_plan_says_that_nothing_was_done_and_who_proves_each_step(staging: Scene) -> None:
    walk = staging.walk()

    report = plan_report(walk, planned(walk, CHECKLIST))

    assert report.startswith("# Plan for day 1 of staging, mode real_all")
    assert "Nothing was sent and nothing was changed." in report
    assert sum(line.endswith("| person |") for line in report.splitlines()) == 2


def test_a_verification_names_the_common_cause_before_every_probe() -> None:
    cause = OpsError("2 integrations failed.", "One cause.", "Call the platform.")

    report = verification_report("prod", [PASSED, FAILED], Judgement(Verdict.HOLD, World.REAL), cause)

    assert report.startswith("# Verification of prod: HOLD\n\n2 integrations failed. One cause. Call the platform.")


def test_a_failed_probe_is_advised_on_and_a_passed_one_is_not() -> None:
    section = "\n".join(probe_section([PASSED, FAILED]))

    assert "- **datadog event**: Datadog answered 403. The key is wrong. Set DD_SITE." in section
    assert "**slack message**" not in section


def test_without_a_failure_there_is_nothing_to_do() -> None:
    assert "## What to do" not in probe_section([PASSED])


def test_a_phase_that_was_not_reached_is_a_dash_and_null_and_never_zero() -> None:
    (document,) = probe_documents([FAILED])

    assert (document["sent_ms"], document["confirmed_ms"], document["cleaned_up_ms"]) == (None, None, None)
    assert (document["took_ms"], document["attempts"]) == (2, 3)
    assert "| datadog | event | FAIL | - | - | - | 2 ms | n2 |" in probe_section([FAILED])


def test_a_probe_for_machines_says_all_that_is_known() -> None:
    (document,) = probe_documents([PASSED])

    assert document["target"] == "slack"
    assert (document["outcome"], document["clean_up"]) == ("PASS", "done")
    assert (document["sent_ms"], document["confirmed_ms"], document["cleaned_up_ms"]) == (31, 80, 95)


def test_of_several_probes_the_last_whole_one_counts() -> None:
    earlier = ProbeResult(SLACK, "message", "n0", Outcome.FAIL, CleanUp.NOTHING_SENT)

    assert last_of_each([earlier, PASSED, KEPT, FAILED]) == [PASSED, FAILED]


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([PASSED], "1 of 1 pass"),
        ([PASSED, FAILED], "1 of 2 pass; datadog FAIL"),
        (
            [FAILED, ProbeResult(SPLUNK, "-", "", Outcome.BLOCKED, CleanUp.NOTHING_SENT)],
            "0 of 2 pass; datadog FAIL, splunk BLOCKED",
        ),
    ],
)
def test_the_summary_counts_integrations_and_names_what_did_not_pass(results: list[ProbeResult], said: str) -> None:
    assert summary(results) == said
