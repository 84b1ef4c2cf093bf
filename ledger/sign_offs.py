"""Someone stands by a month's result: by one revision, the newest, settled one. A later revision is not signed by it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from domain.errors import BadInput
from domain.windows import Month
from ledger import chain
from ledger.facts import SIGNED, record_fact
from ledger.opening import Ledger
from ledger.reconciliation_schema import SIGN_OFFS
from ledger.reconciliations import Revision, newest_in


@dataclass(frozen=True, slots=True)
class SignOff:
    """Who signed which revision, known by its number and its digest."""

    environment: str
    month: Month
    revision: int
    digest: str
    who: str
    note: str
    at: datetime


def sign_off(  # noqa: PLR0917 (the parts of one row, in its order)
    ledger: Ledger, environment: str, month: Month, revision: int, who: str, note: str = "", *, run_id: str = ""
) -> SignOff:
    """Record that someone signs the month's revision of that number, and return it.

    Raises:
        BadInput: the month has no such revision or a newer one, it is provisional, or it is signed off already.
    """
    with ledger.writing() as connection:
        chain.hold(connection)
        signed = _signable(connection, environment, month, revision)
        values = {
            "environment": environment,
            "month": str(month),
            "number": revision,
            "digest": signed.digest,
            "who": who,
            "note": note,
            "run_id": run_id,
        }
        recorded = record_fact(ledger, connection, SIGNED, values)
    return SignOff(environment, month, revision, signed.digest, who, note, recorded.at)


def require_signable(ledger: Ledger, environment: str, month: Month, revision: int) -> Revision:
    """Return the revision that could be signed now.

    Raises:
        BadInput: as `sign_off` does.
    """
    with ledger.reading() as connection:
        return _signable(connection, environment, month, revision)


def sign_off_of(ledger: Ledger, environment: str, month: Month) -> SignOff | None:
    """Return the sign-off of the month's newest revision, None where nobody signed that one."""
    with ledger.reading() as connection:
        newest = newest_in(connection, environment, month)
        return _of_revision(connection, environment, month, newest.number) if newest else None


def sign_offs(ledger: Ledger, environment: str, month: Month) -> tuple[SignOff, ...]:
    """Return the sign-offs of all revisions of the month, the first one first."""
    with ledger.reading() as connection:
        rows = connection.execute(_of(environment, month).order_by(SIGN_OFFS.c.number))
        return tuple(SignOff(environment, month, *row) for row in rows)


def _signable(connection: Connection, environment: str, month: Month, number: int) -> Revision:
    newest = newest_in(connection, environment, month)
    command = f"opsflows reconcile --month {month} --environment {environment}"
    if newest is None:
        raise BadInput(
            f"{month} was never reconciled in {environment}.", "There is nothing to sign.", f"Run {command} first."
        )
    if newest.number != number:
        raise BadInput(
            f"Revision {number} of {month} in {environment} is not the newest; that is {newest.number}.",
            "Only what is known to the end can be signed. Nothing was recorded.",
            f"Read revision {newest.number}, then sign that one.",
        )
    if not newest.is_final:
        raise BadInput(
            f"Revision {number} of {month} in {environment} is provisional: vendors may still report events.",
            "What may change is not signed. Nothing was recorded.",
            f"Run {command} again after the settle time, then sign its revision.",
        )
    signed = _of_revision(connection, environment, month, number)
    if signed:
        raise BadInput(
            f"Revision {number} of {month} in {environment} was signed off by {signed.who} at {signed.at:%Y-%m-%d %H:%M} UTC.",
            "The first sign-off stays; nothing was recorded.",
            "Nothing is left to do.",
        )
    return newest


def _of_revision(connection: Connection, environment: str, month: Month, number: int) -> SignOff | None:
    row = connection.execute(_of(environment, month).where(SIGN_OFFS.c.number == number)).first()
    return SignOff(environment, month, *row) if row else None


def _of(environment: str, month: Month) -> Select[Any]:
    kept = SIGN_OFFS.c
    columns = select(kept.number, kept.digest, kept.who, kept.note, kept.at)
    return columns.where(kept.environment == environment, kept.month == str(month))
