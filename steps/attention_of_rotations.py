"""Rotations that stand still, overlaps that end soon, and a freeze: each with the command that goes on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from domain.attention import Attention, Weight
from domain.names import Credential
from domain.rotation import IN_WORDS, RotationRecord, Wait, is_forgotten, is_patient, needs_someone, weight_of
from domain.rotation_calendar import Life
from ledger.freezing import Freeze
from ledger.questions import Question
from steps.answering import rotation_asked_about

FREEZE = "freeze"
# An overlap that ends within a day is said, since who has not loaded the new value fails from then on.
SOON_IS = timedelta(days=1)
STUCK = "docs/runbooks/rotation-stuck.md"
SHOW = "opsflows rotation show {id}"

_RESUME = "opsflows rotation resume {id} --reason WHY"
_ROLL_BACK = "opsflows rotation rollback {id} --reason WHY"
_ADOPT = "opsflows adopt {credential}"
_ANSWER = "opsflows confirm {question} --seen --by NAME"
# What to run at each wait at which someone must act. Where the hand is needed outside, what shows which one.
COMMANDS: Mapping[Wait, str] = MappingProxyType(
    {
        Wait.HALTED: _RESUME,
        Wait.FROZEN: "opsflows freeze --lift",
        Wait.BLOCKED_PREFLIGHT: "opsflows connect {target} --environment {environment}",
        Wait.BLOCKED_NO_SLOT: SHOW,
        Wait.BLOCKED_STILL_USED: SHOW,
        Wait.BLOCKED_HELD_OPEN: SHOW,
        Wait.BLOCKED_NEW_FAILS: _ROLL_BACK,
        Wait.BLOCKED_OLD_FAILS: _RESUME,
        Wait.BLOCKED_CLOCKS: "opsflows doctor",
        Wait.BLOCKED_CONFLICT: _ADOPT,
        Wait.STILL_ACCEPTED: SHOW,
        Wait.AWAITING_ADOPTION: _ADOPT,
        Wait.AWAITING_AGREEMENT: _ROLL_BACK,
        Wait.AWAITING_CONSUMERS: "opsflows rotation ack {id} --consumer NAME",
        Wait.AWAITING_HUMAN_CREATE: "opsflows rotation enter {id}",
        Wait.AWAITING_HUMAN_SEEN: _ANSWER,
        Wait.AWAITING_HUMAN_REVOKE: SHOW,
        Wait.AWAITING_HUMAN_RECONCILE: _RESUME,
    }
)


def freeze_line(freeze: Freeze | None, rotations: Iterable[RotationRecord]) -> Iterator[Attention]:
    """Yield the freeze in force: something wrong now where rotations wait behind it, else something to remember."""
    if freeze is None:
        return
    waiting = [one for one in rotations if one.wait is Wait.FROZEN]
    behind = (
        f"{len(waiting)} rotation{'s wait' if len(waiting) != 1 else ' waits'} behind it"
        if waiting
        else "No rotation waits behind it yet"
    )
    lift = "opsflows restore --agree" if freeze.is_after_restore else "opsflows freeze --lift"
    yield Attention(
        key=FREEZE,
        weight=Weight.NOW if waiting or freeze.is_after_restore else Weight.SOON,
        environment="",
        what=f"Changes at vendors are frozen by {freeze.who} since {freeze.frozen_at:%Y-%m-%d %H:%M} UTC: {freeze.reason.rstrip('.')}.",
        means=f"{behind}; credentials grow older until it is lifted.",
        by=freeze.frozen_at,
        command=lift,
        runbook=STUCK,
    )  # fmt: skip


def rotation_lines(
    rotations: Sequence[RotationRecord],
    lives: Mapping[Credential, Life],
    questions: Iterable[Question],
    *,
    is_frozen: bool,
    now: datetime,
) -> Iterator[Attention]:
    """Yield each rotation that needs someone, each overlap that ends within a day, and those that nobody steps any more."""
    asked = {rotation_asked_about(one): one for one in questions}
    overdue = []
    for one in rotations:
        if one.wait is Wait.FROZEN and is_frozen:
            continue
        if needs_someone(one.wait):
            yield _standing_still(one, asked.get(one.id), _deadline(lives, one.credential))
        elif is_forgotten(one, now):
            overdue.append(one)
        elif (weight := weight_of(one, now)) is not None:
            yield _backing_off(one, weight, _deadline(lives, one.credential))
        elif is_patient(one.wait) and one.served_at is not None and now <= one.not_before <= now + SOON_IS:
            yield _ending(one)
    yield from _forgotten(overdue)


def _standing_still(one: RotationRecord, question: Question | None, deadline: datetime | None) -> Attention:
    command = COMMANDS[one.wait].format(
        id=one.id,
        credential=one.credential,
        target=one.credential.target,
        environment=one.credential.environment,
        question=question.id if question else "N",
    )
    if one.wait is Wait.BLOCKED_NEW_FAILS and one.back:
        command = SHOW.format(id=one.id)
    acts_at_once = one.wait is Wait.BLOCKED_NEW_FAILS
    return Attention(
        key=_key(one),
        weight=Weight.NOW,
        environment=one.credential.environment,
        what=f"The rotation of {one.credential} stands still: {one.wait}.",
        means=f"{one.words} {one.next_step}".strip(),
        by=one.not_before if acts_at_once else question.deadline if question else deadline,
        command=command,
        runbook=f"{STUCK}#{one.wait.lower()}",
    )


def _backing_off(one: RotationRecord, weight: Weight, deadline: datetime | None) -> Attention:
    return Attention(
        key=_key(one),
        weight=weight,
        environment=one.credential.environment,
        what=f"A step of the rotation of {one.credential} failed and is tried again by itself.",
        means=f"{one.words} {one.next_step}".strip(),
        by=deadline,
        command=SHOW.format(id=one.id),
        runbook=f"{STUCK}#{one.wait.lower()}",
    )


def _ending(one: RotationRecord) -> Attention:
    staying = "the old one stays" if one.back else "the new one stays"
    return Attention(
        key=f"overlap:{one.id}",
        weight=Weight.LATER,
        environment=one.credential.environment,
        what=f"The overlap of {one.credential} ends at {one.not_before:%Y-%m-%d %H:%M} UTC.",
        means=f"From then on the retiring value may go, once it is seen to be unused; {staying}. Nothing is to be done unless an application still uses it.",
        by=one.not_before,
        command=SHOW.format(id=one.id),
        runbook=f"{STUCK}#{one.wait.lower()}" if one.wait else STUCK,
    )  # fmt: skip


def _forgotten(found: Sequence[RotationRecord]) -> Iterator[Attention]:
    """Yield one line for all of them: one cause, that nothing steps rotations."""
    if not found:
        return
    oldest = min(found, key=lambda one: one.not_before)
    environments = {one.credential.environment for one in found}
    others = f" and {len(found) - 1} more" if len(found) > 1 else ""
    yield Attention(
        key="rotations:not-stepped",
        weight=Weight.NOW,
        environment=environments.pop() if len(environments) == 1 else "",
        what=f"Nobody steps the rotation of {oldest.credential}{others}, due since {oldest.not_before:%Y-%m-%d %H:%M} UTC.",
        means=f"The sweeper steps what is due every quarter of an hour, and did not. It stands at: {IN_WORDS[oldest.state]}.",
        by=oldest.not_before,
        command="opsflows doctor",
        runbook=STUCK,
    )


def _deadline(lives: Mapping[Credential, Life], credential: Credential) -> datetime | None:
    """Return when the value in use is older than its policy allows; None where its age is not known."""
    life = lives.get(credential)
    return life.since + life.policy.max_age if life is not None else None


def _key(one: RotationRecord) -> str:
    """Return the key of the alert that the ledger raises for this wait."""
    return f"rotation:{one.id}:{one.wait}"
