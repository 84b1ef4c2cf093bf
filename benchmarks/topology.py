"""What the production shape costs and how soon it is back, measured on this machine: the figures of docs/scaling.md.

    .venv/bin/python -m benchmarks.topology

PostgreSQL, Redis, two API servers, services, Caddy and three workers as processes, as tests/topology starts them from
docker-compose.yml. Medians; a busy machine shows in all of them.
"""

import statistics
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.names import CHECK_YESTERDAY, CREDENTIAL_AGES, KMS_SMOKE
from tests.program import eventually
from tests.topology.rotating import as_rotation_worker
from tests.topology.shape import STANDING
from tests.topology.standing import Topology, standing_topology

_REPEATS = 3
_QUEUE = 6
_ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_REHEARSAL: dict[str, object] = {"environment": "rehearsal"}
_ORDERS: tuple[tuple[str, dict[str, object]], ...] = ((KMS_SMOKE, _REHEARSAL), (CREDENTIAL_AGES, {}), (CHECK_YESTERDAY, {}))  # fmt: skip
_SERVERS = ("api-1", "api-2", "services", "postgres", "redis", "proxy")


def main() -> None:
    began = time.monotonic()
    with standing_topology() as topology, as_rotation_worker(topology):
        _tell("all of it stands after", f"{time.monotonic() - began:.0f} s")
        _memory(topology)
        for at_once in (1, 2, 3):
            _latency(topology, at_once)
        _throughput(topology)
        for name in STANDING:
            _recovery(topology, name)


def _memory(topology: Topology) -> None:
    for name in STANDING:
        _tell(f"memory of {name}", f"{topology.services[name].resident_mb()} MB")


def _latency(topology: Topology, at_once: int) -> None:
    """Tell how long it takes from the order until the flow begins, with so many ordered at the same moment."""
    seconds: list[float] = []
    for _ in range(_REPEATS):
        runs = [topology.start(name, given) for name, given in _ORDERS[:at_once]]
        seconds += [_moment(row, "start_time") - _moment(row, "created") for row in _ended(topology, runs)]
    _tell(f"a run begins after its order, {at_once} at once", _median(seconds, "s"))


def _throughput(topology: Topology) -> None:
    """Tell how many runs a minute both workers of a pool manage, and what a run costs the server and itself."""
    deployment = _without_limit(topology, CREDENTIAL_AGES)
    before = _cpu(topology, _SERVERS)
    began = time.monotonic()
    runs = [UUID(topology.ask("POST", f"/deployments/{deployment}/create_flow_run", {})["id"]) for _ in range(_QUEUE)]
    rows = _ended(topology, runs)
    took = time.monotonic() - began
    tasks = sum(
        len(topology.ask("POST", "/task_runs/filter", {"flow_runs": {"id": {"any_": [str(one)]}}})) for one in runs
    )
    _tell("runs a minute, two workers", f"{60 * len(rows) / took:.1f}")
    _tell(
        "server CPU a run",
        f"{(_cpu(topology, _SERVERS) - before) / len(rows):.2f} s ({tasks / len(rows):.1f} task runs each)",
    )


def _recovery(topology: Topology, name: str) -> None:
    seconds: list[float] = []
    for _ in range(_REPEATS):
        killed = time.monotonic()
        topology.services[name].kill()
        topology.wait_until_healthy(name)
        seconds.append(time.monotonic() - killed)
    _tell(f"{name} is healthy again after kill -9", _median(seconds, "s"))


def _without_limit(topology: Topology, name: str) -> str:
    """Return a copy of the deployment that lets any number of runs meet."""
    held = topology.ask("GET", f"/deployments/name/{name}")
    kept = {key: held[key] for key in ("flow_id", "entrypoint", "path", "work_pool_name", "parameter_openapi_schema")}
    made: str = topology.ask("POST", "/deployments/", {**kept, "name": "benchmark"})["id"]
    return made


def _ended(topology: Topology, runs: Iterable[UUID]) -> list[dict[str, Any]]:
    def over(run: UUID) -> dict[str, Any] | None:
        row: dict[str, Any] = topology.ask("GET", f"/flow_runs/{run}")
        return row if row["state"]["type"] in _ENDED else None

    return [eventually(lambda run=run: over(run), within_s=300, every_s=0.5) for run in runs]  # type: ignore[misc]  # mypy cannot type a default of a lambda


def _cpu(topology: Topology, names: Iterable[str]) -> float:
    return sum(topology.services[name].cpu_seconds() for name in names)


def _moment(row: dict[str, Any], name: str) -> float:
    return datetime.fromisoformat(row[name]).timestamp()


def _median(values: Sequence[float], unit: str) -> str:
    return f"{statistics.median(values):.1f} {unit} (of {len(values)}; {min(values):.1f} to {max(values):.1f})"


def _tell(what: str, figure: str) -> None:
    print(f"{what}: {figure}", flush=True)


if __name__ == "__main__":
    main()
