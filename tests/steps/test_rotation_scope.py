"""What operators type, and the forms that come of it: exactly what was named, nothing of another instance."""

import pytest

from domain.config import parse_config
from domain.errors import BadInput
from steps.rotation_scope import Form, credentials_of_scope, forms_of, named_credentials
from vendors.registry import INTEGRATIONS, ROTATIONS

CONFIG = parse_config(
    '[environments.prod]\nkind = "prod"\nin_scope = ["pagerduty", "pagerduty/payments", "slack"]\n'
    '[environments.staging]\nkind = "staging"\nin_scope = ["slack"]\n',
    "opsflows.toml",
    INTEGRATIONS,
)
PAGERDUTY = [
    f"pagerduty-{instance}-prod-{purpose}" for purpose in ("send", "read") for instance in ("default", "payments")
]


def named(*names: str, environment: str = "") -> set[str]:
    return {str(one) for one in named_credentials(CONFIG, names, environment, ROTATIONS)}


def of_scope(*scopes: str) -> set[str]:
    return {str(one) for one in credentials_of_scope(CONFIG, scopes, ROTATIONS)}


def test_a_full_name_is_one_credential() -> None:
    assert named("slack-default-prod-send") == {"slack-default-prod-send"}


def test_an_integration_is_all_its_credentials_of_all_instances() -> None:
    assert set(PAGERDUTY) <= named("pagerduty", environment="prod")


def test_a_target_is_all_its_credentials_of_that_instance() -> None:
    assert {one.split("-")[1] for one in named("pagerduty/payments", environment="prod")} == {"payments"}
    assert {one.split("-")[1] for one in of_scope("prod/pagerduty/payments")} == {"payments"}


def test_a_scope_is_an_environment_an_integration_in_it_or_a_credential() -> None:
    assert of_scope("staging") == named("slack", environment="staging")
    assert of_scope("prod/slack") == named("slack", environment="prod")
    assert of_scope("slack-default-prod-send", "slack-default-prod-send") == {"slack-default-prod-send"}


def test_each_instance_of_each_environment_is_a_run_of_its_own() -> None:
    chosen = named_credentials(
        CONFIG, ["slack-default-staging-send", "slack-default-prod-send", "pagerduty-payments-prod-send"], "", ROTATIONS
    )

    assert forms_of(chosen) == [
        Form("staging", "default", ("slack send",)),
        Form("prod", "default", ("slack send",)),
        Form("prod", "payments", ("pagerduty send",)),
    ]


@pytest.mark.parametrize(
    ("names", "environment"),
    [
        (("slack",), ""),
        (("datadog",), "prod"),
        (("pagerduty/audit",), "prod"),
        (("slack-default-prod-send",), "staging"),
        (("slack-default-nowhere-send",), ""),
        (("slack-default-prod-manage",), ""),
        (("Slack",), "prod"),
    ],
)
def test_what_is_not_there_is_refused(names: tuple[str, ...], environment: str) -> None:
    with pytest.raises(BadInput):
        named(*names, environment=environment)
