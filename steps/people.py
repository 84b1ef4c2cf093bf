"""Steps that only a person can prove: what was asked, until when, who answered. In the rehearsal the inbox is read."""

import json
from collections.abc import Iterable
from datetime import timedelta

from ledger.wiring import Question

from domain.checklist import Step, StepResult
from domain.diagnosis import DELIVERED_UNSEEN
from domain.probes import CleanUp, Outcome, ProbeResult
from ledger import probes as intents
from ledger import wiring as progress
from steps.probing import Job, clean_up_left
from steps.verification import by_target
from steps.verifying import connected, verify_targets
from steps.walk import Walk, done, hold, of_results, waits_for_person

HAND_OFF = "hand-off"
_VISIBLE = frozenset({Outcome.PASS, Outcome.SENT_NOT_CONFIRMED})


def seen_by_person(walk: Walk, step: Step) -> StepResult:
    """Leave one event per target for people to see, ask them, and clean up when they have answered."""
    if walk.stand_ins is not None:
        return _seen_in_inbox(walk, step)
    ledger, environment = walk.context.ledger, walk.context.environment
    asked = progress.questions(ledger, environment, step.number)
    unasked = [target for target in walk.targets if str(target) not in {q.subject for q in asked}]
    if unasked:
        hours = timedelta(hours=walk.context.config.people.answer_hours)
        results = verify_targets(walk.context, unasked, expires_after=hours)
        walk.results.extend(results)
        write_questions(walk, step.number, [r for r in results if r.outcome in _VISIBLE])
        failed = [result for result in results if result.outcome not in _VISIBLE]
        if failed:
            return of_results(step, failed)
        asked = progress.questions(ledger, environment, step.number)
    _clean_up_answered(walk, [q for q in asked if q.answered_at is not None])
    return verdict_of_answers(step, asked)


def write_questions(walk: Walk, number: int, results: Iterable[ProbeResult]) -> None:
    """Ask, per target, whether a person saw the very events that were sent."""
    context = walk.context
    hours = timedelta(hours=context.config.people.answer_hours)
    for target, rows in by_target(results).items():
        text = f"{context.integrations[target.integration].person_sees} (nonce {', '.join(r.nonce for r in rows)})"
        evidence = json.dumps([[row.probe, row.nonce] for row in rows])
        progress.ask(context.ledger, context.environment, number, str(target), text, hours, evidence)


def verdict_of_answers(step: Step, asked: list[Question]) -> StepResult:
    """Return DONE when every question was answered with yes."""
    unseen = [q for q in asked if q.seen is False]
    if unseen:
        names = ", ".join(q.subject for q in unseen)
        return hold(step, f"{names}: answered with not seen. {DELIVERED_UNSEEN.means}", DELIVERED_UNSEEN.next_step)
    waiting = [q for q in asked if q.seen is None]
    if waiting:
        commands = "; ".join(f"opsflows confirm {q.id} --seen --by NAME" for q in waiting)
        until = min(q.deadline for q in waiting)
        return waits_for_person(
            step, f"Asked: {'; '.join(f'{q.subject}: {q.text}' for q in waiting)}. Until {until:%Y-%m-%d %H:%M} UTC.",
            f"{commands} (or the confirm-step form), then start day-1 wiring again.",
        )  # fmt: skip
    told = "; ".join(f"{q.subject} by {q.answered_by} at {q.answered_at:%Y-%m-%d %H:%M} UTC" for q in asked)
    return done(step, f"Seen: {told}.")


def hand_off(walk: Walk, step: Step) -> StepResult:
    """Ask who has taken over; the hand-off note in the bundle says what they take over."""
    context = walk.context
    note = (
        f"# Hand-off of {context.environment}\n\n"
        f"- credentials: Prefect blocks `<vendor>-<instance>-{context.environment}-<purpose>`; values are not in this file\n"
        f"- log: verify-day1-<date>.log in this bundle (run {context.run_id})\n"
        "- what runs by itself: the verify-due deployment, daily for 14 days after go-live, weekly from then on\n"
    )
    walk.keep("hand-off.md", note)
    if walk.stand_ins is not None:
        return done(step, "hand-off.md is in the bundle; in the rehearsal nobody has to take over.")
    asked = progress.questions(context.ledger, context.environment, step.number)
    if not asked:
        hours = timedelta(hours=context.config.people.answer_hours)
        text = "the dev team lead has read hand-off.md and the log, and takes over"
        progress.ask(context.ledger, context.environment, step.number, HAND_OFF, text, hours, "[]")
        asked = progress.questions(context.ledger, context.environment, step.number)
    return verdict_of_answers(step, asked)


def _seen_in_inbox(walk: Walk, step: Step) -> StepResult:
    stand_ins = walk.stand_ins
    if stand_ins is None:
        raise AssertionError("only the rehearsal reads an inbox")
    hour = timedelta(hours=1)
    results = verify_targets(walk.context, walk.targets, expires_after=hour)
    walk.results.extend(results)
    failed = [result for result in results if result.outcome is not Outcome.PASS]
    if failed:
        return of_results(step, failed)
    unseen = [r for r in results if r.nonce not in json.dumps(stand_ins.inbox(r.target.integration))]
    _clean_up(walk, {r.nonce for r in results})
    if unseen:
        names = ", ".join(f"{r.target} {r.probe}" for r in unseen)
        return hold(step, f"Confirmed, but not in the stand-in's inbox: {names}.", DELIVERED_UNSEEN.next_step)
    names = ", ".join(dict.fromkeys(str(r.target) for r in results))
    return done(step, f"Seen in the stand-ins' inboxes, in a person's place: {names}.")


def _clean_up_answered(walk: Walk, answered: list[Question]) -> None:
    nonces = {nonce for q in answered for _, nonce in json.loads(q.evidence)}
    _clean_up(walk, nonces)


def _clean_up(walk: Walk, nonces: set[str]) -> None:
    """Clean up what was left for people to see, by what the ledger knows of it."""
    context = walk.context
    for row in intents.open_now(context.ledger, context.environment):
        if row.nonce not in nonces:
            continue
        with connected(context, row.target) as client:
            probe = next(probe for probe in client.probes if probe.name == row.probe)
            job = Job(row.target, probe, row.nonce)
            cleaned = clean_up_left(job, row.opened_at, context.pace, context.clock)
        if cleaned is not CleanUp.LEFT:
            intents.mark_cleaned(context.ledger, row.nonce, cleaned)
