"""What each verification of a target came to, and since when it fails. What was not run or not in scope is not kept."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, insert, select

from domain.names import Target
from domain.probes import Outcome, ProbeResult, integration_outcome
from domain.verdicts import World
from domain.windows import Window
from ledger.opening import Ledger
from ledger.schema import VERIFICATIONS

_NOT_KEPT = frozenset({Outcome.NOT_RUN, Outcome.NOT_IN_SCOPE})
_CLEAR_WORLDS = (World.REAL.value, World.REHEARSAL.value)


@dataclass(frozen=True, slots=True)
class LastVerified:
    """The newest verification of a target. `last_pass_at` is None where it never passed.

    `failures` counts the verifications since the last pass, `failing_since` is the first of them.
    """

    target: Target
    at: datetime
    run_id: str
    outcome: Outcome
    world: World
    symptom: str
    happened: str
    last_pass_at: datetime | None
    failures: int
    failing_since: datetime | None


def record_verifications(
    ledger: Ledger, run_id: str, environment: str, results: Iterable[ProbeResult], world: World
) -> None:
    """Record one outcome per target, the worst of its probes."""
    by_target: dict[Target, list[ProbeResult]] = {}
    for result in results:
        if result.outcome not in _NOT_KEPT:
            by_target.setdefault(result.target, []).append(result)
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        common = {"run_id": run_id, "environment": environment, "world": world.value, "at": now}
        rows = [{**common, **_row(target, found)} for target, found in sorted(by_target.items())]
        if rows:
            connection.execute(insert(VERIFICATIONS), rows)


def last_verified(ledger: Ledger, environment: str) -> dict[Target, LastVerified]:
    """Return the newest verification of every target that was ever verified in the environment."""
    return last_verified_in(ledger, [environment])[environment]


def last_verified_in(ledger: Ledger, environments: Collection[str]) -> dict[str, dict[Target, LastVerified]]:
    """Return the same for each of the environments, by one statement."""
    found: dict[str, dict[Target, LastVerified]] = {name: {} for name in environments}
    with ledger.reading() as connection:
        for environment, *row in connection.execute(_newest(environments)):
            last = _last(row)
            found[environment][last.target] = last
    return found


def failing_spans(ledger: Ledger, environment: str, window: Window) -> list[tuple[Target, Window]]:
    """Return when a target's verifications failed, as far as it lies in the window: from a failure to the next pass."""
    kept = VERIFICATIONS.c
    query = select(kept.target, kept.outcome, kept.at).where(kept.environment == environment, kept.at < window.end)
    found: list[tuple[Target, Window]] = []
    since: dict[str, datetime] = {}
    with ledger.reading() as connection:
        for target, outcome, at in connection.execute(query.order_by(kept.id)):
            if outcome == Outcome.FAIL.value:
                since.setdefault(target, at)
            elif outcome == Outcome.PASS.value and target in since:
                found.append((Target.parse(target), Window(since.pop(target), at)))
    found.extend((Target.parse(target), Window(at, window.end)) for target, at in since.items())
    within = ((target, span.overlap(window)) for target, span in found)
    return sorted((target, span) for target, span in within if span is not None)


def _row(target: Target, results: list[ProbeResult]) -> dict[str, object]:
    outcome = integration_outcome(results)
    worst = next(result for result in results if result.outcome is outcome)
    took = max((result.took for result in results if result.took is not None), default=None)
    return {
        "target": str(target),
        "outcome": outcome.value,
        "symptom": worst.symptom,
        "happened": worst.happened,
        "took_ms": None if took is None else round(took.total_seconds() * 1000),
    }


def _newest(environments: Collection[str]) -> Select[Any]:
    """Return the statement: of each row the environment, then what LastVerified has, in its order.

    Of a target that passes, its newest rows are read and not a year of them: the last pass is looked for from the newest
    backwards. Of one that fails, all since its last pass are, and of one that never passed in a clear world all there are:
    they are its failures, and are counted.
    """
    kept, passes, since = VERIFICATIONS.c, VERIFICATIONS.alias("passes"), VERIFICATIONS.alias("since")
    newest = (
        select(kept.environment, kept.target, func.max(kept.id).label("last_id"))
        .where(kept.environment.in_(sorted(environments)))
        .group_by(kept.environment, kept.target)
        .subquery()
    )
    whose = (passes.c.environment == newest.c.environment, passes.c.target == newest.c.target)
    # A pass that stand-ins and vendors gave between them proves nothing.
    passed = (passes.c.outcome == Outcome.PASS.value, passes.c.world.in_(_CLEAR_WORLDS))
    last_pass = select(passes.c.id).where(*whose, *passed).order_by(passes.c.id.desc()).limit(1).scalar_subquery()
    ends = select(newest, func.coalesce(last_pass, 0).label("pass_id")).subquery()
    failed = (
        since.c.environment == ends.c.environment,
        since.c.target == ends.c.target,
        since.c.id > ends.c.pass_id,
    )
    columns = (kept.target, kept.at, kept.run_id, kept.outcome, kept.world, kept.symptom, kept.happened)
    return (
        select(
            kept.environment,
            *columns,
            passes.c.at.label("last_pass_at"),
            select(func.count()).select_from(since).where(*failed).scalar_subquery().label("failures"),
            select(func.min(since.c.at)).where(*failed).scalar_subquery().label("failing_since"),
        )
        .join_from(VERIFICATIONS, ends, kept.id == ends.c.last_id)
        .join(passes, passes.c.id == ends.c.pass_id, isouter=True)
    )


def _last(row: Sequence[Any]) -> LastVerified:
    target, at, run_id, outcome, world, *rest = row
    return LastVerified(Target.parse(target), at, run_id, Outcome(outcome), World(world), *rest)
