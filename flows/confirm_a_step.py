"""Takes a person's answer from the Prefect UI; the last answer of a step or a rotation starts the run that goes on."""

from enum import StrEnum
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from domain.errors import OpsError
from domain.names import CONFIRM_STEP
from domain.verdicts import Judgement, Verdict, World
from ledger.questions import Seen
from steps.answering import rotation_asked_about, still_waiting, take_answer
from tasks.concluding import refused
from tasks.continuing import continue_after
from tasks.preparing import own_ledger
from tasks.progress import shown_progress
from tasks.reporting import show_report
from tasks.run_history import recorded_run

_NAME = CONFIRM_STEP.partition("/")[0]


class Answer(StrEnum):
    """What the person says."""

    SEEN = "seen"
    NOT_SEEN = "not seen"


@flow(name=_NAME, flow_run_name="answer {question} by {by}: {answer}", persist_result=False)
def confirm_a_step(
    question: Annotated[int, Field(ge=1)],
    answer: Answer,
    by: Annotated[str, Field(min_length=1, max_length=100)],
    note: Annotated[str, Field(max_length=1000)] = "",
) -> State[None]:
    """Answer a question that only a person can answer: did the notification arrive where people look, was a value put in place?

    When it fails: the question does not exist or was answered already; the first answer stays.

    Args:
        question: The number of the question, as the run that asked it shows.
        answer: Whether you saw it with your own eyes. Delivered is not seen.
        by: Who saw it. Prefect knows no users, so this is recorded as claimed.
        note: Anything the next operator should know.
    """
    said = Seen.YES if answer is Answer.SEEN else Seen.NO
    try:
        with shown_progress(), own_ledger() as ledger, recorded_run(
            ledger, flow=_NAME, environment="-", mode="apply", actor=by, reason=f"answer to question {question}",
            parameters={"question": question, "answer": str(answer)},
        ) as run:  # fmt: skip
            answered = take_answer(ledger, question, by, said, note)
            waiting = still_waiting(ledger, answered)
            started = "" if waiting or answered.step == 0 else continue_after(ledger, answered, by)
            words = f"{answered.integration} in {answered.environment}: {answer} by {by}. " + (
                f"{len(waiting)} questions of the step are open."
                if waiting
                else f"Goes on in run {started}."
                if started
                else _not_started(rotation_asked_about(answered))
            )
            judgement = Judgement(Verdict.GREEN, World.REAL)
            report = f"# {judgement}: {words}\n\n{note}\n"
            show_report(f"answer-{question}", report, str(judgement))
            run.conclude(judgement, report)
    except OpsError as error:
        return refused(error)
    return Completed(message=words)


def _not_started(rotation: str) -> str:
    return (
        f"The sweeper steps rotation {rotation} within a quarter of an hour."
        if rotation
        else "Start day-1 wiring again to go on."
    )
