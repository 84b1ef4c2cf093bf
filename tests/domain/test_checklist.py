"""Day 1 is thirty rows, each of which can be reached, and green only when all that count are done."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.checklist import (
    CHECKLIST,
    ORDER,
    UNCOUNTED,
    Action,
    ProvedBy,
    Step,
    StepResult,
    StepState,
    counts,
    judge_steps,
    unmet,
)
from domain.config import EnvironmentKind
from domain.verdicts import Verdict, World
from vendors.registry import INTEGRATIONS

STATES = st.sampled_from(StepState)


def results(*states: StepState) -> list[StepResult]:
    return [StepResult(at, state, "") for at, state in enumerate(states, 1)]


def test_there_are_thirty_steps_in_order() -> None:
    assert [step.number for step in CHECKLIST] == list(range(1, 31))


@pytest.mark.parametrize("step", CHECKLIST, ids=lambda step: str(step.number))
def test_a_step_says_what_it_proves_and_needs_earlier_steps_only(step: Step) -> None:
    assert step.title
    assert step.proof
    assert all(number < step.number for number in step.needs)


@pytest.mark.parametrize("step", CHECKLIST, ids=lambda step: str(step.number))
def test_a_step_that_may_not_run_everywhere_says_why_and_runs_somewhere(step: Step) -> None:
    assert step.kinds
    assert (step.kinds == frozenset(EnvironmentKind)) == (not step.why_not)


def test_every_action_belongs_to_a_step() -> None:
    assert {step.action for step in CHECKLIST} == set(Action)


def test_credentials_and_verifications_go_through_every_integration_easiest_first() -> None:
    for action in (Action.FIND_CREDENTIALS, Action.VERIFY_ONE):
        assert tuple(step.integration for step in CHECKLIST if step.action is action) == ORDER

    assert tuple(INTEGRATIONS)[: len(ORDER)] == ORDER


def test_no_integration_is_verified_before_the_rehearsal_and_its_own_credentials() -> None:
    credentials = {step.integration: step.number for step in CHECKLIST if step.action is Action.FIND_CREDENTIALS}

    for step in CHECKLIST:
        if step.action is Action.VERIFY_ONE:
            assert set(step.needs) == {6, credentials[step.integration]}


def test_a_person_proves_what_only_a_person_can_see() -> None:
    assert {step.number for step in CHECKLIST if step.proved_by is ProvedBy.PERSON} == {21, 24}


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({}, (6, 7)),
        ({6: StepState.DONE, 7: StepState.DONE}, ()),
        ({6: StepState.DONE, 7: StepState.BLOCKED}, (7,)),
        ({6: StepState.HOLD, 7: StepState.DONE}, (6,)),
        ({6: StepState.NOT_APPLICABLE, 7: StepState.NOT_RUN}, ()),
        ({6: StepState.WAITS_FOR_PERSON, 7: StepState.WAITS_FOR_STEP}, (6, 7)),
    ],
)
def test_a_step_waits_for_what_is_neither_done_nor_uncounted(
    states: dict[int, StepState], expected: tuple[int, ...]
) -> None:
    assert unmet(CHECKLIST[12], states) == expected


@given(st.lists(STATES))
def test_steps_are_green_only_when_every_one_that_counts_is_done(states: list[StepState]) -> None:
    judgement = judge_steps(results(*states), World.REAL)

    counted = set(states) - UNCOUNTED
    assert (judgement.verdict is Verdict.GREEN) == (counted == {StepState.DONE})


def test_the_counts_name_only_what_there_is() -> None:
    states = [StepState.DONE] * 26 + [StepState.HOLD] + [StepState.NOT_RUN] * 3

    assert counts(results(*states)) == "26 DONE, 1 HOLD, 3 NOT RUN"
