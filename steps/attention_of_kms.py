"""KMS parts that are DOWN, targets that nobody checks, and golden ciphertexts that nobody tries any more."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from domain.attention import Attention, Weight
from domain.config import Config
from domain.kms_goldens import Golden
from domain.kms_standing import Standing
from domain.names import REHEARSAL
from ledger.newest import PartSeen
from steps.kms_retiring import is_declared
from steps.kms_status import named_by
from steps.kms_unwatched import UNWATCHED_AFTER

_RUNBOOK = "docs/kms-smoke.md"
_UNWATCHED = "docs/runbooks/kms-canary-dead-man.md"


def kms_lines(
    config: Config, parts: Sequence[PartSeen], kept: Iterable[Golden], alerts: Collection[str], now: datetime
) -> Iterator[Attention]:
    """Yield what is DOWN, what is not checked, and the goldens whose key opsflows.toml does not name any more."""
    for name, row in config.kms.items():
        own = [one for one in parts if (one.environment, one.target) == (row.environment, name)]
        yield from _down(own, alerts)
        if row.environment != REHEARSAL:
            yield from _unwatched(row.environment, name, own, now)
    yield from _left_goldens(config, kept)


def _down(parts: Sequence[PartSeen], alerts: Collection[str]) -> Iterator[Attention]:
    """Yield what is DOWN: what was told, with what it explains beside it; where nothing was told, each part."""
    down = [one for one in parts if one.standing is Standing.DOWN]
    told = [one for one in down if _key(one) in alerts] or down
    beside = ", ".join(one.part for one in down if one not in told)
    for one in told:
        yield Attention(
            key=_key(one),
            weight=Weight.NOW,
            environment=one.environment,
            what=f"{one.environment}: {one.part} of {one.target} is DOWN since {one.since:%Y-%m-%d %H:%M} UTC.",
            means=f"{f'The fault was {one.fault}' if one.fault else 'Its fault was not kept'}"
            f"{f'; beside it DOWN: {beside}' if beside else ''}.",
            by=one.since,
            command=_check(one.environment, one.target),
            runbook=_RUNBOOK,
        )


def _unwatched(environment: str, name: str, parts: Sequence[PartSeen], now: datetime) -> Iterator[Attention]:
    """Yield the target where its newest answer is too old to say anything; one that nobody ever checked is named as that."""
    at = max((one.at for one in parts if one.at is not None), default=None)
    if at is not None and now - at <= UNWATCHED_AFTER:
        return
    yield Attention(
        key=f"kms:{environment}:{name}:unwatched",
        weight=Weight.NOW if at else Weight.SOON,
        environment=environment,
        what=f"{environment}: nobody checks the KMS of {name}"
        + (f" since {at:%Y-%m-%d %H:%M} UTC." if at else "; it was never checked."),
        means="A check is due every half hour. An outage would not be noticed, and what is said of its parts is old.",
        by=at + UNWATCHED_AFTER if at else None,
        command=_check(environment, name),
        runbook=_UNWATCHED,
    )


def _left_goldens(config: Config, kept: Iterable[Golden]) -> Iterator[Attention]:
    """Yield one line per key that is not declared any more: its goldens are tried by nobody, and hold their versions."""
    left: dict[tuple[str, str, str], list[Golden]] = {}
    for one in kept:
        if not is_declared(config, one.environment, one.target, one.key_name):
            left.setdefault((one.environment, one.target, one.key_name), []).append(one)
    for (environment, target, key), found in left.items():
        which = named_by(found[0])
        named = f"--file {which}" if not found[0].version else which
        yield Attention(
            key=f"golden:{environment}:{target}:{key}",
            weight=Weight.LATER,
            environment=environment,
            what=f"{environment}: {len(found)} golden ciphertext{'s' if len(found) > 1 else ''} of {key} in {target}, which opsflows.toml does not name any more.",
            means="No check tries them, and each holds its key version: it cannot be let go while they are in force.",
            by=None,
            command=f"opsflows kms retire-golden {target} {key} {named} --environment {environment} --by WHO --reason WHY",
            runbook="docs/kms-keys.md",
        )  # fmt: skip


def _key(one: PartSeen) -> str:
    return f"kms:{one.environment}:{one.target}:{one.part}"


def _check(environment: str, name: str) -> str:
    return f"opsflows kms check {name} --environment {environment}"
