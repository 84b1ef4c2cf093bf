"""A person's answer: kept with who and when; it turns what could not be confirmed into PASS, never into more."""

from domain.names import ROTATION_STEP, Target
from domain.probes import CleanUp, Outcome, ProbeResult
from domain.verdicts import World
from ledger.alerts import clear_alert
from ledger.opening import Ledger
from ledger.questions import Question, Seen, answer, open_questions
from ledger.verifications import last_verified, record_verifications
from steps.rotation_people import rotation_of_question, what_is_asked
from steps.routine import VERIFICATION


def take_answer(ledger: Ledger, question_id: int, who: str, seen: Seen, note: str) -> Question:
    """Record the answer. Yes to an event that no credential could read back makes its verification a PASS by a person.

    Raises:
        BadInput: no such question, or it was answered already.
    """
    question = answer(ledger, question_id, who, seen, note)
    clear_alert(ledger, f"question:{question.id}")
    if question.step == VERIFICATION and seen is Seen.YES and _still_unconfirmed(ledger, question):
        by_person = ProbeResult(
            Target.parse(question.integration), "seen", "", Outcome.PASS, CleanUp.TAGGED, happened=f"Seen by {who}."
        )
        record_verifications(ledger, question.run_id, question.environment, [by_person], World.REAL)
    return question


def still_waiting(ledger: Ledger, question: Question) -> list[Question]:
    """Return the other open questions of the same step, or the same rotation; the run goes on when there are none."""
    return [
        other
        for other in open_questions(ledger, question.environment)
        if other.step == question.step
        and (question.step != ROTATION_STEP or rotation_asked_about(other) == rotation_asked_about(question))
    ]


def rotation_asked_about(question: Question) -> str:
    """Return the rotation that asked, empty where it was no rotation."""
    return rotation_of_question(question.integration) if question.step == ROTATION_STEP else ""


def asks_for_value(question: Question) -> bool:
    """Say whether it asks for a new value that a person makes."""
    return question.step == ROTATION_STEP and what_is_asked(question.integration) == "create"


def _still_unconfirmed(ledger: Ledger, question: Question) -> bool:
    """Whether the target's newest verification is one that only a person can confirm: a later failure stands."""
    newest = last_verified(ledger, question.environment).get(Target.parse(question.integration))
    return newest is not None and newest.outcome is Outcome.SENT_NOT_CONFIRMED
