"""The production shape as processes: PostgreSQL, Redis, two API servers, services, one address, workers of both pools, stand-ins."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from entrypoints.setup import make_compose_secrets
from tests.ledger import postgres
from tests.program import OPSFLOWS, ROOT, eventually
from tests.topology.processes import Supervised, Supervisor
from tests.topology.shape import ONCE, STANDING, Places, Row, free_ports, read_compose, row_of

_READY_WITHIN_S = 240
_LOG_CHARACTERS = 3000
_USER = "opsflows"


@dataclass(frozen=True, slots=True)
class Topology:
    """What stands, and how one asks it."""

    places: Places
    rows: Mapping[str, Row]
    services: Mapping[str, Supervised]

    @property
    def api(self) -> str:
        """Return the one address of both API servers."""
        return self.rows["worker-1"].environment["PREFECT_API_URL"]

    @property
    def auth(self) -> tuple[str, str]:
        user, _, password = (self.places.secrets / "prefect_auth").read_text().strip().partition(":")
        return user, password

    @property
    def stand_ins(self) -> str:
        return f"http://127.0.0.1:{self.places.ports['stand-ins']}"

    @property
    def client(self) -> Mapping[str, str]:
        """Return the environment of a rotation worker, for what runs in a test's process."""
        return self.rows["rotation-worker"].environment

    def ask(self, method: str, path: str, json: object = None) -> Any:
        """Ask Prefect's API; asked again where it is away for a moment, as Prefect's own client does."""
        answer = eventually(lambda: self._asked(method, path, json), within_s=120, every_s=0.5)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def _asked(self, method: str, path: str, json: object) -> httpx.Response | None:
        try:
            answer = httpx.request(
                method, f"{self.api}{path}", json=json, auth=self.auth, trust_env=False, timeout=30
            )  # fmt: skip
        except httpx.TransportError:
            return None
        return None if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR else answer

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Ask the stand-ins' control plane."""
        answer = httpx.request(method, f"{self.stand_ins}/_control{path}", json=body, trust_env=False, timeout=30)
        assert answer.is_success, answer.text
        return answer.json()

    def start(self, deployment: str, parameters: Mapping[str, object], **environment: str) -> UUID:
        """Start a run of a deployment and return its id."""
        found = self.ask("GET", f"/deployments/name/{deployment}")["id"]
        order = {"parameters": dict(parameters), "job_variables": {"env": environment}}
        return UUID(self.ask("POST", f"/deployments/{found}/create_flow_run", order)["id"])

    def state(self, run: UUID) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.ask("GET", f"/flow_runs/{run}")["state"]
        return found

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run opsflows as a person does beside it, and return how it ended."""
        return _run((OPSFLOWS, *arguments), self.client, within_s=_READY_WITHIN_S)

    def is_healthy(self, name: str) -> bool:
        """Say what compose's own health check says of the service."""
        row, service = self.rows[name], self.services[name]
        if service.process is None or service.process.poll() is not None:
            return False
        return not row.check or _run(row.check, row.environment).returncode == 0

    def wait_until_healthy(self, *names: str) -> None:
        for name in names:
            try:
                eventually(partial(self.is_healthy, name), within_s=_READY_WITHIN_S, every_s=0.3)
            except AssertionError:
                check = _run(self.rows[name].check, self.rows[name].environment)
                raise AssertionError(
                    f"{name} is not healthy: {check.stdout}{check.stderr}\n{self.log_of(name)}"
                ) from None

    def log_of(self, name: str) -> str:
        """Return the end of what the service said."""
        return self.services[name].log.read_text(errors="replace")[-_LOG_CHARACTERS:]


@contextmanager
def standing_topology() -> Iterator[Topology]:
    """Start all of it, in the order that compose gives, and stop it in the other one."""
    home = Path(tempfile.mkdtemp(prefix="opsflows-topology-", dir="/tmp"))
    # PostgreSQL's user has to get through to its own folder.
    home.chmod(0o711)
    try:
        with _started(home) as topology:
            yield topology
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _started(home: Path) -> Iterator[Topology]:
    places = Places(home, free_ports(), home / "compose")
    make_compose_secrets(places.secrets)
    said = read_compose()
    rows = {name: row_of(name, said[name], places) for name in (*STANDING, *ONCE)}
    for name in rows:
        places.folder(name).mkdir(mode=0o700, exist_ok=True)
    rows["postgres"] = _with_cluster(rows["postgres"], places)
    services = {name: _service(rows[name], home) for name in STANDING}
    topology = Topology(places, rows, services)
    with ExitStack() as stack:
        stack.enter_context(Supervisor(services))
        for name in STANDING:
            stack.callback(services[name].stop)
        for place, name in enumerate(STANDING):
            for job in [job for job, before in ONCE.items() if before == name]:
                topology.wait_until_healthy(*STANDING[:place])
                _once(rows[job], home)
            services[name].start()
        topology.wait_until_healthy(*STANDING)
        yield topology


def _service(row: Row, home: Path) -> Supervised:
    return Supervised(row.name, row.command, row.environment, ROOT, home / f"{row.name}.log")


def _once(row: Row, home: Path) -> None:
    ended = _run(row.command, row.environment, within_s=_READY_WITHIN_S)
    (home / f"{row.name}.log").write_text(ended.stdout + ended.stderr)
    assert ended.returncode == 0, f"{row.name}: {ended.stdout}{ended.stderr}"


def _run(
    command: tuple[str, ...], environment: Mapping[str, str], within_s: float = 20
) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command, env=dict(environment), cwd=ROOT, capture_output=True, text=True, check=False, timeout=within_s,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", "It took too long.")


def _with_cluster(row: Row, places: Places) -> Row:
    """Return PostgreSQL's row with a cluster made as the image makes it: a user, its password, and two databases."""
    folder, port = places.folder("postgres"), places.ports["postgres"]
    password = places.secrets / "postgres_password"
    as_root = os.geteuid() == 0
    if as_root:
        shutil.chown(folder, "postgres")
    as_user = ("runuser", "-u", "postgres", "--") if as_root else ()
    readable = folder / "password"
    readable.write_text(password.read_text())
    data = folder / "data"
    if as_root:
        shutil.chown(readable, "postgres")
    made = _run(
        (*as_user, str(postgres.program("initdb")), "-D", str(data), "-U", _USER, "--pwfile", str(readable), "-A", "scram-sha-256",
         "-E", "UTF8", "--locale=C", "--no-sync"),
        row.environment, within_s=120,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    # A process that is killed loses nothing that the system still has to write; only a machine's end would.
    server = (str(postgres.program("postgres")), "-D", str(data), "-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200")  # fmt: skip
    _make_databases(as_user, data, row.environment)
    return Row(row.name, (*as_user, *server), {**row.environment, "PGPASSWORD": password.read_text()}, _tcp(row.check))


def _make_databases(as_user: tuple[str, ...], data: Path, environment: Mapping[str, str]) -> None:
    """Let a server that nobody else reaches make what the image's first start makes, and end."""
    single = (*as_user, str(postgres.program("postgres")), "--single", "-D", str(data), "postgres")
    made = subprocess.run(
        single, input="CREATE DATABASE prefect\n\n\nCREATE DATABASE ledger\n", env=dict(environment), text=True,
        capture_output=True, check=False, timeout=60, cwd="/",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr


def _tcp(check: tuple[str, ...]) -> tuple[str, ...]:
    program = postgres.program(check[0]) if check else None
    return (str(program), *check[1:]) if program else check
