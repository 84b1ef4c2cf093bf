"""The ledger's rows as they stood at one moment, and back into an empty ledger, on either database.

A snapshot is one transaction that only reads, while others go on writing: no copy of the file is made, so that nothing lies
in the clear on a disk. Rows are JSON, and each part says its columns' kinds, so that a later schema can still be given them.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import JSON, Column, Connection, Date, MetaData, Table, func, insert, inspect, select, text

from domain.errors import BadInput
from ledger import kms_schema, reconciliation_schema
from ledger.chain import Checkpoint
from ledger.freezing import RESTORED
from ledger.migrating import building, upgrade_to
from ledger.moments import Moment
from ledger.opening import Ledger, schema_version
from ledger.rotation_schema import FREEZES, ROTATIONS
from ledger.schema import CHAIN_HEAD, IDENTITY, METADATA, SCHEMA_VERSION, VERSION_TABLE

_LOADED = (kms_schema, reconciliation_schema)  # their tables are in METADATA once they are imported
_ROWS_AT_ONCE = 200
_PART_CHARACTERS = 2_000_000
# What every ledger has from its first moment on; a ledger with no other row is empty.
_FROM_THE_START = frozenset({IDENTITY.name, CHAIN_HEAD.name})
_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
_SEQUENCE = text("SELECT pg_get_serial_sequence(:table, :column)")
_PLAIN = "plain"


def _same(value: object) -> object:
    return value


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a column's values are spelled in JSON, read back, and handed to the database."""

    spell: Callable[[Any], object]
    read: Callable[[Any], object]
    type: Any = None


_KINDS: Mapping[str, _Kind] = {
    "moment": _Kind(lambda value: value.astimezone(UTC).isoformat(), datetime.fromisoformat, Moment),
    "date": _Kind(date.isoformat, date.fromisoformat, Date),
    "json": _Kind(_same, _same, JSON),
    _PLAIN: _Kind(_same, _same),
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The ledger at one moment. `heads` are the open rotations' journals, to be compared with later ones."""

    at: datetime
    schema: str
    head: Checkpoint
    heads: Mapping[str, int]
    _connection: Connection = field(repr=False)
    _transaction: ExitStack = field(repr=False)

    def parts(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of every part, and end the transaction behind the last one."""
        with self._transaction:
            there = set(inspect(self._connection).get_table_names())
            for table in METADATA.sorted_tables:
                if table.name in there:
                    yield from _parts_of(self._connection, table)

    def close(self) -> None:
        self._transaction.close()


def take_snapshot(ledger: Ledger) -> Snapshot:
    """Fix the moment and return it; `close` or the end of `parts` lets it go.

    Raises:
        Unavailable: the database does not answer.
    """
    with ExitStack() as stack:
        connection = stack.enter_context(ledger.reading())
        if connection.dialect.name == "postgresql":
            connection.execute(_SNAPSHOT)
        head = connection.execute(select(CHAIN_HEAD.c.seq, CHAIN_HEAD.c.hash)).one()
        at, schema = ledger.now_in(connection), schema_version(connection)
        heads = _open_heads(connection)
        return Snapshot(at, schema, Checkpoint(*head), heads, connection, stack.pop_all())
    raise AssertionError("the block above returns")


def moved_since(ledger: Ledger, heads: Mapping[str, int]) -> list[str]:
    """Return the rotations that went on since, by id: those whose journals have grown, and those that are new."""
    with ledger.reading() as connection:
        known = select(ROTATIONS.c.id, ROTATIONS.c.head_seq).where(
            ROTATIONS.c.id.in_(heads) | ROTATIONS.c.closed_at.is_(None)
        )
        return sorted(row.id for row in connection.execute(known) if heads.get(row.id) != row.head_seq)


def put_rows_back(url: str, schema: str, parts: Iterable[bytes], reason: str) -> None:
    """Make the ledger at `url` from the parts, bring it to this code's schema and freeze it; all of it in one commit.

    A freeze that was in force at the snapshot gives way to this one, which says so.

    Raises:
        BadInput: there is a ledger that holds anything; nothing was changed.
        Unavailable: the database does not answer; nothing was changed.
    """
    with building(url) as ledger, ledger.writing() as connection:
        _make_way(connection)
        upgrade_to(connection, schema)
        for part in parts:
            _insert_part(connection, part)
        upgrade_to(connection, SCHEMA_VERSION)
        if connection.dialect.name == "postgresql":
            _set_sequences(connection)
        _freeze(connection, ledger.now_in(connection), reason)


def holds_nothing(ledger: Ledger) -> bool:
    """Say whether the ledger has nothing but its name."""
    with ledger.reading() as connection:
        return _is_empty(connection)


def stands_at(ledger: Ledger, ledger_id: str, seq: int, chain_hash: str) -> bool:
    """Say whether this is that ledger, with its chain's head where it was: put back, and nothing was done since."""
    with ledger.reading() as connection:
        head = connection.execute(select(CHAIN_HEAD.c.seq, CHAIN_HEAD.c.hash)).one()
        named = connection.execute(select(IDENTITY.c.ledger_id)).scalar_one()
    return (named, head.seq, head.hash) == (ledger_id, seq, chain_hash)


def _open_heads(connection: Connection) -> dict[str, int]:
    rows = connection.execute(select(ROTATIONS.c.id, ROTATIONS.c.head_seq).where(ROTATIONS.c.closed_at.is_(None)))
    return {row.id: row.head_seq for row in rows}


def _parts_of(connection: Connection, table: Table) -> Iterator[tuple[str, bytes]]:
    kinds = [_kind(column) for column in table.c]
    head = json.dumps({"table": table.name, "columns": list(zip(table.c.keys(), kinds, strict=True))})
    query = select(table).order_by(*table.primary_key)
    with connection.execute(query, execution_options={"yield_per": _ROWS_AT_ONCE}) as rows:
        # json.dumps escapes what is not ASCII: what the chain hashed comes back letter by letter, also where it is no text.
        lines = (json.dumps([_spelled(kind, value) for kind, value in zip(kinds, row, strict=True)]) for row in rows)
        for number, some in enumerate(_in_portions(lines), start=1):
            yield f"{table.name}.{number:06}.jsonl", "\n".join([head, *some]).encode()


def _in_portions(lines: Iterable[str]) -> Iterator[list[str]]:
    some: list[str] = []
    size = 0
    for line in lines:
        some.append(line)
        size += len(line)
        if size >= _PART_CHARACTERS:
            yield some
            some, size = [], 0
    if some:
        yield some


def _kind(column: Column[Any]) -> str:
    named = (name for name, kind in _KINDS.items() if kind.type is not None and isinstance(column.type, kind.type))
    return next(named, _PLAIN)


def _spelled(kind: str, value: object) -> object:
    return None if value is None else _KINDS[kind].spell(value)


def _insert_part(connection: Connection, part: bytes) -> None:
    head, *lines = part.decode().split("\n")
    said = json.loads(head)
    columns = [(name, _KINDS[kind]) for name, kind in said["columns"]]
    # Not METADATA's table: a backup of an earlier schema goes into the tables as they were then.
    table = Table(said["table"], MetaData(), *(Column(name, kind.type) for name, kind in columns))
    rows = [
        {name: None if value is None else kind.read(value) for (name, kind), value in zip(columns, told, strict=True)}
        for told in map(json.loads, lines)
    ]
    connection.execute(insert(table), rows)


def _is_empty(connection: Connection) -> bool:
    there = set(inspect(connection).get_table_names())
    tables = (table for table in METADATA.sorted_tables if table.name in there and table.name not in _FROM_THE_START)
    return not any(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)


def _make_way(connection: Connection) -> None:
    """Take away the tables of a ledger that holds nothing, and with them the name it was given when it was made."""
    if not schema_version(connection):
        return
    if not _is_empty(connection):
        raise _not_empty()
    METADATA.drop_all(connection)
    connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))


def _set_sequences(connection: Connection) -> None:
    """Let the next row's number follow the highest there is: rows with numbers do not move PostgreSQL's sequences."""
    for table in METADATA.sorted_tables:
        for column in table.primary_key:
            sequence = connection.execute(_SEQUENCE, {"table": table.name, "column": column.name}).scalar()
            highest = connection.execute(select(func.max(column))).scalar() if sequence else None
            if highest:
                connection.execute(select(func.setval(sequence, highest)))


def _freeze(connection: Connection, now: datetime, reason: str) -> None:
    before = connection.execute(select(FREEZES).where(FREEZES.c.thawed_at.is_(None))).first()
    if before is not None:
        connection.execute(FREEZES.update().where(FREEZES.c.id == before.id).values(thawed_at=now, thawed_by=RESTORED))
        reason = f"{reason}; it was frozen then by {before.who}: {before.reason}"
    connection.execute(insert(FREEZES).values(reason=reason, who=RESTORED, frozen_at=now, only=1))


def _not_empty() -> BadInput:
    return BadInput(
        "The ledger is not empty.",
        "What it holds would be mixed with what the backup holds, and neither could be told from the other. Nothing was put back.",
        "Restore into a new OPSFLOWS_HOME (or a new database in OPSFLOWS_DATABASE_URL) and a new Prefect server; move the old ones aside first.",
    )
