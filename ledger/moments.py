"""Every moment in the ledger is aware UTC, told by the database's clock, and stored so that a person can read it."""

from datetime import UTC, datetime

from sqlalchemy import Connection, DateTime, Dialect, text
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """`timestamptz` on PostgreSQL; on SQLite text in UTC, which sorts in time's order."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("The ledger keeps aware moments only.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# PostgreSQL's now() stands still within a transaction, so a lease would be compared with the time before the wait.
_CLOCK = {
    "sqlite": text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now') || '000' AS now").columns(now=Moment),
    "postgresql": text("SELECT clock_timestamp() AS now").columns(now=Moment),
}


def database_time(connection: Connection) -> datetime:
    """Return what the database's clock says now."""
    now: datetime = connection.execute(_CLOCK[connection.dialect.name]).scalar_one()
    return now


def spelled(raw: object) -> str | None:
    """Return a column's content as the chain would spell it: a moment as ISO 8601 in UTC, the rest as text."""
    if raw is None:
        return None
    if isinstance(raw, datetime):
        return raw.astimezone(UTC).isoformat()
    told = str(raw)
    try:
        # SQLite's moments; nothing else in the tables looks like one by chance and differs from its own spelling.
        return datetime.strptime(told, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC).isoformat()
    except ValueError:
        return told
