"""Each rotation's journal: append-only, one hash chain per rotation, its head in the rotation's own row."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from ledger.chain import Checkpoint, Fault, Link, canonical, faults, genesis, link_hash
from ledger.opening import Ledger
from ledger.rotation_schema import ROTATION_JOURNAL, ROTATIONS


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as people read it. `kind` is intent, outcome, decision, wait, word (of an operator) or opened."""

    seq: int
    at: datetime
    kind: str
    said: Mapping[str, Any]


def first_hash(ledger_id: str, rotation: str) -> str:
    """Return what the first entry is chained to: it binds the journal to its ledger and rotation."""
    return genesis(_name(ledger_id, rotation))


def append(connection: Connection, rotation: str, head: Checkpoint, payload: Mapping[str, object], at: str) -> Link:
    """Add an entry within the caller's transaction, which moves the head in the rotation's row as well."""
    seq, told = head.seq + 1, canonical(payload)
    link = Link(seq, head.hash, link_hash(seq, head.hash, at, told), told, at)
    connection.execute(
        insert(ROTATION_JOURNAL).values(
            rotation=rotation, seq=seq, previous=link.previous, hash=link.hash, payload=told, at=at
        )
    )
    return link


def entries(ledger: Ledger, rotation: str) -> list[Entry]:
    """Return the journal, oldest first; empty where there is no such rotation."""
    with ledger.reading() as connection:
        return [_entry(link) for link in _links(connection, rotation)]


def journal_faults(connection: Connection, ledger_id: str) -> Iterator[tuple[str, Fault]]:
    """Yield where a rotation's journal does not hold, by rotation; nothing where all of them do."""
    heads = connection.execute(
        select(ROTATIONS.c.id, ROTATIONS.c.head_seq, ROTATIONS.c.head_hash).order_by(ROTATIONS.c.opened_at)
    )
    for row in heads.all():
        # An edited row may hold what is no number any more.
        head = Checkpoint(row.head_seq if isinstance(row.head_seq, int) else 0, str(row.head_hash))
        for fault in faults(_links(connection, row.id), _name(ledger_id, row.id), head):
            yield row.id, fault


def _links(connection: Connection, rotation: str) -> list[Link]:
    kept = ROTATION_JOURNAL.c
    query = select(kept.seq, kept.previous, kept.hash, kept.payload, kept.at)
    rows = connection.execute(query.where(kept.rotation == rotation).order_by(kept.seq))
    return [Link(*row) for row in rows]


def _entry(link: Link) -> Entry:
    said = json.loads(link.payload)
    return Entry(link.seq, datetime.fromisoformat(link.at), str(said.pop("kind", "")), said)


def _name(ledger_id: str, rotation: str) -> str:
    return f"{ledger_id} rotation {rotation}"
