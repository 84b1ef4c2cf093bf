"""Runs that ended without a word, and schedules that do not run when they should."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from domain.attention import Attention, Weight
from domain.names import SWEEPER, deployment_of
from domain.run_bounds import ENDS_WELL_WITHIN, SWEEPS_EVERY_MINUTES, SWEEPS_FROM_MINUTE
from domain.run_watch import ALL_KEYS, Kind, key_of
from ledger.deployment_ends import DeploymentEnd
from ledger.open_facts import SilentRun
from steps.attention_of_alerts import DOCTOR, environment_of, start_of, started_again

_ABANDONED = "docs/runbooks/run-abandoned.md"
_MISSING = "docs/runbooks/run-missing.md"
# The sweeper comes every quarter of an hour, and takes a while.
_SEALED_WITHIN = timedelta(minutes=30)


def silent_run_lines(found: Iterable[SilentRun], now: datetime) -> Iterator[Attention]:
    """Yield a line per run that gives no sign of life and that nobody has sealed yet."""
    for one in found:
        is_old = now - one.lease_until > _SEALED_WITHIN
        yield Attention(
            key=f"run:{one.run_id}",
            weight=Weight.NOW if is_old else Weight.SOON,
            environment=environment_of(one.environment),
            what=f"Run {one.run_id} gives no sign of life since {one.lease_until:%Y-%m-%d %H:%M} UTC.",
            means="It was killed, or its machine went away; what it was doing is unfinished."
            + (" The sweeper should have sealed it by now, and did not." if is_old else " The next sweep seals it ABANDONED."),
            by=one.lease_until,
            command=started_again(deployment_of(one.flow), one.environment),
            runbook=_ABANDONED,
        )  # fmt: skip


def schedule_lines(ends: Sequence[DeploymentEnd], alerts: Collection[str], now: datetime) -> Iterator[Attention]:
    """Yield each scheduled deployment that did not end well for too long, or the sweeper alone where nobody looked at them.

    One that never ended well is told by the sweeper, which knows since when it is deployed.
    """
    looked_at = max((one.looked_at for one in ends), default=None)
    if looked_at is None:
        yield _never_looked(now)
        return
    if now - looked_at > ENDS_WELL_WITHIN[SWEEPER]:
        yield _not_looked_since(looked_at)
        return
    for one in ends:
        within, at = ENDS_WELL_WITHIN.get(one.deployment), one.ended_well_at
        short = one.deployment.partition("/")[2]
        is_told = any(key.startswith(f"{ALL_KEYS}{short}:") for key in alerts)
        if within is not None and at is not None and now - at > within and not is_told:
            yield _silent(one.deployment, at, at + within)


def _never_looked(now: datetime) -> Attention:
    return Attention(
        key="deployment:sweeper:never",
        weight=Weight.SOON,
        environment="",
        what="No schedule was ever seen to run: the sweeper has not looked at this ledger.",
        means=f"What is scheduled, due or stuck is done and told by nobody until it does. It ticks every quarter of an hour, next at {_next_sweep(now):%H:%M} UTC where it is deployed.",
        by=None,
        command=DOCTOR,
        runbook=_MISSING,
    )


def _next_sweep(now: datetime) -> datetime:
    minutes = (SWEEPS_FROM_MINUTE - now.minute - 1) % SWEEPS_EVERY_MINUTES + 1
    return now.replace(second=0, microsecond=0) + timedelta(minutes=minutes)


def _not_looked_since(at: datetime) -> Attention:
    return Attention(
        key=key_of(Kind.SILENT, SWEEPER),
        weight=Weight.NOW,
        environment="",
        what=f"The sweeper does not run: it looked last at {at:%Y-%m-%d %H:%M} UTC, and is due every quarter of an hour.",
        means="Nothing that is due is stepped, no alert is sent, and whether the other schedules run is not known.",
        by=at + ENDS_WELL_WITHIN[SWEEPER],
        command=DOCTOR,
        runbook=_MISSING,
    )


def _silent(deployment: str, last: datetime, due: datetime) -> Attention:
    short = deployment.partition("/")[2]
    return Attention(
        key=key_of(Kind.SILENT, deployment),
        weight=Weight.NOW,
        environment="",
        what=f"{short} does not run: it ended well last at {last:%Y-%m-%d %H:%M} UTC.",
        means=f"A good end was due by {due:%Y-%m-%d %H:%M} UTC; what it looks at was not looked at since.",
        by=due,
        command=start_of(deployment),
        runbook=_MISSING,
    )
