"""Flows run on a real Prefect server (SQLite), against the stand-ins, with a ledger and a configuration of their own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.variables import Variable

from blocks.store import save_values
from domain.names import Target
from ledger.opening import Ledger, open_ledger
from steps.conduct import STAND_INS_URL
from tests.conftest import StandIns
from vendors.registry import INTEGRATIONS

STAGING = """
[environments.rehearsal]
kind = "rehearsal"
in_scope = ["slack", "sentry"]

[environments.staging]
kind = "staging"
in_scope = ["slack", "datadog"]
allowed_hosts = ["127.0.0.1"]
platform_on_call = "platform"
rollback_command = "kubectl set env deploy/app OPERATOR_WIRING_PROD_ENABLED=0"

[environments.staging.owners]
datadog = "dana"

[environments.staging.alerts]
page = "slack"
ticket = "slack"

[environments.staging.addresses]
slack = "{url}/slack"
datadog = "{url}/datadog"

[verify]
send_seconds = 5
confirm_seconds = 2
clean_up_seconds = 2
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a test of a flow has at hand."""

    stand_ins: StandIns
    ledger: Ledger
    home: Path

    def store(self, *names: str, environment: str = "staging") -> None:
        """Put the stand-ins' credentials into the environment's blocks."""
        for name in names:
            values = self.stand_ins.control("GET", f"/{name}/credentials")
            save_values(INTEGRATIONS[name], Target(name), environment, values)

    def sent_to(self, name: str) -> int:
        """Return how many requests a stand-in has received."""
        return len(self.stand_ins.control("GET", f"/{name}/requests"))


@pytest.fixture
def desk(prefect: None, stand_ins: StandIns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "fingerprint.key").touch(mode=0o600)
    (home / "fingerprint.key").write_text("ab" * 32 + "\n")
    config = tmp_path / "opsflows.toml"
    config.write_text(STAGING.format(url=stand_ins.url))
    monkeypatch.setenv("OPSFLOWS_HOME", str(home))
    monkeypatch.setenv("OPSFLOWS_CONFIG", str(config))
    monkeypatch.setenv("OPSFLOWS_FINGERPRINT_KEY_FILE", str(home / "fingerprint.key"))
    monkeypatch.setenv(STAND_INS_URL, stand_ins.url)
    monkeypatch.delenv("OPSFLOWS_DATABASE_URL", raising=False)
    ledger = open_ledger(f"sqlite:///{home / 'ledger.db'}")
    Variable.set("opsflows_ledger_id", ledger.id, overwrite=True)
    with get_client(sync_client=True) as client:
        for document in client.read_block_documents():
            client.delete_block_document(document.id)
    yield Desk(stand_ins, ledger, home)
    ledger.close()
