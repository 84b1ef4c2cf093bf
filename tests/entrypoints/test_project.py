"""Set-up makes the project's own folder once, for its owner alone; what the process was told wins."""

import json
import os
import stat
from pathlib import Path

import pytest

from domain.errors import BadInput
from entrypoints import project


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that nobody has set up, and an environment that says nothing else; both are as before afterwards."""
    for name in [name for name in os.environ if name.startswith(("OPSFLOWS_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    # Set once through monkeypatch, so that what set-up writes into the environment is taken back.
    for name in project._settings(tmp_path, tmp_path):
        monkeypatch.setenv(name, "")
        del os.environ[name]
    monkeypatch.setenv("OPSFLOWS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def env_of(home: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (home / "env").read_text().splitlines())


def test_set_up_makes_a_folder_for_its_owner_alone(home: Path) -> None:
    made = project.set_up()

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in home.iterdir()}

    assert made == home
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert modes == {"env": 0o600, "fingerprint.key": 0o600, "ports.json": 0o600}


def test_every_home_has_keys_of_its_own(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.set_up()
    first = env_of(home), (home / "fingerprint.key").read_text()

    monkeypatch.setenv("OPSFLOWS_HOME", str(tmp_path / "other"))
    project.set_up()
    second = env_of(tmp_path / "other"), (tmp_path / "other" / "fingerprint.key").read_text()

    assert first[1] != second[1]
    assert first[0]["PREFECT_SERVER_ENCRYPTION_KEY"] != second[0]["PREFECT_SERVER_ENCRYPTION_KEY"]


def test_a_second_set_up_keeps_every_key_setting_and_port(home: Path) -> None:
    project.set_up()
    before = {file.name: file.read_bytes() for file in home.iterdir()}

    project.set_up()

    assert {file.name: file.read_bytes() for file in home.iterdir()} == before


def test_a_setting_that_an_older_set_up_did_not_write_is_added(home: Path) -> None:
    project.set_up()
    whole = env_of(home)
    (home / "env").write_text("".join(f"{name}={value}\n" for name, value in whole.items() if name != "DO_NOT_TRACK"))

    project.set_up()

    assert env_of(home) == whole


def test_what_the_process_was_told_wins_over_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.set_up()
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "postgresql+asyncpg://db/prefect")
    monkeypatch.delenv("PREFECT_SERVER_EVENTS_RETENTION_PERIOD")

    project.load()

    assert os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == "postgresql+asyncpg://db/prefect"
    assert os.environ["PREFECT_SERVER_EVENTS_RETENTION_PERIOD"] == "30d"


def test_loading_makes_nothing(home: Path) -> None:
    project.load()

    assert not home.exists()


def test_the_ports_are_recorded_and_free(home: Path) -> None:
    project.set_up()

    ports = json.loads((home / "ports.json").read_text())

    assert set(ports) == {"prefect", "stand_ins", "stand_ins_tls", "board"}
    assert len(set(ports.values())) == 4
    assert not any(project.is_listening(port) for port in ports.values())


def test_a_taken_port_moves_and_the_others_stay(home: Path) -> None:
    project.set_up()
    before = project.read_ports()

    moved = project.move_port("prefect")

    assert moved != before["prefect"]
    assert project.read_ports() == {**before, "prefect": moved}


def test_a_relative_home_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSFLOWS_HOME", "somewhere")

    with pytest.raises(BadInput, match="relative"):
        project.set_up()
