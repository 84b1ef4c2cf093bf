"""A human step is a question with a deadline; its answer is given once, with who gave it and when."""

from dataclasses import dataclass, fields
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import Row, Select, select, update

from domain.errors import BadInput
from ledger.inserting import insert_new
from ledger.opening import Ledger
from ledger.schema import QUESTIONS


class Seen(Enum):
    """What the person says."""

    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `answered_at` and `seen` are None until someone answers."""

    id: int
    environment: str
    step: int
    integration: str
    question: str
    run_id: str
    asked_at: datetime
    deadline: datetime
    answered_at: datetime | None
    who: str
    seen: Seen | None
    note: str

    def is_overdue(self, now: datetime) -> bool:
        return self.answered_at is None and self.deadline <= now


def ask(  # noqa: PLR0917 (the parts of one row, in its order)
    ledger: Ledger, environment: str, step: int, integration: str, question: str, deadline: datetime, run_id: str = ""
) -> Question:
    """Return the open question of that step and integration: the one asked earlier, with its deadline, or a new one."""
    with ledger.writing() as connection:
        same = (
            QUESTIONS.c.environment == environment,
            QUESTIONS.c.step == step,
            QUESTIONS.c.integration == integration,
            QUESTIONS.c.answered_at.is_(None),
        )
        values = {
            "environment": environment,
            "step": step,
            "integration": integration,
            "question": question,
            "run_id": run_id,
            "asked_at": ledger.now_in(connection),
            "deadline": deadline,
        }
        insert_new(connection, QUESTIONS, values)
        return _question(connection.execute(_all().where(*same)).one())


def answer(ledger: Ledger, question_id: int, who: str, seen: Seen, note: str = "") -> Question:
    """Record the answer and return the question with it.

    Raises:
        BadInput: no such question, or someone answered it already; the first answer stays.
    """
    of_id = QUESTIONS.c.id == question_id
    with ledger.writing() as connection:
        answered = connection.execute(
            update(QUESTIONS)
            .where(of_id, QUESTIONS.c.answered_at.is_(None))
            .values(answered_at=ledger.now_in(connection), who=who, seen=seen is Seen.YES, note=note)
        )
        row = connection.execute(_all().where(of_id)).first()
        if row is None or answered.rowcount == 0:
            raise _not_open(question_id, _question(row) if row else None)
        return _question(row)


def open_questions(ledger: Ledger, environment: str = "") -> list[Question]:
    """Return what waits for a person, the nearest deadline first; of every environment where none is named."""
    query = _all().where(QUESTIONS.c.answered_at.is_(None))
    if environment:
        query = query.where(QUESTIONS.c.environment == environment)
    with ledger.reading() as connection:
        return [_question(row) for row in connection.execute(query.order_by(QUESTIONS.c.deadline, QUESTIONS.c.id))]


def answers(ledger: Ledger, environment: str, step: int) -> dict[str, Question]:
    """Return the newest answered question of the step for each integration."""
    query = _all().where(
        QUESTIONS.c.environment == environment, QUESTIONS.c.step == step, QUESTIONS.c.answered_at.is_not(None)
    )
    with ledger.reading() as connection:
        rows = connection.execute(query.order_by(QUESTIONS.c.id))
        return {row.integration: _question(row) for row in rows}


def _all() -> Select[Any]:
    return select(*(QUESTIONS.c[field.name] for field in fields(Question)))


def _question(row: Row[Any]) -> Question:
    values = row._asdict()
    said = values["seen"]
    return Question(**values | {"seen": None if said is None else Seen.YES if said else Seen.NO})


def _not_open(question_id: int, question: Question | None) -> BadInput:
    if question is None:
        return BadInput(
            f"There is no question {question_id}.", "Nothing was recorded.", "List the open ones with opsflows confirm."
        )
    return BadInput(
        f"Question {question_id} was answered by {question.who} at {question.answered_at:%Y-%m-%d %H:%M} UTC.",
        "The first answer stays; nothing was recorded.",
        "If it is wrong, run opsflows wire again: where the step does not hold, it asks anew.",
    )
