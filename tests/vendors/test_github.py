"""The client of a GitHub App against its stand-in: keys as people paste them, tokens dated by GitHub, refusals by name."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from domain.diagnosis import Signature
from domain.errors import BadInput, OpsError, OutcomeUnknown, Rejected, Unavailable
from domain.exchanges import Effect
from domain.probes import Receipt
from tests.conftest import StandIns
from tests.vendors.rehearsal import connected, connected_by_name, trusting
from tests.vendors.rotating import Account, account_of
from vendors.github import API, INTEGRATION, SIGNATURES, GithubApp, connect
from vendors.github_actions import ActionsSecrets
from vendors.github_key import app_token, check_private_key
from vendors.hosts import HostRule
from vendors.http import Conduct, succeeded

NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"
SENT_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAY_S = 24 * 3600
REAL = {"private_key": "-", "app_id": "1"}

# What makes each request, and how a fault finds it: other requests may come before it.
CALLS: dict[str, tuple[Callable[[GithubApp], object], dict[str, str]]] = {
    "read_app": (lambda client: client.read_app(), {"path": "/app$"}),
    "read_installation": (lambda client: client.see_app(client.ask_app(NONCE, SENT_AT)), {"path": r"/installations/\d+$"}),
    "create_token": (lambda client: client.installation_token("application"), {"path": "/access_tokens$"}),
    "list_deliveries": (lambda client: client.check_newest(), {"path": "/deliveries$"}),
    "read_delivery": (lambda client: client.check_newest(), {"path": r"/deliveries/\d+$"}),
    "redeliver": (lambda client: client.redeliver(NONCE, SENT_AT), {"path": "/attempts$"}),
    "set_hook_secret": (lambda client: client.set_hook_secret("another secret"), {"path": "/hook/config$"}),
    "read_public_key": (lambda client: ActionsSecrets("stand-in/application", client).write({"NAME": ""}), {"path": "/public-key$"}),
    "write_secret": (lambda client: ActionsSecrets("stand-in/application", client).write({"NAME": "x"}), {"method": "PUT"}),
    "delete_secret": (lambda client: ActionsSecrets("stand-in/application", client).write({"NAME": ""}), {"path": "/secrets/NAME$"}),
    "drop_token": (
        lambda client: client.as_installation("x", "drop_token", Effect.CHANGES, "DELETE", "/installation/token", accepted=succeeded),
        {"path": "/installation/token$"},
    ),
}  # fmt: skip


@pytest.fixture
def account(stand_ins: StandIns) -> Account:
    account = account_of(stand_ins, INTEGRATION)
    account.act("set_indexing_delay", seconds=0)
    account.act("deliver")
    return account


@pytest.fixture
def client(account: Account) -> Iterator[GithubApp]:
    with opened(account) as client:
        yield client


@contextmanager
def opened(account: Account, **fields: str) -> Iterator[GithubApp]:
    """Give a client with other values by field; an empty one is missing."""
    with closing(connect(account.having(**fields).values, account.address, account.conduct)) as client:
        yield client


def test_the_probe_of_the_app_sees_the_app_and_its_installation(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect) as (client, evidence):
        probe = client.probes[0]

        receipt = probe.confirm[0](probe.send(NONCE, SENT_AT))

        assert receipt.ids["app_id"] == client.app_id
        assert [exchange.verb for exchange in evidence] == ["ask_time", "read_app", "read_installation"]
        assert {exchange.outcome for exchange in evidence} == {"ok"}


def test_a_crash_between_the_two_steps_of_the_apps_probe_loses_nothing(client: GithubApp) -> None:
    assert client.see_app(Receipt(NONCE, SENT_AT)).ids["app_id"] == client.app_id


def test_without_a_webhook_secret_the_app_alone_is_probed(account: Account) -> None:
    with opened(account, webhook_secret="") as client:
        assert [probe.name for probe in client.probes] == ["app"]


@pytest.mark.parametrize("offset_s", [-DAY_S, 25 * 3600, 400 * DAY_S])
def test_a_clock_of_ours_that_is_wrong_costs_nothing_since_tokens_are_dated_by_githubs(
    offset_s: int, client: GithubApp, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/clock", {"offset_s": offset_s})

    assert str(client.read_app()["id"]) == client.app_id


def test_githubs_time_is_asked_once_and_a_refusal_tells_it_as_well(client: GithubApp, account: Account) -> None:
    account.fault(path="/rate_limit", status=401, body="{}")

    client.read_app()
    client.read_app()

    assert [row["path"] for row in account.requests()] == ["/rate_limit", "/app", "/app"]


@pytest.mark.parametrize(
    ("fields", "symptom"),
    [({"app_id": "1"}, "github.app_unknown"), ({"app_id": "Iv1.0123456789abcdef"}, "github.app_id_wrong"), ({"installation_id": "1"}, "github.installation_unknown")],
    ids=["another app", "no app", "another installation"],
)  # fmt: skip
def test_what_does_not_belong_to_the_key_is_named(fields: dict[str, str], symptom: str, account: Account) -> None:
    with opened(account, **fields) as client, pytest.raises(Rejected) as caught:
        client.see_app(client.ask_app(NONCE, SENT_AT))

    assert caught.value.symptom == symptom


def test_the_client_id_names_the_app_as_well_as_its_number(account: Account, client: GithubApp) -> None:
    known_as = str(client.read_app()["client_id"])

    with opened(account, app_id=known_as) as other:
        assert other.see_app(other.ask_app(NONCE, SENT_AT)).ids["client_id"] == known_as


def test_another_app_than_the_one_that_was_meant_is_not_taken_for_it(client: GithubApp) -> None:
    with pytest.raises(Rejected) as caught:
        client.see_app(Receipt(NONCE, SENT_AT).with_ids(app_id="1", client_id="Iv1.0"))

    assert caught.value.symptom == "github.another_app"


def test_a_suspended_installation_is_named(client: GithubApp, account: Account) -> None:
    account.act("suspend")

    for call, symptom in (
        (lambda: client.see_app(client.ask_app(NONCE, SENT_AT)), "github.installation_suspended"),
        (lambda: client.installation_token("application"), "github.suspended"),
    ):
        with pytest.raises(Rejected) as caught:
            call()
        assert caught.value.symptom == symptom


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda row: row.id)
def test_every_signature_is_read_as_its_row_says(row: Signature, client: GithubApp, account: Account) -> None:
    for status in sorted(row.statuses):
        for verb in sorted(row.verbs or CALLS):
            call, meets = CALLS[verb]
            account.fault(status=status, body=f'{{"message": "{row.marker}"}}', **meets)

            with pytest.raises(row.kind.value) as caught:
                call(client)

            assert caught.value.symptom == row.id
            assert "{" not in str(caught.value)


def test_a_secondary_limit_is_a_403_that_lasts_as_long_as_github_says(client: GithubApp, account: Account) -> None:
    account.fault(path="/app$", throttle_s=40)

    with pytest.raises(Unavailable) as caught:
        client.read_app()

    assert (caught.value.symptom, caught.value.retry_after) == ("github.rate_limited", timedelta(seconds=40))


def test_an_hourly_limit_lasts_until_it_resets(client: GithubApp, account: Account) -> None:
    resets = int(datetime.now(UTC).timestamp()) + 600
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(resets)}
    account.fault(path="/app$", status=429, body='{"message": "API rate limit exceeded"}', headers=headers)

    with pytest.raises(Unavailable) as caught:
        client.read_app()

    assert caught.value.retry_after is not None
    assert timedelta(seconds=590) < caught.value.retry_after <= timedelta(seconds=600)


@pytest.mark.parametrize("verb", ["set_hook_secret", "redeliver", "create_token", "write_secret"])
@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 502}, {"status": 409, "body": "{}"}], ids=str)
def test_a_lost_answer_to_a_change_leaves_its_outcome_unknown(
    fault: dict[str, object], verb: str, client: GithubApp, account: Account
) -> None:
    call, meets = CALLS[verb]
    account.fault(deliver=True, **fault, **meets)

    with pytest.raises(OutcomeUnknown):
        call(client)


@pytest.mark.parametrize("verb", ["read_app", "list_deliveries", "read_delivery", "read_public_key"])
@pytest.mark.parametrize("fault", [{"garbage": True}, {"truncate_bytes": 1}, {"drop": True}, {"status": 500}], ids=str)
def test_a_lost_answer_to_a_read_may_be_asked_for_again(
    fault: dict[str, object], verb: str, client: GithubApp, account: Account
) -> None:
    call, meets = CALLS[verb]
    account.fault(**fault, **meets)

    with pytest.raises(Unavailable):
        call(client)


def test_the_probe_of_the_app_passes_over_tls_at_githubs_own_name(stand_ins: StandIns) -> None:
    with trusting(stand_ins.ca_file), connected_by_name(stand_ins, INTEGRATION, connect) as client:
        assert client.api == API
        assert client.see_app(client.ask_app(NONCE, SENT_AT)).ids["app_id"] == client.app_id


@pytest.mark.parametrize("api", [API, "https://api.acme.ghe.com"])
def test_a_real_key_goes_to_githubs_own_hosts(api: str) -> None:
    assert connect({**REAL, "api_url": api}, None, Conduct(HostRule(rehearsal=False), lambda _: None)).api == api


@pytest.mark.parametrize("api", ["https://github.example.com/api/v3", "http://api.github.com"])
def test_a_real_key_goes_nowhere_else_unless_the_host_is_allowed_by_name(api: str) -> None:
    with pytest.raises(BadInput):
        connect({**REAL, "api_url": api}, None, Conduct(HostRule(rehearsal=False), lambda _: None))


def test_no_error_no_repr_and_no_evidence_shows_a_secret(client: GithubApp, account: Account) -> None:
    secrets = (client.webhook_secret, client.private_key, client.private_key.splitlines()[1])
    account.fault(path="/app$", status=422, body=client.webhook_secret)

    with pytest.raises(OpsError) as caught:
        client.read_app()

    shown = f"{caught.value} {caught.value!r} {client!r} {account.evidence!r}"
    assert [secret for secret in secrets if secret in shown] == []


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, *, pkcs8: bool = False) -> str:
    kind = serialization.PrivateFormat.PKCS8 if pkcs8 else serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode().strip()


def test_a_key_is_read_however_it_was_pasted(key: rsa.RSAPrivateKey) -> None:
    for pem in (pem_of(key), pem_of(key, pkcs8=True)):
        pasted = [pem, f"{pem}\n", pem.replace("\n", "\\n"), pem.replace("\n", "\r\n"), pem.replace("\n", " ")]

        assert {check_private_key(text) for text in pasted} == {pem}


def test_a_key_that_is_none_is_refused_before_anything_is_sent_and_not_shown(key: rsa.RSAPrivateKey) -> None:
    pem = pem_of(key)
    lines = pem.splitlines()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    wrong = lines[10][::-1]
    for text in (
        "\n".join(lines[:-1]),
        "\n".join([*lines[:5], *lines[6:]]),
        pem.replace(lines[10], wrong),
        public.decode(),
        pem_of(ec.generate_private_key(ec.SECP256R1()), pkcs8=True),
    ):
        with pytest.raises(BadInput) as caught:
            check_private_key(text)

        assert "Nothing was sent" in caught.value.means
        assert wrong not in repr(caught.value)


def test_a_token_holds_the_apps_number_as_a_number_and_lives_ten_minutes_at_most(key: rsa.RSAPrivateKey) -> None:
    token = app_token("12345", pem_of(key), SENT_AT)

    claims = json.loads(jwt.PyJWS().decode(token, key.public_key(), algorithms=["RS256"]))

    now = int(SENT_AT.timestamp())
    assert claims == {"iss": 12345, "iat": now - 60, "exp": now + 540}
