"""`opsflows connect` and `opsflows blocks import`: hidden prompts, checked at once, straight into blocks, all or nothing."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from prefect.settings import PREFECT_API_URL, temporary_settings

from domain.errors import BadInput
from entrypoints.connect import blocks, connect
from tests.program import Standing

WEBHOOK = "https://hooks.slack.com/services/T0PEOPLE1/B0PEOPLE1/abcdefghijklmnopqrstuvwx"
TOKEN = "xoxb-100000000001-100000000002-abcdefghijklmnopqrstuvwx"
ENTERED = f"{WEBHOOK}\n{TOKEN}\nC0PEOPLE1\n"


@pytest.fixture
def server(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standing]:
    """The running server, as this process's own; the blocks of `staging` and `prod` are gone before and afterwards."""
    monkeypatch.setenv("PREFECT_API_URL", standing.api)
    with temporary_settings({PREFECT_API_URL: standing.api}):
        _forget(standing)
        yield standing
        _forget(standing)


def documents(standing: Standing) -> dict[str, dict[str, Any]]:
    """Return every stored block of `staging` and `prod`, secrets and all, by name."""
    found = standing.ask("POST", "/block_documents/filter", {"include_secrets": True, "limit": 200})
    return {row["name"]: row["data"] for row in found if "-staging-" in row["name"] or "-prod-" in row["name"]}


def entering(typed: str, *arguments: str) -> Result:
    return CliRunner().invoke(connect, [*arguments, "--environment", "staging"], input=typed)


def importing(file: Path, text: str) -> Result:
    file.touch(mode=0o600)
    file.write_text(text)
    return CliRunner().invoke(blocks, ["import", str(file), "--environment", "staging"])


def test_what_is_entered_goes_straight_into_blocks(server: Standing) -> None:
    entered = entering(ENTERED, "slack")

    stored = documents(server)
    assert entered.exit_code == 0, entered.output
    assert stored["slack-default-staging-send"] == {"webhook_url": WEBHOOK}
    assert stored["slack-default-staging-read"] == {"bot_token": TOKEN, "channel": "C0PEOPLE1"}
    assert set(stored) == {"slack-default-staging-send", "slack-default-staging-read"}


def test_an_instance_is_named_as_everything_else_prints_it(server: Standing) -> None:
    entered = entering(ENTERED, "slack/two")

    assert set(documents(server)) == {"slack-two-staging-send", "slack-two-staging-read"}
    assert entered.output.rstrip().endswith("Next: opsflows verify slack/two --environment staging")


def test_two_instances_at_once_are_refused(server: Standing) -> None:
    entered = entering(ENTERED, "slack/two", "--instance", "three")

    assert isinstance(entered.exception, BadInput)
    assert documents(server) == {}


def test_no_secret_is_shown_while_it_is_entered(server: Standing) -> None:
    entered = entering(ENTERED, "slack")

    assert WEBHOOK not in entered.output
    assert TOKEN not in entered.output
    assert "SLACK_CHANNEL: C0PEOPLE1" in entered.output


def test_it_leads_through_the_vendors_pages_and_names_the_next_command(server: Standing) -> None:
    entered = entering(ENTERED, "slack")

    assert "Slack for staging, about 10 minutes:" in entered.output
    assert "least scopes" in entered.output
    assert entered.output.rstrip().endswith("Next: opsflows verify slack --environment staging")


def test_a_value_that_cannot_be_is_told_at_once_and_asked_again(server: Standing) -> None:
    entered = entering(f"http://hooks.slack.com/services/x\n\n{ENTERED}", "slack")

    assert entered.exit_code == 0, entered.output
    assert entered.output.count("SLACK_WEBHOOK_URL: ") == 3
    assert "hooks.slack.com/services/x" not in entered.output
    assert documents(server)["slack-default-staging-send"] == {"webhook_url": WEBHOOK}


def test_what_is_optional_may_be_left_out(server: Standing) -> None:
    entered = entering(f"{WEBHOOK}\n\n\n", "slack")

    assert entered.exit_code == 0, entered.output
    assert set(documents(server)) == {"slack-default-staging-send"}


def test_one_value_is_swapped_and_the_others_stay(server: Standing) -> None:
    entering(ENTERED, "slack")
    other = WEBHOOK.replace("abcdef", "ghijkl")

    swapped = entering(f"{other}\n", "slack", "--only", "SLACK_WEBHOOK_URL")

    stored = documents(server)
    assert swapped.exit_code == 0, swapped.output
    assert stored["slack-default-staging-send"] == {"webhook_url": other}
    assert stored["slack-default-staging-read"] == {"bot_token": TOKEN, "channel": "C0PEOPLE1"}


def test_each_instance_has_blocks_of_its_own(server: Standing) -> None:
    entered = entering(ENTERED, "slack", "--instance", "payments")

    assert entered.exit_code == 0, entered.output
    assert set(documents(server)) == {"slack-payments-staging-send", "slack-payments-staging-read"}


def test_a_prompt_that_is_broken_off_stores_nothing(server: Standing) -> None:
    broken_off = entering(f"{WEBHOOK}\n", "slack")

    assert broken_off.exit_code == 1
    assert documents(server) == {}


def test_every_complete_set_of_a_file_is_stored(server: Standing, tmp_path: Path) -> None:
    text = (
        f"SLACK_WEBHOOK_URL='{WEBHOOK}'\nSLACK_BOT_TOKEN={TOKEN}\nSLACK_CHANNEL=C0PEOPLE1\n"
        f"OPSGENIE_API_KEY=c0ffee00-1111-4222-8333-444455556666\nOPSGENIE_TEAM=ops\nSENTRY_DSN=\n"
    )

    imported = importing(tmp_path / ".env.local", text)

    stored = documents(server)
    assert imported.exit_code == 0, imported.output
    assert set(stored) == {"slack-default-staging-send", "slack-default-staging-read", "opsgenie-default-staging-send"}
    assert stored["opsgenie-default-staging-send"]["region"] == "us"
    assert "Not in the file: sentry, pagerduty, datadog, splunk, statuspage." in imported.output
    assert "c0ffee00" not in imported.output


@pytest.mark.parametrize(
    ("second", "named"),
    [("SPLUNK_INDEX=main", "SPLUNK_HEC_TOKEN"), ("SENTRY_DSN=nonsense", "SENTRY_DSN")],
    ids=["an incomplete set", "a malformed value"],
)
def test_one_fault_in_a_file_stores_nothing_of_it(server: Standing, tmp_path: Path, second: str, named: str) -> None:
    imported = importing(tmp_path / ".env.local", f"SLACK_WEBHOOK_URL={WEBHOOK}\n{second}\n")

    assert isinstance(imported.exception, BadInput)
    assert named in imported.exception.happened
    assert "Nothing was stored" in imported.exception.means
    assert documents(server) == {}


def test_without_a_server_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSFLOWS_HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)

    entered = entering(ENTERED, "slack")

    assert isinstance(entered.exception, BadInput)
    assert entered.exception.happened.startswith("No Prefect server")
    assert "SLACK_WEBHOOK_URL" not in entered.output
    assert "PREFECT_API_URL" not in os.environ


def _forget(standing: Standing) -> None:
    for row in standing.ask("POST", "/block_documents/filter", {"limit": 200}):
        if "-staging-" in row["name"] or "-prod-" in row["name"]:
            standing.ask("DELETE", f"/block_documents/{row['id']}")
