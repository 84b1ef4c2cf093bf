"""Steps that only a person can prove: what was asked, until when, who answered. In the rehearsal the inbox is read."""

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta

from domain.checklist import Step, StepResult
from domain.diagnosis import DELIVERED_UNSEEN
from domain.names import Target
from domain.probes import Outcome, ProbeResult
from ledger import probes as intents
from ledger.due import schedule
from ledger.questions import Question, Seen, answers, ask, open_questions
from steps.context import Context
from steps.probing import Job, clean_up_left
from steps.verification import by_target
from steps.verifying import connected, verify_targets
from steps.walk import LONG_AGO, Walk, done, hold, of_results, waits_for_person

HAND_OFF = "hand-off"
QUESTION_DEADLINE = "question-deadline"
_VISIBLE = frozenset({Outcome.PASS, Outcome.SENT_NOT_CONFIRMED})


def seen_by_person(walk: Walk, step: Step) -> StepResult:
    """Leave one event per target for people to see, ask them, and clean up when they have answered."""
    if walk.stand_ins is not None:
        return _seen_in_inbox(walk, step)
    context = walk.context
    answered = _answered(walk, step.number)
    waiting = {q.integration for q in open_questions(context.ledger, context.environment) if q.step == step.number}
    # After a no the event was sent anew; it stays for whoever is asked now.
    _clean_up(walk, [target for target in walk.targets if str(target) in set(answered) - waiting])
    seen = {subject for subject, q in answered.items() if q.seen is Seen.YES}
    unasked = [target for target in walk.targets if str(target) not in waiting | seen]
    results = verify_targets(context, unasked, expires_after=_time_to_answer(walk)) if unasked else []
    walk.results.extend(results)
    write_questions(walk, step.number, [result for result in results if result.outcome in _VISIBLE])
    failed = [result for result in results if result.outcome not in _VISIBLE]
    return of_results(step, failed) if failed else verdict_of_answers(walk, step, walk.targets)


def write_questions(walk: Walk, number: int, results: Iterable[ProbeResult]) -> None:
    """Ask, per target, whether a person saw the very events that were sent."""
    context = walk.context
    for target, rows in by_target(results).items():
        text = f"{context.integrations[target.integration].person_sees} (nonce {', '.join(r.nonce for r in rows)})"
        ask_person(walk.context, number, str(target), text)


def ask_person(context: Context, number: int, subject: str, text: str) -> Question:
    """Write a question with its deadline; the sweeper escalates it when nobody has answered by then."""
    deadline = context.clock.now() + timedelta(hours=context.config.people.answer_hours)
    question = ask(context.ledger, context.environment, number, subject, text, deadline, context.run_id)
    schedule(
        context.ledger, QUESTION_DEADLINE, str(question.id), question.deadline, f"{QUESTION_DEADLINE}:{question.id}"
    )
    return question


def verdict_of_answers(walk: Walk, step: Step, targets: Iterable[Target | str]) -> StepResult:
    """Return DONE when the question about every target was answered with yes."""
    context = walk.context
    answered = _answered(walk, step.number)
    subjects = {str(target) for target in targets}
    asked = [
        q for q in open_questions(context.ledger, context.environment)
        if q.step == step.number and q.integration in subjects
    ]  # fmt: skip
    if asked:
        return _waiting(walk, step, asked, answered)
    unseen = [q for subject, q in answered.items() if subject in subjects and q.seen is not Seen.YES]
    if unseen or not subjects <= set(answered):
        names = ", ".join(q.integration for q in unseen) or "A question"
        return hold(step, f"{names}: not seen. {DELIVERED_UNSEEN.means}", DELIVERED_UNSEEN.next_step)
    told = "; ".join(
        f"{s} by {answered[s].who} at {answered[s].answered_at:%Y-%m-%d %H:%M} UTC" for s in sorted(subjects)
    )
    return done(step, f"Seen: {told}.")


def seen_targets(walk: Walk, numbers: Iterable[int]) -> set[Target]:
    """Return the targets whose event a person saw in one of these steps."""
    found = (q for n in numbers for q in _answered(walk, n).values())
    return {Target.parse(q.integration) for q in found if q.seen is Seen.YES}


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
    taken_over = _answered(walk, step.number).get(HAND_OFF)
    if taken_over is None or taken_over.seen is not Seen.YES:
        ask_person(
            walk.context, step.number, HAND_OFF, "the dev team lead has read hand-off.md and the log, and takes over"
        )
    return verdict_of_answers(walk, step, [HAND_OFF])


def _seen_in_inbox(walk: Walk, step: Step) -> StepResult:
    stand_ins = walk.stand_ins
    if stand_ins is None:
        raise AssertionError("only the rehearsal reads an inbox")
    results = verify_targets(walk.context, walk.targets, expires_after=_time_to_answer(walk))
    walk.results.extend(results)
    failed = [result for result in results if result.outcome is not Outcome.PASS]
    if failed:
        return of_results(step, failed)
    shown = {target: json.dumps(stand_ins.inbox(target.integration)) for target in walk.targets}
    _clean_up(walk, walk.targets)
    # A target's probes are one thing to a person: a metric has no inbox, the event beside it has.
    unseen = [str(t) for t, rows in by_target(results).items() if not any(r.nonce in shown[t] for r in rows)]
    if unseen:
        detail = f"Confirmed, but not in the stand-in's inbox: {', '.join(unseen)}."
        return hold(step, detail, DELIVERED_UNSEEN.next_step)
    names = ", ".join(dict.fromkeys(str(r.target) for r in results))
    return done(step, f"Seen in the stand-ins' inboxes, in a person's place: {names}.")


def _answered(walk: Walk, number: int) -> dict[str, Question]:
    """Return the newest answer per subject, of those that this walk asked for."""
    given = answers(walk.context.ledger, walk.context.environment, number)
    return {
        subject: q for subject, q in given.items() if q.asked_at >= max(walk.began, walk.changed.get(subject, LONG_AGO))
    }


def _waiting(walk: Walk, step: Step, asked: list[Question], answered: Mapping[str, Question]) -> StepResult:
    overdue = [q for q in asked if q.is_overdue(walk.context.clock.now())]
    commands = "; ".join(f"opsflows confirm {q.id} --seen --by NAME" for q in asked)
    again = f"{commands} (or the confirm-step form), then start day-1 wiring again."
    until = min(q.deadline for q in asked)
    what = "; ".join(f"{q.integration}: {q.question}" for q in asked)
    before = [q.integration for q in asked if q.integration in answered]
    earlier = f" Not seen the last time: {', '.join(before)}. {DELIVERED_UNSEEN.next_step}" if before else ""
    if overdue:
        return hold(step, f"Nobody answered until {until:%Y-%m-%d %H:%M} UTC: {what}.{earlier}", again)
    return waits_for_person(step, f"Asked: {what}. Until {until:%Y-%m-%d %H:%M} UTC.{earlier}", again)


def _time_to_answer(walk: Walk) -> timedelta:
    return timedelta(hours=walk.context.config.people.answer_hours)


def _clean_up(walk: Walk, targets: Iterable[Target]) -> None:
    """Clean up what was kept for people to see, by nonce; what cannot be cleaned now is tried again at its expiry."""
    context = walk.context
    for target in targets:
        kept = intents.kept_for_people(context.ledger, context.environment, target)
        if not kept:
            continue
        with connected(context, target) as client:
            probes = {probe.name: probe for probe in client.probes}
            cleaned = [
                (
                    one.nonce,
                    clean_up_left(Job(target, probes[one.probe], one.nonce), one.sent_at, context.pace, context.clock),
                )
                for one in kept
            ]
        intents.mark_cleaned(context.ledger, cleaned)
