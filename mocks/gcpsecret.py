"""Google Secret Manager's stand-in: secrets with numbered versions.

Traps kept: `latest` is the newest version even when it is disabled or destroyed; `latest` and aliases lag behind, a
number does not; answers name the project by its number; every change gives a new etag, one without effect too; with a
destruction delay a destroyed version is disabled first.
Source: https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions,
https://cloud.google.com/secret-manager/docs/reference/consistency, https://cloud.google.com/secret-manager/docs/etags
"""

import re
from collections.abc import Mapping
from typing import Any

from mocks.gcpkey_console import first_key_file
from mocks.gcpkey_memory import SECRET_MANAGER
from mocks.gcpsecret_console import ACTIONS
from mocks.gcpsecret_memory import Memory, Secret, Seed, Vault, new_etag, new_memory, new_seed, point_aliases
from mocks.gcpsecret_versions import (
    LARGEST_PAGE_ROWS,
    METHODS,
    require_etag,
    require_project,
    secret_name,
    secret_named,
)
from mocks.google_api import Api
from mocks.google_calls import PROJECT, Call, Method, Service, corrupted, limited, page, refused, timestamp
from mocks.stage import StandIn

# https://cloud.google.com/secret-manager/quotas
MOST_ALIASES = 50
_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_CHANGEABLE = {"labels", "annotations", "versionAliases", "versionDestroyTtl"}


def _create_secret(desk: Vault, call: Call) -> dict[str, Any]:
    require_project(call.text("parent"))
    secret_id = call.text("secretId")
    if not _ID.fullmatch(secret_id):
        raise refused("INVALID_ARGUMENT", "The provided Secret ID does not match the expected format [a-zA-Z0-9-_]+.")
    if not call.part("secret").get("replication"):
        raise refused("INVALID_ARGUMENT", "Secret.replication must be provided.")
    if secret_id in desk.memory.secrets:
        raise refused("ALREADY_EXISTS", f"Secret [{secret_name(secret_id)}] already exists.")
    secret = Secret(secret_id, new_etag(), desk.now())
    _write(desk, secret, call.part("secret"), _CHANGEABLE)
    desk.memory.secrets[secret_id] = secret
    return _as_secret(secret)


def _show_secret(desk: Vault, call: Call) -> dict[str, Any]:
    return _as_secret(secret_named(desk, call.text("name")))


def _list_secrets(desk: Vault, call: Call) -> dict[str, Any]:
    require_project(call.text("parent"))
    found = [row for row in reversed(desk.memory.secrets.values()) if desk.listed(row.created_at)]
    rows, more = page(call, found, LARGEST_PAGE_ROWS)
    return {"secrets": [_as_secret(row) for row in rows], "totalSize": len(found), **more}


def _update_secret(desk: Vault, call: Call) -> dict[str, Any]:
    said = call.part("secret")
    secret = secret_named(desk, str(said.get("name", "")))
    require_etag(str(said.get("etag", "")), secret.etag)
    wanted = set(filter(None, call.text("updateMask").split(",")))
    if not wanted or wanted - _CHANGEABLE:
        raise refused("UNIMPLEMENTED", f"Of a secret only {', '.join(sorted(_CHANGEABLE))} can be changed here.")
    _write(desk, secret, said, wanted)
    secret.etag = new_etag()
    return _as_secret(secret)


def _write(desk: Vault, secret: Secret, said: Mapping[str, Any], wanted: set[str]) -> None:
    if "versionAliases" in wanted:
        point_aliases(desk, secret, _checked_aliases(secret, said.get("versionAliases", {})))
    if "labels" in wanted:
        secret.labels = dict(said.get("labels", {}))
    if "annotations" in wanted:
        secret.annotations = dict(said.get("annotations", {}))
    if "versionDestroyTtl" in wanted:
        text = str(said.get("versionDestroyTtl", "")).removesuffix("s")
        secret.destroy_ttl_s = float(text) if text else None


def _checked_aliases(secret: Secret, said: Mapping[str, Any]) -> dict[str, int]:
    aliases = {alias: int(number) for alias, number in said.items()}
    if len(aliases) > MOST_ALIASES:
        raise refused("INVALID_ARGUMENT", f"A secret has at most {MOST_ALIASES} version aliases.")
    for alias, number in aliases.items():
        if not _ALIAS.fullmatch(alias) or alias == "latest":
            raise refused("INVALID_ARGUMENT", f"The version alias {alias} is not valid.")
        if not 1 <= number <= len(secret.versions):
            raise refused(
                "FAILED_PRECONDITION", f"The version alias {alias} names version {number}, which does not exist."
            )
    return aliases


def _delete_secret(desk: Vault, call: Call) -> dict[str, Any]:
    secret = secret_named(desk, call.text("name"))
    require_etag(call.text("etag"), secret.etag)
    del desk.memory.secrets[secret.id]
    return {}


def _as_secret(secret: Secret) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": secret_name(secret.id), "replication": {"automatic": {}}, "createTime": timestamp(secret.created_at),
        "etag": secret.etag, "labels": secret.labels, "annotations": secret.annotations,
        "versionAliases": {alias: str(number) for alias, number in secret.aliases.items()},
    }  # fmt: skip
    return {**shown, **({} if secret.destroy_ttl_s is None else {"versionDestroyTtl": f"{secret.destroy_ttl_s:.0f}s"})}


def _credentials(desk: Vault, base_url: str) -> Mapping[str, str]:
    return {
        "GOOGLE_SECRET_NAME": f"projects/{PROJECT}/secrets/{desk.seed.secret_id}",
        "GOOGLE_SECRET_VALUE": desk.seed.value,
        "GOOGLE_SECRET_MANAGE_KEY": first_key_file(desk, SECRET_MANAGER, base_url),
    }


def _inbox(desk: Vault) -> list[dict[str, Any]]:
    del desk
    return []


_PERMISSION = "secretmanager.secrets"
SERVICE = Service(
    Api(
        "google.cloud.secretmanager.v1.SecretManagerService",
        "google.cloud.secretmanager_v1.services.secret_manager_service",
    ),
    {
        "CreateSecret": Method(f"{_PERMISSION}.create", _create_secret),
        "GetSecret": Method(f"{_PERMISSION}.get", _show_secret),
        "ListSecrets": Method(f"{_PERMISSION}.list", _list_secrets),
        "UpdateSecret": Method(f"{_PERMISSION}.update", _update_secret),
        "DeleteSecret": Method(f"{_PERMISSION}.delete", _delete_secret),
        **METHODS,
    },
)
STAND_IN = StandIn(
    name="gcpsecret",
    seed=new_seed,
    memory=new_memory,
    seed_type=Seed,
    memory_type=Memory,
    routes=SERVICE.routes,
    credentials=_credentials,
    inbox=_inbox,
    actions=ACTIONS,
    hosts=("secretmanager.googleapis.com",),
    limited=limited,
    corrupted=corrupted,
    rpc=SERVICE.rpc,
    grpc=SERVICE.grpc,
)
