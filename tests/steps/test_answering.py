"""A person's answer is kept with who and when, turns what could not be confirmed into a PASS, and nothing else."""

import pytest

from domain.errors import BadInput
from domain.probes import Outcome
from domain.verdicts import World
from ledger.alerts import open_alerts, raise_alert
from ledger.questions import Question, Seen, answers, open_questions
from ledger.verifications import last_verified
from steps.answering import still_waiting, take_answer
from steps.people import ask_person
from steps.routine import VERIFICATION, conclude_verification, questions_about
from steps.verifying import verify_targets
from tests.steps.rehearsal_context import SLACK, Scene

SEEN_STEP = 21


def asked(scene: Scene, step: int = SEEN_STEP, subject: str = "slack") -> Question:
    return ask_person(scene.context(), step, subject, "the test message is visible")


def unconfirmed(scene: Scene) -> Question:
    """Verify Slack without what reads back, and return the question that follows."""
    for name in ("SLACK_BOT_TOKEN", "SLACK_CHANNEL"):
        del scene.held[SLACK][name]
    context = scene.context()
    verified = conclude_verification(context, verify_targets(context, [SLACK]), "evidence")
    (question,) = questions_about(context, verified.results)
    return question


def test_an_answer_is_kept_with_who_when_and_what_they_noted(staging: Scene) -> None:
    taken = take_answer(staging.ledger, asked(staging).id, "grace", Seen.YES, "in #on-call")

    kept = answers(staging.ledger, "staging", SEEN_STEP)["slack"]
    assert (kept.who, kept.seen, kept.note) == ("grace", Seen.YES, "in #on-call")
    assert kept.answered_at == taken.answered_at is not None
    assert open_questions(staging.ledger) == []


def test_the_first_answer_stays(staging: Scene) -> None:
    question = asked(staging)
    take_answer(staging.ledger, question.id, "grace", Seen.YES, "")

    with pytest.raises(BadInput, match="answered by grace"):
        take_answer(staging.ledger, question.id, "mallory", Seen.NO, "")


def test_an_answer_to_nothing_is_bad_input(staging: Scene) -> None:
    with pytest.raises(BadInput, match="no question 99"):
        take_answer(staging.ledger, 99, "grace", Seen.YES, "")


def test_an_answer_ends_the_alert_about_its_question(staging: Scene) -> None:
    question = asked(staging)
    key = f"question:{question.id}"
    raise_alert(staging.ledger, key, environment="staging", target="ops", text="Nobody answered.", runbook="-")

    take_answer(staging.ledger, question.id, "grace", Seen.NO, "")

    assert open_alerts(staging.ledger) == []


def test_a_yes_makes_an_unconfirmed_verification_a_pass_by_a_person(staging: Scene) -> None:
    question = unconfirmed(staging)
    assert last_verified(staging.ledger, "staging")[SLACK].outcome is Outcome.SENT_NOT_CONFIRMED

    take_answer(staging.ledger, question.id, "grace", Seen.YES, "")

    last = last_verified(staging.ledger, "staging")[SLACK]
    assert (last.outcome, last.world) == (Outcome.PASS, World.REAL)
    assert last.happened == "Seen by grace."


def test_a_no_makes_nothing_a_pass(staging: Scene) -> None:
    question = unconfirmed(staging)

    take_answer(staging.ledger, question.id, "grace", Seen.NO, "")

    assert last_verified(staging.ledger, "staging")[SLACK].outcome is Outcome.SENT_NOT_CONFIRMED


def test_a_yes_in_day_one_is_no_verification(staging: Scene) -> None:
    take_answer(staging.ledger, asked(staging).id, "grace", Seen.YES, "")

    assert last_verified(staging.ledger, "staging") == {}


def test_a_step_waits_for_its_own_questions_only(staging: Scene) -> None:
    first, second = asked(staging, subject="slack"), asked(staging, subject="pagerduty")
    asked(staging, step=24, subject="hand-off")
    asked(staging, step=VERIFICATION, subject="slack")

    taken = take_answer(staging.ledger, first.id, "grace", Seen.YES, "")
    assert [question.id for question in still_waiting(staging.ledger, taken)] == [second.id]

    taken = take_answer(staging.ledger, second.id, "grace", Seen.YES, "")
    assert still_waiting(staging.ledger, taken) == []
