"""A probe is an intent before anything is sent, so that what a crash left at a vendor is found by its nonce."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, case, func, insert, or_, select, update

from domain.names import Target
from domain.probes import CleanUp, Outcome, ProbeResult
from domain.reconciliation import ProbeRatio
from domain.windows import Window
from ledger.opening import Ledger
from ledger.runs import ABANDONED
from ledger.schema import PROBE_INTENTS, RUNS

INTENT_EXPIRES_AFTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class LeftIntent:
    """An event that an earlier run may have left at the vendor. `sent_at` is when it was about to be sent."""

    nonce: str
    target: Target
    probe: str
    sent_at: datetime
    run_id: str


def open_intents(
    ledger: Ledger,
    run_id: str,
    environment: str,
    probes: Iterable[tuple[str, Target, str]],
    expires_after: timedelta = INTENT_EXPIRES_AFTER,
) -> None:
    """Commit all intents (nonce, target, probe) together. To be called before the first of them is sent.

    After `expires_after` an intent that nobody closed counts as left behind, so it must exceed a probe's bound.
    """
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        rows = [
            {
                "nonce": nonce,
                "run_id": run_id,
                "environment": environment,
                "target": str(target),
                "probe": probe,
                "opened_at": now,
                "expires_at": now + expires_after,
            }
            for nonce, target, probe in probes
        ]
        if rows:
            connection.execute(insert(PROBE_INTENTS), rows)


def close_intents(ledger: Ledger, results: Sequence[ProbeResult]) -> frozenset[str]:
    """Record what each probe came to; return the nonces that came too late, being closed or cleaned already.

    Those keep what was recorded first.
    """
    given = {result.nonce: result for result in results}
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        still_open = set(
            connection.execute(
                select(PROBE_INTENTS.c.nonce)
                .where(
                    PROBE_INTENTS.c.nonce.in_(given),
                    PROBE_INTENTS.c.closed_at.is_(None),
                    PROBE_INTENTS.c.cleaned_at.is_(None),
                )
                .with_for_update()
            ).scalars()
        )
        rows = [_closed(given[nonce], now) for nonce in given if nonce in still_open]
        if rows:
            connection.execute(update(PROBE_INTENTS).where(PROBE_INTENTS.c.nonce == bindparam("of")), rows)
    return frozenset(given) - still_open


def left_open(ledger: Ledger, environment: str, targets: Iterable[Target]) -> list[LeftIntent]:
    """Return the intents that may have left an event at the vendor, oldest first.

    That is: closed with a clean-up that did not succeed, or kept for a person and expired; or never closed, and either expired or of a run that ended.
    A run that was sealed ABANDONED may only have been paused, so its intents expire first.
    """
    intents = PROBE_INTENTS.c
    with ledger.reading() as connection:
        now = ledger.now_in(connection)
        rows = connection.execute(
            select(intents.nonce, intents.target, intents.probe, intents.opened_at, intents.run_id)
            .select_from(PROBE_INTENTS.outerjoin(RUNS, RUNS.c.run_id == intents.run_id))
            .where(
                intents.environment == environment,
                intents.target.in_([str(target) for target in targets]),
                intents.cleaned_at.is_(None),
                or_(
                    and_(intents.closed_at.is_not(None), intents.clean_up == CleanUp.LEFT.value),
                    and_(intents.clean_up == CleanUp.KEPT.value, intents.expires_at <= now),
                    and_(intents.closed_at.is_(None), intents.expires_at <= now),
                    and_(intents.closed_at.is_(None), RUNS.c.verdict != ABANDONED),
                ),
            )
            .order_by(intents.opened_at, intents.nonce)
        )
        return [LeftIntent(row[0], Target.parse(row[1]), row[2], row[3], row[4]) for row in rows]


def kept_for_people(ledger: Ledger, environment: str, target: Target) -> list[LeftIntent]:
    """Return the events that stay at the vendor until a person has seen them, oldest first."""
    intents = PROBE_INTENTS.c
    query = select(intents.nonce, intents.target, intents.probe, intents.opened_at, intents.run_id).where(
        intents.environment == environment,
        intents.target == str(target),
        intents.clean_up == CleanUp.KEPT.value,
        intents.cleaned_at.is_(None),
    )
    with ledger.reading() as connection:
        rows = connection.execute(query.order_by(intents.opened_at, intents.nonce))
        return [LeftIntent(row[0], Target.parse(row[1]), row[2], row[3], row[4]) for row in rows]


def mark_cleaned(ledger: Ledger, cleaned: Iterable[tuple[str, CleanUp]]) -> None:
    """Record that events left behind are gone or tagged; what is still LEFT stays for the next run."""
    gone = [(nonce, clean_up) for nonce, clean_up in cleaned if clean_up is not CleanUp.LEFT]
    if not gone:
        return
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        connection.execute(
            update(PROBE_INTENTS).where(PROBE_INTENTS.c.nonce == bindparam("of"), PROBE_INTENTS.c.cleaned_at.is_(None)),
            [{"of": nonce, "clean_up": clean_up.value, "cleaned_at": now} for nonce, clean_up in gone],
        )


def probe_ratios(ledger: Ledger, environment: str, window: Window) -> dict[Target, ProbeRatio]:
    """Return of each target how many probes were sent in the window and how many of them were seen at the vendor.

    A probe that its run never closed, because it was killed or ended before that, counts as sent and not seen: nobody saw it.
    Those of a run that goes on are not counted yet.
    """
    intents = PROBE_INTENTS.c
    sent = and_(intents.closed_at.is_not(None), intents.clean_up != CleanUp.NOTHING_SENT.value)
    left_open = and_(intents.closed_at.is_(None), RUNS.c.verdict.is_not(None))
    seen = func.sum(case((intents.outcome == Outcome.PASS.value, 1), else_=0))
    query = (
        select(intents.target, func.count(), seen)
        .outerjoin(RUNS, RUNS.c.run_id == intents.run_id)
        .where(
            intents.environment == environment,
            intents.opened_at >= window.start,
            intents.opened_at < window.end,
            or_(sent, left_open),
        )
        .group_by(intents.target)
    )
    with ledger.reading() as connection:
        return {Target.parse(row[0]): ProbeRatio(row[1], row[2]) for row in connection.execute(query)}


def _closed(result: ProbeResult, now: datetime) -> dict[str, object]:
    left = result.clean_up in {CleanUp.LEFT, CleanUp.KEPT}
    return {
        "of": result.nonce,
        "outcome": result.outcome.value,
        "clean_up": result.clean_up.value,
        "closed_at": now,
        "cleaned_at": None if left else now,
    }
