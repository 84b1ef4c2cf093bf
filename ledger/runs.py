"""A run is recorded opened before its first exchange and sealed at its end; a killed one is seen by its lease.

Opening and sealing are entries of the one chain. The table `runs` repeats them for reading, and the audit compares.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from domain.errors import BadInput, OpsError, Rejected
from domain.verdicts import Verdict, World
from ledger import chain
from ledger.opening import Ledger
from ledger.schema import RUNS

ABANDONED = "ABANDONED"
RUN_LEASE = timedelta(minutes=5)

OPENED = "opened"
SEALED = "sealed"
SEALED_LATE = "sealed late"


@dataclass(frozen=True, slots=True)
class Run:
    """One run as the ledger knows it. `verdict` is empty while it runs, and ABANDONED where it was killed."""

    run_id: str
    flow: str
    environment: str
    mode: str
    actor: str
    reason: str
    ticket: str
    prefect_run_id: str
    parameters: Mapping[str, object]
    opened_seq: int
    opened_at: datetime
    lease_until: datetime
    sealed_seq: int | None
    sealed_at: datetime | None
    verdict: str
    world: str
    bundle_digest: str

    @property
    def last_sign_at(self) -> datetime:
        """Return when it was last known to live, of one that has the usual lease."""
        return self.lease_until - RUN_LEASE


def open_run(
    ledger: Ledger,
    *,
    run_id: str,
    flow: str,
    environment: str,
    mode: str,
    actor: str,
    reason: str,
    ticket: str,
    prefect_run_id: str,
    parameters: Mapping[str, object],
    lease: timedelta = RUN_LEASE,
) -> Run:
    """Record the run as opened and return it. To be called before the first exchange with a vendor.

    Raises:
        Rejected: a run of that id is recorded already.
    """
    said: dict[str, object] = {
        "run": run_id,
        "flow": flow,
        "environment": environment,
        "mode": mode,
        "actor": actor,
        "reason": reason,
        "ticket": ticket,
        "prefect_run_id": prefect_run_id,
        "parameters": dict(parameters),
    }
    with ledger.writing() as connection:
        chain.hold(connection)
        if connection.execute(_one(run_id)).first():
            raise Rejected(
                f"Run {run_id} is recorded already.",
                "A run's id is used once, so that its bundle and its verdict cannot be replaced.",
                "Start the flow again; it takes a new id.",
            )
        link = chain.append(ledger, connection, {"kind": OPENED, **said})
        opened_at = datetime.fromisoformat(link.at)
        columns = {name: value for name, value in said.items() if name != "run"}
        connection.execute(
            insert(RUNS).values(
                **columns | {"parameters": chain.canonical(parameters)},
                run_id=run_id,
                opened_seq=link.seq,
                opened_at=opened_at,
                lease_until=opened_at + lease,
            )
        )
        return _run(connection.execute(_one(run_id)).one())


def seal_run(ledger: Ledger, run_id: str, verdict: Verdict, world: World, bundle_digest: str) -> Run:
    """Record how the run ended, with its bundle's digest, and return it.

    Raises:
        BadInput: no run of that id was opened.
        Rejected: it is sealed already. Where it was sealed ABANDONED, its digest is recorded all the same, as late.
    """
    said = {"run": run_id, "verdict": verdict.value, "world": world.value, "bundle": bundle_digest}
    with ledger.writing() as connection:
        chain.hold(connection)
        found = connection.execute(_one(run_id)).first()
        if found is None:
            raise _unknown(run_id)
        before = _run(found)
        if before.sealed_seq is None:
            _seal(ledger, connection, said)
        elif before.verdict == ABANDONED and not before.bundle_digest:
            chain.append(ledger, connection, {"kind": SEALED_LATE, **said})
            connection.execute(update(RUNS).where(RUNS.c.run_id == run_id).values(bundle_digest=bundle_digest))
        after = _run(connection.execute(_one(run_id)).one())
    if before.sealed_seq is not None:
        raise _sealed_already(before)
    return after


def beat(ledger: Ledger, run_id: str, lease: timedelta = RUN_LEASE) -> bool:
    """Extend the run's lease; False when it is sealed already, ABANDONED for one."""
    with ledger.writing() as connection:
        until = ledger.now_in(connection) + lease
        beaten = connection.execute(
            update(RUNS).where(RUNS.c.run_id == run_id, RUNS.c.sealed_seq.is_(None)).values(lease_until=until)
        )
        return beaten.rowcount == 1


@contextmanager
def kept_alive(ledger: Ledger, run_id: str, lease: timedelta = RUN_LEASE) -> Iterator[None]:
    """Extend the run's lease from a thread while the body runs, at a quarter of the lease."""
    stop = Event()

    def keep_beating() -> None:
        while not stop.wait(lease.total_seconds() / 4):
            try:
                if not beat(ledger, run_id, lease):
                    return
            except OpsError:
                continue  # three more beats fit into the lease

    thread = Thread(target=keep_beating, name=f"heartbeat-{run_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def abandon_dead_runs(ledger: Ledger) -> list[Run]:
    """Seal every run whose lease ran out as ABANDONED, and return them."""
    with ledger.writing() as connection:
        chain.hold(connection)
        now = ledger.now_in(connection)
        dead = connection.execute(
            select(RUNS.c.run_id)
            .where(RUNS.c.sealed_seq.is_(None), RUNS.c.lease_until <= now)
            .order_by(RUNS.c.opened_seq)
            .with_for_update()
        )
        run_ids: list[str] = list(dead.scalars())
        for run_id in run_ids:
            _seal(ledger, connection, {"run": run_id, "verdict": ABANDONED, "world": World.NONE.value, "bundle": ""})
        return [_run(connection.execute(_one(run_id)).one()) for run_id in run_ids]


def find_run(ledger: Ledger, run_id: str) -> Run:
    """Return the run. Raises BadInput when no run of that id was opened."""
    with ledger.reading() as connection:
        row = connection.execute(_one(run_id)).first()
    if row is None:
        raise _unknown(run_id)
    return _run(row)


def runs(ledger: Ledger, *, flow: str = "", environment: str = "", limit: int = 50) -> list[Run]:
    """Return runs, newest first."""
    query = select(RUNS).order_by(RUNS.c.opened_seq.desc()).limit(limit)
    if flow:
        query = query.where(RUNS.c.flow == flow)
    if environment:
        query = query.where(RUNS.c.environment == environment)
    with ledger.reading() as connection:
        return [_run(row) for row in connection.execute(query)]


def holds_more_than(ledger: Ledger, environment: str) -> bool:
    """Return whether any run belongs to another environment; runs over none in particular (`-`) belong to no other."""
    query = select(RUNS.c.run_id).where(RUNS.c.environment.not_in((environment, "-", ""))).limit(1)
    with ledger.reading() as connection:
        return connection.execute(query).first() is not None


def ended_as(ledger: Ledger, prefect_run_id: str, verdict: str) -> list[Run]:
    """Return what one flow run recorded that was sealed with this verdict; a run over several environments records one each."""
    query = select(RUNS).where(RUNS.c.prefect_run_id == prefect_run_id, RUNS.c.verdict == verdict)
    with ledger.reading() as connection:
        return [_run(row) for row in connection.execute(query)]


def _seal(ledger: Ledger, connection: Connection, said: Mapping[str, str]) -> None:
    link = chain.append(ledger, connection, {"kind": SEALED, **said})
    connection.execute(
        update(RUNS)
        .where(RUNS.c.run_id == said["run"], RUNS.c.sealed_seq.is_(None))
        .values(
            sealed_seq=link.seq,
            sealed_at=datetime.fromisoformat(link.at),
            verdict=said["verdict"],
            world=said["world"],
            bundle_digest=said["bundle"],
        )
    )


def _one(run_id: str) -> Select[Any]:
    return select(RUNS).where(RUNS.c.run_id == run_id)


def _run(row: Row[Any]) -> Run:
    fields = row._asdict()
    fields["parameters"] = json.loads(fields["parameters"])
    return Run(**fields | {"verdict": fields["verdict"] or "", "world": fields["world"] or ""})


def _unknown(run_id: str) -> BadInput:
    return BadInput(
        f"No run {run_id} is in the ledger.",
        "Its id is misspelt, or it belongs to another ledger.",
        "A run is named like its folder below $OPSFLOWS_HOME/audit; its Prefect run's log names it too.",
    )


def _sealed_already(run: Run) -> Rejected:
    if run.verdict == ABANDONED:
        return Rejected(
            f"Run {run.run_id} was sealed ABANDONED at {run.sealed_at:%Y-%m-%d %H:%M} UTC, before it ended.",
            "It gave no sign of life for longer than its lease; its result came too late to count.",
            "Start the flow again; a machine that slept or a database that was away explains it.",
        )
    return Rejected(
        f"Run {run.run_id} is sealed already, as {run.verdict}.",
        "A verdict is given once.",
        "Start the flow again; it takes a new id.",
    )
