"""The topology is the compose file: its services, settings, health checks and restart policies, and nothing of its own."""

from pathlib import Path

import pytest

from entrypoints.setup import make_compose_secrets
from tests.topology.shape import NOT_HERE, ONCE, STANDING, WORKERS, Places, Row, free_ports, read_compose, row_of

SERVICES = read_compose()


@pytest.fixture
def rows(tmp_path: Path) -> dict[str, Row]:
    places = Places(tmp_path, free_ports(), tmp_path / "compose")
    make_compose_secrets(places.secrets)
    return {name: row_of(name, SERVICES[name], places) for name in (*STANDING, *ONCE)}


def test_every_service_of_compose_is_a_process_here_or_is_left_out_with_a_reason() -> None:
    assert set(SERVICES) == {*STANDING, *ONCE, *NOT_HERE}


def test_what_is_started_again_here_is_started_again_there() -> None:
    assert {name for name, row in SERVICES.items() if row["restart"] == "unless-stopped"} >= set(STANDING)
    assert all(str(SERVICES[name]["restart"]).startswith("on-failure") for name in ONCE)


def test_what_stands_is_started_after_what_it_needs() -> None:
    for name in STANDING:
        needs = set(SERVICES[name].get("depends_on", {}))

        assert {one for one in needs if one in STANDING} <= set(STANDING[: STANDING.index(name)]), name


def test_every_standing_service_has_a_health_check_that_is_asked_here_as_well(rows: dict[str, Row]) -> None:
    assert all(SERVICES[name]["healthcheck"]["test"][0] == "CMD" for name in STANDING)
    assert all(rows[name].check for name in STANDING)


def test_every_setting_of_compose_is_a_setting_here(rows: dict[str, Row]) -> None:
    for name, row in rows.items():
        given = set(SERVICES[name].get("environment", {})) - {"OPSFLOWS_RELAYS"}

        assert given <= set(row.environment), name


def test_no_place_of_a_container_is_left(rows: dict[str, Row]) -> None:
    inside = (
        "/var/lib/opsflows",
        "/run/secrets",
        "/opt/opsflows",
        "0.0.0.0",
        "${",
        *(f"//{name}:" for name in SERVICES),
    )
    for name, row in rows.items():
        told = [*row.command, *row.check, *row.environment.values()]

        assert not [(name, text) for text in told for place in inside if place in text]


def test_each_listens_on_a_port_of_its_own(rows: dict[str, Row]) -> None:
    ports = [rows[name].environment["PREFECT_WORKER_WEBSERVER_PORT"] for name in WORKERS]
    ports += [rows[name].command[rows[name].command.index("--port") + 1] for name in ("api-1", "api-2", "redis", "stand-ins")]  # fmt: skip

    assert len(set(ports)) == len(ports)


def test_all_clients_come_to_the_one_address(rows: dict[str, Row]) -> None:
    addresses = {rows[name].environment["PREFECT_API_URL"] for name in (*WORKERS, "deploy")}
    inside = rows["proxy"].environment["OPSFLOWS_INSIDE"]

    assert addresses == {f"{inside}/api"}
