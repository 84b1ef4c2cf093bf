"""A command that checks a vendor in a second must not first import for a second what it does not need."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.opening import open_ledger
from tests.conftest import StandIns

# What setting up, migrating, serving and tables of data need, and a verification does not.
NOT_NEEDED = {"prefect", "alembic", "cryptography", "uvicorn", "pandas", "mocks"}
_IMPORTED = re.compile(r"^import time:.*\| +(\w+)", re.MULTILINE)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose ledger has its schema, as it has from the second command on."""
    home = tmp_path / "home"
    open_ledger(f"sqlite:///{home / 'ledger.db'}").close()
    return home


def test_verifying_on_stand_ins_imports_only_what_it_needs(stand_ins: StandIns, home: Path) -> None:
    env = {"OPSFLOWS_STAND_INS_URL": stand_ins.url}

    imported = imported_by(home, env, "verify", "slack", "--mode", "mock")

    assert "httpx" in imported
    assert not NOT_NEEDED & imported


def test_verifying_from_a_file_imports_only_what_it_needs(stand_ins: StandIns, home: Path, tmp_path: Path) -> None:
    config, env_file = tmp_path / "opsflows.toml", tmp_path / ".env.local"
    config.write_text(
        '[environments.local]\nkind = "dev"\nin_scope = ["slack"]\nallowed_hosts = ["127.0.0.1"]\n'
        f'addresses = {{slack = "{stand_ins.url}/slack"}}\n'
    )
    given = stand_ins.control("GET", "/slack/credentials")
    env_file.write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    env_file.chmod(0o600)
    env = {"OPSFLOWS_CONFIG": str(config)}

    imported = imported_by(
        home, env, "verify", "slack", "--env-file", str(env_file), "--skip-rehearsal", "the vendor is a stand-in"
    )

    assert "httpx" in imported
    assert not NOT_NEEDED & imported


def test_listing_credentials_imports_only_what_it_needs(home: Path) -> None:
    imported = imported_by(home, {}, "credentials", "--environment", "rehearsal")

    assert "sqlalchemy" in imported
    assert not NOT_NEEDED & imported


def imported_by(home: Path, env: dict[str, str], *arguments: str) -> set[str]:
    """Run the command, which must end well, in a process of its own; return the top packages it imported."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from entrypoints.cli import main; main()", *arguments],
        env={"OPSFLOWS_HOME": str(home), **env}, cwd=home, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr[-2000:]
    return set(_IMPORTED.findall(ran.stderr))
