"""Where credentials of an environment may go is read from the configuration, and stand-ins have no place elsewhere."""

from datetime import timedelta

import pytest

from domain.config import Config
from domain.errors import BadInput
from steps.conduct import STAND_INS_URL, conduct_for, running_stand_ins, stand_ins_url
from vendors.http import Conduct
from vendors.registry import INTEGRATIONS

PUBLISHED = ("hooks.slack.com", "*.splunkcloud.com")


def config(environment: str = "staging", **declared: object) -> Config:
    tables = {"environments": {environment: {"kind": environment, **declared}}, "verify": {"exchange_seconds": 7}}
    return Config.model_validate(tables, context={"integrations": tuple(INTEGRATIONS)})


def conduct(environment: str = "staging", **declared: object) -> Conduct:
    return conduct_for(config(environment, **declared), environment, lambda _: None)


@pytest.mark.parametrize(
    ("environment", "declared", "url"),
    [
        ("rehearsal", {}, "http://127.0.0.1:4000/slack"),
        ("rehearsal", {}, "http://localhost:4000"),
        ("staging", {}, "https://hooks.slack.com/services/T/B/x"),
        ("staging", {}, "https://stack.splunkcloud.com:8088"),
        ("staging", {"allowed_hosts": ["splunk.example.org"]}, "https://splunk.example.org:8088"),
        ("staging", {"addresses": {"splunk": "https://splunk.example.org:8089"}}, "https://splunk.example.org:8088"),
        ("staging", {"allowed_hosts": ["127.0.0.1"]}, "http://127.0.0.1:4000"),
    ],
)
def test_a_credential_may_go_where_its_environment_says(
    environment: str, declared: dict[str, object], url: str
) -> None:
    conduct(environment, **declared).hosts.check(url, PUBLISHED)


@pytest.mark.parametrize(
    ("environment", "declared", "url", "said"),
    [
        ("rehearsal", {}, "https://hooks.slack.com/services/T/B/x", "hooks.slack.com"),
        (
            "rehearsal",
            {"addresses": {"slack": "https://slack.example.org"}},
            "https://slack.example.org",
            "slack.example",
        ),
        ("staging", {}, "http://127.0.0.1:4000/slack", "127.0.0.1"),
        ("staging", {}, "https://hooks.slack.com.evil.example", "evil.example"),
        ("staging", {}, "http://hooks.slack.com/services/T/B/x", "http://"),
        ("staging", {"allowed_hosts": ["splunk.example.org"]}, "http://splunk.example.org:8088", "http://"),
        ("staging", {}, "no address", "empty host"),
    ],
)
def test_a_credential_may_go_nowhere_else(environment: str, declared: dict[str, object], url: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        conduct(environment, **declared).hosts.check(url, PUBLISHED)


def test_a_refused_address_is_named_by_its_host_alone() -> None:
    with pytest.raises(BadInput) as refusal:
        conduct().hosts.check("https://nobody.example/services/T/B/s3cret", PUBLISHED)

    assert "s3cret" not in str(refusal.value)


def test_limits_come_from_the_configuration() -> None:
    assert conduct().exchange_limit == timedelta(seconds=7)
    assert conduct().connect_limit == timedelta(seconds=10)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_a_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for variable in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(variable, raising=False)
    assert conduct().proxy is None

    monkeypatch.setenv(name, "http://proxy.example:3128")

    assert conduct().proxy == "http://proxy.example:3128"


def test_an_environment_that_is_not_declared_has_no_conduct() -> None:
    with pytest.raises(BadInput, match="'prod' is not an environment"):
        conduct_for(config(), "prod", lambda _: None)


def test_stand_ins_are_where_their_starter_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STAND_INS_URL, "http://127.0.0.1:4000")

    assert stand_ins_url() == running_stand_ins() == "http://127.0.0.1:4000"


def test_nobody_having_said_where_they_are_is_answered_with_how_to_start_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STAND_INS_URL, raising=False)

    with pytest.raises(BadInput) as refusal:
        stand_ins_url()

    assert running_stand_ins() == ""
    assert STAND_INS_URL in refusal.value.means
    assert "opsflows mocks" in refusal.value.next_step


@pytest.mark.parametrize(
    "address", ["proxy:3128", "socks5://ops:hidden@proxy:1", "http://:3128", "http://[", "http://proxy:x"]
)
def test_a_proxys_address_that_is_none_is_bad_input_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)

    with pytest.raises(BadInput, match="HTTPS_PROXY") as caught:
        conduct()

    assert address not in str(caught.value)
