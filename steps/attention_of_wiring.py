"""Environments that are not wired, not live, not verified when they should be, or whose verification fails."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

from domain.attention import Attention, Weight
from domain.cadence import TICK_SLACK, Cadence, verification_due
from domain.checklist import CHECKLIST, UNCOUNTED, StepState
from domain.config import Config, EnvironmentKind
from domain.names import REHEARSAL, Target
from domain.probes import Outcome
from ledger.credentials import Blocker
from ledger.open_facts import DayOneStep
from ledger.questions import Question
from ledger.verifications import LastVerified

_TITLES = {step.number: step.title for step in CHECKLIST}
# The daily tick makes up for what is due; past it and the run itself, it did not.
_LATE = timedelta(days=1) + TICK_SLACK
_WITHOUT_CREDENTIALS = frozenset({Outcome.MISSING, Outcome.BLOCKED})
# Which of several steps that are not done is told: what only waits for another one comes last.
_TELLING = (
    StepState.HOLD,
    StepState.BLOCKED,
    StepState.WAITS_FOR_PERSON,
    StepState.NOT_RUN,
    StepState.WAITS_FOR_STEP,
)


def verification_lines(
    config: Config,
    verified: Mapping[str, Mapping[Target, LastVerified]],
    live: Mapping[str, date],
    questions: Iterable[Question],
    now: datetime,
) -> Iterator[Attention]:
    """Yield what fails, what a live environment never had verified, and what is late."""
    asked = {(one.environment, one.integration) for one in questions}
    for name, declared in config.environments.items():
        seen = verified.get(name, {})
        is_live = name in live and now.date() >= live[name]
        for target in declared.targets:
            last = seen.get(target)
            if last is not None and last.outcome is not Outcome.PASS and (name, str(target)) not in asked:
                yield _failing(name, last, is_live=is_live or declared.kind is EnvironmentKind.REHEARSAL)
            elif last is None and is_live:
                yield _never(name, target, live[name])
        whole = bool(declared.targets) and all(target in seen for target in declared.targets)
        if whole and declared.kind is not EnvironmentKind.REHEARSAL:
            yield from _due(name, live.get(name), min(seen[target].at for target in declared.targets), now)


def day_one_lines(
    config: Config,
    steps: Mapping[str, Sequence[DayOneStep]],
    blockers: Iterable[tuple[str, Blocker]],
    live: Mapping[str, date],
    questions: Iterable[Question],
) -> Iterator[Attention]:
    """Yield a line per environment whose day 1 is not begun, not done, or done and not declared live."""
    waited_for: dict[str, list[Blocker]] = {}
    for environment, one in blockers:
        waited_for.setdefault(environment, []).append(one)
    asked = {one.environment for one in questions if one.step > 0}
    for name, declared in config.environments.items():
        if declared.kind is EnvironmentKind.REHEARSAL or not declared.targets:
            continue
        open_step = _told(steps.get(name, ()))
        if name not in steps:
            if name not in live:
                yield _not_begun(name)
        elif open_step is None:
            if name not in live:
                yield _not_live(name)
        # What a person is asked is a line of its own.
        elif open_step.state is not StepState.WAITS_FOR_PERSON or name not in asked:
            yield _not_done(name, open_step, waited_for.get(name, []))


def _told(steps: Sequence[DayOneStep]) -> DayOneStep | None:
    """Return the step of which to speak, None where everything that counts is done."""
    left = [one for one in steps if one.state is not StepState.DONE and one.state not in UNCOUNTED]
    if not left and not any(one.state is StepState.DONE for one in steps):
        left = list(steps)
    return min(left, key=lambda one: (_TELLING.index(one.state), one.number), default=None)


def _not_begun(name: str) -> Attention:
    return Attention(
        key=f"day-1:{name}",
        weight=Weight.LATER,
        environment=name,
        what=f"{name} is declared and was never wired.",
        means="Nothing of it was ever seen to work, and nothing of it is scheduled.",
        by=None,
        command=f"opsflows wire --environment {name}",
    )


def _not_live(name: str) -> Attention:
    return Attention(
        key=f"day-1:{name}",
        weight=Weight.LATER,
        environment=name,
        what=f"{name} is wired and was not declared live.",
        means="Until it is, it is not verified on schedule, and nobody is told when it fails.",
        by=None,
        command=f"opsflows go-live {name} --date YYYY-MM-DD",
    )


def _not_done(name: str, step: DayOneStep, waited_for: Sequence[Blocker]) -> Attention:
    tickets = ", ".join(f"{one.target} under {one.ticket}" for one in waited_for)
    return Attention(
        key=f"day-1:{name}",
        weight=Weight.SOON,
        environment=name,
        what=f"Day 1 of {name} is not done: step {step.number}, {_TITLES.get(step.number, 'not known')}, is {step.state.value}.",
        means=f"{step.detail} {step.next_step} {f'Waited for: {tickets}.' if tickets else ''}".strip(),
        by=None,
        command=f"opsflows wire --environment {name}",
    )


def _failing(name: str, last: LastVerified, *, is_live: bool) -> Attention:
    since = last.failing_since or last.at
    # Without credentials another verification says what the last one said. Those of the rehearsal nobody enters.
    verb = "connect" if last.outcome in _WITHOUT_CREDENTIALS and name != REHEARSAL else "verify"
    return Attention(
        key=f"verify:{name}:{last.target}",
        weight=Weight.NOW if is_live else Weight.SOON,
        environment=name,
        what=f"{name}: {last.target} is not verified since {since:%Y-%m-%d %H:%M} UTC ({last.outcome.value}).",
        means=f"{last.happened or 'Its events were not seen to arrive.'} "
        + (f"It passed last at {last.last_pass_at:%Y-%m-%d %H:%M} UTC." if last.last_pass_at else "It never passed."),
        by=since,
        command=f"opsflows {verb} {last.target} --environment {name}",
        runbook=f"docs/integrations/{last.target.integration}.md",
    )


def _never(name: str, target: Target, day: date) -> Attention:
    return Attention(
        key=f"verify:{name}:{target}",
        weight=Weight.NOW,
        environment=name,
        what=f"{name}: {target} was never verified, and {name} is live since {day}.",
        means="Whether its events arrive is not known.",
        by=None,
        command=f"opsflows verify {target} --environment {name}",
        runbook=f"docs/integrations/{target.integration}.md",
    )


def _due(name: str, day: date | None, last: datetime, now: datetime) -> Iterator[Attention]:
    due = verification_due(day, last, now)
    if due.cadence is Cadence.NOT_LIVE or not due.is_due or due.at is None:
        return
    is_late = now - due.at > _LATE
    yield Attention(
        key=f"verify-due:{name}",
        weight=Weight.NOW if is_late else Weight.LATER,
        environment=name,
        what=f"{name} is due for verification since {due.at:%Y-%m-%d %H:%M} UTC{', and the daily schedule did not verify it' if is_late else ''}.",
        means="What it said last is older than it may be." if is_late else "The next daily tick verifies it.",
        by=due.at,
        command=f"opsflows verify --environment {name}",
    )
