"""An alert is a row: sent on entering its state, again each day it lasts, and cleared by the rule that raised it."""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from ledger.inserting import insert_new
from ledger.opening import Ledger
from ledger.schema import ALERTS

SENT_AGAIN_AFTER = timedelta(days=1)
SENDING_TAKES = timedelta(minutes=5)
# How urgent what nobody calls urgent is; the words of vendors/capabilities.py.
TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Alert:
    """One state that someone must know of. `sent_at` is None until it was sent for the first time; `urgency` is how it is sent."""

    key: str
    environment: str
    target: str
    text: str
    runbook: str
    raised_at: datetime
    sent_at: datetime | None
    times_sent: int
    urgency: str


def raise_alert(
    ledger: Ledger, key: str, *, environment: str, target: str, text: str, runbook: str, urgency: str = TICKET
) -> bool:
    """Record that the state holds and how urgent it is, and return whether it must be sent now.

    Of several callers at once one is told to send. Where no mark_sent follows, the next call is told again. A ticket that
    becomes a page was sent to nobody whom a page is for, so it counts as not sent; a page stays one until it is cleared.
    """
    told = {"environment": environment, "target": target, "text": text, "runbook": runbook}
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        if insert_new(connection, ALERTS, {"key": key, "raised_at": now, "urgency": urgency, **told}):
            must_send = True
        else:
            alerts = ALERTS.c
            if urgency != TICKET:
                rises = update(ALERTS).where(_open(key), alerts.urgency == TICKET)
                connection.execute(rises.values(urgency=urgency, sent_at=None, sending_until=None))
            connection.execute(update(ALERTS).where(_open(key)).values(**told))
            due = or_(alerts.sent_at.is_(None), alerts.sent_at <= now - SENT_AGAIN_AFTER)
            nobody_sends = or_(alerts.sending_until.is_(None), alerts.sending_until <= now)
            found = connection.execute(select(alerts.id).where(_open(key), due, nobody_sends).with_for_update())
            must_send = found.first() is not None
        if must_send:
            connection.execute(update(ALERTS).where(_open(key)).values(sending_until=now + SENDING_TAKES))
    return must_send


def keep_raised(connection: Connection, prefix: str, now: datetime, key: str = "", **told: str) -> None:
    """Of the alerts under the prefix let this one stand and no other, none where no key is given; in the caller's transaction.

    It is sent by whoever sends what is open.
    """
    under = and_(ALERTS.c.key.startswith(prefix, autoescape=True), ALERTS.c.key != key, ALERTS.c.cleared_at.is_(None))
    connection.execute(update(ALERTS).where(under).values(cleared_at=now, sending_until=None))
    if key and not insert_new(connection, ALERTS, {"key": key, "raised_at": now, **told}):
        connection.execute(update(ALERTS).where(_open(key)).values(**told))


def mark_sent(ledger: Ledger, key: str) -> None:
    """Record that the alert reached its page or ticket target."""
    with ledger.writing() as connection:
        sent = {"sent_at": ledger.now_in(connection), "sending_until": None, "times_sent": ALERTS.c.times_sent + 1}
        connection.execute(update(ALERTS).where(_open(key)).values(**sent))


def clear_alert(ledger: Ledger, key: str) -> bool:
    """Record that the state holds no more; False where it was not raised."""
    with ledger.writing() as connection:
        cleared = {"cleared_at": ledger.now_in(connection), "sending_until": None}
        return connection.execute(update(ALERTS).where(_open(key)).values(**cleared)).rowcount > 0


def open_alerts(ledger: Ledger, environment: str = "") -> list[Alert]:
    """Return the alerts whose state holds, oldest first; of every environment where none is named."""
    query = select(*(ALERTS.c[field.name] for field in fields(Alert))).where(ALERTS.c.cleared_at.is_(None))
    if environment:
        query = query.where(ALERTS.c.environment == environment)
    with ledger.reading() as connection:
        return [Alert(*row) for row in connection.execute(query.order_by(ALERTS.c.id))]


def alerts_since(ledger: Ledger, opened: datetime, ended: datetime) -> dict[str, str]:
    """Return the alerts that were raised since a run opened or stood when it ended, each with its environment, cleared or not.

    These are what people know of what the run saw, even when somebody has mended it since.
    """
    rows = ALERTS.c
    stood = or_(rows.raised_at >= opened, rows.cleared_at.is_(None), rows.cleared_at >= ended)
    with ledger.reading() as connection:
        return {row.key: row.environment for row in connection.execute(select(rows.key, rows.environment).where(stood))}


def _open(key: str) -> ColumnElement[bool]:
    return and_(ALERTS.c.key == key, ALERTS.c.cleared_at.is_(None))
