"""A Google service account as an application uses it, against the stand-in's token endpoint."""

from datetime import UTC, datetime

import pytest

from domain.errors import BadInput, OpsError, Rejected
from tests.conftest import StandIns
from tests.vendors.google_cloud import cloud_of
from tests.vendors.rehearsal import connected
from vendors.gcpkey import INTEGRATION, connect
from vendors.google_keys import checked_key

NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"


def test_a_key_is_shown_to_work_by_two_tokens_that_nobody_keeps(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect) as (client, evidence):
        (probe,) = client.probes
        receipt = probe.confirm[0](probe.send(NONCE, datetime.now(UTC)))

        assert set(receipt.ids) == {"key_id"}
        assert [exchange.verb for exchange in evidence] == ["check_key", "check_key"]
        assert client.key not in f"{client!r} {evidence!r} {receipt!r}"


def test_a_key_that_is_switched_off_gets_no_token(stand_ins: StandIns) -> None:
    cloud = cloud_of(stand_ins, INTEGRATION)
    cloud.act("disable_key")

    with connected(stand_ins, INTEGRATION, connect) as (client, _), pytest.raises(Rejected) as caught:
        client.probes[0].send(NONCE, datetime.now(UTC))

    assert caught.value.symptom == "gcpkey.key_refused"


@pytest.mark.parametrize(
    ("description", "symptom"),
    [
        ("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.", "clock_wrong"),
        ("Invalid grant: account not found", "account_gone"),
        ("Robot is disabled.", "grant_refused"),
        ("Invalid JWT Signature.", "key_refused"),
    ],
)
def test_each_refusal_of_a_token_is_told_apart(description: str, symptom: str, stand_ins: StandIns) -> None:
    cloud = cloud_of(stand_ins, INTEGRATION)
    body = f'{{"error": "invalid_grant", "error_description": "{description}"}}'
    cloud.fault(status=400, body=body, path="token")

    with connected(stand_ins, INTEGRATION, connect) as (client, _), pytest.raises(OpsError) as caught:
        client.probes[0].send(NONCE, datetime.now(UTC))

    assert caught.value.symptom == f"gcpkey.{symptom}"


def test_a_key_may_not_send_its_signature_elsewhere(stand_ins: StandIns) -> None:
    cloud = cloud_of(stand_ins, INTEGRATION)
    elsewhere = cloud.values["key"].replace("127.0.0.1", "tokens.example.com")

    with pytest.raises(BadInput, match=r"tokens\.example\.com"):
        connect({"key": elsewhere}, None, cloud.conduct)


@pytest.mark.parametrize("part", ["private_key", "private_key_id", "client_email", "token_uri"])
def test_half_a_key_is_refused_and_not_shown(part: str, stand_ins: StandIns) -> None:
    key = cloud_of(stand_ins, INTEGRATION).values["key"].replace(f'"{part}":"', f'"other_{part}":"')

    with pytest.raises(BadInput, match=part) as caught:
        checked_key(key)

    assert "BEGIN" not in str(caught.value)


def test_a_key_is_kept_on_one_line(stand_ins: StandIns) -> None:
    key = cloud_of(stand_ins, INTEGRATION).values["key"]

    assert checked_key(key.replace(",", ",\n  ")) == key
    assert "\n" not in key


def test_a_private_key_that_is_none_is_refused(stand_ins: StandIns) -> None:
    key = cloud_of(stand_ins, INTEGRATION).values["key"].replace("BEGIN PRIVATE KEY", "BEGIN SOMETHING")

    with pytest.raises(BadInput, match="private key"):
        checked_key(key)
