"""Starts the run that goes on after a person has answered, or has ordered something of a rotation."""

from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from blocks.answering import answering
from domain.errors import OpsError
from domain.names import DAY1_WIRING, STEP_ROTATION
from ledger.opening import Ledger
from ledger.questions import Question
from ledger.rotation_rows import find_rotation
from ledger.runs import runs
from steps.answering import rotation_asked_about
from tasks.reporting import event


def continue_after(ledger: Ledger, question: Question, who: str) -> str:
    """Start what goes on after the last answer: the rotation that asked, or day 1; return its run's name, or empty."""
    rotation = rotation_asked_about(question)
    if rotation:
        return continue_rotation(ledger, rotation, f"confirm:{question.id}")
    return continue_day_one(ledger, question, who)


def continue_rotation(ledger: Ledger, rotation: str, occasion: str) -> str:
    """Start a run that steps the rotation now, once per occasion; return its name.

    Empty where it cannot be started: what was ordered stands in the ledger, and the sweeper steps it.
    """
    try:
        with answering(changes=True):
            started = run_deployment(
                STEP_ROTATION,
                parameters={"rotation": rotation},
                timeout=0,
                as_subflow=False,
                idempotency_key=f"rotation:{ledger.id}:{rotation}:{occasion}",
                flow_run_name=f"step {find_rotation(ledger, rotation).credential} (goes on: {occasion.partition(':')[0]})",
                tags=["rotation", rotation],
            )
    except OpsError:
        return ""
    name = started.name if isinstance(started, FlowRun) else ""
    event("run.started", deployment=STEP_ROTATION, run=name)
    return name


def continue_day_one(ledger: Ledger, question: Question, who: str) -> str:
    """Start day-1 wiring of the question's environment as it ran last; return its run's name, empty where it cannot be.

    The same answer never starts two: the question's id is the idempotency key.
    """
    last = [
        run
        for run in runs(ledger, flow=DAY1_WIRING.partition("/")[0], environment=question.environment, limit=20)
        if "apply" in run.mode
    ]
    if not last:
        return ""
    wiring_mode = last[0].mode.partition(" ")[0]
    parameters = {
        "environment": question.environment, "wiring_mode": wiring_mode, "mode": "apply", "operator": who,
        "ticket": last[0].ticket, "reason": f"question {question.id} answered",
        "may_page": last[0].parameters.get("may_page", []), "skip_rehearsal": last[0].parameters.get("skip_rehearsal", ""),
    }  # fmt: skip
    try:
        started = run_deployment(
            DAY1_WIRING,
            parameters=parameters,
            timeout=0,
            as_subflow=False,
            idempotency_key=f"confirm:{ledger.id}:{question.id}",
        )
    except ObjectNotFound:
        return ""
    name = started.name if isinstance(started, FlowRun) else ""
    event("run.started", deployment=DAY1_WIRING, run=name)
    return name
