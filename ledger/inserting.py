"""Two workers may write the same row at once: one of them wins, and the other is told, on both databases."""

import importlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table


def insert_new(connection: Connection, table: Table, values: Mapping[str, object]) -> bool:
    """Insert the row; False, with nothing changed, where a unique index already holds such a one."""
    statement = _insert(connection, table).values(**values).on_conflict_do_nothing()
    # Without the option SQLAlchemy keeps an INSERT's count to itself on PostgreSQL.
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1


def insert_or_replace(connection: Connection, table: Table, values: Mapping[str, object]) -> None:
    """Insert the row, in place of the one with the same primary key."""
    keys = [column.name for column in table.primary_key]
    changed = {name: value for name, value in values.items() if name not in keys}
    statement = _insert(connection, table).values(**values)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))


def _insert(connection: Connection, table: Table) -> Any:
    # ON CONFLICT is each dialect's own; the one in use is loaded already, the other would cost its import.
    return importlib.import_module(f"sqlalchemy.dialects.{connection.dialect.name}").insert(table)
