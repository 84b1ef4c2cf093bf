"""Google's stand-in for service accounts, judged by Google's own clients: google-auth, google-cloud-iam."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import google.auth.exceptions
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core import exceptions
from google.cloud.secretmanager_v1 import SecretManagerServiceClient

from mocks.app import build
from mocks.gcpkey_memory import APP
from mocks.serving import served_in_thread
from tests.conftest import StandIns
from tests.mocks.google_clients import CURL, Google, connected, new_token, signed_in

ACCOUNT = f"projects/-/serviceAccounts/{APP}"
HOUR_S = 3600


@pytest.fixture
def iam(stand_ins: StandIns) -> Iterator[Google]:
    with connected(stand_ins, "gcpkey", "grpc") as google:
        yield google


def user_keys(iam: Google) -> list[str]:
    listed = iam.client.list_service_account_keys(request={"name": ACCOUNT, "key_types": ["USER_MANAGED"]})
    return [key.name for key in listed.keys]


def test_a_new_key_signs_until_it_is_disabled_or_deleted(iam: Google) -> None:
    made = iam.client.create_service_account_key(name=ACCOUNT)
    key = made.private_key_data.decode()

    assert new_token(key)
    iam.client.disable_service_account_key(name=made.name)
    with pytest.raises(google.auth.exceptions.RefreshError, match="invalid_grant: Invalid JWT Signature"):
        new_token(key)
    iam.client.enable_service_account_key(name=made.name)
    assert new_token(key)
    iam.client.delete_service_account_key(name=made.name)
    with pytest.raises(google.auth.exceptions.RefreshError, match="invalid_grant: Invalid JWT Signature"):
        new_token(key)
    with pytest.raises(exceptions.NotFound):
        iam.client.delete_service_account_key(name=made.name)


def test_the_private_key_is_in_the_answer_to_its_creation_and_nowhere_else(iam: Google) -> None:
    made = iam.client.create_service_account_key(name=ACCOUNT)

    shown = iam.client.get_service_account_key(name=made.name)
    listed = iam.client.list_service_account_keys(name=ACCOUNT).keys

    assert json.loads(made.private_key_data)["client_email"] == APP
    assert [key.private_key_data for key in (shown, *listed)] == [b""] * 4
    assert sorted(key.key_type.name for key in listed) == ["SYSTEM_MANAGED", "USER_MANAGED", "USER_MANAGED"]


def test_the_eleventh_key_is_refused_without_a_reason(iam: Google) -> None:
    iam.act("fill_slots")

    with pytest.raises(exceptions.FailedPrecondition, match="Precondition check failed"):
        iam.client.create_service_account_key(name=ACCOUNT)

    assert len(user_keys(iam)) == 10


def test_an_uploaded_certificate_is_shown_as_it_came_and_its_key_signs(iam: Google) -> None:
    private = rsa.generate_private_key(65537, 2048)
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "marker-7")]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
    valid = builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + timedelta(days=90))
    certificate = valid.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    made = iam.client.upload_service_account_key(request={"name": ACCOUNT, "public_key_data": certificate})
    shown = iam.client.get_service_account_key(request={"name": made.name, "public_key_type": "TYPE_X509_PEM_FILE"})

    assert (shown.public_key_data, shown.key_origin.name) == (certificate, "USER_PROVIDED")
    file = json.loads(iam.held["GOOGLE_ACCOUNT_KEY"])
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    theirs = json.dumps({**file, "private_key": pem.decode(), "private_key_id": made.name.rpartition("/")[2]})
    assert new_token(theirs)
    iam.pass_time(91 * 24 * HOUR_S)
    with pytest.raises(google.auth.exceptions.RefreshError, match="invalid_grant"):
        new_token(theirs)


def test_what_is_no_certificate_cannot_be_uploaded(iam: Google) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        iam.client.upload_service_account_key(request={"name": ACCOUNT, "public_key_data": b"no certificate"})


def test_a_token_outlives_its_key_for_the_rest_of_its_hour(iam: Google) -> None:
    token = {"authorization": f"Bearer {new_token(iam.held['GOOGLE_ACCOUNT_MANAGE_KEY'])}"}
    url = f"{iam.stand_ins.url}/gcpkey/v1/{ACCOUNT}"
    iam.act("delete_key", key_id=json.loads(iam.held["GOOGLE_ACCOUNT_MANAGE_KEY"])["private_key_id"])

    soon = CURL.get(url, headers=token)
    iam.pass_time(HOUR_S - 60)
    later = CURL.get(url, headers=token)
    iam.pass_time(HOUR_S)
    too_late = CURL.get(url, headers=token)

    assert [answer.status_code for answer in (soon, later, too_late)] == [200, 200, 401]
    assert too_late.json()["error"]["status"] == "UNAUTHENTICATED"


def test_a_token_that_the_client_signed_itself_dies_with_its_key(stand_ins: StandIns) -> None:
    held = stand_ins.control("GET", "/gcpsecret/credentials")
    key = held["GOOGLE_SECRET_MANAGE_KEY"]
    endpoint = {"api_endpoint": f"{stand_ins.url}/gcpsecret"}
    disabled = {"key_id": json.loads(key)["private_key_id"]}
    with SecretManagerServiceClient(transport="rest", credentials=signed_in(key), client_options=endpoint) as client:
        client.get_secret(name=held["GOOGLE_SECRET_NAME"])
        assert stand_ins.control("GET", "/gcpkey/requests") == []  # nobody asked for a token
        stand_ins.control("POST", "/gcpkey/actions/disable_key", disabled)

        with pytest.raises(exceptions.Unauthorized):
            client.get_secret(name=held["GOOGLE_SECRET_NAME"])


def test_a_new_key_is_unknown_until_it_has_spread(iam: Google) -> None:
    iam.act("set_propagation_delay", seconds=60)
    key = iam.client.create_service_account_key(name=ACCOUNT).private_key_data.decode()

    with pytest.raises(google.auth.exceptions.RefreshError, match="invalid_grant"):
        new_token(key)

    iam.pass_time(61)
    assert new_token(key)


def test_a_policy_can_forbid_keys_and_a_permission_be_taken(iam: Google) -> None:
    iam.act("forbid_key_creation")
    with pytest.raises(exceptions.FailedPrecondition, match="not allowed on this service account"):
        iam.client.create_service_account_key(name=ACCOUNT)

    iam.act("remove_permission", account="account-manager", permission="iam.serviceAccountKeys.*")
    with pytest.raises(exceptions.PermissionDenied, match=r"iam\.serviceAccountKeys\.list"):
        iam.client.list_service_account_keys(name=ACCOUNT)

    iam.act("restore_permission", account="account-manager")
    assert iam.client.list_service_account_keys(name=ACCOUNT).keys


def test_a_manager_may_manage_its_own_keys_and_nobody_elses(stand_ins: StandIns) -> None:
    held = stand_ins.control("GET", "/gcpkms/credentials")["GOOGLE_KMS_MANAGE_KEY"]
    token = {"authorization": f"Bearer {new_token(held)}"}
    url = f"{stand_ins.url}/gcpkey/v1/projects/-/serviceAccounts"

    own = CURL.get(f"{url}/{json.loads(held)['client_email']}/keys", headers=token)
    of_the_app = CURL.get(f"{url}/{APP}/keys", headers=token)

    assert (own.status_code, of_the_app.status_code) == (200, 403)


def test_a_key_whose_answer_was_lost_is_in_the_listing(iam: Google) -> None:
    iam.fault(rpc="CreateServiceAccountKey", drop=True, deliver=True)

    with pytest.raises(exceptions.ServiceUnavailable):
        iam.client.create_service_account_key(name=ACCOUNT)

    assert len(user_keys(iam)) == 2


def test_it_answers_over_http_as_to_curl(iam: Google) -> None:
    token = new_token(iam.held["GOOGLE_ACCOUNT_MANAGE_KEY"])
    asked: dict[str, Any] = {"headers": {"authorization": f"Bearer {token}"}}
    keys = f"{iam.stand_ins.url}/gcpkey/v1/{ACCOUNT}/keys"

    made = CURL.post(keys, json={"privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE"}, **asked).json()
    key = f"{keys}/{made['name'].rpartition('/')[2]}"
    steps = [
        CURL.post(f"{key}:disable", json={}, **asked),
        CURL.get(key, **asked),
        CURL.post(f"{key}:enable", json={}, **asked),
        CURL.delete(key, **asked),
        CURL.delete(key, **asked),
    ]

    assert [answer.status_code for answer in steps] == [200, 200, 200, 200, 404]
    assert steps[1].json()["disabled"] is True
    assert steps[4].json()["error"]["status"] == "NOT_FOUND"
    assert [entry["rpc"] for entry in iam.requests()[-6:]] == [
        "CreateServiceAccountKey", "DisableServiceAccountKey", "GetServiceAccountKey", "EnableServiceAccountKey",
        "DeleteServiceAccountKey", "DeleteServiceAccountKey",
    ]  # fmt: skip


@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer ya29.c.nobodys"}, {"authorization": "Bearer a.b.c"}])
def test_without_a_token_of_its_own_nobody_is_served(header: dict[str, str], stand_ins: StandIns) -> None:
    answer = CURL.get(f"{stand_ins.url}/gcpkey/v1/{ACCOUNT}/keys", headers=header)

    assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("grant", "error"),
    [("password", "unsupported_grant_type"), ("urn:ietf:params:oauth:grant-type:jwt-bearer", "invalid_grant")],
)
def test_the_token_endpoint_refuses_what_it_does_not_know(grant: str, error: str, stand_ins: StandIns) -> None:
    answer = CURL.post(
        f"{stand_ins.url}/gcpkey/token", data={"grant_type": grant, "assertion": "nothing that was signed"}
    )

    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_the_state_file_brings_keys_and_tokens_back(tmp_path: Path) -> None:
    with served_in_thread(build(tmp_path / "state.json")) as (port, _):
        control = f"http://127.0.0.1:{port}/_control/gcpkey"
        first = CURL.get(f"{control}/credentials").json()["GOOGLE_ACCOUNT_KEY"]
        minted = CURL.post(f"{control}/actions/mint_key").json()["key"]
        manager = new_token(CURL.get(f"{control}/credentials").json()["GOOGLE_ACCOUNT_MANAGE_KEY"])

    with served_in_thread(build(tmp_path / "state.json")) as (port, _):
        keys = [
            json.dumps({**json.loads(key), "token_uri": f"http://127.0.0.1:{port}/gcpkey/token"})
            for key in (first, minted)
        ]

        assert all(new_token(key) for key in keys)
        listed = CURL.get(
            f"http://127.0.0.1:{port}/gcpkey/v1/{ACCOUNT}/keys", headers={"authorization": f"Bearer {manager}"}
        )
        assert len(listed.json()["keys"]) == 3
