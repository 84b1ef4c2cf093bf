"""docker-compose.yml: valid for Compose, supervised, and with no secret and no open port in it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments.catalog import POOLS
from domain.names import ROTATION_POOL
from entrypoints.container import _FILES, _VARIABLES, RELAYS, refuse_an_open_server, relay_commands
from entrypoints.setup import make_compose_secrets
from tests.program import ROOT, program

FILE = ROOT / "docker-compose.yml"
CADDYFILE = ROOT / "deployments" / "caddy" / "Caddyfile"
PAGE = ROOT / "docs" / "deploying.md"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"migrate", "deploy"}
STANDING = {name: row for name, row in SERVICES.items() if name not in {*ONCE, "cli"}}
OURS = {name: row for name, row in SERVICES.items() if row["image"] == "opsflows:local"}
SERVERS = ("migrate", "api-1", "api-2", "services")
WORKERS = ("worker-1", "worker-2", "rotation-worker")
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


def volumes_of(service: str) -> dict[str, str]:
    """Return what is mounted in a service, by its place in the container."""
    return {row.split(":")[1]: row.split(":")[0] for row in SERVICES[service].get("volumes", [])}


def test_who_deploys_counts_the_same_signs_of_life_as_the_workers_give() -> None:
    seconds = {
        SERVICES[name]["environment"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] for name in ("deploy", "cli", *WORKERS)
    }

    assert seconds == {"60"}


@pytest.mark.parametrize("service", ["services", "worker-1"])
def test_prefect_reads_its_settings_as_they_are_written(service: str, tmp_path: Path) -> None:
    given = {
        name: str(value) for name, value in SERVICES[service]["environment"].items() if name.startswith("PREFECT_")
    }

    ended = subprocess.run(
        [sys.executable, "-c", "from prefect.settings import get_current_settings; get_current_settings()"],
        env={**given, "PREFECT_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("profiles", ["", "rehearsal,cli,oidc"])
def test_compose_accepts_it(profiles: str) -> None:
    command = [*compose(), "-f", str(FILE), "config", "-q"]

    ended = subprocess.run(
        command, env={"COMPOSE_PROFILES": profiles, "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr


def test_everything_a_team_needs_is_there() -> None:
    assert set(SERVICES) == {
        "postgres", "redis", *SERVERS, "proxy", "oauth2-proxy", "deploy", *WORKERS, "board", "metrics", "stand-ins", "cli",
    }  # fmt: skip
    assert {name: row["profiles"] for name, row in SERVICES.items() if "profiles" in row} == {
        "oauth2-proxy": ["oidc"], "stand-ins": ["rehearsal"], "cli": ["cli"],
    }  # fmt: skip


def test_every_pool_of_the_catalog_has_its_workers() -> None:
    pools = {name: SERVICES[name]["command"][SERVICES[name]["command"].index("--pool") + 1] for name in WORKERS}

    assert set(pools.values()) == set(POOLS)
    assert [name for name, pool in pools.items() if pool == ROTATION_POOL] == ["rotation-worker"]


@pytest.mark.parametrize("service", STANDING)
def test_what_stands_is_checked_started_again_and_bounded(service: str) -> None:
    row = STANDING[service]

    assert row["healthcheck"]["test"][0] == "CMD"
    assert row["restart"] == "unless-stopped"
    assert "mem_limit" in row
    assert {"max-size", "max-file"} == set(row["logging"]["options"])


def test_every_image_is_pinned_to_a_version() -> None:
    images = {row["image"] for row in SERVICES.values()} - {"opsflows:local"}

    assert [image for image in images if not re.search(r":v?\d+\.\d+(\.\d+)?(-\w+)?$", image)] == []


def test_jobs_run_once_and_before_what_needs_them() -> None:
    assert {SERVICES[name]["restart"] for name in ONCE} == {"on-failure:5"}
    assert SERVICES["migrate"]["command"] == ["prefect", "server", "database", "upgrade", "-y"]
    assert SERVICES["deploy"]["command"] == ["opsflows", "deploy"]
    done = {"condition": "service_completed_successfully"}
    assert all(SERVICES[name]["depends_on"]["migrate"] == done for name in ("api-1", "api-2", "services"))
    assert all(SERVICES[name]["depends_on"]["deploy"] == done for name in (*WORKERS, "board", "metrics"))


def test_no_service_waits_in_a_circle() -> None:
    left = {name: set(row.get("depends_on", {})) for name, row in SERVICES.items()}

    while ready := {name for name, needs in left.items() if not needs & left.keys()}:
        left = {name: needs for name, needs in left.items() if name not in ready}

    assert left == {}


def test_one_of_two_servers_registers_the_blocks_and_neither_migrates() -> None:
    registers = [
        SERVICES[name]["environment"]["PREFECT_SERVER_REGISTER_BLOCKS_ON_START"] for name in ("api-1", "api-2")
    ]

    assert registers == ["true", "false"]
    assert {SERVICES[name]["environment"]["PREFECT_SERVER_DATABASE_MIGRATE_ON_START"] for name in SERVERS} == {"false"}
    assert all("--no-services" in SERVICES[name]["command"] for name in ("api-1", "api-2"))


def test_the_proxy_alone_is_published_and_on_loopback_unless_told_otherwise() -> None:
    published = {name: row["ports"] for name, row in SERVICES.items() if "ports" in row}

    assert published == {"proxy": ["${OPSFLOWS_BIND:-127.0.0.1}:${OPSFLOWS_PORT:-4443}:443"]}
    assert not [name for name, row in SERVICES.items() if "network_mode" in row]


def test_what_faces_people_reaches_no_database() -> None:
    networks = {name: set(row.get("networks", ["default"])) for name, row in SERVICES.items()}

    assert networks["postgres"] == networks["redis"] == {"data"}
    assert networks["stand-ins"] == {"rehearsal"}
    assert networks["proxy"] == networks["oauth2-proxy"] == {"default"}
    assert [name for name, row in COMPOSE["networks"].items() if row] == ["data", "rehearsal"]
    assert all(COMPOSE["networks"][name] == {"internal": True} for name in ("data", "rehearsal"))


def test_everybody_goes_to_the_one_address() -> None:
    addresses = {row["environment"].get("PREFECT_API_URL") for row in OURS.values() if "environment" in row} - {None}
    proxy = SERVICES["proxy"]["environment"]

    assert addresses == {"http://proxy:4200/api"}
    assert proxy["OPSFLOWS_INSIDE"] == "http://:4200"
    assert proxy["OPSFLOWS_API_SERVERS"].split() == ["api-1:4200", "api-2:4200"]
    assert f":{SERVICES['board']['command'][5]}" in proxy["OPSFLOWS_BOARD"]
    assert f":{SERVICES['metrics']['command'][5]}" in proxy["OPSFLOWS_METRICS"]


def test_the_rehearsal_is_on_loopback_and_leads_to_the_stand_ins() -> None:
    ways = {name: relay_commands(SERVICES[name]["environment"][RELAYS]) for name in (*WORKERS, "cli")}
    theirs = relay_commands(SERVICES["stand-ins"]["environment"][RELAYS])

    assert {tuple(way[1].split(",")[:2]) for found in ways.values() for way in found} == {
        ("TCP-LISTEN:4010", "bind=127.0.0.1"), ("TCP-LISTEN:4011", "bind=127.0.0.1"),
    }  # fmt: skip
    assert {way[2] for found in ways.values() for way in found} == {"TCP:stand-ins:5010", "TCP:stand-ins:5011"}
    assert [way[2] for way in theirs] == ["TCP:127.0.0.1:4010", "TCP:127.0.0.1:4011"]


def test_no_secret_is_in_it() -> None:
    written = {
        (service, name): str(value)
        for service, row in SERVICES.items()
        for name, value in row.get("environment", {}).items()
    }

    secret = re.compile("PASSWORD|SECRET|TOKEN|KEY|AUTH_STRING")
    assert {name for (_, name) in written if secret.search(name) and not name.endswith("_FILE")} == set()
    assert not [value for value in written.values() if re.search(r"//[^/@]*:[^/@]*@", value)]


def test_each_service_is_given_the_secrets_it_needs_and_no_other() -> None:
    given = {name: set(row.get("secrets", [])) for name, row in SERVICES.items()}

    server = {"postgres_password", "prefect_encryption_key", "prefect_auth"}
    client = {"postgres_password", "prefect_auth", "fingerprint_key"}
    assert given == {
        "postgres": {"postgres_password"},
        "redis": set(),
        "migrate": {"postgres_password"},
        **dict.fromkeys(("api-1", "api-2", "services"), server),
        "proxy": {"prefect_auth", "board_token"},
        "oauth2-proxy": {"oidc_client_secret", "oidc_cookie_secret"},
        "deploy": {"prefect_auth"},
        **dict.fromkeys((*WORKERS, "cli"), client),
        "board": {"postgres_password", "prefect_auth", "board_token"},
        "metrics": {"postgres_password", "prefect_auth", "metrics_token"},
        "stand-ins": set(),
    }


def test_what_changes_credentials_outside_is_mounted_in_the_rotation_worker_alone() -> None:
    places = {name: set(volumes_of(name)) for name in SERVICES}

    assert [name for name, found in places.items() if "/run/privileged" in found] == ["rotation-worker"]
    assert places["worker-1"] == places["worker-2"] == places["rotation-worker"] - {"/run/privileged"}


def test_every_secret_is_a_file_that_set_up_makes(tmp_path: Path) -> None:
    made = make_compose_secrets(tmp_path / "compose")

    assert {name: row["file"] for name, row in COMPOSE["secrets"].items()} == {
        name: f".opsflows/compose/{name}" for name in made
    }
    assert set(made) == {*_VARIABLES, *_FILES, "oidc_cookie_secret", "oidc_client_secret"}


def test_what_the_servers_remember_between_processes_is_in_redis() -> None:
    environments = [SERVICES[name]["environment"] for name in SERVERS]
    blocks = "PREFECT_SERVER_REGISTER_BLOCKS_ON_START"

    [environment] = {tuple(sorted((k, v) for k, v in one.items() if k != blocks)) for one in environments}
    redis = {name: value for name, value in environment if str(value).startswith("redis://redis:6379/")}

    assert dict(environment).items() >= IN_REDIS.items()
    assert set(redis) == {
        "PREFECT_REDIS_MESSAGING_URL", "PREFECT_SERVER_DOCKET_URL", "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL",
    }  # fmt: skip
    assert len(set(redis.values())) == 3
    assert "noeviction" in SERVICES["redis"]["command"]


@pytest.mark.parametrize("service", [*OURS, "proxy", "oauth2-proxy"])
def test_containers_may_do_no_more_than_they_must(service: str) -> None:
    assert SERVICES[service]["cap_drop"] == ["ALL"]
    assert SERVICES[service]["security_opt"] == ["no-new-privileges:true"]


def test_the_image_starts_the_servers_with_their_secret_and_not_without() -> None:
    for name in ("api-1", "api-2"):
        refuse_an_open_server(SERVICES[name]["command"], {"PREFECT_SERVER_API_AUTH_STRING": "admin:x"})
        with pytest.raises(Exception, match="without a login"):
            refuse_an_open_server(SERVICES[name]["command"], SERVICES[name]["environment"])


def test_every_volume_that_is_mounted_is_declared(tmp_path: Path) -> None:
    make_compose_secrets(tmp_path / ".opsflows" / "compose")
    mounted = {name for service in SERVICES for name in volumes_of(service).values()}

    assert {name for name in mounted if not name.startswith("./")} == set(COMPOSE["volumes"])
    assert all((ROOT / name).is_file() or (tmp_path / name).is_dir() for name in mounted if name.startswith("./"))
    assert FILE.read_text().isascii()


def test_every_variable_that_one_may_set_is_explained_and_no_other() -> None:
    taken = set(re.findall(r"(?<!\$)\$\{(OPSFLOWS_\w+)", FILE.read_text()))

    assert set(re.findall(r"^\| `(OPSFLOWS_\w+)` \|", PAGE.read_text(), re.MULTILINE)) == taken


def test_the_proxy_is_told_everything_that_its_file_asks_for() -> None:
    asked = set(re.findall(r"\{\$(OPSFLOWS_\w+)", CADDYFILE.read_text()))
    fixed = {"OPSFLOWS_TLS_CERTIFICATE", "OPSFLOWS_TLS_KEY"}

    assert asked - fixed == set(SERVICES["proxy"]["environment"])
