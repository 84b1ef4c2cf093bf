"""Steps whatever is due, whether or not the run that should have done it survived."""

from collections.abc import Mapping
from datetime import timedelta

from domain.names import Target
from ledger import due, probes
from ledger.alerts import raise_alert
from ledger.opening import Ledger
from ledger.questions import Question, open_questions
from ledger.runs import Run, abandon_dead_runs
from steps.alerting import Escalation, escalate
from steps.context import Context
from steps.people import QUESTION_DEADLINE
from steps.verification import Left, Wired, clean_up_leftovers
from steps.verifying import connected
from vendors.capabilities import Urgency

_LEASE = timedelta(minutes=5)


def seal_dead_runs(ledger: Ledger) -> list[Run]:
    """Seal killed runs ABANDONED and raise an alert for each."""
    dead = abandon_dead_runs(ledger)
    for run in dead:
        raise_alert(
            ledger, f"run:{run.run_id}", environment=run.environment, target="operator",
            text=f"Run {run.run_id} of {run.flow} ended without a word; its evidence until then is in its bundle.",
            runbook="docs/runbooks/run-abandoned.md",
        )  # fmt: skip
    return dead


def step_due_moments(ledger: Ledger, contexts: Mapping[str, Context], worker: str) -> list[str]:
    """Step every due moment, each once, in the context of its environment; return what was done, a sentence each."""
    said: list[str] = []
    waiting = {str(question.id): question for question in open_questions(ledger)}
    for claim in due.claim_due(ledger, worker, _LEASE, kinds=(QUESTION_DEADLINE,)):
        question = waiting.get(claim.subject)
        context = contexts.get(question.environment) if question else None
        if question is None or context is None:
            due.finish(
                ledger, claim, "answered in time" if question is None else "its environment is not declared any more"
            )
            continue
        due.renew(ledger, claim, _LEASE)
        said.extend(escalate(context, [_overdue(context, question)], Urgency.TICKET))
        due.finish(ledger, claim, "escalated")
    return said


def clean_up_environment(context: Context) -> list[str]:
    """Clean up by nonce what crashed runs left at the vendors; what cannot be cleaned now stays for the next sweep."""
    said: list[str] = []
    for target in context.declared.targets:
        left = probes.left_open(context.ledger, context.environment, [target])
        if left and context.credentials(target):
            said.append(
                _clean_up_target(context, target, [Left(one.nonce, one.target, one.probe, one.sent_at) for one in left])
            )
    return said


def _overdue(context: Context, question: Question) -> Escalation:
    return Escalation(
        f"question:{question.id}",
        context.declared.owners.get(question.integration) or "the operator",
        f"{context.environment}: nobody answered question {question.id}",
        f"{question.question}. opsflows confirm {question.id} --seen --by NAME",
        "docs/runbooks/question-overdue.md",
    )


def _clean_up_target(context: Context, target: Target, left: list[Left]) -> str:
    with connected(context, target) as client:
        outcomes = clean_up_leftovers(left, [Wired(target, client)], context.pace, context.clock)
    probes.mark_cleaned(context.ledger, [(one.nonce, cleaned) for one, cleaned in outcomes])
    return f"{target}: {len(outcomes)} left-over probes cleaned up ({', '.join(cleaned.value for _, cleaned in outcomes)})."
