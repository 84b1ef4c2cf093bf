"""Google's stand-in for service accounts: their keys (IAM admin API), and the token endpoint that knows these keys.

Traps kept: the private key is in the answer to its creation and nowhere else; the eleventh key is refused with words
that do not say why; the listing also holds a key of Google's own, and no certificates; disabling or deleting a key ends
no token; an uploaded key is good for as long as its certificate says.
Source: https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys
"""

from collections.abc import Callable, Mapping
from typing import Any

from mocks.gcpkey_console import ACTIONS, delete, disable, enable, first_key_file, made_key
from mocks.gcpkey_memory import (
    ACCOUNT_MANAGER,
    APP,
    MOST_KEYS,
    Account,
    Accounts,
    Key,
    Memory,
    Seed,
    add_key,
    certificate,
    new_memory,
    new_seed,
    own_keys,
)
from mocks.gcpkey_pairs import opened
from mocks.gcpkey_tokens import give_token
from mocks.google_api import Api, HttpRule
from mocks.google_calls import (
    PROJECT,
    Call,
    Method,
    Service,
    corrupted,
    decoded,
    encoded,
    limited,
    refused,
    timestamp,
)
from mocks.stage import Route, StandIn

_ALL_KINDS = ("USER_MANAGED", "SYSTEM_MANAGED")
_ACCOUNT = "/v1/{name=projects/*/serviceAccounts/*}"
_KEY = "/v1/{name=projects/*/serviceAccounts/*/keys/*}"
# This client speaks gRPC only. Source: the pages of each method, below the API's reference that is named above.
_HTTP_RULES = (
    HttpRule("GET", _ACCOUNT, "", "GetServiceAccount"),
    HttpRule("GET", f"{_ACCOUNT}/keys", "", "ListServiceAccountKeys"),
    HttpRule("POST", f"{_ACCOUNT}/keys", "*", "CreateServiceAccountKey"),
    HttpRule("POST", f"{_ACCOUNT}/keys:upload", "*", "UploadServiceAccountKey"),
    HttpRule("GET", _KEY, "", "GetServiceAccountKey"),
    HttpRule("DELETE", _KEY, "", "DeleteServiceAccountKey"),
    HttpRule("POST", f"{_KEY}:disable", "*", "DisableServiceAccountKey"),
    HttpRule("POST", f"{_KEY}:enable", "*", "EnableServiceAccountKey"),
)


def _show_account(desk: Accounts, call: Call) -> dict[str, Any]:
    account = _account(desk, call)
    return {
        "name": _name(account.email), "projectId": PROJECT, "uniqueId": account.unique_id, "email": account.email,
        "oauth2ClientId": account.unique_id,
    }  # fmt: skip


def _list_keys(desk: Accounts, call: Call) -> dict[str, Any]:
    """Source: .../projects.serviceAccounts.keys/list. Without keyTypes it returns every kind, Google's own included."""
    email = _account(desk, call).email
    kinds = call.said.get("keyTypes") or _ALL_KINDS
    keys = (row for row in desk.memory.keys if row.email == email and desk.listed(row.created_at))
    return {"keys": [_as_key(row) for row in keys if _kind(row) in kinds]}


def _create_key(desk: Accounts, call: Call) -> dict[str, Any]:
    """Source: .../projects.serviceAccounts.keys/create; the words at the limit are those of answers seen since 2022."""
    account = _account_with_room(desk, call)
    key, file = made_key(desk, account.email, call.base_url)
    return {
        **_as_key(key), "privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE", "privateKeyData": encoded(file.encode())
    }  # fmt: skip


def _upload_key(desk: Accounts, call: Call) -> dict[str, Any]:
    """Source: .../projects.serviceAccounts.keys/upload, https://cloud.google.com/iam/docs/keys-upload."""
    account = _account_with_room(desk, call)
    try:
        return _as_key(add_key(desk, account, decoded(call.text("publicKeyData")).decode(), uploaded=True))
    except ValueError as error:
        raise refused("INVALID_ARGUMENT", "The public key must be an RSA key in an X.509 v3 certificate.") from error


def _account_with_room(desk: Accounts, call: Call) -> Account:
    account = _account(desk, call)
    if desk.memory.creation_forbidden:
        raise refused("FAILED_PRECONDITION", "Key creation is not allowed on this service account.")
    if len(own_keys(desk, account.email)) >= MOST_KEYS:
        raise refused("FAILED_PRECONDITION", "Precondition check failed.")
    return account


def _show_key(desk: Accounts, call: Call) -> dict[str, Any]:
    """Source: .../projects.serviceAccounts.keys/get. An uploaded certificate is shown as it came."""
    key, wanted = _key(desk, call), call.text("publicKeyType")
    pem = certificate(desk, key)
    if not pem or wanted not in {"TYPE_X509_PEM_FILE", "TYPE_RAW_PUBLIC_KEY"}:
        return _as_key(key)
    shown = pem if wanted == "TYPE_X509_PEM_FILE" else opened(pem).public_pem
    return {**_as_key(key), "publicKeyData": encoded(shown.encode())}


def _on_key(change: Callable[[Accounts, Key], object]) -> Callable[[Accounts, Call], dict[str, Any]]:
    def answer(desk: Accounts, call: Call) -> dict[str, Any]:
        change(desk, _key(desk, call))
        return {}

    return answer


def _account(desk: Accounts, call: Call) -> Account:
    parts = call.text("name").split("/")
    if parts[0::2][:2] != ["projects", "serviceAccounts"] or parts[1] not in {PROJECT, "-"}:
        raise refused("NOT_FOUND", f"Unknown service account {call.text('name')}.")
    found = next((row for row in desk.memory.accounts if parts[3] in {row.email, row.unique_id}), None)
    if found is None:
        raise refused("NOT_FOUND", f"Unknown service account {parts[3]}.")
    return found


def _key(desk: Accounts, call: Call) -> Key:
    email, key_id = _account(desk, call).email, call.text("name").rpartition("/keys/")[2]
    found = next((row for row in desk.memory.keys if (row.email, row.id, row.ours) == (email, key_id, True)), None)
    if found is None:
        raise refused("NOT_FOUND", f"Service account key {key_id} does not exist.")
    return found


def _as_key(key: Key) -> dict[str, Any]:
    shown = {
        "name": f"{_name(key.email)}/keys/{key.id}", "keyAlgorithm": "KEY_ALG_RSA_2048", "keyType": _kind(key),
        "keyOrigin": "USER_PROVIDED" if key.uploaded else "GOOGLE_PROVIDED",
        "validAfterTime": timestamp(key.created_at), "validBeforeTime": timestamp(key.good_until),
    }  # fmt: skip
    return {**shown, **({"disabled": True} if key.disabled else {})}


def _kind(key: Key) -> str:
    return _ALL_KINDS[0] if key.ours else _ALL_KINDS[1]


def _name(email: str) -> str:
    return f"projects/{PROJECT}/serviceAccounts/{email}"


def _credentials(desk: Accounts, base_url: str) -> Mapping[str, str]:
    return {
        "GOOGLE_ACCOUNT_KEY": first_key_file(desk, APP, base_url),
        "GOOGLE_ACCOUNT_MANAGE_KEY": first_key_file(desk, ACCOUNT_MANAGER, base_url),
    }


def _inbox(desk: Accounts) -> list[dict[str, Any]]:
    del desk
    return []


_PERMISSION = "iam.serviceAccountKeys"
SERVICE = Service(
    Api("google.iam.admin.v1.IAM", "google.cloud.iam_admin_v1.services.iam", _HTTP_RULES),
    {
        "GetServiceAccount": Method("iam.serviceAccounts.get", _show_account),
        "ListServiceAccountKeys": Method(f"{_PERMISSION}.list", _list_keys),
        "CreateServiceAccountKey": Method(f"{_PERMISSION}.create", _create_key),
        "UploadServiceAccountKey": Method(f"{_PERMISSION}.create", _upload_key),
        "GetServiceAccountKey": Method(f"{_PERMISSION}.get", _show_key),
        "DisableServiceAccountKey": Method(f"{_PERMISSION}.disable", _on_key(disable)),
        "EnableServiceAccountKey": Method(f"{_PERMISSION}.enable", _on_key(enable)),
        "DeleteServiceAccountKey": Method(f"{_PERMISSION}.delete", _on_key(delete)),
    },
)
STAND_IN = StandIn(
    name="gcpkey",
    seed=new_seed,
    memory=new_memory,
    seed_type=Seed,
    memory_type=Memory,
    routes=(Route("POST", "/token", give_token), *SERVICE.routes),
    credentials=_credentials,
    inbox=_inbox,
    actions=ACTIONS,
    hosts=("iam.googleapis.com", "oauth2.googleapis.com"),
    limited=limited,
    corrupted=corrupted,
    rpc=SERVICE.rpc,
    grpc=SERVICE.grpc,
)
