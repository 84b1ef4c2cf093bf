"""What only a person can do or say in a rotation: a question with a deadline, in the ledger, answered like any other."""

from domain.names import ROTATION_STEP
from domain.rotation import RotationRecord
from ledger.due import schedule
from ledger.questions import Seen, answers, ask, open_questions
from ledger.rotations import Held
from steps.people import QUESTION_DEADLINE
from steps.rotation_hands import Hands


def asked(hands: Hands, held: Held, what: str, text: str) -> Seen | None:
    """Return the answer to this attempt's question, None while nobody answered; asks where nobody was asked yet.

    A no to something that is to be done is no end: it is asked again.
    """
    record = held.record
    subject = subject_of(record, what)
    environment = record.credential.environment
    given = answers(hands.ledger, environment, ROTATION_STEP).get(subject)
    if given is not None and (given.seen is Seen.YES or what == "seen"):
        return given.seen
    if all(question.integration != subject for question in open_questions(hands.ledger, environment)):
        deadline = hands.ledger.now() + hands.answer_within
        question = ask(
            hands.ledger, environment, ROTATION_STEP, subject, f"{record.credential}: {text}", deadline, record.id
        )
        schedule(hands.ledger, QUESTION_DEADLINE, str(question.id), deadline, f"{QUESTION_DEADLINE}:{question.id}")
    return None


def stands_asked(hands: Hands, held: Held, what: str) -> bool:
    """Say whether this attempt's question waits for its answer: until then the event it is about is not sent again."""
    subject = subject_of(held.record, what)
    return any(
        question.integration == subject for question in open_questions(hands.ledger, held.record.credential.environment)
    )


def subject_of(record: RotationRecord, what: str) -> str:
    """Return the subject of a question about this attempt; `what` is create, seen, revoke or contain."""
    return f"{record.id}:{what}:{record.attempt}{':back' if record.back else ''}"


def rotation_of_question(subject: str) -> str:
    """Return the rotation that a question's subject names."""
    return subject.partition(":")[0]


def what_is_asked(subject: str) -> str:
    """Return what a question's subject is about: create, seen, revoke or contain."""
    return subject.split(":")[1]
