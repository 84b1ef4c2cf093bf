"""What rotations have recorded of each credential: when its value in use was last seen to work, and what its sinks were given."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, or_, select

from domain.names import Credential
from ledger.opening import Ledger
from ledger.rotation_schema import HELD_CREDENTIALS, ROTATION_JOURNAL, ROTATIONS


@dataclass(frozen=True, slots=True)
class LastProof:
    """When a value was last seen to work, and how: by the verb that saw it (prove, adopt), or as the entry says more exactly."""

    at: datetime
    how: str


def last_proofs(ledger: Ledger) -> dict[Credential, LastProof]:
    """Return the newest proof of each value in use; a proof of another version than the current one says nothing of it.

    One query: only journals of the rotations that made the current version or were to replace it are read, by their key.
    """
    held, rotated, kept = HELD_CREDENTIALS.c, ROTATIONS.c, ROTATION_JOURNAL.c
    of_current = and_(
        held.credential == rotated.credential,
        held.version != "",
        or_(rotated.new_version == held.version, rotated.old_version == held.version),
    )
    # Named as a set, or SQLite reads the whole journal.
    rotations = select(rotated.id).join_from(ROTATIONS, HELD_CREDENTIALS, of_current)
    # The letters choose what is worth reading; what the entry says is decided by its fields.
    may_prove = or_(kept.payload.contains('"verb":"prove"'), kept.payload.contains('"told_by"'))
    query = (
        select(held.credential, held.version, rotated.old_version, kept.payload, kept.at)
        .join_from(HELD_CREDENTIALS, ROTATIONS, of_current)
        .join(ROTATION_JOURNAL, kept.rotation == rotated.id)
        .where(kept.rotation.in_(rotations), may_prove)
    )
    found: dict[Credential, LastProof] = {}
    with ledger.reading() as connection:
        for row in connection.execute(query):
            for proof in _proof(row):
                credential = Credential.parse(row.credential)
                found[credential] = max(proof, found.get(credential, proof), key=lambda one: one.at)
    return found


def sinks_filled(ledger: Ledger) -> dict[Credential, dict[str, str]]:
    """Return which version each sink was given last, by its name; in words as well where nobody could read it back there."""
    rows = ROTATIONS.c
    query = select(rows.credential, rows.facts).where(rows.facts.contains('"sinks": {')).order_by(rows.opened_at)
    found: dict[Credential, dict[str, str]] = {}
    with ledger.reading() as connection:
        for row in connection.execute(query):
            found.setdefault(Credential.parse(row.credential), {}).update(json.loads(row.facts)["sinks"])
    return found


def _proof(row: Row[Any]) -> Iterator[LastProof]:
    """Yield the entry's proof of the current version, if it is one."""
    said = json.loads(row.payload)
    verb, kind = str(said.get("verb", "")), said.get("kind")
    proven = verb == "prove" and kind == "outcome" and said.get("version") == row.version
    # An adoption is a proof of the value that was there before the rotation.
    adopted = "told_by" in said and kind in {"outcome", "word"} and row.old_version == row.version
    if proven or adopted:
        yield LastProof(datetime.fromisoformat(row.at), str(said.get("how") or verb))
