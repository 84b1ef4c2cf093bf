"""The one policy for AWS: what a call leaves behind, where it may go, who calls, and what the network does to it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from domain.errors import BadInput, OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.exchanges import Effect
from tests.conftest import StandIns
from tests.vendors.rehearsal import connected, trusting
from tests.vendors.rotating import Account, account_of
from vendors import aws
from vendors.aws import AwsLine, access_key, access_key_text, verb_of
from vendors.awskey import INTEGRATION, SIGNATURES, connect
from vendors.dialing import EVERY_HOST, closed_port, silent_port
from vendors.hosts import HostRule
from vendors.http import Conduct

NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"


@pytest.fixture
def account(stand_ins: StandIns) -> Account:
    return account_of(stand_ins, INTEGRATION)


@pytest.fixture
def without_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """No role, no files, no metadata service: what boto3's default chain looks through is empty."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    aws._session.cache_clear()
    yield monkeypatch
    aws._session.cache_clear()


def ask(
    account: Account, service: str, operation: str, conduct: Conduct | None = None, *, role: bool = False, **said: str
) -> dict[str, Any]:
    """Make one call as the managing key, or as the worker's own role, on a line of its own."""
    line = AwsLine(
        "awskey", conduct or account.conduct, region="eu-central-1", address=account.address, signatures=SIGNATURES,
        key=None if role else access_key(account.values["manage_key"]),
    )  # fmt: skip
    with closing(line):
        return line.call(service, operation, **said)


def test_a_call_is_evidence_with_awss_own_time_and_is_admitted_first(account: Account) -> None:
    admitted: list[tuple[str, str]] = []
    conduct = replace(account.conduct, admit=lambda system, verb: admitted.append((system, verb)))

    ask(account, "iam", "list_access_keys", conduct, UserName=account.values["user"])

    (exchange,) = account.evidence
    assert admitted == [("awskey", "list_access_keys")]
    assert (exchange.system, exchange.verb, exchange.status) == ("awskey", "list_access_keys", 200)
    assert exchange.host == urlsplit(account.address).netloc
    assert exchange.vendor_date is not None
    assert abs(exchange.vendor_date - datetime.now(UTC)) < timedelta(minutes=1)
    assert access_key(account.values["manage_key"]).secret not in repr(account.evidence)


def test_nothing_is_repeated_by_the_client(account: Account) -> None:
    account.fault(status=500, times=-1)

    with pytest.raises(Unavailable):
        ask(account, "sts", "get_caller_identity")

    assert len(account.requests()) == 1


def test_cloudtrail_shows_that_it_was_opsflows(account: Account) -> None:
    ask(account, "sts", "get_caller_identity")

    (request,) = account.requests()
    assert request["headers"]["user-agent"].endswith("opsflows")


@pytest.mark.parametrize(
    "fault",
    [{"garbage": True}, {"status": 200, "body": "<GetCallerIdentityResponse"}, {"status": 200}, {"truncate_bytes": 40}],
    ids=str,
)
def test_what_is_not_awss_answer_is_not_taken_for_one(fault: dict[str, object], account: Account) -> None:
    account.fault(**fault)

    with pytest.raises(Unavailable) as caught:
        ask(account, "sts", "get_caller_identity")

    assert "<" not in str(caught.value)


def test_a_cut_network_is_told_as_with_every_vendor(account: Account) -> None:
    seen: list[str] = []
    for address, limit in ((closed_port, 5.0), (silent_port, 0.2)):
        with address() as port:
            conduct = replace(
                account.conduct, dial={EVERY_HOST: ("127.0.0.1", port)}, exchange_limit=timedelta(seconds=limit)
            )
            for verb in ("list_access_keys", "create_access_key"):
                with pytest.raises(OpsError) as caught:
                    ask(account, "iam", verb, conduct)
                seen.append(f"{caught.value.symptom} {type(caught.value).__name__}")

    assert seen == [
        "network.refused Unavailable", "network.refused Unavailable", "network.timeout Unavailable",
        "network.timeout OutcomeUnknown",
    ]  # fmt: skip


def test_without_an_address_awss_published_endpoints_are_asked_over_tls(stand_ins: StandIns) -> None:
    account = account_of(stand_ins, INTEGRATION)
    hosts = ("iam.amazonaws.com", "sts.eu-central-1.amazonaws.com")
    port = urlsplit(stand_ins.https_url).port or 0
    conduct = replace(account.conduct, hosts=HostRule(rehearsal=False), dial={EVERY_HOST: ("127.0.0.1", port)})

    with trusting(stand_ins.ca_file):
        published = AwsLine(
            "awskey", conduct, region="eu-central-1", address=None, signatures=SIGNATURES,
            key=access_key(account.values["manage_key"]),
        )  # fmt: skip
        with closing(published):
            published.call("sts", "get_caller_identity")
            published.call("iam", "list_access_keys", UserName=account.values["user"])

    assert [exchange.host for exchange in account.evidence] == [hosts[1], hosts[0]]


def test_a_key_goes_to_published_hosts_alone(account: Account) -> None:
    values = account.values | {"region": "eu-central-1"}

    with pytest.raises(BadInput, match="published hosts"):
        connect(values, "https://iam.amazonaws.com.example.org", Conduct(HostRule(rehearsal=False), lambda _: None))
    with pytest.raises(BadInput, match=r"rehearsal was pointed at sts\.eu-central-1"):
        connect(values, None, account.conduct)
    assert account.requests() == []


def test_an_endpoint_from_the_environment_is_not_followed(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://elsewhere.example.org")

    ask(account, "sts", "get_caller_identity")

    assert {exchange.host for exchange in account.evidence} == {urlsplit(account.address).netloc}


def test_without_a_key_the_workers_own_role_calls_but_not_in_the_rehearsal(
    account: Account, without_identity: pytest.MonkeyPatch
) -> None:
    outside = replace(account.conduct, hosts=HostRule(rehearsal=False, allowed=frozenset({"127.0.0.1"})))
    with pytest.raises(BadInput, match=r"could not be had \(NoCredentialsError\)"):
        ask(account, "sts", "get_caller_identity", outside, role=True)
    own = access_key(account.values["manage_key"])
    without_identity.setenv("AWS_ACCESS_KEY_ID", own.key_id)
    without_identity.setenv("AWS_SECRET_ACCESS_KEY", own.secret)
    aws._session.cache_clear()

    answer = ask(account, "sts", "get_caller_identity", outside, role=True)

    assert answer["Arn"].endswith("user/opsflows-manager")
    with pytest.raises(BadInput, match="no place in the rehearsal"):
        ask(account, "sts", "get_caller_identity", role=True)


def test_a_key_is_stored_in_one_form_and_anything_else_is_refused_unshown(account: Account) -> None:
    text = account.values["access_key"]
    spread = text.replace(",", " ,\n ").replace(":", " : ")

    assert access_key_text(spread) == text
    assert access_key(text).secret not in repr(access_key(text))
    for wrong in ("AKIA" + "A" * 16, "[]", "{}", text.replace("AKIA", "ASIA"), text[:-3]):
        with pytest.raises(BadInput) as caught:
            access_key_text(wrong)

        assert wrong not in f"{caught.value!r}"


def test_the_probe_shows_whose_key_it_is_and_refuses_another_users(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect) as (client, _):
        (probe,) = client.probes
        receipt = probe.confirm[0](probe.send(NONCE, datetime.now(UTC)))
    with connected(stand_ins, INTEGRATION, connect, AWS_IAM_USER="somebody-else") as (client, _):
        (probe,) = client.probes
        with pytest.raises(Rejected) as caught:
            probe.confirm[0](probe.send(NONCE, datetime.now(UTC)))

    assert receipt.ids["arn"] == "arn:aws:iam::123456789012:user/orders-service"
    assert caught.value.symptom == "awskey.other_user"


def test_an_operation_is_called_as_boto3_calls_it_and_reading_is_told_from_changing() -> None:
    assert verb_of("ListSecretVersionIds") == "list_secret_version_ids"
    assert aws.effect_of("get_user") is Effect.READS
    assert aws.effect_of("tag_user") is Effect.CHANGES


def test_a_lost_answer_to_a_change_may_have_taken_effect(account: Account) -> None:
    account.fault(drop=True, deliver=True, rpc="CreateAccessKey")

    with pytest.raises(OutcomeUnknown):
        ask(account, "iam", "create_access_key", UserName=account.values["user"])
