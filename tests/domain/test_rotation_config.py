"""What opsflows.toml says of rotation is merged from defaults, drill and credential; what cannot be is named with its key."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.config import Config, parse_config
from domain.drill import DRILL_POLICY
from domain.errors import BadInput
from domain.manifests import Manifest, Mint
from domain.names import Credential, Purpose
from domain.policies import Policy, due_at
from domain.rotation_config import check_purposes, check_usual_ages, is_rotated, policy_of, sinks_of
from domain.rotation_sections import CredentialRotation, RotationDefaults, merged_policy

KNOWN = ("slack", "pagerduty", "datadog")
FILE = "opsflows.toml"
ENVIRONMENTS = """
[environments.staging]
kind = "staging"
in_scope = ["slack", "datadog"]
[environments.prod]
kind = "prod"
in_scope = ["slack", "datadog", "pagerduty/payments", "pagerduty"]
[environments.prod.alerts]
page = "pagerduty"
ticket = "slack"
"""
SEND = "[credentials.datadog-default-prod-send]\n"
SINK = '[sinks.app_env]\nkind = "env_file"\npath = "/srv/app/.env.local"\nvariable = "DD_API_KEY"\n'
DATADOG = Credential.parse("datadog-default-prod-send")


def read(text: str) -> Config:
    return parse_config(ENVIRONMENTS + text, FILE, KNOWN)


def refused(text: str) -> str:
    with pytest.raises(BadInput) as refusal:
        read(text)
    assert refusal.value.happened.startswith(f"{FILE}: ")
    assert (refusal.value.means, refusal.value.next_step) == ("Nothing was done.", f"Correct {FILE}.")
    return refusal.value.happened


def test_a_file_that_says_nothing_of_rotation_has_the_default_policy() -> None:
    config = read("")

    assert policy_of(config, DATADOG) == Policy(groups=("prod:datadog",))
    assert sinks_of(config, DATADOG) == {}


def test_the_defaults_of_the_file_hold_for_every_credential() -> None:
    config = read(
        "[rotation]\nevery_days = 30\noverlap_hours = 48\nquiet_hours = 6\nsoak_hours = 1.5\nspread_days = 3\nhalt_after = 2\nper_vendor_per_hour = 7"
    )

    assert policy_of(config, DATADOG) == Policy(
        max_age=timedelta(days=30),
        overlap=timedelta(hours=48),
        quiet=timedelta(hours=6),
        soak=timedelta(minutes=90),
        spread=timedelta(days=3),
        halt_after=2,
        per_vendor_per_hour=7,
        groups=("prod:datadog",),
    )


def test_a_credential_overrides_what_it_names_and_nothing_else() -> None:
    config = read(
        "[rotation]\noverlap_hours = 48\n"
        + SEND
        + 'every_days = 30\nper_vendor_per_hour = 1\nconsumers = ["gateway", "batch"]\nsinks = ["app_env"]\n'
        + SINK
    )

    policy = policy_of(config, DATADOG)

    assert (policy.max_age, policy.overlap, policy.soak) == (
        timedelta(days=30),
        timedelta(hours=48),
        timedelta(hours=24),
    )
    assert (policy.per_vendor_per_hour, policy.halt_after) == (1, 8)
    assert (policy.consumers, policy.sinks, policy.is_drill) == (("gateway", "batch"), ("app_env",), False)
    other = policy_of(config, Credential.parse("datadog-default-staging-send"))
    assert other == Policy(overlap=timedelta(hours=48), groups=("staging:datadog",))


def test_a_drill_has_the_times_of_the_drill_whatever_the_defaults_are() -> None:
    config = read("[rotation]\noverlap_hours = 72\n" + SEND + "drill = true")

    assert policy_of(config, DATADOG) == replace(DRILL_POLICY, groups=("prod:datadog",))


def test_a_drill_may_go_as_low_as_an_hour_and_ten_minutes() -> None:
    config = read(SEND + "drill = true\nevery_days = 1\noverlap_hours = 1\nsoak_hours = 0.17\nquiet_hours = 0.5")

    policy = policy_of(config, DATADOG)

    assert (policy.max_age, policy.overlap, policy.quiet) == (
        timedelta(days=1),
        timedelta(hours=1),
        timedelta(minutes=30),
    )
    assert timedelta(minutes=10) <= policy.soak < timedelta(minutes=11)


def test_a_credential_may_be_left_out_of_schedules() -> None:
    config = read(SEND + "rotate = false")

    assert not config.credentials[str(DATADOG)].rotate
    assert not is_rotated(config, DATADOG)
    assert is_rotated(config, Credential.parse("slack-default-prod-send"))
    assert not is_rotated(config, Credential.parse("splunk-default-prod-send"))
    assert policy_of(config, DATADOG) == Policy(groups=("prod:datadog",))


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("", 200),
        ('[rotation]\nevery = "quarterly"', 91),
        ("[rotation]\nevery_days = 60", 60),
        (SEND + 'every = "yearly"', 365),
        ("[rotation]\nevery_days = 60\n" + SEND + 'every = "30 days"', 30),
        ('[rotation]\nevery = "monthly"\n' + SEND + "every_days = 45", 45),
        ('[rotation]\nevery = "monthly"\n' + SEND + "drill = true", 2),
        (SEND + 'drill = true\nevery = "3 days"', 3),
    ],
)
def test_the_age_that_is_said_nearest_holds_and_where_none_is_the_usual_one(text: str, days: int) -> None:
    assert policy_of(read(text), DATADOG, timedelta(days=200)).max_age == timedelta(days=days)


def test_a_canary_of_the_drill_has_the_drills_policy() -> None:
    assert policy_of(read(""), Credential.parse("datadog-drill-rehearsal-send"), timedelta(days=1)) is DRILL_POLICY


def test_a_usual_age_without_room_for_the_times_is_refused_where_it_would_hold() -> None:
    usual = {("datadog", Purpose.SEND): timedelta(days=10), ("slack", Purpose.SEND): None}

    with pytest.raises(BadInput) as refusal:
        check_usual_ages(read('[credentials.datadog-default-staging-send]\nevery = "monthly"'), usual, FILE)

    assert "datadog-default-prod-send.every_days: too short" in refusal.value.happened
    assert "(value 10)" in refusal.value.happened
    assert "staging" not in refusal.value.happened
    check_usual_ages(read('[rotation]\nevery = "monthly"'), usual, FILE)
    check_usual_ages(read(""), {("datadog", Purpose.SEND): timedelta(days=20)}, FILE)


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("datadog-default-prod-send", ("prod:datadog", "prod:payments")),
        ("datadog-default-staging-send", ("staging:datadog", "staging:payments")),
        ("datadog-default-prod-read", ("prod:datadog",)),
        ("pagerduty-default-prod-send", ("prod:pagerduty", "prod:payments", "prod:alerts")),
        ("slack-default-prod-send", ("prod:slack", "prod:alerts")),
        ("slack-default-staging-send", ("staging:slack",)),
        ("pagerduty-payments-prod-send", ("prod:pagerduty/payments",)),
        ("slack-default-gone-send", ("gone:slack",)),
    ],
)
def test_groups_are_the_target_the_named_one_and_the_alert_channels_of_the_environment(
    name: str, groups: tuple[str, ...]
) -> None:
    named = ("datadog-default-prod-send", "datadog-default-staging-send", "pagerduty-default-prod-send")
    config = read("".join(f'[credentials.{one}]\ngroup = "payments"\n' for one in named))

    assert policy_of(config, Credential.parse(name)).groups == groups


def test_sinks_are_given_in_the_order_in_which_the_credential_names_them() -> None:
    second = SINK.replace("app_env", "batch_env").replace("/srv/app", "/srv/batch")
    config = read(SEND + 'sinks = ["batch_env", "app_env"]\n' + SINK + second)

    sinks = sinks_of(config, DATADOG)

    assert list(sinks) == ["batch_env", "app_env"]
    assert (sinks["app_env"].kind, sinks["app_env"].place) == ("env_file", "file /srv/app/.env.local")
    assert sinks["batch_env"].names == {"DD_API_KEY": ""}
    assert sinks_of(config, Credential.parse("datadog-default-prod-read")) == {}


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("[rotation]\nevery_days = 0", "rotation.every_days", "0"),
        ("[rotation]\noverlap_hours = 23.5", "rotation.overlap_hours", "23.5"),
        ("[rotation]\nsoak_hours = 0.5", "rotation.soak_hours", "0.5"),
        ("[rotation]\nhalt_after = 0", "rotation.halt_after", "0"),
        ("[rotation]\nspread_days = nan", "rotation.spread_days", "nan"),
        ("[rotation]\nevery_days = 11", "rotation.every_days", "11"),
        ('[rotation]\nevery = "11 days"', "rotation.every", "11"),
        ('[rotation]\nevery = "fortnightly"', "rotation.every", "'fortnightly'"),
        ("[rotation]\nevery = 90", "rotation.every", "90"),
        ('[rotation]\nevery_days = 90\nevery = "quarterly"', "rotation.every", "'quarterly'"),
        (SEND + 'every = "yearly"\nevery_days = 365', "credentials.datadog-default-prod-send.every", "'yearly'"),
        (SEND + 'every = "1 day"', "credentials.datadog-default-prod-send.every", "1"),
        (SEND + "every_days = 11", "credentials.datadog-default-prod-send.every_days", "11"),
        (SEND + "overlap_hours = 23", "credentials.datadog-default-prod-send.overlap_hours", "23"),
        (SEND + "quiet_hours = 0", "credentials.datadog-default-prod-send.quiet_hours", "0"),
        (SEND + "soak_hours = 0.2", "credentials.datadog-default-prod-send.soak_hours", "0.2"),
        (SEND + "drill = true\nsoak_hours = 0.1", "credentials.datadog-default-prod-send.soak_hours", "0.1"),
        (SEND + "drill = true\noverlap_hours = 0.5", "credentials.datadog-default-prod-send.overlap_hours", "0.5"),
        (SEND + "drill = true\noverlap_hours = 48", "credentials.datadog-default-prod-send.every_days", "2"),
        (SEND + 'group = ""', "credentials.datadog-default-prod-send.group", "''"),
        (SEND + 'consumers = [""]', "credentials.datadog-default-prod-send.consumers.0", "''"),
        (SINK.replace("env_file", "vault"), "sinks.app_env.kind", "'vault'"),
        (SINK.replace("/srv", "srv"), "sinks.app_env.path", "'srv/app/.env.local'"),
        (SINK.replace("/srv", "~"), "sinks.app_env.path", "'~/app/.env.local'"),
        (SINK.replace(".env.local", ""), "sinks.app_env.path", "'/srv/app/'"),
        (SINK.replace("DD_API_KEY", "DD-API"), "sinks.app_env.variable", "'DD-API'"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_answered_with_key_and_value(text: str, key: str, value: str) -> None:
    said = refused(text)

    assert f" {key}: " in said
    assert f"(value {value})" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[credentials.datadog-prod]", "credentials.datadog-prod: 'datadog-prod' is not the name of a credential"),
        ("[credentials.datadog-default-prod-write]", "is not the name of a credential"),
        ("[credentials.datadog-default-live-send]", "environment 'live' is none of staging, prod"),
        ("[credentials.pagerduty-default-staging-send]", "'pagerduty' is not in scope of environment 'staging'"),
        ("[credentials.pagerduty-infra-prod-send]", "'pagerduty/infra' is not in scope of environment 'prod'"),
        (
            SEND + 'sinks = ["app"]\n' + SINK,
            "credentials.datadog-default-prod-send.sinks: 'app' is none of the [sinks]",
        ),
        (SEND + 'sinks = ["app_env", "app_env"]\n' + SINK, "sinks.app_env: one sink is for one credential, once"),
        (SINK.replace("app_env", "App"), "sinks.App: a sink's name"),
        (SINK.replace("app_env", "vendor"), "sinks.vendor: a sink's name"),
        (
            SINK + SINK.replace("app_env", "b").replace("/srv/app", "/srv/x/../app"),
            "sinks.b: DD_API_KEY of the same file /srv/app/.env.local as sinks.app_env",
        ),
        (
            SINK.replace("variable =", "previous ="),
            "sinks.app_env: name either variable, for the whole value, or variables",
        ),
        (SINK + 'previous = "DD_API_KEY"', "sinks.app_env: previous is another name"),
        ('[sinks.x]\npath = "/a"', "sinks.x.kind: one of"),
        (
            SEND + 'sinks = ["x"]\n[sinks.x]\nkind = "gcpsecret"\nsecret = "projects/p/secrets/s"',
            "sinks.x.access: 'gcpsecret' is not in scope of environment 'prod'",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(text: str, said: str) -> None:
    assert said in refused(text)


def test_a_sink_of_two_credentials_is_refused_with_both_names() -> None:
    read_key = "[credentials.datadog-default-prod-read]\n"

    said = refused(SEND + 'sinks = ["app_env"]\n' + read_key + 'sinks = ["app_env"]\n' + SINK)

    assert "used by datadog-default-prod-send, datadog-default-prod-read" in said


def test_every_fault_is_named_at_once() -> None:
    said = refused(SEND + 'every_days = 5\nsinks = ["x"]\n[credentials.nonsense]\noverlap_hours = 2')

    assert "send.every_days: too short" in said
    assert "send.sinks" in said
    assert "credentials.nonsense: 'nonsense'" in said
    assert "credentials.nonsense.overlap_hours: only a drill" in said


@pytest.mark.parametrize("text", ["[rotation]\nover = 1", SEND + 'value = "s3cret"', SINK + 'value = "s3cret"'])
def test_an_unknown_key_is_refused_and_what_stands_there_not_shown(text: str) -> None:
    said = refused(text)

    assert ".over" in said or ".value" in said
    assert "s3cret" not in said


def test_a_purpose_that_the_integration_lacks_is_refused() -> None:
    config = read(SEND + "[credentials.slack-default-prod-manage]")
    rotatable = {("datadog", Purpose.SEND), ("slack", Purpose.SEND)}

    with pytest.raises(BadInput) as refusal:
        check_purposes(config, rotatable, FILE)

    assert f"{FILE}: credentials.slack-default-prod-manage: " in refusal.value.happened
    assert "datadog" not in refusal.value.happened
    check_purposes(config, {*rotatable, ("slack", Purpose.MANAGE)}, FILE)


_SINCE = datetime(2026, 1, 1, tzinfo=UTC)
_HOURS = st.none() | st.floats(24, 24 * 60)
_DAYS = st.none() | st.integers(1, 200)


@given(_DAYS, _HOURS, _HOURS, _HOURS, st.none() | st.floats(0, 60))
def test_what_is_accepted_is_never_due_again_at_once(
    every: int | None, overlap: float | None, quiet: float | None, soak: float | None, spread: float | None
) -> None:
    given_numbers = {
        "every_days": every, "overlap_hours": overlap, "quiet_hours": quiet, "soak_hours": soak, "spread_days": spread,
    }  # fmt: skip
    text = SEND + "".join(f"{key} = {value}\n" for key, value in given_numbers.items() if value is not None)
    policy = policy_said(text)

    if isinstance(policy, str):
        assert "every_days: too short" in policy
        return
    due = due_at(DATADOG, _SINCE, policy, Manifest(Mint.BY_VENDOR, can_disable=True))
    assert _SINCE <= due <= _SINCE + policy.max_age - policy.overlap - policy.soak


def policy_said(text: str) -> Policy | str:
    try:
        return policy_of(read(text), DATADOG)
    except BadInput as refusal:
        return refusal.happened


def test_the_sections_defaults_are_the_policys() -> None:
    assert (
        merged_policy(RotationDefaults(), None) == merged_policy(RotationDefaults(), CredentialRotation()) == Policy()
    )
