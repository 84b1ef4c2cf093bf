"""Keycloak's token endpoint as one client uses it, against the stand-in."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from domain.diagnosis import Signature
from domain.errors import BadInput, Rejected, Unavailable
from domain.probes import CleanUp, Receipt
from tests.conftest import StandIns
from tests.vendors.rehearsal import connected
from vendors.capabilities import checked_values
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.oidc import INTEGRATION, SIGNATURES, SYMPTOMS, Oidc, connect, issuer_url

NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"
SENT_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LOST = Receipt(NONCE, SENT_AT)

CALLS: dict[str, Callable[[Oidc], object]] = {
    "request_token": lambda client: client.request_token(NONCE, SENT_AT),
    "read_token": lambda client: client.read_token(LOST),
    "check_secret": lambda client: client.check_secret(),
}


@pytest.fixture
def client(stand_ins: StandIns) -> Iterator[Oidc]:
    with connected(stand_ins, INTEGRATION, connect) as (client, _):
        yield client


def edit(stand_ins: StandIns, **fields: object) -> None:
    stand_ins.control("POST", "/oidc/actions/edit", fields)


def test_a_token_is_asked_for_and_read_and_nothing_is_left(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect) as (client, evidence):
        (probe,) = client.probes

        receipt = probe.send(NONCE, SENT_AT)
        cleaned = [clean(probe.confirm[0](receipt)) for clean in probe.clean_up]

        assert probe.can_confirm(receipt)
        assert (dict(receipt.ids), cleaned) == ({"token": "given"}, [CleanUp.DONE])
        assert [(row.verb, row.nonce) for row in evidence] == [("request_token", NONCE), ("read_token", NONCE)]


def test_what_a_crash_lost_is_confirmed_by_a_token_of_its_own(client: Oidc) -> None:
    (probe,) = client.probes

    assert probe.can_confirm(LOST)
    assert probe.confirm[0](LOST) == LOST


def test_a_client_without_a_service_account_has_its_secret_accepted_and_no_token_to_read(
    client: Oidc, stand_ins: StandIns
) -> None:
    edit(stand_ins, service_accounts=False)
    (probe,) = client.probes

    client.check_secret()
    receipt = probe.send(NONCE, SENT_AT)

    assert not probe.can_confirm(receipt)
    with pytest.raises(Rejected) as caught:
        client.read_token(receipt)
    assert caught.value.symptom == "oidc.no_service_account"


def test_a_token_of_another_issuer_is_told(client: Oidc, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/oidc/actions/set_frontend_url", {"url": "https://inside.example.com"})

    with pytest.raises(Rejected) as caught:
        client.read_token(LOST)

    assert caught.value.symptom in SYMPTOMS
    assert "OIDC_ISSUER" in caught.value.happened


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "e30.e30.x", "e30.WzFd.x"])
def test_a_token_that_says_nothing_of_itself_is_a_token(token: str, client: Oidc, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/oidc/faults", {"status": 200, "body": f'{{"access_token": "{token}"}}'})

    assert client.read_token(LOST) == LOST


@pytest.mark.parametrize(
    ("edited", "symptom"),
    [
        ({"secret": "another-one"}, "oidc.client_refused"),
        ({"enabled": False}, "oidc.client_unknown"),
        ({"public": True}, "oidc.client_public"),
    ],
)
def test_a_refusal_says_what_of_the_client_is_not_as_it_was(
    edited: dict[str, object], symptom: str, client: Oidc, stand_ins: StandIns
) -> None:
    edit(stand_ins, **edited)

    for call in CALLS.values():
        with pytest.raises(Rejected) as caught:
            call(client)

        assert caught.value.symptom == symptom


def test_a_wrong_realm_and_a_wrong_client_are_named(stand_ins: StandIns) -> None:
    issuer = stand_ins.control("GET", "/oidc/credentials")["OIDC_ISSUER"].replace("rehearsal", "another")

    for name, value, symptom in (("ISSUER", issuer, "realm_unknown"), ("CLIENT_ID", "nobody", "client_unknown")):
        with (
            connected(stand_ins, INTEGRATION, connect, **{f"OIDC_{name}": value}) as (client, _),
            pytest.raises(Rejected) as caught,
        ):
            client.check_secret()

        assert caught.value.symptom == f"oidc.{symptom}"


def test_a_secret_with_odd_characters_arrives_as_it_is(stand_ins: StandIns) -> None:
    odd = "a+b%2F:c&d=e~f"
    edit(stand_ins, secret=odd)

    with connected(stand_ins, INTEGRATION, connect, OIDC_CLIENT_SECRET=odd) as (client, _):
        client.check_secret()


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda row: row.id)
def test_every_signature_is_read_as_its_row_says(row: Signature, client: Oidc, stand_ins: StandIns) -> None:
    for status in sorted(row.statuses):
        # A client without a service account has its secret accepted, which only reading a token minds.
        for verb in sorted({"read_token"} if row.id == "oidc.no_service_account" else row.verbs):
            stand_ins.control("POST", "/oidc/faults", {"status": status, "body": f"{{ {row.marker} }}"})

            with pytest.raises(row.kind.value) as caught:
                CALLS[verb](client)

            assert caught.value.symptom == row.id
            assert "{" not in str(caught.value)


@pytest.mark.parametrize("verb", CALLS)
@pytest.mark.parametrize(
    "fault", [{"garbage": True}, {"truncate_bytes": 9}, {"drop": True}, {"status": 500}, {"throttle_s": 3}], ids=str
)
def test_a_lost_answer_may_be_asked_for_again(
    fault: dict[str, object], verb: str, client: Oidc, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/oidc/faults", fault)

    with pytest.raises(Unavailable):
        CALLS[verb](client)


def test_no_error_no_repr_and_no_evidence_shows_the_secret_or_a_token(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect) as (client, evidence):
        receipt = client.request_token(NONCE, SENT_AT)
        stand_ins.control("POST", "/oidc/faults", {"status": 400, "body": client.client_secret})

        with pytest.raises(Rejected) as caught:
            client.check_secret()

        shown = f"{caught.value} {caught.value!r} {client!r} {evidence!r} {receipt!r}"
        assert client.client_secret not in shown
        assert "eyJ" not in shown


def test_a_secret_goes_to_an_allowed_host_alone() -> None:
    values = {"issuer": "https://sso.example.com/realms/shop", "client_id": "shop", "client_secret": "x" * 32}

    with pytest.raises(BadInput, match=r"sso\.example\.com"):
        connect(values, None, Conduct(HostRule(rehearsal=False), lambda _: None))

    allowed = HostRule(rehearsal=False, allowed=frozenset({"sso.example.com"}))
    connect(values, None, Conduct(allowed, lambda _: None)).close()


@pytest.mark.parametrize(
    "value",
    ["https://sso.example.com", "https://sso.example.com/realms/", "https://x/realms/a/b", "https://x/realms/a b",
     "https://x/realms/a/realms/b", "http://[", "https://user@x/realms/a", "https://x/realms/a?b=c", "//x/realms/a"],
)  # fmt: skip
def test_what_is_not_the_address_of_a_realm_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(BadInput) as caught:
        issuer_url(value)

    assert value not in str(caught.value)
    assert "Nothing was sent" in caught.value.means


def test_an_issuer_is_kept_without_its_last_slash() -> None:
    assert issuer_url("https://sso.example.com/auth/realms/shop/") == "https://sso.example.com/auth/realms/shop"


def test_the_rehearsals_values_are_taken(stand_ins: StandIns) -> None:
    given = stand_ins.control("GET", "/oidc/credentials")

    assert len(checked_values(INTEGRATION, given)) == len(INTEGRATION.variables)
