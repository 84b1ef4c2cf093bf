"""Credentials that are older than their policy allows or exposed, however their rotation stands, and those that are due and not begun."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from domain.attention import Attention, Weight
from domain.config import Config, EnvironmentKind
from domain.names import Credential
from domain.policies import is_too_old
from domain.rotation import IN_WORDS, RotationRecord
from domain.rotation_calendar import Life, Next, next_of
from domain.rotation_config import is_rotated
from ledger.held_credentials import HeldCredential
from steps.attention_of_rotations import SHOW, STUCK

_RUNBOOK = "docs/runbooks/rotation-planned.md"
_BY_HAND = (
    "If it is not over within 15 minutes and waits for no person, revoke the exposed value in the vendor's console."
)


def due_credentials(
    config: Config,
    lives: Mapping[Credential, Life],
    held: Iterable[HeldCredential],
    rotations: Sequence[RotationRecord],
    now: datetime,
) -> Iterator[Attention]:
    """Yield a line per credential that is late or exposed; canaries, which the drill looks after, are none of them.

    Nor are those of which no environment or integration is known any more. What has an open rotation is not late, and
    is exposed or too old until another value is in use.
    """
    rotating = {one.credential: one for one in rotations}
    for one in held:
        life = lives.get(one.credential) if one.credential.environment in config.environments else None
        if life is None or life.policy.is_drill:
            continue
        rotation = rotating.get(one.credential)
        if one.is_exposed:
            yield _exposed(one, rotation)
        elif is_too_old(one.since, now, life.policy):
            yield _too_old(life, rotation, now)
        elif rotation is None and _is_left_to_schedules(config, one.credential):
            yield from _late(life, now)


def _is_left_to_schedules(config: Config, credential: Credential) -> bool:
    kind = config.environments[credential.environment].kind
    return kind is not EnvironmentKind.REHEARSAL and is_rotated(config, credential)


def _exposed(one: HeldCredential, rotation: RotationRecord | None) -> Attention:
    order = f"opsflows emergency --scope {one.credential} --since {one.compromised_at:%Y-%m-%dT%H:%M:%SZ} --reason WHY --ticket TICKET"
    if rotation is None:
        stands, command = "No rotation of it is open.", order
    elif rotation.emergency:
        stands, command = f"{_stands(rotation)} {_BY_HAND}", SHOW.format(id=rotation.id)
    else:
        stands, command = f"{_stands(rotation)} It is no emergency yet: the command makes it one.", order
    return Attention(
        key=f"exposed:{one.credential}",
        weight=Weight.NOW,
        environment=one.credential.environment,
        what=f"{one.credential} is exposed and still in use.",
        means=f"Every value until {one.compromised_at:%Y-%m-%d %H:%M} UTC counts as in foreign hands. {stands}",
        by=one.compromised_at,
        command=command,
        runbook="docs/runbooks/rotation-compromise.md",
    )


def _too_old(life: Life, rotation: RotationRecord | None, now: datetime) -> Attention:
    days, allowed = (now - life.since).days, life.policy.max_age.days
    return Attention(
        key=f"age:{life.credential}",
        weight=Weight.NOW,
        environment=life.credential.environment,
        what=f"{life.credential} is {days} days old, and its policy allows {allowed}.",
        means=f"{_stands(rotation)} It grows older until another value is in use."
        if rotation
        else "No rotation of it is open, so nothing will make it younger.",
        by=life.since + life.policy.max_age,
        command=SHOW.format(id=rotation.id) if rotation else _rotate(life.credential),
        runbook=STUCK if rotation else _RUNBOOK,
    )


def _stands(rotation: RotationRecord) -> str:
    wait = f" ({rotation.wait})" if rotation.wait else ""
    words = rotation.words or f"{IN_WORDS[rotation.state]}."
    return f"Its rotation is open and stands at {rotation.state}{wait}: {words} {rotation.next_step}".strip()


def _late(life: Life, now: datetime) -> Iterator[Attention]:
    comes = next_of(life, now)
    if comes is Next.SCHEDULED:
        return
    is_late = comes is Next.OVERDUE
    yield Attention(
        key=f"due:{life.credential}",
        weight=Weight.NOW if is_late else Weight.LATER,
        environment=life.credential.environment,
        what=f"{life.credential} is due since {life.due:%Y-%m-%d %H:%M} UTC{', and the daily schedule did not begin its rotation' if is_late else ''}.",
        means="It will be older than its policy allows unless it is begun."
        if is_late
        else "The next daily tick begins its rotation; nothing is to be done unless it must not be today.",
        by=life.since + life.policy.max_age,
        command=_rotate(life.credential),
        runbook=_RUNBOOK,
    )  # fmt: skip


def _rotate(credential: Credential) -> str:
    return f"opsflows rotate {credential} --ticket TICKET"
