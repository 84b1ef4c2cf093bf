"""The list of credentials and the calendar from the command line: told by the ledger alone, with no server in sight."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain.names import Credential
from ledger.held_credentials import note_minted, see_credential
from ledger.opening import Ledger, open_ledger
from tests.entrypoints.conftest import Cli

SEND = Credential.parse("datadog-default-prod-send")
CONFIG = """
[environments.rehearsal]
kind = "rehearsal"
in_scope = ["slack"]
[environments.prod]
kind = "prod"
in_scope = ["datadog"]
[environments.staging]
kind = "staging"
in_scope = ["slack"]
"""


@pytest.fixture
def ledger(opsflows: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """The ledger of the home that the commands work in, with one credential that is ten days old."""
    config = tmp_path / "opsflows.toml"
    config.write_text(CONFIG)
    monkeypatch.setenv("OPSFLOWS_CONFIG", str(config))
    opened = open_ledger(f"sqlite:///{tmp_path / 'home' / 'ledger.db'}")
    see_credential(opened, SEND, "k1:value")
    note_minted(opened, SEND, opened.now() - timedelta(days=10))
    yield opened
    opened.close()


def test_credentials_are_listed_with_the_next_due_first(opsflows: Cli, ledger: Ledger) -> None:
    said = opsflows("credentials")

    heads, _, first, *others = said.out.splitlines()
    assert said.code == 0
    assert heads.split("  ")[0] == "credential"
    assert first.split()[:6] == [str(SEND), "10", "days", "every", "90", "days"]
    assert first.endswith("UTC  none   never proven")
    assert {line.split("-")[2] for line in others} == {"prod", "staging"}
    assert all("not seen yet" in line for line in others)


def test_the_same_for_machines_has_iso_moments_and_null_for_what_is_missing(opsflows: Cli, ledger: Ledger) -> None:
    listed = json.loads(opsflows("credentials", "datadog", "--environment", "prod", "--json").out)["credentials"]

    [send, *others] = listed
    assert (send["credential"], send["age"]["days"], send["next"]["state"]) == (str(SEND), 10, "scheduled")
    assert send["next"]["at"].endswith("+00:00")
    assert all((one["next"]["state"], one["next"]["at"]) == ("not seen yet", None) for one in others)


def test_the_calendar_lists_the_weeks_in_which_something_falls_due(opsflows: Cli, ledger: Ledger) -> None:
    said = opsflows("credentials", "--calendar", "--environment", "prod")
    document = json.loads(opsflows("credentials", str(SEND), "--calendar", "--json").out)

    heads, _, *weeks, empty, summary = said.out.splitlines()
    assert (heads.split(), empty) == (["week", "of", "due", "credentials"], "")
    assert all(str(SEND) in week for week in weeks)
    assert summary.startswith(f"{len(weeks)} rotations fall due until ")
    assert [week["monday"] for week in document["weeks"]] == [week.split()[0] for week in weeks]
    assert opsflows("credentials", "slack", "--environment", "staging", "--calendar").out.startswith("0 rotations")


@pytest.mark.parametrize("arguments", [("slack-default-prod-send",), ("nonsense-x",), ("--environment", "nowhere"), ("datadog",)])  # fmt: skip
def test_a_name_that_is_none_is_answered_in_three_sentences(opsflows: Cli, ledger: Ledger, arguments: tuple[str, ...]) -> None:  # fmt: skip
    said = opsflows("credentials", *arguments)

    assert (said.code, said.out, len(said.sentences)) == (2, "", 3)
