"""What is killed, in the middle of which rotation: the vendor's answer to the first change is held back, so that there is a middle."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from domain.names import KMS_SMOKE, REHEARSAL, Credential
from tests.program import eventually
from tests.topology.rotating import requests_to, start_rotation
from tests.topology.standing import Topology

_HELD_S = 4
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
OF_THE_FLOW = _case("rotation-worker", "awssecret")
OF_THE_WORKER = _case("rotation-worker", "sentry")
CREDENTIALS = [case.credential for case in (*CASES, OF_THE_FLOW, OF_THE_WORKER)]


def run_in_the_middle(topology: Topology, case: Case) -> UUID:
    """Start a rotation, and return its run once the vendor was asked for a change that it has not answered."""
    vendor = case.credential.target.integration
    before = len(requests_to(topology, vendor, case.method))
    topology.control("POST", f"/{vendor}/faults", {"method": case.method, "path": "", "delay_s": _HELD_S})
    run = start_rotation(topology, case.credential)
    eventually(lambda: len(requests_to(topology, vendor, case.method)) > before, within_s=120)
    return run


def check_in_the_middle(topology: Topology) -> UUID:
    """Start a check of the sample service, and return its run while the service keeps it waiting."""
    before = len(requests_to(topology, "backend", "GET"))
    for _ in range(2):
        topology.control("POST", "/backend/faults", {"method": "GET", "path": "", "delay_s": _HELD_S})
    run = topology.start(KMS_SMOKE, {"environment": REHEARSAL})
    eventually(lambda: len(requests_to(topology, "backend", "GET")) > before, within_s=120)
    return run


def ended(topology: Topology, run: UUID, within_s: float = 180) -> tuple[str, str, str]:
    """Return how the run ended: its state's type and name, and its message."""

    def over() -> tuple[str, str, str] | None:
        state = topology.state(run)
        return (state["type"], state["name"], state["message"] or "") if state["type"] in FINAL else None

    return eventually(over, within_s=within_s, every_s=0.5)


def process_of(run: UUID) -> int:
    """Return the process that runs the flow of this run, 0 where there is none."""
    marker = f"PREFECT__FLOW_RUN_ID={run}".encode()

    def is_its(entry: Path) -> bool:
        try:
            return marker in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            return False

    return next((int(entry.name) for entry in Path("/proc").glob("[0-9]*") if is_its(entry)), 0)
