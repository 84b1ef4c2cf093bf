"""`opsflows backup` and `opsflows restore` as an operator runs them; what is refused is refused before anything is asked or written."""

import json
import re
import subprocess
from pathlib import Path

import pyrage  # type: ignore[import-untyped]  # it ships no types
import pytest

from ledger.backup_rows import put_rows_back
from ledger.freezing import frozen
from ledger.opening import open_ledger
from ledger.schema import SCHEMA_VERSION
from tests.entrypoints.conftest import Cli
from tests.program import Beside, Home, Standing, program

IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENT = str(IDENTITY.to_public())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "backups"
    made.mkdir(mode=0o700)
    (made / "identity.txt").write_text(f"{IDENTITY}\n")
    return made


def test_an_identity_given_as_recipient_is_refused_and_not_repeated(opsflows: Cli, folder: Path) -> None:
    said = opsflows("backup", "--to", str(folder / "one.age"), "--recipient", str(IDENTITY))

    assert (said.code, len(said.sentences)) == (2, 3)
    assert "An identity" in said.err
    assert str(IDENTITY) not in said.err


def test_a_backup_is_for_somebody(opsflows: Cli, folder: Path) -> None:
    said = opsflows("backup", "--to", str(folder / "one.age"))

    assert said.code == 2
    assert "Nobody was named who may open the backup." in said.err


def test_a_bare_backup_is_told_both_things_that_it_needs(opsflows: Cli) -> None:
    said = opsflows("backup")

    assert said.code == 2
    assert all(one in said.err for one in ("--to", "--recipient age1...", "age-keygen"))


def test_a_folder_that_others_can_write_to_is_refused(opsflows: Cli, folder: Path) -> None:
    folder.chmod(0o777)

    said = opsflows("backup", "--to", str(folder / "one.age"), "--recipient", RECIPIENT)

    assert said.code == 2
    assert "others can write to" in said.err


def test_without_a_ledger_there_is_nothing_to_back_up(opsflows: Cli, folder: Path) -> None:
    said = opsflows("backup", "--to", str(folder / "one.age"), "--recipient", RECIPIENT)

    assert (said.code, len(said.sentences)) == (2, 3)
    assert "is not there" in said.err
    assert not (folder / "one.age").exists()


def test_a_restore_takes_a_file_or_asks_for_agreement(opsflows: Cli, folder: Path) -> None:
    said = opsflows("restore", str(folder / "one.age"), "--agree")

    assert said.code == 2
    assert "Nothing was done." in said.err


def test_the_freeze_of_a_restore_is_not_lifted_by_hand(opsflows: Cli, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'home' / 'ledger.db'}"
    open_ledger(url).close()
    parts: list[bytes] = [
        b'{"table": "ledger_identity", "columns": [["only_row", "plain"], ["ledger_id", "plain"], ["created_at", "moment"]]}\n[1, "l1", "2026-11-26T12:00:00+00:00"]',
        b'{"table": "chain_head", "columns": [["only_row", "plain"], ["seq", "plain"], ["hash", "plain"]]}\n[1, 0, "h"]',
    ]
    put_rows_back(url, SCHEMA_VERSION, parts, "restored from a backup")

    lifted, shown = opsflows("freeze", "--lift"), opsflows("freeze")
    ledger = open_ledger(url)
    there = frozen(ledger)
    ledger.close()

    assert (lifted.code, "opsflows restore --agree" in lifted.err) == (2, True)
    assert "Lift it with opsflows restore --agree." in shown.out
    assert there is not None


def test_a_backup_of_a_running_home_is_whole_and_holds_all_of_it(beside: Beside, folder: Path) -> None:
    file, identity = folder / "one.age", folder / "identity.txt"

    made = beside.run("backup", "--to", str(file), "--recipient", RECIPIENT)
    checked = beside.run("restore", str(file), "--identity", str(identity), "--check")
    again = beside.run("backup", "--to", str(file), "--recipient", RECIPIENT)
    plain = subprocess.run([program("age"), "-d", "-i", str(identity), str(file)], capture_output=True, check=True)
    blocks = subprocess.run(
        [program("tar"), "-xO", "blocks.json"], input=plain.stdout, capture_output=True, check=True
    ).stdout
    listed = subprocess.run([program("tar"), "-t"], input=plain.stdout, capture_output=True, check=True).stdout.decode()

    assert (made.code, checked.code, again.code) == (0, 0, 2)
    assert re.search(r"sha256 [0-9a-f]{64}", made.out)
    assert {"slack-default-rehearsal-send"} <= {one["name"] for one in json.loads(blocks)}
    for name in ("keys/fingerprint.key", "keys/env", "opsflows.toml", "ledger/chain.000001.jsonl"):
        assert name in listed.splitlines()
    assert "is there already" in again.err
    assert sorted(one.name for one in folder.iterdir()) == ["identity.txt", "one.age"]


@pytest.mark.prove
def test_a_wiped_home_comes_back_frozen_and_intact_and_agrees(standing: Standing, folder: Path, tmp_path: Path) -> None:
    file, identity = folder / "one.age", folder / "identity.txt"
    made = standing.run("backup", "--to", str(file), "--recipient", RECIPIENT)
    assert made.code == 0, made.err
    new = Home(tmp_path / "new")

    back = new.run("restore", str(file), "--identity", str(identity))
    intact, refused = new.run("audit", "verify"), new.run("freeze", "--lift")
    again = new.run("restore", str(file), "--identity", str(identity))
    agreed, shown = new.run("restore", "--agree"), new.run("freeze")

    assert back.code == 0, back.err
    assert (intact.code, "INTACT" in intact.out) == (0, True)
    assert (refused.code, again.code) == (2, 2)
    assert (new.path / "fingerprint.key").read_text() == (standing.home.path / "fingerprint.key").read_text()
    assert not (new.path / "restore-unfinished.json").exists()
    # Which credentials the home knows depends on the tests before; whatever is found, the freeze ends as it is told.
    assert agreed.code in {0, 1}, agreed.err
    assert ("The freeze is over" in agreed.out) == ("It is not frozen." in shown.out), agreed.out
    assert "The freeze is over" in agreed.out or agreed.code == 1
