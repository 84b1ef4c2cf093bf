"""Tells people once that a state was entered, again each day it lasts, and never loses an alert that could not be sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.cadence import Cadence
from domain.errors import OpsError
from domain.names import Target
from domain.probes import Outcome, ProbeResult
from ledger.alerts import clear_alert, mark_sent, open_alerts, raise_alert
from steps.context import Context
from steps.verification import common_cause, outcomes_by_target
from steps.verifying import connected
from vendors.capabilities import Notice, Notifier, Urgency

_PASSING = frozenset({Outcome.PASS, Outcome.NOT_RUN, Outcome.NOT_IN_SCOPE})


@dataclass(frozen=True, slots=True)
class Escalation:
    """One thing to tell someone: `whom` is the owner or the platform on-call, as opsflows.toml names them."""

    key: str
    whom: str
    title: str
    text: str
    runbook: str


@dataclass(frozen=True, slots=True)
class Told:
    """What was done about one thing that someone must know, in one sentence. `is_unsent`: those who are named there could not be reached."""

    words: str
    is_unsent: bool = False


def in_words(told: Iterable[Told]) -> list[str]:
    """Return the sentences, for who reports them; what could not be sent is sent by the sweeper, which holds while it cannot."""
    return [one.words for one in told]


def reached(told: Iterable[Told], failed: list[str]) -> list[str]:
    """Return in words what was told; what could not be sent is added to `failed`, so that the run that found it is not green."""
    told = list(told)
    failed.extend(one.words for one in told if one.is_unsent)
    return [one.words for one in told if not one.is_unsent]


def escalations(context: Context, results: Iterable[ProbeResult], evidence: str) -> list[Escalation]:
    """Return whom to tell about what failed: each integration's owner, or the platform on-call when several share a cause."""
    results = list(results)
    rollback = (
        f"Roll back first, investigate afterwards: OPERATOR_WIRING_PROD_ENABLED=0 ({context.declared.rollback_command}). "
        f"No credential was deleted; leave them in place. Evidence: {evidence}"
    )
    failing = {t: outcome for t, outcome in outcomes_by_target(results).items() if outcome not in _PASSING}
    if len({target.integration for target in failing}) > 1:
        return [_of_several(context, results, failing, rollback)]
    return [
        Escalation(
            f"verify:{context.environment}:{target}",
            context.declared.owners.get(str(target)) or f"the owner of {target}",
            f"{context.environment}: {target} {outcome.value}",
            f"{_words(results, target)} {rollback}",
            f"docs/integrations/{target.integration}.md",
        )
        for target, outcome in failing.items()
    ]


def escalate(context: Context, found: Iterable[Escalation], urgency: Urgency, environment: str = "") -> list[Told]:
    """Raise each alert and send those that are due; return what was done about each.

    They are of the context's environment, or of the one that is named, where the context lends it only its targets.
    """
    return [_raise(context, one, urgency, environment or context.environment) for one in found]


def send_open_alerts(context: Context, environment: str) -> list[Told]:
    """Send what is open in an environment and due again, as urgently as it was raised: not sent yet, or lasting another day."""
    return [
        _raise(
            context,
            Escalation(alert.key, alert.target, title, text, alert.runbook),
            Urgency(alert.urgency),
            alert.environment,
        )
        for alert in open_alerts(context.ledger, environment)
        for title, _, text in [alert.text.partition(". ")]
    ]


def clear_passing(context: Context, results: Iterable[ProbeResult]) -> list[str]:
    """Clear the alerts of what passes again; return their names."""
    outcomes = outcomes_by_target(results)
    keys = [f"verify:{context.environment}:{target}" for target, outcome in outcomes.items() if outcome is Outcome.PASS]
    if set(outcomes) >= set(context.declared.targets) and all(outcome in _PASSING for outcome in outcomes.values()):
        keys.append(f"verify:{context.environment}:platform")
    return [key for key in keys if clear_alert(context.ledger, key)]


def urgency_at(cadence: Cadence) -> Urgency:
    """In the first two weeks a failure pages the operator; in steady state a ticket is enough."""
    return Urgency.PAGE if cadence is Cadence.DAILY else Urgency.TICKET


def _raise(context: Context, one: Escalation, urgency: Urgency, environment: str) -> Told:
    text = f"{one.title}. {one.text}"
    due = raise_alert(
        context.ledger, one.key, environment=environment, target=one.whom, text=text, runbook=one.runbook,
        urgency=urgency.value,
    )  # fmt: skip
    told = f"{one.whom} was told within the last day, or is being told now: {one.title}."
    return _send(context, one, urgency) if due else Told(told)


def _of_several(
    context: Context, results: list[ProbeResult], failing: Mapping[Target, Outcome], rollback: str
) -> Escalation:
    """Several at once are one escalation, to the platform on-call: one cause is more likely than several."""
    cause = common_cause(results)
    words = (
        f"{cause.happened} {cause.means} {cause.next_step}"
        if cause
        else "Look for what they share before looking at each. "
        + " ".join(_words(results, target) for target in failing)
    )
    return Escalation(
        f"verify:{context.environment}:platform",
        context.declared.platform_on_call or "the platform on-call",
        f"{context.environment}: {', '.join(f'{target} {outcome.value}' for target, outcome in failing.items())}",
        f"{words} {rollback}",
        f"docs/runbooks/{'network-substrate' if cause else 'several-failed'}.md",
    )


def _send(context: Context, one: Escalation, urgency: Urgency) -> Told:
    targets = context.declared.alerts
    preferred = (targets.page, targets.ticket) if urgency is Urgency.PAGE else (targets.ticket, targets.page)
    names = [name for name in dict.fromkeys(preferred) if name]
    if not names:
        return Told(
            f"Not sent, because [environments.{context.environment}.alerts] names nobody: tell {one.whom}: {one.title}."
        )
    notice = Notice(one.key, f"{one.title} (for {one.whom})", one.text, urgency)
    failures: list[str] = []
    for name in names:
        try:
            _notify(context, Target.parse(name), notice)
        except OpsError as error:
            failures.append(f"{name}: {error.happened}")
        else:
            mark_sent(context.ledger, one.key)
            return Told(f"{one.whom} told through {name}: {one.title}.")
    lost = f"Not sent yet ({' '.join(failures)}); the next run tries again. Tell {one.whom}: {one.title}."
    return Told(lost, is_unsent=True)


def _notify(context: Context, target: Target, notice: Notice) -> None:
    with connected(context, target) as client:
        if not isinstance(client, Notifier):
            raise OpsError(
                f"{target} cannot notify.", "It has no such capability.", "Name slack, pagerduty or opsgenie there."
            )
        client.notify(notice, context.clock.now())


def _words(results: list[ProbeResult], target: Target) -> str:
    failed = [r for r in results if r.target == target and r.outcome is not Outcome.PASS]
    return " ".join(f"{r.probe}: {r.happened} {r.means} {r.next_step}".strip() for r in failed)
