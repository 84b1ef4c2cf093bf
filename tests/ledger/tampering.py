"""Whoever may write to the database can try this; the audit must see it."""

from sqlalchemy import text

from ledger.opening import Ledger


def tamper(ledger: Ledger, statement: str, **values: object) -> int:
    """Run one statement past every foreign key, and return how many rows it changed."""
    if ledger.engine.dialect.name == "sqlite":
        # SQLite ignores the pragma inside a transaction, and every statement of ours is inside one.
        with ledger.engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            connection.rollback()
            raw.execute("PRAGMA foreign_keys = OFF")
            changed = raw.execute(statement, values).rowcount
            raw.execute("PRAGMA foreign_keys = ON")
            return int(changed)
    with ledger.writing() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        return connection.execute(text(statement), values).rowcount
