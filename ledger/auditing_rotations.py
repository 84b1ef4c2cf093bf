"""What the chain says of rotations, compared with their rows and journals: a journal is rewritten as a whole only unsealed.

While a rotation is open, its journal's head stands in its own row alone; closing it seals the head in the chain.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Text, func, select, type_coerce

from domain.rotation import CLOSED, State
from ledger.rotation_journal import journal_faults
from ledger.rotation_schema import ROTATION_JOURNAL, ROTATIONS
from ledger.rotations import CLOSED_ENTRY, OPENED

# Column of the row -> what the journal's first entry says of it.
_FIRST_SAYS = {"kind": "as", "operator": "operator", "reason": "reason", "ticket": "ticket", "due_window": "due_window"}
_ROW = ("id", "credential", "state", "closed_at", "head_hash", *_FIRST_SAYS)


@dataclass(frozen=True, slots=True)
class Differs:
    """One thing about a rotation that was changed afterwards; `seq` is the chain's entry that it contradicts."""

    seq: int
    rotation: str
    words: str


@dataclass(slots=True)
class _Told:
    """What the chain says of one rotation; `closed_seq` is 0 while no entry closes it."""

    opened_seq: int
    credential: str
    closed_seq: int = 0
    state: str = ""
    journal: str = ""

    @property
    def vouching_seq(self) -> int:
        return self.closed_seq or self.opened_seq


@dataclass(slots=True)
class RotationStory:
    """What the chain's entries say of rotations, taken in one after the other."""

    told: dict[str, _Told] = field(default_factory=dict)

    def take(self, seq: int, said: Mapping[str, Any]) -> bool:
        """Take in one entry; False where it does not follow from the entries before it. Entries about anything else follow."""
        kind, rotation = said.get("kind"), str(said.get("rotation"))
        known = self.told.get(rotation)
        if kind == OPENED:
            if known is None:
                self.told[rotation] = _Told(seq, str(said.get("credential")))
            return known is None
        if kind != CLOSED_ENTRY:
            return True
        if known is None or known.closed_seq:
            return False
        known.closed_seq, known.state, known.journal = seq, str(said.get("state")), str(said.get("journal"))
        return True


def compared_rotations(connection: Connection, ledger_id: str, story: RotationStory) -> Iterator[Differs]:
    """Yield every rotation's row, journal or entry that does not fit the others."""
    rows = _rows(connection)
    for rotation, told in story.told.items():
        row = rows.get(rotation)
        if row is None:
            yield Differs(told.opened_seq, rotation, "its row was deleted")
        else:
            yield from _compared(connection, rotation, row, told)
    for rotation in rows.keys() - story.told.keys():
        yield Differs(1, rotation, "its row has no entry in the chain")
    for rotation in _with_journal(connection) - rows.keys() - story.told.keys():
        yield Differs(1, rotation, "its journal has neither row nor entry in the chain")
    for rotation, fault in journal_faults(connection, ledger_id):
        seq = story.told[rotation].vouching_seq if rotation in story.told else 1
        yield Differs(seq, rotation, f"journal, entry {fault.seq}: {fault.differs}")


def _compared(connection: Connection, rotation: str, row: Mapping[str, str | None], told: _Told) -> Iterator[Differs]:
    first, last = _said(connection, rotation, newest=False), _said(connection, rotation, newest=True)
    wanted = {"credential": told.credential, "state": str(last.get("state", State.PLANNED.value))}
    wanted |= {column: str(first.get(name)) for column, name in _FIRST_SAYS.items()}
    edited = [name for name, value in wanted.items() if row[name] != value]
    if edited:
        yield Differs(told.vouching_seq, rotation, f"its row was edited: {', '.join(edited)}")
    if not told.closed_seq:
        if row["closed_at"] is not None or row["state"] in set(CLOSED):
            yield Differs(told.opened_seq, rotation, "it is over, and no entry of the chain closes it")
        return
    if row["closed_at"] is None or row["state"] != told.state:
        yield Differs(told.closed_seq, rotation, f"the chain closes it as {told.state}, and its row says otherwise")
    if row["head_hash"] != told.journal:
        yield Differs(told.closed_seq, rotation, "its journal is not the one that was sealed when it was closed")


def _rows(connection: Connection) -> dict[str, Mapping[str, str | None]]:
    # As text, because an edited row may hold what is no moment any more.
    columns = [type_coerce(ROTATIONS.c[name], Text).label(name) for name in _ROW]
    return {
        str(row.id): {name: None if value is None else str(value) for name, value in row._asdict().items()}
        for row in connection.execute(select(*columns))
    }


def _with_journal(connection: Connection) -> set[str]:
    return set(connection.execute(select(ROTATION_JOURNAL.c.rotation).distinct()).scalars())


def _said(connection: Connection, rotation: str, *, newest: bool) -> Mapping[str, Any]:
    """Return what the journal's first or newest entry says, nothing where there is none or it cannot be read."""
    kept = ROTATION_JOURNAL.c
    end = select(func.max(kept.seq) if newest else func.min(kept.seq)).where(kept.rotation == rotation)
    query = select(kept.payload).where(kept.rotation == rotation, kept.seq == end.scalar_subquery())
    try:
        said = json.loads(connection.execute(query).scalar() or "{}")
    except (TypeError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
