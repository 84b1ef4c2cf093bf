"""Who is told of a case, and what: that the response begins, where it stands, that it is over; through the environment's channels."""

from collections.abc import Iterable

from domain.compromise import Case
from domain.verdicts import Verdict
from ledger.alerts import clear_alert
from steps.alerting import Escalation, escalate, in_words
from steps.compromise import Suspect
from steps.compromise_findings import Findings, headline, utc
from steps.compromise_plan import exposed_count
from steps.context import Context
from vendors.capabilities import Urgency

_RUNBOOK = "docs/runbooks/rotation-compromise.md"


def tell_begun(context: Context, case: Case, found: Iterable[Suspect], operator: str) -> list[str]:
    """Tell, before anything is changed, that the response begins; a run that goes on with the case tells nothing twice."""
    own = [one for one in found if one.credential.environment == context.environment]
    names = ", ".join(str(one.credential) for one in own if one.is_exposed)
    text = (
        f"{operator} ordered it for values in use at {utc(case.compromised_at)}: {exposed_count(own)} are exposed ({names}). "
        "They are replaced without an overlap: what has not loaded a new value fails once the exposed one is revoked. "
        "opsflows rotations shows where each stands."
    )
    begun = _about(context, case, "begun", "a compromise is being responded to", text)
    return in_words(escalate(context, [begun], Urgency.PAGE))


def tell_how_it_stands(context: Context, findings: Findings, again: str) -> list[str]:
    """Tell where the case stands at the end of a run; once it is over, tell that and take back what was told of it before.

    `again` is the command that goes on with the case.
    """
    case = findings.case
    if findings.judgement.verdict is not Verdict.GREEN:
        text = f"{headline(findings)} When what it waits for is done, conclude it: {again}"
        one = _about(context, case, "open", f"the response stands at {findings.judgement.verdict.value}", text)
        urgent = findings.judgement.verdict is Verdict.HOLD
        return in_words(escalate(context, [one], Urgency.PAGE if urgent else Urgency.TICKET))
    before = [clear_alert(context.ledger, _key(context, case, what)) for what in ("begun", "open")]
    if not any(before):
        return []
    said = escalate(
        context, [_about(context, case, "over", "the response is over", headline(findings))], Urgency.TICKET
    )
    clear_alert(context.ledger, _key(context, case, "over"))
    return in_words(said)


def _about(context: Context, case: Case, what: str, title: str, text: str) -> Escalation:
    whom = context.declared.platform_on_call or "the platform on-call"
    return Escalation(_key(context, case, what), whom, f"{context.environment}, {case.ticket}: {title}", text, _RUNBOOK)


def _key(context: Context, case: Case, what: str) -> str:
    return f"compromise:{case.id}:{context.environment}:{what}"
