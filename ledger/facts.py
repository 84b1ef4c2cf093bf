"""A recorded fact is one row and one entry of the chain that says the same: both are written, or neither.

What a row says is never edited; a later fact ends it. The audit compares rows with entries (ledger/auditing_facts.py).
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Table, delete, insert, update

from ledger import chain
from ledger.kms_schema import KMS_GOLDEN_RETIREMENTS, KMS_GOLDENS, KMS_JUDGEMENTS
from ledger.opening import Ledger
from ledger.reconciliation_schema import (
    COLLECTED_COUNTS,
    INVESTIGATION_NOTES,
    INVESTIGATIONS,
    RECONCILIATIONS,
    SIGN_OFFS,
    WAIVER_WITHDRAWALS,
    WAIVERS,
)

# Columns that belong to the mechanism and not to what the fact says.
SEQ, AT, ENDED = "seq", "at", "ended_seq"


@dataclass(frozen=True, slots=True)
class FactKind:
    """One kind of fact: the chain's word for it, where its rows are, what people call it, and which facts it ends.

    `named` are the columns that tell one fact from another. Of the column `hashed` the entry holds the SHA-256 alone,
    because it is long.
    """

    entry: str
    table: Table
    words: str
    named: tuple[str, ...]
    hashed: str = ""
    ends: Table | None = None

    def told(self, column: str, value: object) -> object:
        """Return what the entry holds of a column's value."""
        if column == self.hashed:
            return hashlib.sha256(str(value).encode(errors="surrogatepass")).hexdigest()
        return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


COUNTS_KEPT = FactKind(
    "counts kept", COLLECTED_COUNTS, "collected counts", ("environment", "target", "window_start"),
    hashed="counts", ends=COLLECTED_COUNTS,
)  # fmt: skip
RECONCILED = FactKind(
    "month reconciled", RECONCILIATIONS, "revision", ("environment", "month", "number"), hashed="document"
)
WAIVED = FactKind("waived", WAIVERS, "waiver", ("environment", "subject"), ends=WAIVERS)
WITHDRAWN = FactKind(
    "waiver withdrawn", WAIVER_WITHDRAWALS, "withdrawal of waiver", ("environment", "subject"), ends=WAIVERS
)
INVESTIGATED = FactKind("investigation opened", INVESTIGATIONS, "investigation", ("environment", "month", "target"))
NOTED = FactKind("investigation noted", INVESTIGATION_NOTES, "note of investigation", ("investigation",))
CLOSED = FactKind(
    "investigation closed", INVESTIGATION_NOTES, "outcome of investigation", ("investigation",), ends=INVESTIGATIONS
)
SIGNED = FactKind("month signed off", SIGN_OFFS, "sign-off", ("environment", "month", "number"))
GOLDEN_KEPT = FactKind(
    "golden kept",
    KMS_GOLDENS,
    "golden ciphertext",
    ("environment", "target", "key_name", "version"),
    hashed="ciphertext",
)
GOLDEN_RETIRED = FactKind(
    "golden retired", KMS_GOLDEN_RETIREMENTS, "retirement of golden",
    ("environment", "target", "key_name", "version", "slot"), ends=KMS_GOLDENS,
)  # fmt: skip
SPELL_JUDGED = FactKind("spell judged", KMS_JUDGEMENTS, "judgement of spell", ("spell",), ends=KMS_JUDGEMENTS)

FACTS: Mapping[str, FactKind] = {
    kind.entry: kind
    for kind in (
        COUNTS_KEPT, RECONCILED, WAIVED, WITHDRAWN, INVESTIGATED, NOTED, CLOSED, SIGNED, GOLDEN_KEPT, GOLDEN_RETIRED,
        SPELL_JUDGED,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where a fact stands in the chain, and since when."""

    seq: int
    at: datetime


def record_fact(
    ledger: Ledger, connection: Connection, kind: FactKind, values: Mapping[str, object], ends: Collection[int] = ()
) -> Recorded:
    """Add entry and row within the caller's transaction, ending the facts whose entries are named.

    Whoever decides by what is recorded already calls chain.hold first: then nobody else records anything in between.
    """
    said = {name: kind.told(name, value) for name, value in values.items()}
    link = chain.append(ledger, connection, {"kind": kind.entry, **said, "ends": sorted(ends)})
    recorded = Recorded(link.seq, datetime.fromisoformat(link.at))
    if kind.ends is not None and ends:
        _end(connection, kind.ends, ends, recorded.seq)
    connection.execute(insert(kind.table).values(seq=recorded.seq, at=recorded.at, **values))
    return recorded


def is_kept_when_ended(table: Table) -> bool:
    """Say whether a row stays when another fact ends it; what is too large for that goes."""
    return ENDED in table.c


def _end(connection: Connection, table: Table, ends: Collection[int], by: int) -> None:
    these = table.c.seq.in_(ends)
    if is_kept_when_ended(table):
        connection.execute(update(table).where(these).values(ended_seq=by))
    else:
        connection.execute(delete(table).where(these))
