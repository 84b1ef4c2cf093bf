"""The gate before a credential is retired: every reason to keep it, as a row, in the order in which they are told."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.manifests import Manifest
from domain.policies import Policy, in_words
from domain.rotation import Wait

# Retiring compares moments told by three clocks: this machine's, the database's, the vendor's.
CLOCKS_AGREE_WITHIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the vendor said at `at` of a credential's last use; None where it was never used."""

    at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen just now of one rotation whose credential is to be retired.

    `old` is None where the vendor has no last use. `own_uses` are our own probes of the old credential, `own_uses_of_new`
    those of the new one.
    """

    now: datetime
    served_at: datetime
    old: Reading | None = None
    new_last_used_at: datetime | None = None
    own_uses: tuple[datetime, ...] = ()
    own_uses_of_new: tuple[datetime, ...] = ()
    acknowledged: frozenset[str] = frozenset()
    held_open: tuple[str, ...] = ()
    waived: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the credential stays for now. `until` is None where no moment ends it."""

    wait: Wait
    words: str
    until: datetime | None = None


def why_not_yet(evidence: Evidence, policy: Policy, manifest: Manifest) -> Stop | None:
    """Return why the overlap is not over, None where it is. Asked before any request is made."""
    over = evidence.served_at + policy.overlap
    covered = over + (manifest.last_used_lag or timedelta(0))
    if evidence.now < over:
        late = (
            ""
            if covered == over or evidence.waived
            else f" Its uses until then are known at {covered:%Y-%m-%d %H:%M} UTC; sooner the old one does not go."
        )
        return Stop(Wait.OVERLAP, f"Old and new both work until {over:%Y-%m-%d %H:%M} UTC.{late}", over)
    if evidence.now < covered and not evidence.waived:
        return Stop(
            Wait.VENDOR_LAG,
            f"The vendor tells uses up to {in_words(manifest.last_used_lag or timedelta(0))} late; what happened in the overlap is known at {covered:%Y-%m-%d %H:%M} UTC.",
            covered,
        )
    return None


def why_it_stays(evidence: Evidence, policy: Policy, manifest: Manifest) -> Stop | None:
    """Return the first reason to keep the credential, None where it may go."""
    return (
        why_not_yet(evidence, policy, manifest)
        or _held_open(evidence)
        or (
            None
            if evidence.waived
            else _still_used(evidence, policy, manifest) or _consumers(evidence, policy, manifest)
        )
    )


def clocks_disagree(now: datetime, worker_at: datetime, vendor_at: datetime) -> Stop | None:
    """Return which clock is not the database's, None where all three agree; the other two as they were at an answer just now."""
    for whose, told in (("this machine's", worker_at), ("the vendor's", vendor_at)):
        if abs(told - now) > CLOCKS_AGREE_WITHIN:
            return Stop(
                Wait.BLOCKED_CLOCKS,
                f"The database says {now:%Y-%m-%d %H:%M:%S} UTC and {whose} clock {told:%Y-%m-%d %H:%M:%S} UTC.",
            )
    return None


def last_use_by_others(used: datetime | None, own_uses: tuple[datetime, ...], grain: timedelta) -> datetime | None:
    """Return the last use unless it was our own probe: one that the vendor noted within its grain of that."""
    return None if used is None or any(abs(used - own) <= grain for own in own_uses) else used


def _held_open(evidence: Evidence) -> Stop | None:
    if not evidence.held_open:
        return None
    shown = ", ".join(evidence.held_open[:5])
    return Stop(Wait.BLOCKED_HELD_OPEN, f"Only the old credential can still close: {shown}.")


def _still_used(evidence: Evidence, policy: Policy, manifest: Manifest) -> Stop | None:
    if manifest.last_used_lag is None or evidence.old is None:
        return None
    used = last_use_by_others(evidence.old.last_used_at, evidence.own_uses, manifest.last_used_grain)
    seen_until = evidence.old.at - manifest.last_used_lag
    if seen_until < evidence.served_at + policy.overlap:
        return Stop(
            Wait.VENDOR_LAG, f"The vendor's reading covers the time until {seen_until:%Y-%m-%d %H:%M} UTC only."
        )
    # The vendor's word reaches to its lag before the reading; the quiet time is looked for where its word reaches.
    if used is not None and used > seen_until - policy.quiet:
        hours = policy.quiet.total_seconds() / 3600
        return Stop(
            Wait.BLOCKED_STILL_USED,
            f"Something used the old credential at {used:%Y-%m-%d %H:%M} UTC, and it must be quiet for {hours:g} h. The vendor does not say who.",
            used + policy.quiet + manifest.last_used_lag,
        )
    return None


def _consumers(evidence: Evidence, policy: Policy, manifest: Manifest) -> Stop | None:
    used = last_use_by_others(evidence.new_last_used_at, evidence.own_uses_of_new, manifest.last_used_grain)
    if not policy.consumers or used is not None:
        return None
    missing = [name for name in policy.consumers if name not in evidence.acknowledged]
    if not missing:
        return None
    return Stop(Wait.AWAITING_CONSUMERS, f"Nothing shows yet that {', '.join(missing)} uses the new credential.")
