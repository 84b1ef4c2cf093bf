"""Rotations in the topology: adopted, started as an operator does, seen in the ledger, lived through to their end."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from sqlalchemy import Interval, literal, update

from blocks.store import save_values
from domain.names import MARKER_PREFIX, ROTATE, Credential, Target
from domain.rotation import RotationRecord, State, Wait
from ledger.held_credentials import find_credential
from ledger.moments import Moment
from ledger.opening import Ledger, open_ledger
from ledger.rotation_journal import entries
from ledger.rotation_rows import find_rotation, rotations
from ledger.rotation_schema import ROTATIONS
from steps.adoption_order import AdoptionOrder, adopt
from steps.orphans import sweep_orphans
from tests.flows.later import desk_at
from tests.topology.standing import Topology
from vendors.registry import EVERY

NO_TIME = timedelta(0)
_OURS = ("OPSFLOWS_", "PREFECT_", "PG")


@contextmanager
def as_rotation_worker(topology: Topology) -> Iterator[None]:
    """Let this process have the environment of the rotation worker: its server, ledger, keys and stand-ins."""
    given = {name: value for name, value in topology.client.items() if name.startswith(_OURS)}
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_OURS)]:
            patch.delenv(name)
        for name, value in given.items():
            patch.setenv(name, value)
        user, password = topology.auth
        with temporary_settings({PREFECT_API_URL: topology.api, PREFECT_API_AUTH_STRING: f"{user}:{password}"}):
            yield


@contextmanager
def ledger_at(offset: timedelta = NO_TIME) -> Iterator[Ledger]:
    ledger = open_ledger(os.environ["OPSFLOWS_DATABASE_URL"], offset=offset)
    try:
        yield ledger
    finally:
        ledger.close()


def adopt_generated(topology: Topology, credentials: list[Credential]) -> None:
    """Store what the stand-ins generated as the rehearsal's blocks, and adopt each credential, as day 1 and an operator do."""
    for name in dict.fromkeys(one.target.integration for one in credentials):
        values = topology.control("GET", f"/{name}/credentials")
        save_values(EVERY[name], Target(name), "rehearsal", values)
    with desk_at(NO_TIME) as desk:
        for one in credentials:
            with desk.hands(one) as hands:
                assert adopt(hands, AdoptionOrder("ana", "OPS-1", desk.run.run_id)).state is State.DONE


def start_rotation(topology: Topology, credential: Credential) -> UUID:
    """Start a run of the deployment for one credential, as its form does."""
    given = {
        "credentials": [f"{credential.target.integration} {credential.purpose}"], "environment": "rehearsal", "reason": "test",
        "operator": "ana", "ticket": "OPS-1", "mode": "apply",
    }  # fmt: skip
    return topology.start(ROTATE, given)


def newest_rotation(credential: Credential) -> RotationRecord | None:
    """Return the newest rotation of the credential that is not its adoption, None where there is none yet."""
    with ledger_at() as ledger:
        found = [
            one for one in rotations(ledger, limit=1000) if one.credential == credential and one.state is not State.DONE
        ]
        return find_rotation(ledger, found[0].id) if found else None


def all_open() -> dict[Credential, RotationRecord]:
    """Return the open rotation of every credential that has one."""
    with ledger_at() as ledger:
        return {one.credential: one for one in rotations(ledger, open_only=True, limit=1000)}


def overlaps() -> Mapping[Credential, tuple[object, ...]]:
    """Return of each open overlap what must not change while it lasts."""
    return {
        credential: (one.id, one.state, one.new_version, one.served_at, one.not_before)
        for credential, one in all_open().items()
        if one.wait is Wait.OVERLAP
    }


def scheduled_for(topology: Topology, record: RotationRecord) -> dict[UUID, datetime]:
    """Return the runs that Prefect holds to step the rotation, and for which moments."""
    asked = {"flow_runs": {"tags": {"all_": ["rotation", record.id]}, "state": {"type": {"any_": ["SCHEDULED"]}}}}
    found = topology.ask("POST", "/flow_runs/filter", asked)
    return {UUID(run["id"]): datetime.fromisoformat(run["expected_start_time"]) for run in found}


def a_day_passes(rotation: str) -> None:
    """Let everything of the rotation have been a day and an hour ago, in its row: no clock of a worker can be moved."""
    moments = [column for column in ROTATIONS.c if isinstance(column.type, Moment) and column.name != "closed_at"]
    earlier = {column: column - literal(timedelta(hours=25), Interval) for column in moments}
    with ledger_at() as ledger, ledger.writing() as connection:
        connection.execute(update(ROTATIONS).where(ROTATIONS.c.id == rotation).values(earlier))


def begin_now(topology: Topology, run: UUID) -> None:
    """Let a run that Prefect holds for later begin now."""
    now = {"type": "SCHEDULED", "name": "Scheduled", "state_details": {"scheduled_time": datetime.now(UTC).isoformat()}}
    topology.ask("POST", f"/flow_runs/{run}/set_state", {"state": now, "force": True})


def retirements(record: RotationRecord) -> list[str]:
    """Return each retirement that the rotation's journal says was begun, by its verb."""
    with ledger_at() as ledger:
        told = [one.said.get("verb") for one in entries(ledger, record.id) if one.kind == "intent"]
    return [verb for verb in told if verb in {"disable", "revoke"}]


def left_at_vendor(record: RotationRecord) -> tuple[list[str], list[str], bool]:
    """Return our credentials at the vendor, the documents that are kept, and whether the block shows the value in use."""
    with desk_at(timedelta(days=4)) as desk, desk.hands(record.credential) as hands:
        sweep_orphans(hands)
        held = find_credential(desk.run.ledger, record.credential)
        assert held is not None
        ours = [one.vendor_id for one in hands.vendor.listing().credentials if one.name.startswith(MARKER_PREFIX)]
        stored = hands.store.read(held.version)
        return (
            ours,
            hands.store.names(record.credential),
            stored is not None and stored.value == hands.store.projected(record.credential),
        )


def requests_to(topology: Topology, vendor: str, *methods: str) -> list[dict[str, Any]]:
    """Return what the vendor's stand-in was asked with these methods, oldest first."""
    return [row for row in topology.control("GET", f"/{vendor}/requests") if row["method"] in methods]
