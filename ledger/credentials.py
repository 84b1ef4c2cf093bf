"""What is known of credentials without their values: what they wait for, and which fingerprints were in use when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, select, update

from domain.names import Target
from ledger.inserting import insert_new
from ledger.opening import Ledger
from ledger.schema import BLOCKERS, FINGERPRINTS


@dataclass(frozen=True, slots=True)
class Blocker:
    """A credential that is waited for under a ticket; `unblocked_at` is None while it is."""

    target: Target
    ticket: str
    who: str
    note: str
    blocked_at: datetime
    unblocked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SeenFingerprint:
    """A field's value as it was known by its keyed fingerprint, from when to when, and which run saw it first."""

    fingerprint: str
    first_run_id: str
    first_seen_at: datetime
    last_seen_at: datetime


def block(ledger: Ledger, environment: str, target: Target, *, ticket: str, who: str, note: str = "") -> None:
    """Record that the target's credentials wait for `ticket`; a blocker that is open already gives way to this one."""
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        connection.execute(update(BLOCKERS).where(_open(environment, target)).values(unblocked_at=now))
        values = {"environment": environment, "target": str(target), "ticket": ticket, "who": who, "note": note}
        insert_new(connection, BLOCKERS, values | {"blocked_at": now})


def unblock(ledger: Ledger, environment: str, target: Target) -> bool:
    """End the wait; False where the target was not blocked."""
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        ended = connection.execute(update(BLOCKERS).where(_open(environment, target)).values(unblocked_at=now))
        return ended.rowcount > 0


def blockers(ledger: Ledger, environment: str) -> dict[Target, Blocker]:
    """Return what the environment waits for now."""
    return {row.target: row for row in blocker_history(ledger, environment) if row.unblocked_at is None}


def blocker_history(ledger: Ledger, environment: str) -> list[Blocker]:
    """Return every blocker the environment ever had, oldest first."""
    kept = BLOCKERS.c
    query = select(kept.target, kept.ticket, kept.who, kept.note, kept.blocked_at, kept.unblocked_at)
    with ledger.reading() as connection:
        rows = connection.execute(query.where(kept.environment == environment).order_by(kept.id))
        return [Blocker(Target.parse(row[0]), *row[1:]) for row in rows]


def see_fingerprints(
    ledger: Ledger, environment: str, target: Target, seen: Mapping[str, str], run_id: str
) -> frozenset[str]:
    """Record which value each field has now, by fingerprint; return the fields whose value was never seen before."""
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        new = set()
        for field, fingerprint in sorted(seen.items()):
            of = {"environment": environment, "target": str(target), "field": field, "fingerprint": fingerprint}
            first = {"first_run_id": run_id, "first_seen_at": now, "last_seen_at": now}
            if insert_new(connection, FINGERPRINTS, of | first):
                new.add(field)
            else:
                same = [FINGERPRINTS.c[name] == value for name, value in of.items()]
                connection.execute(update(FINGERPRINTS).where(*same).values(last_seen_at=now))
    return frozenset(new)


def fingerprints(ledger: Ledger, environment: str, target: Target, field: str) -> list[SeenFingerprint]:
    """Return the values a field has had, by fingerprint, in the order in which they were first seen."""
    kept = FINGERPRINTS.c
    query = select(kept.fingerprint, kept.first_run_id, kept.first_seen_at, kept.last_seen_at).where(
        kept.environment == environment, kept.target == str(target), kept.field == field
    )
    with ledger.reading() as connection:
        rows = connection.execute(query.order_by(kept.first_seen_at, kept.fingerprint))
        return [SeenFingerprint(*row) for row in rows]


def _open(environment: str, target: Target) -> ColumnElement[bool]:
    kept = BLOCKERS.c
    return and_(kept.environment == environment, kept.target == str(target), kept.unblocked_at.is_(None))
