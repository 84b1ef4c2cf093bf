"""Two workers may write the same row at once: one of them wins, and the other is told, on both databases."""

from collections.abc import Mapping

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_new(connection: Connection, table: Table, values: Mapping[str, object]) -> bool:
    """Insert the row; False, with nothing changed, where a unique index already holds such a one."""
    statement = _insert(connection, table).values(**values).on_conflict_do_nothing()
    return connection.execute(statement).rowcount == 1


def insert_or_replace(connection: Connection, table: Table, values: Mapping[str, object]) -> None:
    """Insert the row, in place of the one with the same primary key."""
    keys = [column.name for column in table.primary_key]
    statement = _insert(connection, table).values(**values)
    changed = {name: value for name, value in values.items() if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
