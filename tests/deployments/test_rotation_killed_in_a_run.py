"""A deployed rotation whose run is killed, by a worker's process being ended at a named point: what is left converges."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.store import save_values
from domain.names import MARKER_PREFIX, ROTATE, Credential
from domain.rotation import Kind, RotationRecord, State, Wait, rotation_id
from ledger.held_credentials import find_credential
from ledger.opening import open_ledger
from ledger.rotation_rows import find_rotation, open_rotation_of
from ledger.rotations import open_rotation
from steps.adoption_order import AdoptionOrder, adopt
from steps.conduct import STAND_INS_URL
from steps.orphans import sweep_orphans
from steps.rotation_hands import Hands
from tests.deployments.holding import way_to
from tests.flows.later import desk_at, finished, move_clock
from tests.program import ROOT, Standing, eventually, needs_proc
from vendors.registry import INTEGRATIONS

CREDENTIAL = Credential.parse("pagerduty-default-rehearsal-send")
NO_TIME = timedelta(0)
# A day of overlap and more, in which every vendor has forgotten what it was told to.
LATER = timedelta(days=2)
_HELD_S = 60

pytestmark = needs_proc


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The running opsflows, whose stand-in for the vendor knows the adopted credential and nothing else of ours."""

    standing: Standing
    stand_ins: str

    def control(self, method: str, path: str, body: object = None) -> Any:
        answer = httpx.request(method, f"{self.stand_ins}/_control/pagerduty/{path}", json=body, trust_env=False)
        assert answer.is_success, answer.text
        return answer.json()

    def hold_answers_to(self, method: str, path: str) -> None:
        """Let the vendor do what is asked of it, and hold its answer back for longer than anybody waits."""
        self.control("POST", "faults", {"method": method, "path": path, "delay_s": _HELD_S})

    def was_asked(self, method: str, path: str) -> bool:
        return any(row["method"] == method and re.search(path, row["path"]) for row in self.control("GET", "requests"))

    def start(self, reason: str, **environment: str) -> str:
        """Start a run of the deployment, its process with these variables; return the run's id."""
        deployment = self.standing.deployment(ROTATE)["id"]
        parameters = {
            "credentials": ["pagerduty send"], "environment": "rehearsal", "reason": reason, "operator": "ana", "ticket": "OPS-1",
            "mode": "apply",
        }  # fmt: skip
        order = {"parameters": parameters, "job_variables": {"env": environment}}
        run: str = self.standing.ask("POST", f"/deployments/{deployment}/create_flow_run", order)["id"]
        return run

    def kill(self, run: str) -> None:
        """End the process of the run as a machine that loses its power would, and wait until Prefect knows."""
        pid = eventually(lambda: _process_of(run))
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: self.standing.ask("GET", f"/flow_runs/{run}")["state"]["type"] == "CRASHED")

    def open(self) -> str:
        """Open a rotation that nobody has stepped yet, and return its id."""
        with desk_at(NO_TIME) as desk:
            rotation = rotation_id(CREDENTIAL, desk.run.run_id)
            open_rotation(
                desk.run.ledger, rotation, CREDENTIAL, Kind.MANUAL, operator="ana", reason="test", ticket="OPS-1",
                due_window=desk.run.run_id,
            )  # fmt: skip
        return rotation

    def sweeper(self) -> "subprocess.Popen[bytes]":
        """Start the sweeper's flow in a process of its own, as a second worker would."""
        environment = self.standing.home.environment(
            PREFECT_API_URL=self.standing.api, OPSFLOWS_STAND_INS_URL=self.stand_ins
        )
        sweep = "from entrypoints import project; project.load(); from flows.sweep_what_is_due import sweep_what_is_due as s; s()"
        return subprocess.Popen([sys.executable, "-c", sweep], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)

    def rotation(self) -> RotationRecord:
        ledger = open_ledger(f"sqlite:///{self.standing.home.path / 'ledger.db'}")
        try:
            record = open_rotation_of(ledger, CREDENTIAL)
            assert record is not None
            return find_rotation(ledger, record.id)
        finally:
            ledger.close()


@pytest.fixture
def rehearsal(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rehearsal]:
    api = standing.api
    found = re.search(r"^Stand-ins +(\S+)$", standing.output, re.MULTILINE)
    assert found
    monkeypatch.setenv("PREFECT_API_URL", api)
    monkeypatch.setenv("OPSFLOWS_HOME", str(standing.home.path))
    monkeypatch.setenv(STAND_INS_URL, found[1])
    rehearsal = Rehearsal(standing, found[1])
    rehearsal.control("POST", "reset")
    with temporary_settings({PREFECT_API_URL: api}):
        values = rehearsal.control("GET", "credentials")
        save_values(INTEGRATIONS["pagerduty"], CREDENTIAL.target, "rehearsal", values)
        with desk_at(NO_TIME) as desk, desk.hands(CREDENTIAL) as hands:
            assert adopt(hands, AdoptionOrder("ana", "OPS-1", desk.run.run_id)).state is State.DONE
        yield rehearsal
        rehearsal.control("POST", "reset")
        move_clock(found[1], NO_TIME)


def faults(rehearsal: Rehearsal) -> list[str]:
    """Return what does not hold once the rotation is over and the sweeper has come by; nothing where all does."""
    move_clock(rehearsal.stand_ins, LATER)
    with desk_at(LATER) as desk, desk.hands(CREDENTIAL) as hands:
        swept = sweep_orphans(hands)
        held = find_credential(desk.run.ledger, CREDENTIAL)
        assert held is not None
        ours = [one for one in hands.vendor.listing().credentials if one.name.startswith(MARKER_PREFIX)]
        return [
            *(f"orphan {one}" for one in swept.deleted),
            *(
                []
                if [one.vendor_id for one in ours] == [held.vendor_id]
                else [f"{len(ours)} of ours are at the vendor"]
            ),
            *([] if all(one.enabled for one in ours) else ["the one in use is switched off"]),
            *([] if hands.store.names(CREDENTIAL) == [held.version] else ["documents of other attempts are left"]),
            *_of_projection(hands, held.version),
        ]


def _of_projection(hands: Hands, version: str) -> Iterator[str]:
    stored, projected = hands.store.read(version), hands.store.projected(CREDENTIAL)
    if stored is None or stored.value != projected:
        yield "the block shows another value than the current one"
    elif hands.vendor.is_refused(projected):
        yield "the value in use is refused"


def _process_of(run: str) -> int:
    """Return the process that runs the flow of this run; its parent, the worker, knows the run by other names."""
    marker = f"PREFECT__FLOW_RUN_ID={run}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (entry / "environ").read_bytes().split(b"\0"):
                return int(entry.name)
        except OSError:
            continue
    return 0


def test_killed_after_the_vendor_created_and_before_the_value_was_kept(rehearsal: Rehearsal) -> None:
    rehearsal.hold_answers_to("POST", "/integrations$")
    run = rehearsal.start("test")
    eventually(lambda: rehearsal.was_asked("POST", "/integrations$"))
    rehearsal.kill(run)
    left = rehearsal.rotation()

    record = finished(left.id, rehearsal.stand_ins)

    assert (left.state, left.new_vendor_id, left.attempt) == (State.CREATING, "", 1)
    assert (record.state, record.attempt) == (State.DONE, 2)
    assert faults(rehearsal) == []


@pytest.mark.prove
def test_killed_after_the_flip_and_before_the_projection(rehearsal: Rehearsal) -> None:
    port = urlsplit(rehearsal.standing.api).port
    assert port
    with way_to(port, b"PATCH /api/block_documents/") as way:
        run = rehearsal.start("test", PREFECT_API_URL=f"{way.url}/api")
        eventually(way.held.is_set)
        rehearsal.kill(run)
    left = rehearsal.rotation()

    record = finished(left.id, rehearsal.stand_ins)

    assert (left.state, left.served_at) == (State.PUBLISHED, None)
    assert left.flipped_at is not None
    assert record.state is State.DONE
    assert record.served_at is not None
    assert record.served_at - left.flipped_at >= timedelta(minutes=5)
    assert faults(rehearsal) == []


@pytest.mark.prove
def test_killed_after_the_delete_and_before_its_outcome_was_written(rehearsal: Rehearsal) -> None:
    rehearsal.hold_answers_to("DELETE", "/integrations/")
    run = rehearsal.start("compromise")
    eventually(lambda: rehearsal.was_asked("DELETE", "/integrations/"))
    rehearsal.kill(run)
    left = rehearsal.rotation()

    record = finished(left.id, rehearsal.stand_ins)

    assert left.state is State.REVOKING
    assert "revoked_at" not in left.facts
    assert record.state is State.DONE
    assert faults(rehearsal) == []


def test_of_two_sweepers_at_once_one_steps_the_rotation(rehearsal: Rehearsal) -> None:
    rotation = rehearsal.open()
    # Long enough that both are at it at the same time.
    rehearsal.control("POST", "faults", {"method": "POST", "path": "/integrations$", "delay_s": 6})
    sweepers = [rehearsal.sweeper() for _ in range(2)]

    codes = [sweeper.wait(timeout=120) for sweeper in sweepers]

    record = rehearsal.rotation()
    created = [
        row
        for row in rehearsal.control("GET", "requests")
        if (row["method"], row["path"][-13:]) == ("POST", "/integrations")
    ]
    assert codes == [0, 0]
    assert len(created) == 1
    assert (record.id, record.state, record.attempt) == (rotation, State.PUBLISHED, 1)
    assert finished(rotation, rehearsal.stand_ins).state is State.DONE
    assert faults(rehearsal) == []


@pytest.mark.prove
def test_a_prefect_server_that_is_killed_after_the_vendor_created_and_comes_back_loses_nothing(
    rehearsal: Rehearsal,
) -> None:
    # The server is gone when the answer comes, so that the value cannot be kept.
    rehearsal.control("POST", "faults", {"method": "POST", "path": "/integrations$", "delay_s": 5})
    run = rehearsal.start("test")
    eventually(lambda: rehearsal.was_asked("POST", "/integrations$"))
    # Whoever would start the server again goes first.
    rehearsal.standing.stop_at_once()
    os.kill(int((rehearsal.standing.home.path / "prefect-server.lock").read_text()), signal.SIGKILL)
    # Prefect's client asks again for about a minute before it gives up.
    left = eventually(lambda: record if (record := rehearsal.rotation()).wait is Wait.BACKOFF else None, within_s=180)
    assert rehearsal.standing.api
    # Nobody could tell the server how the run ended; as long as it does not know, the run keeps the deployment's place.
    crashed = {"state": {"type": "CRASHED"}, "force": True}
    rehearsal.standing.ask("POST", f"/flow_runs/{run}/set_state", crashed)

    record = finished(left.id, rehearsal.stand_ins)

    assert (left.state, left.new_version) == (State.CREATING, "")
    assert "Prefect server" in left.words
    assert (record.state, record.attempt) == (State.DONE, 2)
    assert faults(rehearsal) == []
