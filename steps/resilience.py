"""What happens when the network is cut, comes back, a webhook is swapped, an alert runs through the whole chain."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import cast

from domain.checklist import Step, StepResult, StepState
from domain.errors import OpsError
from domain.names import Target
from domain.probes import Outcome, ProbeResult, Receipt
from ledger import wiring as progress
from ledger.credentials import fingerprints
from ledger.questions import open_questions
from steps.agreement import not_agreed
from steps.context import Context
from steps.people import seen_targets, verdict_of_answers, write_questions
from steps.probing import Job, carry_out, clean_up_left, repeat_until
from steps.verifying import close_intents, connected, open_intents, verify_targets
from steps.walk import Walk, done, hold, not_applicable, of_results, waits_for_person
from vendors.capabilities import Client, ErrorSource, NonceFinder
from vendors.dialing import EVERY_HOST, closed_port, silent_port
from vendors.stand_ins import StandIns

# Preferred first: nobody is woken by it, and its probe has no side effect.
_CUT_ORDER = ("datadog", "splunk", "slack", "sentry", "statuspage", "opsgenie", "pagerduty")
_CUT_LIMIT = timedelta(seconds=3)
_CUT_BOUND = timedelta(seconds=12)
_NETWORK = "network."
_PHASES = 3


def cut(walk: Walk, step: Step) -> StepResult:
    """Send one integration's client to a port nobody listens on, then to one that never answers."""
    target = _cut_target(walk)
    if target is None:
        return not_applicable(step, "No integration is in scope.")
    observed: list[str] = []
    for name, address in (("closed port", closed_port), ("no answer", silent_port)):
        with address() as port:
            results = _verify_cut(walk.context, target, port)
        wrong = [r for r in results if not _failed_cleanly(r)]
        if not results or wrong:
            detail = f"{target} did not fail cleanly on a cut network ({name})."
            return hold(step, detail, "Keep the bundle and report it: a probe that cannot fail proves nothing.")
        slowest = max(r.took or timedelta(0) for r in results)
        tries = max(r.attempts for r in results)
        progress.record_timeout(
            walk.context.ledger, walk.context.environment, target, name,
            took=slowest, bound=_CUT_BOUND, run_id=walk.context.run_id,
        )  # fmt: skip
        observed.append(
            f"{name}: failed cleanly in {slowest.total_seconds():.1f} s, sent {tries} {'time' if tries == 1 else 'times'}"
        )
    return done(step, f"{target}, cut inside this process only: {'; '.join(observed)}.")


def recovery(walk: Walk, step: Step) -> StepResult:
    """Verify the integration that was cut once more."""
    target = _cut_target(walk)
    if target is None:
        return not_applicable(step, "No integration is in scope.")
    results = verify_targets(walk.context, [target])
    walk.results.extend(results)
    return of_results(step, results)


def webhook_swap(walk: Walk, step: Step) -> StepResult:
    """Probe through a webhook with another fingerprint than the one verified first; nothing is redeployed."""
    targets = walk.targets_of("slack")
    if not targets:
        return not_applicable(step, "Slack is not in scope.")
    target = targets[0]
    context = walk.context
    if walk.stand_ins is not None:
        walk.save_credentials(target, {"SLACK_WEBHOOK_URL": str(walk.stand_ins.act("slack", "mint_webhook")["url"])})
    now = walk.fingerprint((context.credentials(target) or {}).get("SLACK_WEBHOOK_URL", ""))
    before = _webhook_before(walk, target, now)
    if before is None:
        return waits_for_person(
            step,
            f"{target} still posts through the webhook that was verified first.",
            f"Add a second webhook in the app's settings, run opsflows connect {target} --environment {context.environment}"
            " --only SLACK_WEBHOOK_URL, then start day-1 wiring again.",
        )
    asked = [q for q in open_questions(context.ledger, context.environment) if q.step == step.number]
    if asked or target in seen_targets(walk, [step.number]):
        return verdict_of_answers(walk, step, [target])
    results = verify_targets(context, [target])
    walk.results.extend(results)
    unseen = [result for result in results if result.outcome is Outcome.SENT_NOT_CONFIRMED]
    if unseen:
        write_questions(walk, step.number, unseen)
        return verdict_of_answers(walk, step, [target])
    found = of_results(step, results)
    if all(result.outcome is Outcome.PASS for result in results):
        return replace(found, detail=f"{found.detail} Webhook {before} was swapped for {now}, nothing redeployed.")
    return found


def _webhook_before(walk: Walk, target: Target, now: str) -> str | None:
    """Return the fingerprint of another webhook that this walk has used, None where there was only one."""
    known = fingerprints(walk.context.ledger, walk.context.environment, target, "SLACK_WEBHOOK_URL")
    before = [one.fingerprint for one in known if one.fingerprint != now and one.last_seen_at >= walk.began]
    return before[-1] if before else None


def chain(walk: Walk, step: Step) -> StepResult:
    """Raise one new Sentry error and find the incident and the message it leads to, link by link."""
    targets = {name: walk.targets_of(name) for name in ("sentry", "pagerduty", "slack")}
    absent = [name for name, found in targets.items() if not found]
    if absent:
        return not_applicable(step, f"Not in scope: {', '.join(absent)}.")
    if walk.stand_ins is not None:
        _join_stand_ins(walk, targets["pagerduty"][0], targets["slack"][0])
    context = walk.context
    # The incident at the end of Sentry's rule is as loud as a probe's own.
    refused = not_agreed(context, targets["pagerduty"])
    if refused:
        return of_results(step, refused)
    nonce = context.new_nonce()
    with ExitStack() as stack:
        clients = {name: stack.enter_context(connected(context, found[0])) for name, found in targets.items()}
        blind = [name for name, client in clients.items() if not all(probe.confirm for probe in client.probes)]
        if blind:
            return hold(
                step,
                f"{', '.join(blind)} cannot be read back with the credentials that are here, so the chain cannot be seen.",
                f"Add the reading credential: opsflows connect {targets[blind[0]][0]} --environment {context.environment}.",
            )
        open_intents(context, [(nonce, targets["sentry"][0], "event")])
        result = _follow(walk, step, clients, nonce)
        came_to = Outcome.PASS if result.state is StepState.DONE else Outcome.FAIL
        _tidy(context, clients, targets["sentry"][0], nonce, came_to)
    return result


def _follow(walk: Walk, step: Step, clients: Mapping[str, Client], nonce: str) -> StepResult:
    context = walk.context
    at = context.clock.now()
    sentry = cast(ErrorSource, clients["sentry"])
    links: tuple[tuple[str, Callable[[], Receipt]], ...] = (
        ("Sentry error", lambda: sentry.error_indexed(Receipt(nonce, at))),
        ("PagerDuty incident", lambda: cast(NonceFinder, clients["pagerduty"]).find(nonce, at)),
        ("Slack message", lambda: cast(NonceFinder, clients["slack"]).find(nonce, at)),
    )
    seen: list[str] = []
    looked_for = "Sentry error"
    try:
        sentry.raise_error(nonce, at)
        for looked_for, look in links:
            repeat_until(look, context.pace.confirm, context.pace, context.clock, polls=True)
            seen.append(looked_for)
    except OpsError as error:
        so_far = f"Seen: {', '.join(seen)}. " if seen else ""
        return hold(
            step,
            f"{so_far}The {looked_for} with nonce {nonce} did not appear. {error.happened}",
            "Check the rule that leads there: Sentry's alert rule to the PagerDuty service, PagerDuty's Slack extension; "
            "then start day-1 wiring again.",
        )
    return done(step, f"{' -> '.join(seen)}, one nonce ({nonce}).")


def _tidy(context: Context, clients: Mapping[str, Client], sentry: Target, nonce: str, came_to: Outcome) -> None:
    """Resolve the error at its source; the incident and the message follow by the vendors' own rules, or stay tagged."""
    probe = next(probe for probe in clients["sentry"].probes if probe.name == "event")
    cleaned = clean_up_left(Job(sentry, probe, nonce), context.clock.now(), context.pace, context.clock)
    close_intents(context, [ProbeResult(sentry, probe.name, nonce, came_to, cleaned)])


def _join_stand_ins(walk: Walk, pagerduty: Target, slack: Target) -> None:
    """Do in the stand-ins' consoles what an operator does in the vendors': connect Sentry to PagerDuty to Slack."""
    stand_ins = cast(StandIns, walk.stand_ins)
    keys = walk.context.credentials
    stand_ins.act("sentry", "alert_to_pagerduty", routing_key=(keys(pagerduty) or {})["PAGERDUTY_ROUTING_KEY"])
    stand_ins.act("pagerduty", "notify_slack", webhook_url=(keys(slack) or {})["SLACK_WEBHOOK_URL"])


def _cut_target(walk: Walk) -> Target | None:
    return next((target for name in _CUT_ORDER for target in walk.targets_of(name)), None)


def _verify_cut(context: Context, target: Target, port: int) -> list[ProbeResult]:
    """Verify against a dead address. No intent is written: nothing can reach the vendor."""
    away = context.dialling({EVERY_HOST: ("127.0.0.1", port)}, _CUT_LIMIT)
    pace = context.pace.within((_CUT_BOUND / _PHASES).total_seconds())
    with connected(away, target) as client:
        return [carry_out(Job(target, probe, context.new_nonce()), pace, context.clock) for probe in client.probes[:1]]


def _failed_cleanly(result: ProbeResult) -> bool:
    """Say whether it failed at the network and within the bound."""
    at_the_network = result.outcome is Outcome.FAIL and result.symptom.startswith(_NETWORK)
    return at_the_network and result.took is not None and result.took <= _CUT_BOUND
