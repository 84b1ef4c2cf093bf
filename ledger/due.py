"""A long wait is a row with a due moment; whoever claims it holds it by lease and token, so none is stepped twice.

Due moments and leases compare in the database's time.
"""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update

from domain.errors import Rejected
from ledger.inserting import insert_new
from ledger.opening import Ledger
from ledger.schema import DUE_MOMENTS


@dataclass(frozen=True, slots=True)
class DueMoment:
    """Something to be done at a time. `lease_until` is None while nobody works on it."""

    id: int
    idempotency_key: str
    kind: str
    subject: str
    due_at: datetime
    worker: str
    lease_until: datetime | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A due moment in one worker's hands. `token` grows with each claim: an older one can do nothing any more."""

    id: int
    token: int
    kind: str
    subject: str
    due_at: datetime
    worker: str


def schedule(ledger: Ledger, kind: str, subject: str, due_at: datetime, idempotency_key: str) -> bool:
    """Record a due moment; False, with nothing changed, where the key is known already."""
    with ledger.writing() as connection:
        return insert_new(
            connection,
            DUE_MOMENTS,
            {
                "kind": kind,
                "subject": subject,
                "due_at": due_at,
                "idempotency_key": idempotency_key,
                "scheduled_at": ledger.now_in(connection),
            },
        )


def claim_due(
    ledger: Ledger, worker: str, lease: timedelta, limit: int = 10, kinds: Collection[str] = ()
) -> list[Claim]:
    """Claim what is due and in nobody's hands, the longest due first; an expired lease is nobody's."""
    moments = DUE_MOMENTS.c
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        free = or_(moments.lease_until.is_(None), moments.lease_until <= now)
        query = select(moments.id, moments.token, moments.kind, moments.subject, moments.due_at).where(
            moments.finished_at.is_(None), moments.due_at <= now, free
        )
        if kinds:
            query = query.where(moments.kind.in_(kinds))
        # A row that another worker is claiming at this moment is skipped rather than waited for.
        query = query.order_by(moments.due_at, moments.id).limit(limit).with_for_update(skip_locked=True)
        claims = [
            Claim(row.id, row.token + 1, row.kind, row.subject, row.due_at, worker)
            for row in connection.execute(query).all()
        ]
        if claims:
            connection.execute(
                update(DUE_MOMENTS)
                .where(moments.id.in_([claim.id for claim in claims]))
                .values(worker=worker, token=moments.token + 1, lease_until=now + lease)
            )
    return claims


def renew(ledger: Ledger, claim: Claim, lease: timedelta) -> None:
    """Extend the lease, to be called before each side effect. Raises Rejected where the claim is lost."""
    with ledger.writing() as connection:
        kept = connection.execute(
            update(DUE_MOMENTS)
            .where(_held(claim), DUE_MOMENTS.c.lease_until > (now := ledger.now_in(connection)))
            .values(lease_until=now + lease)
        )
        if kept.rowcount == 0:
            raise _lost(claim)


def finish(ledger: Ledger, claim: Claim, outcome: str) -> None:
    """Record that it is done and what came of it. Raises Rejected where the claim is lost.

    A lease that ran out loses nothing while nobody else has claimed the moment.
    """
    with ledger.writing() as connection:
        done = connection.execute(
            update(DUE_MOMENTS)
            .where(_held(claim))
            .values(finished_at=ledger.now_in(connection), lease_until=None, outcome=outcome)
        )
        if done.rowcount == 0:
            raise _lost(claim)


def postpone(ledger: Ledger, claim: Claim, due_at: datetime, why: str) -> None:
    """Give the claim back, to be due again at `due_at`. Raises Rejected where the claim is lost."""
    with ledger.writing() as connection:
        given_back = connection.execute(
            update(DUE_MOMENTS).where(_held(claim)).values(due_at=due_at, worker="", lease_until=None, outcome=why)
        )
        if given_back.rowcount == 0:
            raise _lost(claim)


def upcoming(ledger: Ledger, limit: int = 50, kinds: Collection[str] = ()) -> list[DueMoment]:
    """Return what is not finished, the earliest first; what is overdue stands at the top."""
    moments = DUE_MOMENTS.c
    query = select(*(moments[field.name] for field in fields(DueMoment))).where(moments.finished_at.is_(None))
    if kinds:
        query = query.where(moments.kind.in_(kinds))
    with ledger.reading() as connection:
        rows = connection.execute(query.order_by(moments.due_at, moments.id).limit(limit))
        return [DueMoment(*row) for row in rows]


def _held(claim: Claim) -> ColumnElement[bool]:
    moments = DUE_MOMENTS.c
    # A moment given back keeps its token until the next claim, but has no worker any more.
    return and_(
        moments.id == claim.id,
        moments.token == claim.token,
        moments.worker == claim.worker,
        moments.finished_at.is_(None),
    )


def _lost(claim: Claim) -> Rejected:
    return Rejected(
        f"{claim.kind} of {claim.subject} is not in the hands of {claim.worker} any more.",
        "The lease ran out and someone else has it, or it is finished; what was to be written now was not written.",
        "Nothing: whoever holds it carries on. If this repeats, the lease is too short for the work.",
        "ledger.claim_lost",
    )
