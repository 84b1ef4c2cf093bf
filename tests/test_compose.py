"""docker-compose.yml: valid for Compose, supervised, and with no secret and no open port in it."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from entrypoints.container import _VARIABLES
from entrypoints.setup import make_compose_secrets
from tests.program import ROOT, program

FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STANDING = {name: row for name, row in SERVICES.items() if name not in {"deploy", "cli"}}
# What the server needs for more than one process to work together; a part of them loses events silently.
IN_REDIS = {
    "PREFECT_SERVER_EVENTS_MESSAGING_BROKER": "prefect_redis.messaging",
    "PREFECT_SERVER_EVENTS_MESSAGING_CACHE": "prefect_redis.messaging",
    "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
    "PREFECT_SERVER_WORKER_CHANNEL_CLEANUP_QUEUE_STORAGE": "prefect_redis.cleanup_queue",
}


def compose() -> list[str]:
    """Return the command of Docker Compose: the plugin, or the program of that name."""
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        return [docker, "compose"]
    return [program("docker-compose")]


@pytest.mark.parametrize("profiles", ["", "rehearsal", "rehearsal,cli"])
def test_compose_accepts_it(profiles: str) -> None:
    command = [*compose(), "-f", str(FILE), "config", "-q"]

    ended = subprocess.run(
        command, env={"COMPOSE_PROFILES": profiles, "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr


def test_everything_a_team_needs_is_there() -> None:
    assert set(SERVICES) == {"postgres", "redis", "server", "deploy", "worker", "stand-ins", "cli"}
    assert SERVICES["stand-ins"]["profiles"] == ["rehearsal"]
    assert SERVICES["deploy"]["command"] == ["opsflows", "deploy"]


@pytest.mark.parametrize("service", STANDING)
def test_what_stands_is_checked_and_started_again(service: str) -> None:
    row = STANDING[service]

    assert row["healthcheck"]["test"][0] == "CMD"
    assert row["restart"] == "unless-stopped"


def test_the_deploy_job_runs_once_and_before_the_worker() -> None:
    assert SERVICES["deploy"]["restart"] == "on-failure:5"
    assert SERVICES["deploy"]["healthcheck"] == {"disable": True}
    assert SERVICES["worker"]["depends_on"]["deploy"] == {"condition": "service_completed_successfully"}


def test_ports_are_published_on_loopback_alone() -> None:
    published = [port for row in SERVICES.values() for port in row.get("ports", [])]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert all(row.get("network_mode") in {None, "service:worker"} for row in SERVICES.values())


def test_no_secret_is_in_it() -> None:
    written = {
        (service, name): str(value)
        for service, row in SERVICES.items()
        for name, value in row.get("environment", {}).items()
    }

    secret = re.compile("PASSWORD|SECRET|TOKEN|KEY|AUTH_STRING")
    assert {name for (_, name) in written if secret.search(name)} == {"POSTGRES_PASSWORD_FILE"}
    assert not [value for value in written.values() if re.search(r"//[^/@]*:[^/@]*@", value)]


def test_each_service_is_given_the_secrets_it_needs_and_no_other() -> None:
    given = {name: set(row.get("secrets", [])) for name, row in SERVICES.items()}

    assert given == {
        "postgres": {"postgres_password"},
        "redis": set(),
        "server": {"postgres_password", "prefect_encryption_key", "prefect_auth"},
        "deploy": {"prefect_auth"},
        "worker": {"postgres_password", "prefect_auth", "fingerprint_key"},
        "cli": {"postgres_password", "prefect_auth", "fingerprint_key"},
        "stand-ins": set(),
    }


def test_every_secret_is_a_file_that_set_up_makes(tmp_path: Path) -> None:
    made = make_compose_secrets(tmp_path / "compose")

    assert {name: row["file"] for name, row in COMPOSE["secrets"].items()} == {
        name: f".opsflows/compose/{name}" for name in made
    }
    assert set(made) == {*_VARIABLES, "fingerprint_key"}


def test_what_the_server_remembers_between_processes_is_in_redis() -> None:
    environment = SERVICES["server"]["environment"]

    redis = {name: value for name, value in environment.items() if str(value).startswith("redis://redis:6379/")}

    assert environment.items() >= IN_REDIS.items()
    assert set(redis) == {
        "PREFECT_REDIS_MESSAGING_URL", "PREFECT_SERVER_DOCKET_URL", "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL",
    }  # fmt: skip
    assert len(set(redis.values())) == 3


@pytest.mark.parametrize("service", ["server", "worker", "stand-ins", "deploy", "cli"])
def test_our_containers_may_do_no_more_than_they_must(service: str) -> None:
    assert SERVICES[service]["cap_drop"] == ["ALL"]
    assert SERVICES[service]["security_opt"] == ["no-new-privileges:true"]


def test_every_volume_that_is_mounted_is_declared() -> None:
    mounted = {volume.split(":")[0] for row in SERVICES.values() for volume in row.get("volumes", [])}

    assert {name for name in mounted if not name.startswith("./")} == set(COMPOSE["volumes"])
    assert all((ROOT / name).is_file() for name in mounted if name.startswith("./"))
    assert FILE.read_text().isascii()
