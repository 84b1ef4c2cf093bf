"""Credentials that are older than their policy allows, exposed, or due and not begun. Of those with an open rotation that one tells."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from domain.attention import Attention, Weight
from domain.config import Config, EnvironmentKind
from domain.names import Credential
from domain.policies import is_too_old
from domain.rotation import RotationRecord
from domain.rotation_calendar import Life, Next, next_of
from domain.rotation_config import is_rotated
from ledger.held_credentials import HeldCredential

_RUNBOOK = "docs/runbooks/rotation-planned.md"


def due_credentials(
    config: Config,
    lives: Mapping[Credential, Life],
    held: Iterable[HeldCredential],
    rotations: Sequence[RotationRecord],
    now: datetime,
) -> Iterator[Attention]:
    """Yield a line per credential that is late or exposed; canaries, which the drill looks after, are none of them.

    Nor are those of which no environment or integration is known any more.
    """
    rotating = {one.credential for one in rotations}
    for one in held:
        life = lives.get(one.credential) if one.credential.environment in config.environments else None
        if life is None or one.credential in rotating or life.policy.is_drill:
            continue
        if one.is_exposed:
            yield _exposed(one)
        elif is_too_old(one.since, now, life.policy):
            yield _too_old(life, now)
        elif _is_left_to_schedules(config, one.credential):
            yield from _late(life, now)


def _is_left_to_schedules(config: Config, credential: Credential) -> bool:
    kind = config.environments[credential.environment].kind
    return kind is not EnvironmentKind.REHEARSAL and is_rotated(config, credential)


def _exposed(one: HeldCredential) -> Attention:
    return Attention(
        key=f"exposed:{one.credential}",
        weight=Weight.NOW,
        environment=one.credential.environment,
        what=f"{one.credential} is exposed and still in use.",
        means=f"Every value until {one.compromised_at:%Y-%m-%d %H:%M} UTC counts as in foreign hands, and no rotation of it is open.",
        by=one.compromised_at,
        command=f"opsflows emergency --scope {one.credential} --since {one.compromised_at:%Y-%m-%dT%H:%M:%SZ} --reason WHY --ticket TICKET",
        runbook="docs/runbooks/rotation-compromise.md",
    )


def _too_old(life: Life, now: datetime) -> Attention:
    days, allowed = (now - life.since).days, life.policy.max_age.days
    return Attention(
        key=f"age:{life.credential}",
        weight=Weight.NOW,
        environment=life.credential.environment,
        what=f"{life.credential} is {days} days old, and its policy allows {allowed}.",
        means="No rotation of it is open, so nothing will make it younger.",
        by=life.since + life.policy.max_age,
        command=_rotate(life.credential),
        runbook=_RUNBOOK,
    )


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
