"""Steps whatever is due, whether or not the run that should have done it survived."""

from collections.abc import Mapping
from datetime import timedelta

from domain.errors import Unavailable
from domain.names import REHEARSAL, Target, deployment_of
from domain.probes import CleanUp
from domain.run_watch import Kind, key_of
from ledger import due, probes
from ledger.alerts import Alert, clear_alert, open_alerts, raise_alert
from ledger.opening import Ledger
from ledger.questions import Question, open_questions
from ledger.runs import ABANDONED, Run, abandon_dead_runs, find_run, runs
from steps.alerting import Escalation, Told, escalate, send_open_alerts
from steps.context import Context
from steps.people import QUESTION_DEADLINE
from steps.verification import Left, Wired, clean_up_leftovers
from steps.verifying import connected
from vendors.capabilities import Urgency

_LEASE = timedelta(minutes=5)
RUN = "run:"


def seal_dead_runs(ledger: Ledger) -> list[Run]:
    """Seal killed runs ABANDONED, and raise an alert for each that `send_alerts` sends.

    Of a run whose crash was seen in Prefect and is told already, none more: it would be the same message twice.
    """
    dead = abandon_dead_runs(ledger)
    told = open_alerts(ledger) if dead else []
    for run in dead:
        if any(_tells_of(alert, run) for alert in told):
            continue
        raise_alert(
            ledger, f"{RUN}{run.run_id}", environment=run.environment, target="the operator",
            text=f"Run {run.run_id} of {run.flow} ended without a word. Its evidence until then is in its bundle; start the flow again.",
            runbook="docs/runbooks/run-abandoned.md",
        )  # fmt: skip
    return dead


def send_alerts(ledger: Ledger, contexts: Mapping[str, Context]) -> list[Told]:
    """Clear what holds no more, and send every open alert that is due, as it was raised: unsent, or lasting another day."""
    for alert in open_alerts(ledger):
        if alert.key.startswith(RUN) and _went_on(ledger, alert.key.removeprefix(RUN)):
            clear_alert(ledger, alert.key)
    said: list[Told] = []
    for environment in dict.fromkeys(alert.environment for alert in open_alerts(ledger)):
        # The rehearsal's alerts are for whoever rehearses: told where they were raised, and nowhere else.
        context = None if environment == REHEARSAL else contexts.get(environment) or able_to_tell(contexts)
        if context is not None:
            said.extend(send_open_alerts(context, environment))
    return said


def step_due_moments(ledger: Ledger, contexts: Mapping[str, Context], worker: str) -> list[Told]:
    """Step every due moment, each once, in the context of its environment; return what was told."""
    said: list[Told] = []
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
    """Clean up by nonce what crashed runs left at the vendors; return what was done, a sentence per target.

    Raises:
        Unavailable: something could not be cleaned up now and stays for the next sweep; the rest was cleaned up.
    """
    said: list[str] = []
    failed: list[str] = []
    for target in context.declared.targets:
        left = probes.left_open(context.ledger, context.environment, [target])
        if left and context.credentials(target):
            cleaned = _clean_up_target(
                context, target, [Left(one.nonce, one.target, one.probe, one.sent_at) for one in left]
            )
            sentence = f"{target}: {len(cleaned)} left-over probes: {', '.join(one.value for one in cleaned)}."
            (failed if CleanUp.LEFT in cleaned else said).append(sentence)
    if failed:
        raise Unavailable(
            " ".join([*failed, *said]),
            "Test events stay open at the vendor and may be taken for real ones.",
            "The next sweep tries again by their nonces; if it lasts, verify the integration to see what is wrong with it.",
            "probe.left_behind",
        )
    return said


def able_to_tell(contexts: Mapping[str, Context]) -> Context | None:
    """Return an environment that can tell someone, for alerts that belong to none."""
    able = (c for c in contexts.values() if c.declared.alerts.page or c.declared.alerts.ticket)
    return next(able, None)


def _tells_of(alert: Alert, run: Run) -> bool:
    """Whether the alert told, or will tell, that this very run ended badly in Prefect.

    Its key is that of every run about the same, and its text is of the newest of them: so the text must name the run. It may
    have been sent before that, and then it was sent for an earlier run, and the next time is up to a day away.
    """
    is_of_its_end = alert.key.startswith(key_of(Kind.ENDED, deployment_of(run.flow)))
    names_it = run.prefect_run_id != "" and run.prefect_run_id in alert.text
    return is_of_its_end and names_it and (alert.sent_at is None or alert.sent_at >= run.last_sign_at)


def _went_on(ledger: Ledger, run_id: str) -> bool:
    """Whether a later run of the same flow and environment has ended as it should."""
    dead = find_run(ledger, run_id)
    later = runs(ledger, flow=dead.flow, environment=dead.environment, limit=20)
    return any(run.opened_seq > dead.opened_seq and run.verdict not in {"", ABANDONED} for run in later)


def _overdue(context: Context, question: Question) -> Escalation:
    return Escalation(
        f"question:{question.id}",
        context.declared.owners.get(question.integration) or "the operator",
        f"{context.environment}: nobody answered question {question.id}",
        f"{question.question}. opsflows confirm {question.id} --seen --by NAME",
        "docs/runbooks/question-overdue.md",
    )


def _clean_up_target(context: Context, target: Target, left: list[Left]) -> list[CleanUp]:
    with connected(context, target) as client:
        outcomes = clean_up_leftovers(left, [Wired(target, client)], context.pace, context.clock)
    probes.mark_cleaned(context.ledger, [(one.nonce, cleaned) for one, cleaned in outcomes])
    return [cleaned for _, cleaned in outcomes]
