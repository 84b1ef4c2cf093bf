"""The running opsflows beside its stand-ins: rotations of one credential are started, killed and looked at there."""

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

from domain.names import MARKER_PREFIX, ROTATE, Credential
from domain.rotation import Kind, RotationRecord, rotation_id
from ledger.held_credentials import find_credential
from ledger.opening import open_ledger
from ledger.rotation_rows import find_rotation, open_rotation_of
from ledger.rotations import open_rotation
from steps.orphans import sweep_orphans
from steps.rotation_hands import Hands
from tests.flows.later import desk_at, move_clock
from tests.program import ROOT, Standing, eventually, to_loopback

CREDENTIAL = Credential.parse("pagerduty-default-rehearsal-send")
NO_TIME = timedelta(0)
# A day of overlap and more, in which every vendor has forgotten what it was told to.
LATER = timedelta(days=2)
_HELD_S = 60


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The running opsflows, whose stand-in for the vendor knows the adopted credential and nothing else of ours."""

    standing: Standing
    stand_ins: str

    def control(self, method: str, path: str, body: object = None) -> Any:
        answer = to_loopback().request(method, f"{self.stand_ins}/_control/pagerduty/{path}", json=body)
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
        pid = eventually(lambda: process_of(run))
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


def process_of(run: str) -> int:
    """Return the process that runs the flow of this run; its parent, the worker, knows the run by other names."""
    marker = f"PREFECT__FLOW_RUN_ID={run}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (entry / "environ").read_bytes().split(b"\0"):
                return int(entry.name)
        except OSError:
            continue
    return 0
