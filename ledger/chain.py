"""One sequence of entries in which each holds the hash of the one before: it cannot fork, and no edit goes unseen."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from ledger.opening import Ledger
from ledger.schema import CHAIN, CHAIN_HEAD, CHECKPOINTS


@dataclass(frozen=True, slots=True)
class Link:
    """One entry. `at` (ISO 8601, UTC) and `payload` (JSON) are kept letter by letter, because they are hashed."""

    seq: int
    previous: str
    hash: str
    payload: str
    at: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The chain's head at a moment. Kept outside as well, it shows a chain that was rewritten as a whole."""

    seq: int
    hash: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a chain does not hold, and how."""

    seq: int
    differs: str


def genesis(ledger_id: str) -> str:
    """Return what the first entry is chained to: it binds the chain to its ledger."""
    return hashlib.sha256(f"opsflows ledger {ledger_id}".encode()).hexdigest()


def link_hash(seq: int, previous: str, at: str, payload: str) -> str:
    return hashlib.sha256(f"{seq}\n{previous}\n{at}\n{payload}".encode(errors="surrogatepass")).hexdigest()


def canonical(payload: Mapping[str, object]) -> str:
    """Return one spelling per content."""
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def faults(links: Iterable[Link], ledger_id: str, head: Checkpoint) -> Iterator[Fault]:
    """Yield where the chain, in order of seq, does not hold; nothing where it does."""
    seq, previous = 0, genesis(ledger_id)
    for link in links:
        # SQLite keeps anything in any column, and an edited one may hold what is no number any more.
        if not isinstance(link.seq, int):
            yield Fault(seq + 1, _misplaced(link.seq))
            continue
        if link.seq != seq + 1:
            yield Fault(seq + 1, _missing(seq + 1, link.seq))
        elif link.previous != previous:
            yield Fault(link.seq, f"it is not chained to entry {seq}")
        if link.hash != link_hash(link.seq, link.previous, link.at, link.payload):
            yield Fault(link.seq, "its content does not give its hash: it was edited after it was written")
        seq, previous = link.seq, link.hash
    if head.seq > seq:
        yield Fault(seq + 1, _missing(seq + 1, head.seq + 1))
    elif (head.seq, head.hash) != (seq, previous):
        yield Fault(
            seq, f"the head of the chain is kept as entry {head.seq}, with another hash or number than this one"
        )


def hold(connection: Connection) -> Checkpoint:
    """Return the head and hold it until the transaction ends: appending is one at a time.

    Whoever needs this and rows of runs takes this first, so that no two wait for each other.
    """
    row = connection.execute(select(CHAIN_HEAD.c.seq, CHAIN_HEAD.c.hash).with_for_update()).one()
    return Checkpoint(row.seq, row.hash)


def append(ledger: Ledger, connection: Connection, payload: Mapping[str, object]) -> Link:
    """Add one entry within the caller's transaction and return it."""
    head = hold(connection)
    seq, at, told = head.seq + 1, ledger.now_in(connection).isoformat(), canonical(payload)
    link = Link(seq, head.hash, link_hash(seq, head.hash, at, told), told, at)
    # Two appenders that both passed the lock would break on the unique seq and previous.
    connection.execute(insert(CHAIN).values(seq=seq, previous=link.previous, hash=link.hash, payload=told, at=at))
    connection.execute(update(CHAIN_HEAD).values(seq=seq, hash=link.hash))
    return link


def read(connection: Connection) -> Iterator[Link]:
    """Yield all entries in order, a thousand at a time."""
    columns = (CHAIN.c.seq, CHAIN.c.previous, CHAIN.c.hash, CHAIN.c.payload, CHAIN.c.at)
    query = select(*columns).order_by(CHAIN.c.seq)
    with connection.execute(query, execution_options={"yield_per": 1000}) as rows:
        for row in rows:
            yield Link(*row)


def checkpoint(ledger: Ledger) -> Checkpoint:
    """Keep the chain's head as a checkpoint and return it, to be written outside as well."""
    with ledger.writing() as connection:
        head = hold(connection)
        known = connection.execute(
            select(CHECKPOINTS.c.seq, CHECKPOINTS.c.hash, CHECKPOINTS.c.at).where(CHECKPOINTS.c.seq == head.seq)
        ).first()
        if known:
            return Checkpoint(*known)
        kept = Checkpoint(head.seq, head.hash, ledger.now_in(connection).isoformat())
        connection.execute(insert(CHECKPOINTS).values(seq=kept.seq, hash=kept.hash, at=kept.at))
    return kept


def checkpoints(connection: Connection) -> list[Checkpoint]:
    rows = connection.execute(
        select(CHECKPOINTS.c.seq, CHECKPOINTS.c.hash, CHECKPOINTS.c.at).order_by(CHECKPOINTS.c.seq)
    )
    return [Checkpoint(*row) for row in rows]


def _missing(first: int, following: int) -> str:
    if following <= first:
        return _misplaced(following)
    last = following - 1
    return f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"


def _misplaced(seq: object) -> str:
    return f"an entry numbered {seq} stands where it cannot be"
