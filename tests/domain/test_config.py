"""opsflows.toml is read strictly: what is wrong is answered with the file, the key and the value."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.config import Config, EnvironmentKind, parse_config
from domain.errors import BadInput
from domain.names import Target

KNOWN = ("slack", "sentry", "pagerduty")
FILE = "opsflows.toml"
STAGING = '[environments.staging]\nkind = "staging"\n'


def read(text: str) -> Config:
    return parse_config(text, FILE, KNOWN)


PLATFORMS = ("github", "gcpkey", "gcpsecret", "gcpkms", "oidc", "awskey", "awssecret")


def test_the_shipped_file_is_read() -> None:
    file = Path(__file__).parents[2] / FILE

    config = parse_config(file.read_text(), FILE, (*KNOWN, "opsgenie", "datadog", "splunk", "statuspage"), PLATFORMS)

    assert config.environment("rehearsal").kind is EnvironmentKind.REHEARSAL
    assert len(config.environment("prod").targets) == 6


def test_an_environment_says_what_is_in_scope_and_whom_to_call() -> None:
    config = read(
        STAGING + 'in_scope = ["slack", "pagerduty/payments"]\n[environments.staging.owners]\nslack = "ops lead"\n'
    )

    staging = config.environment("staging")

    assert staging.targets == (Target("slack"), Target("pagerduty", "payments"))
    assert staging.owners == {"slack": "ops lead"}
    assert "OPERATOR_WIRING_PROD_ENABLED=0" in staging.rollback_command


def test_an_empty_file_declares_nothing_and_has_every_default() -> None:
    config = read("")

    assert not config.environments
    assert config.verify.attempts == 3
    assert config.diagnosis.ask_other_homes
    assert config.people.answer_hours == 24


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        (STAGING + 'in_scope = ["slak"]', "environments.staging.in_scope.0", "'slak'"),
        (STAGING + 'in_scope = ["Slack"]', "environments.staging.in_scope.0", "'Slack'"),
        (STAGING + 'in_scope = "slack"', "environments.staging.in_scope", "'slack'"),
        ('[environments.staging]\nkind = "stage"', "environments.staging.kind", "'stage'"),
        (STAGING + '[environments.staging.owners]\nslak = "x"', "environments.staging.owners.slak", "'slak'"),
        (STAGING + '[environments.staging.alerts]\npage = "teams"', "environments.staging.alerts.page", "'teams'"),
        ("[verify]\nsend_seconds = 0", "verify.send_seconds", "0"),
        ("[verify]\nsend_seconds = 601", "verify.send_seconds", "601"),
        ('[verify]\nattempts = "many"', "verify.attempts", "'many'"),
        ("[people]\nanswer_hours = 0", "people.answer_hours", "0"),
        ("[diagnosis]\nask_other_homes = 7", "diagnosis.ask_other_homes", "7"),
        ("verify = 3", "verify", "3"),
    ],
)
def test_a_mistake_is_answered_with_file_key_and_value(text: str, key: str, value: str) -> None:
    with pytest.raises(BadInput) as refusal:
        read(text)

    assert refusal.value.happened.startswith(f"{FILE}: {key}")
    assert f"(value {value})" in refusal.value.happened
    assert (refusal.value.means, refusal.value.next_step) == ("Nothing was done.", f"Correct {FILE}.")


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(BadInput) as refusal:
        read("[verify]\nattempts = 0\n[people]\nanswer_hours = 0")

    assert "verify.attempts" in refusal.value.happened
    assert "people.answer_hours" in refusal.value.happened


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[environments.rehearsal]\nkind = "staging"', "environment 'rehearsal'"),
        ('[environments.mirror]\nkind = "rehearsal"', "environment 'mirror'"),
        ('[environments.eu-west]\nkind = "prod"', "environment 'eu-west'"),
        ('[environments.Prod]\nkind = "prod"', "environment 'Prod'"),
        ("[environments", "not valid TOML"),
        ("a = 1\na = 2", "not valid TOML"),
        (f"a = {'1' * 5000}", "not valid TOML"),
        (f"a = {'[' * 5000}", "not valid TOML"),
    ],
)
def test_a_file_that_makes_no_sense_as_a_whole_says_why(text: str, said: str) -> None:
    with pytest.raises(BadInput) as refusal:
        read(text)

    assert refusal.value.happened.startswith(FILE)
    assert said in refusal.value.happened


def test_an_environment_that_is_not_declared_is_answered_with_those_that_are() -> None:
    with pytest.raises(BadInput, match="Choose among staging"):
        read(STAGING).environment("prod")


_KEYS = st.sampled_from(["kind", "in_scope", "owners", "alerts.page", "attempts", "send_seconds", "x", '"a b"'])
_VALUES = st.sampled_from(
    ['"staging"', '["slack"]', '"slak"', "-1", "1e400", "nan", "{}", "true", "[[1]]", "1979-05-27", '"\\u0000"']
)
_LINES = st.one_of(
    st.sampled_from(["[environments.staging]", "[environments.rehearsal]", "[verify]", "[people]", "[[environments]]"]),
    st.tuples(_KEYS, _VALUES).map(" = ".join),
    st.text(max_size=20),
)


@given(st.text() | st.lists(_LINES, max_size=8).map("\n".join))
def test_any_text_is_a_configuration_or_bad_input(text: str) -> None:
    try:
        config = read(text)
    except BadInput:
        return

    assert all(environment.kind for environment in config.environments.values())


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (STAGING + "in_scop = []", "environments.staging.in_scop"),
        (STAGING + '[environments.staging.alerts]\nto = "slack"', "environments.staging.alerts.to"),
        ('SLACK_BOT_TOKEN = "xoxb-pasted-by-mistake"', "SLACK_BOT_TOKEN"),
    ],
)
def test_what_stands_under_an_unknown_key_is_named_and_never_shown(text: str, key: str) -> None:
    with pytest.raises(BadInput) as refusal:
        read(text)

    assert key in refusal.value.happened
    assert "value" not in refusal.value.happened
    assert "xoxb" not in str(refusal.value)
