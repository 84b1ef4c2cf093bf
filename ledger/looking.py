"""Looks at the ledger itself, cheap enough for every call: can it be written to, and do its newest entries hold together."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, select, text
from sqlalchemy.exc import OperationalError

from domain.errors import Unavailable
from ledger import chain
from ledger.chain import Checkpoint, Fault, Link, link_hash
from ledger.opening import Ledger, place
from ledger.rotation_schema import HELD_CREDENTIALS
from ledger.schema import CHAIN, CHAIN_HEAD, FINGERPRINTS

_NEWEST = 200


def take_turn(ledger: Ledger, within: timedelta) -> None:
    """Take the place that every writer takes, and give it back with nothing written.

    Raises:
        Unavailable: somebody has held it for longer than that.
    """
    try:
        with ledger.engine.connect() as connection:
            _TAKE[connection.dialect.name](connection, int(within.total_seconds() * 1000))
            # It waits shorter than the ledger's own do, so it is not given to anybody else.
            connection.invalidate()
    except (OperationalError, sqlite3.OperationalError) as error:
        raise Unavailable(
            f"{place(ledger.engine.url)} could not be written to within {within.total_seconds():g} s.",
            "Somebody holds its write lock, or its disk is full or read-only; runs wait half a minute for it and then fail.",
            "See what holds it open: a stopped worker, a copy that is being made, a shell of the database.",
            "ledger.locked",
        ) from error


def _take_sqlite(connection: Connection, milliseconds: int) -> None:
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA busy_timeout={milliseconds}")
    driver.execute("BEGIN IMMEDIATE")
    driver.execute("ROLLBACK")


def _take_postgresql(connection: Connection, milliseconds: int) -> None:
    connection.execute(text(f"SET LOCAL lock_timeout = {milliseconds}"))
    chain.hold(connection)
    connection.rollback()


_TAKE = {"sqlite": _take_sqlite, "postgresql": _take_postgresql}


def newest_faults(ledger: Ledger, most: int = _NEWEST) -> tuple[int, list[Fault]]:
    """Return how many of the newest entries were recomputed, and where they do not hold together or with the chain's head.

    What lies before them is not looked at: `opsflows audit verify` recomputes all of it.
    """
    columns = (CHAIN.c.seq, CHAIN.c.previous, CHAIN.c.hash, CHAIN.c.payload, CHAIN.c.at)
    with ledger.reading() as connection:
        newest = [Link(*row) for row in connection.execute(select(*columns).order_by(CHAIN.c.seq.desc()).limit(most))]
        kept = connection.execute(select(CHAIN_HEAD.c.seq, CHAIN_HEAD.c.hash)).first()
    links = newest[::-1]
    head = Checkpoint(kept.seq, kept.hash) if kept else Checkpoint(-1, "")
    return len(links), list(_faults(links, ledger.id, head))


def fingerprint_key_ids(ledger: Ledger) -> set[str]:
    """Return the ids of the keys with which the ledger's fingerprints were made, e.g. `k3f9a01`."""
    with ledger.reading() as connection:
        told = [
            *connection.execute(select(HELD_CREDENTIALS.c.fingerprint)).scalars(),
            *connection.execute(select(FINGERPRINTS.c.fingerprint)).scalars(),
        ]
    return {one.partition(":")[0] for one in told if ":" in one}


def _faults(links: list[Link], ledger_id: str, head: Checkpoint) -> Iterator[Fault]:
    """Yield where the end of the chain does not hold; its first entry is taken to follow what lies before it."""
    first = links[0] if links else None
    if first is None or first.seq == 1:
        yield from chain.faults(links, ledger_id, head)
        return
    before = first
    for link in links:
        if link is not first and (link.seq != before.seq + 1 or link.previous != before.hash):
            yield Fault(link.seq, f"it does not follow entry {before.seq}")
        if link.hash != link_hash(link.seq, link.previous, link.at, link.payload):
            yield Fault(link.seq, "its content does not give its hash: it was edited after it was written")
        before = link
    if (head.seq, head.hash) != (before.seq, before.hash):
        yield Fault(before.seq, f"the chain's head is kept as entry {head.seq}, with another hash or number")
