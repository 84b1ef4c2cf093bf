"""What is killed, in the middle of which rotation: the vendor's answer to the first change is held back, so that there is a middle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from domain.names import KMS_SMOKE, REHEARSAL, SWEEPER, Credential
from domain.rotation import RotationRecord
from ledger.rotation_rows import find_rotation
from tests.program import eventually
from tests.topology.rotating import a_day_passes, ledger_at, requests_to, start_rotation
from tests.topology.standing import Topology

_HELD_S = 4
# The retirement, its soak and its refusal take a sweep each, and one may find the killed worker's lease.
_SWEEPS = 4
FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})


@dataclass(frozen=True, slots=True)
class Case:
    """One service that is killed while this credential is rotated."""

    service: str
    credential: Credential
    method: str = "POST"

    def __str__(self) -> str:
        return self.service


def _case(service: str, integration: str, method: str = "POST") -> Case:
    return Case(service, Credential.parse(f"{integration}-default-rehearsal-send"), method)


CASES = (
    _case("postgres", "pagerduty"),
    _case("redis", "opsgenie"),
    _case("api-1", "datadog"),
    _case("api-2", "splunk"),
    _case("services", "awskey"),
    _case("proxy", "oidc", "PUT"),
)
# Whose overlap ends on a worker that is killed in the middle of that.
ENDS_ON_A_WORKER = CASES[0]
OF_THE_FLOW = _case("rotation-worker", "awssecret")
OF_THE_WORKER = _case("rotation-worker", "sentry")
CREDENTIALS = [case.credential for case in (*CASES, OF_THE_FLOW, OF_THE_WORKER)]


def run_in_the_middle(topology: Topology, case: Case, held_s: float = _HELD_S) -> UUID:
    """Start a rotation, and return its run once the vendor was asked for a change that it has not answered."""
    vendor = case.credential.target.integration
    asked = held_back(topology, vendor, case.method, held_s=held_s)
    run = start_rotation(topology, case.credential)
    eventually(asked, within_s=120)
    return run


def check_in_the_middle(topology: Topology) -> UUID:
    """Start a check of the sample service, and return its run while the service keeps it waiting."""
    asked = held_back(topology, "backend", "GET", times=2)
    run = topology.start(KMS_SMOKE, {"environment": REHEARSAL})
    eventually(asked, within_s=120)
    return run


def held_back(
    topology: Topology, vendor: str, method: str, times: int = 1, held_s: float = _HELD_S
) -> Callable[[], bool]:
    """Let the vendor keep its next answers to the method to itself for a while; return what says whether it was asked."""
    before = len(requests_to(topology, vendor, method))
    topology.control("POST", f"/{vendor}/faults", {"method": method, "path": "", "delay_s": held_s, "times": times})
    return lambda: len(requests_to(topology, vendor, method)) > before


def ended(topology: Topology, run: UUID, within_s: float = 180) -> tuple[str, str, str]:
    """Return how the run ended: its state's type and name, and its message."""

    def over() -> tuple[str, str, str] | None:
        state = topology.state(run)
        return (state["type"], state["name"], state["message"] or "") if state["type"] in FINAL else None

    return eventually(over, within_s=within_s, every_s=0.5)


def swept(topology: Topology) -> tuple[str, str, str]:
    """Let a worker sweep and return how that ended; a schedule's sweep that is on its way would make it a cancelled one."""

    def ran() -> tuple[str, str, str] | None:
        how = ended(topology, topology.start(SWEEPER, {}))
        return None if how[0] == "CANCELLED" else how

    return eventually(ran, within_s=180, every_s=1)


def swept_until_over(topology: Topology, rotations: Sequence[str]) -> list[RotationRecord]:
    """Let a day pass and a worker sweep, until these rotations are over; return them as they are then."""
    for _ in range(_SWEEPS):
        for rotation in rotations:
            a_day_passes(rotation)
        swept(topology)
        with ledger_at() as ledger:
            records = [find_rotation(ledger, rotation) for rotation in rotations]
        if not any(record.is_open for record in records):
            break
    return records


def gave_a_sign_of_life(topology: Topology, run: UUID) -> bool:
    """Say whether the server has heard of the run by itself, as it has to before it can miss it."""
    asked = {
        "event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": {"id": [f"prefect.flow-run.{run}"]},
    }  # fmt: skip
    return bool(topology.ask("POST", "/events/filter", {"filter": asked})["total"])


def process_of(run: UUID) -> int:
    """Return the process that runs the flow of this run, 0 where there is none."""
    marker = f"PREFECT__FLOW_RUN_ID={run}".encode()

    def is_its(entry: Path) -> bool:
        try:
            return marker in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            return False

    return next((int(entry.name) for entry in Path("/proc").glob("[0-9]*") if is_its(entry)), 0)
