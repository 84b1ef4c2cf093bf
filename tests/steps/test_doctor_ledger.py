"""Looks at the ledger, each made true by breaking it."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain.doctor import Health
from domain.names import Credential
from ledger.fingerprints import fingerprinter
from ledger.held_credentials import see_credential
from ledger.opening import Ledger, open_ledger
from steps.doctor_ledger import chain_holds, fingerprint_key_fits, ledger_is_writable
from tests.ledger.recording import opened
from tests.ledger.tampering import tamper

SLACK = Credential.parse("slack-default-prod-send")


@pytest.fixture
def ledger(made_ledger: Path, tmp_path: Path) -> Iterator[Ledger]:
    there = open_ledger(f"sqlite:///{shutil.copy(made_ledger, tmp_path / 'ledger.db')}")
    yield there
    there.close()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "fingerprint.key"
    file.write_text("a" * 64)
    file.chmod(0o600)
    return file


def test_a_ledger_as_it_should_be_is_fine(ledger: Ledger, key: Path) -> None:
    opened(ledger, "run-1")
    see_credential(ledger, SLACK, fingerprinter(key)("a value"))

    found = [ledger_is_writable(ledger, timedelta(seconds=1)), chain_holds(ledger), fingerprint_key_fits(ledger, key)]

    assert {one.health for one in found} == {Health.FINE}


def test_an_edited_entry_breaks_the_chain(ledger: Ledger) -> None:
    opened(ledger, "run-1")
    tamper(ledger, "UPDATE chain SET payload = '{}'")

    found = chain_holds(ledger)

    assert (found.health, "opsflows audit verify" in found.next_step) == (Health.BROKEN, True)


@pytest.mark.parametrize("how", ["another", "short", "open to others", "gone"])
def test_a_fingerprint_key_that_is_not_the_ledgers_is_broken(ledger: Ledger, key: Path, how: str) -> None:
    see_credential(ledger, SLACK, fingerprinter(key)("a value"))
    key.write_text({"another": "b" * 64, "short": "b"}.get(how, "a" * 64))
    key.chmod(0o644 if how == "open to others" else 0o600)
    if how == "gone":
        key.unlink()

    assert fingerprint_key_fits(ledger, key).health is Health.BROKEN
