"""A file of credentials is taken whole or not at all, and no message ever shows a value."""

from pathlib import Path

import pytest

from domain.errors import BadInput
from steps.env_file import complete_sets, read_env_file, values_of
from vendors.registry import INTEGRATIONS

WEBHOOK = "https://hooks.slack.com/services/T012/B012/s3cretS3cret"
ROUTING_KEY = "0123456789abcdef0123456789abcdef"


def written(folder: Path, text: str | bytes, mode: int = 0o600) -> Path:
    file = folder / ".env.local"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(mode)
    return file


def test_variables_are_read_as_shells_write_them(tmp_path: Path) -> None:
    text = f"""
# a comment
export SLACK_WEBHOOK_URL="{WEBHOOK}"
SLACK_CHANNEL='C012'
PAGERDUTY_ROUTING_KEY={ROUTING_KEY}   # copied from the service
SLACK_BOT_TOKEN=
LITERAL=${{SLACK_CHANNEL}}
"""
    variables = read_env_file(written(tmp_path, text))

    assert variables == {
        "SLACK_WEBHOOK_URL": WEBHOOK,
        "SLACK_CHANNEL": "C012",
        "PAGERDUTY_ROUTING_KEY": ROUTING_KEY,
        "LITERAL": "${SLACK_CHANNEL}",
    }


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [("SLACK_CHANNEL=C1", 0o644, "can be read by others"), (b"SLACK_CHANNEL=\xff\xfe", 0o600, "is not text")],
)
def test_a_file_that_cannot_be_trusted_is_refused(tmp_path: Path, text: str | bytes, mode: int, said: str) -> None:
    file = written(tmp_path, text, mode)

    with pytest.raises(BadInput, match=said):
        read_env_file(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"\.env\.example"):
        read_env_file(tmp_path / ".env.local")


def test_an_integration_takes_its_own_variables() -> None:
    variables = {"SLACK_WEBHOOK_URL": WEBHOOK, "SLACK_CHANNEL": "", "PAGERDUTY_ROUTING_KEY": ROUTING_KEY}

    assert values_of(INTEGRATIONS["slack"], variables) == {"SLACK_WEBHOOK_URL": WEBHOOK}
    assert values_of(INTEGRATIONS["datadog"], variables) is None


def test_complete_sets_are_taken_and_absent_integrations_left_out(tmp_path: Path) -> None:
    variables = {"SLACK_WEBHOOK_URL": WEBHOOK, "PAGERDUTY_ROUTING_KEY": ROUTING_KEY, "PATH": "/bin"}

    sets = complete_sets(INTEGRATIONS, variables, tmp_path)

    assert sets == {
        "slack": {"SLACK_WEBHOOK_URL": WEBHOOK},
        "pagerduty": {"PAGERDUTY_ROUTING_KEY": ROUTING_KEY},
    }


def test_every_missing_and_malformed_variable_is_named_and_no_value_is_shown(tmp_path: Path) -> None:
    variables = {
        "SLACK_WEBHOOK_URL": "s3cret-but-no-url",
        "PAGERDUTY_ROUTING_KEY": ROUTING_KEY[:31],
        "SENTRY_DSN": "https://s3cret@nowhere",
        "DD_API_KEY": ROUTING_KEY,
        "DD_SITE": "datadog.com",
        "SPLUNK_HEC_TOKEN": "12345678-1234-1234-1234-123456789012",
    }

    with pytest.raises(BadInput) as refusal:
        complete_sets(INTEGRATIONS, variables, tmp_path / ".env.local")

    told = str(refusal.value)
    for name in ("SLACK_WEBHOOK_URL", "PAGERDUTY_ROUTING_KEY", "SENTRY_DSN", "DD_APP_KEY", "DD_SITE", "SPLUNK_HEC_URL"):
        assert name in refusal.value.happened
    assert not [value for value in variables.values() if value in told]


def test_a_file_without_anything_we_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no variable that we know"):
        complete_sets(INTEGRATIONS, {"PATH": "/bin"}, tmp_path / ".env.local")
