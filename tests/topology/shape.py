"""What docker-compose.yml says, as processes on this machine: its commands, settings and health checks, with other places in them."""

import os
import re
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from entrypoints.container import variables
from tests.program import ROOT

COMPOSE = ROOT / "docker-compose.yml"
CADDYFILE = ROOT / "deployments" / "caddy" / "Caddyfile"
# What runs until it is stopped, in the order in which it is started: what a service needs stands before it.
STANDING = (
    "postgres", "redis", "api-1", "api-2", "services", "proxy", "stand-ins", "worker-1", "worker-2", "rotation-worker",
)  # fmt: skip
# What runs once, and before what: all that is started earlier stands then.
ONCE = {"migrate": "api-1", "deploy": "worker-1"}
# Of the production shape only what a run needs stands here.
NOT_HERE = {
    "board": "it only looks",
    "metrics": "it only looks",
    "cli": "a person's commands",
    "oauth2-proxy": "people's way in, and no run's",
}
WORKERS = ("worker-1", "worker-2", "rotation-worker")
# Where each listens in its container. Here each has a port of its own.
_LISTENS = {
    "postgres": 5432, "redis": 6379, "api-1": 4200, "api-2": 4200, "proxy": 4200, "stand-ins": 4010,
    **dict.fromkeys(WORKERS, 8080),
}  # fmt: skip
# More ports of a service: in its container -> by what name we know it. The relays lead to the stand-ins' own ports.
_ALSO = {443: "public", 4010: "stand-ins", 5010: "stand-ins", 4011: "stand-ins' gRPC"}
_MINE = ("127.0.0.1", "localhost", "0.0.0.0")
_ADDRESS = re.compile(r"(?<![\w.-])([A-Za-z][\w-]*|127\.0\.0\.1|0\.0\.0\.0|):(\d{2,5})\b")
_PORT_OPTIONS = frozenset({"--port", "--grpc-port"})
_VARIABLE = re.compile(r"\$\{\w+:-([^}]*)\}")
_BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Row:
    """One service as compose has it, with the places of this machine: how it is started, and how one sees that it stands."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    check: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is on this machine."""

    home: Path
    ports: Mapping[str, int]
    secrets: Path

    def folder(self, service: str) -> Path:
        """Return what is the service's volume in compose; those that share one there share it here."""
        return self.home / ("home" if service in {*WORKERS, "deploy"} else service)

    def mounted(self, service: str) -> Path:
        return self.home / f"{service}-secrets"


def read_compose() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
    return services


def free_ports() -> dict[str, int]:
    """Return a port for each that listens, all different and free at this moment."""
    names = {*_LISTENS, *_ALSO.values()}
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in names]
        return {name: one.getsockname()[1] for name, one in zip(names, sockets, strict=True)}


def row_of(name: str, said: Mapping[str, Any], places: Places) -> Row:
    """Return the service with every place of compose replaced by this machine's."""
    moved = _Moved(name, places)
    given = {key: moved.text(str(value)) for key, value in said.get("environment", {}).items()}
    # The container's entry starts the relays; here the stand-ins are on the same loopback.
    given.pop("OPSFLOWS_RELAYS", None)
    check = said.get("healthcheck", {}).get("test", [])
    return Row(
        name,
        moved.command([str(part) for part in said.get("command", [])]),
        _inherited() | given | _secrets(name, said.get("secrets", []), places) | moved.own_environment(),
        moved.command([str(part) for part in check[1:]]),
    )


@dataclass(frozen=True, slots=True)
class _Moved:
    name: str
    places: Places

    def text(self, said: str) -> str:
        """Return the text with the folders, addresses and variables of compose replaced."""
        said = _VARIABLE.sub(r"\1", said).replace("$$", "$")
        said = _ADDRESS.sub(self._address, said)
        for inside, here in self._folders().items():
            said = said.replace(inside, str(here))
        return said

    def command(self, said: list[str]) -> tuple[str, ...]:
        if not said:
            return ()
        parts = [self.text(part) for part in said]
        parts = [self._port(part) if before in _PORT_OPTIONS else part for before, part in zip(["", *parts], parts, strict=False)]  # fmt: skip
        parts = ["127.0.0.1" if part in _MINE else part for part in parts]
        program = _BIN / parts[0]
        return (str(program) if program.exists() else parts[0], *self._more(parts[0]), *parts[1:])

    def own_environment(self) -> dict[str, str]:
        """Return what is said here because all of it is on one machine."""
        if self.name in WORKERS:
            # Signs of life as often as Prefect allows: a test does not wait for three of compose's.
            own = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
            return {**own, "PREFECT_WORKER_WEBSERVER_PORT": str(self.places.ports[self.name])}
        if self.name == "proxy":
            folder = str(self.places.folder("proxy"))
            return {"XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
        return {}

    def _address(self, found: re.Match[str]) -> str:
        host, port = found[1], int(found[2])
        name = host if _LISTENS.get(host) == port else self._own(port)
        return f"127.0.0.1:{self.places.ports[name]}" if name and (not host or host in {name, *_MINE}) else found[0]

    def _own(self, port: int) -> str:
        return self.name if _LISTENS.get(self.name) == port else _ALSO.get(port, "")

    def _port(self, said: str) -> str:
        name = self._own(int(said))
        return str(self.places.ports[name]) if name else said

    def _more(self, program: str) -> tuple[str, ...]:
        port = str(self.places.ports.get(self.name, ""))
        return {
            "redis-server": ("--port", port, "--bind", "127.0.0.1", "--dir", str(self.places.folder("redis"))),
            "redis-cli": ("-p", port),
            "pg_isready": (f"--port={port}",),
        }.get(program, ())

    def _folders(self) -> dict[str, Path]:
        return {
            "/var/lib/opsflows": self.places.folder(self.name),
            "/var/lib/stand-ins": self.places.folder("stand-ins"),
            "/opt/opsflows/opsflows.toml": ROOT / "opsflows.toml",
            "/etc/caddy/Caddyfile": CADDYFILE,
            "/run/secrets": self.places.mounted(self.name),
            "/run/opsflows": self.places.mounted(self.name),
        }


def _inherited() -> dict[str, str]:
    """Return what a program needs of this process; nothing of what it was told about opsflows or Prefect."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": "/nonexistent"}


def _secrets(name: str, secrets: list[str], places: Places) -> dict[str, str]:
    """Return what the container's entry makes of the secrets that compose mounts into this service, and of no other."""
    folder = places.mounted(name)
    folder.mkdir(mode=0o700)
    for secret in secrets:
        (folder / secret).write_text((places.secrets / secret).read_text())
    return dict(variables(folder, places.home / "no-version", folder))
