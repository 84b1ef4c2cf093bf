"""Questions that wait for a person; one that a rotation asked is told with its rotation."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from domain.attention import Attention, Weight
from domain.rotation import RotationRecord
from ledger.questions import Question
from steps.answering import rotation_asked_about

_RUNBOOK = "docs/runbooks/question-overdue.md"


def question_lines(
    found: Iterable[Question], rotations: Sequence[RotationRecord], now: datetime
) -> Iterator[Attention]:
    """Yield a line per question, one whose deadline has passed as what is wrong now."""
    for one in found:
        if is_asked_by(one, rotations):
            continue
        late = one.is_overdue(now)
        asker = f"step {one.step} of day 1" if one.step > 0 else "a verification"
        yield Attention(
            key=question_key(one),
            weight=Weight.NOW if late else Weight.SOON,
            environment=one.environment,
            what=f"{one.environment}: {asker} {'waited' if late else 'waits'} for a person about {one.integration}{', and nobody answered in time' if late else ''}.",
            means=f"{one.question.rstrip('.')}. What asked stands still until someone says what they saw.",
            by=one.deadline,
            command=f"opsflows confirm {one.id} --seen --by NAME",
            runbook=_RUNBOOK,
        )  # fmt: skip


def question_key(one: Question) -> str:
    return f"question:{one.id}"


def is_asked_by(one: Question, rotations: Iterable[RotationRecord]) -> bool:
    """Say whether one of the open rotations asked it."""
    asker = rotation_asked_about(one)
    return bool(asker) and any(record.id == asker for record in rotations)
