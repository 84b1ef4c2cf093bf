"""The installation of GitHub's stand-in: its tokens, and the Actions secrets of its one repository.

Traps kept: a token is long and of no fixed length; a secret is sealed for a key that has an id, its name is read in any
case, and its value is never shown; what the app was not granted is a 422 at the token and a 403 later.
Source: https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app,
https://docs.github.com/en/rest/actions/secrets
"""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox
from starlette.responses import JSONResponse, Response

from mocks.github_callers import as_app, as_installation, refused, token_of, with_a_name
from mocks.github_memory import OWNER, REPOSITORY, TOKEN_LIFE_S, ActionsSecret, GitHub, Token
from mocks.stage import Ask, Route

# "Secrets are limited to 48 KB in size"; names: using-secrets-in-github-actions.
_LARGEST_BYTES = 48 * 1024
_NAME = re.compile(r"(?!GITHUB_)[A-Z_][A-Z0-9_]*")
_BAD_NAME = (
    "Secret names can only contain alphanumeric characters ([a-z], [A-Z], [0-9]) or underscores (_). Spaces are not "
    "allowed. Must start with a letter ([a-z], [A-Z]) or underscores (_)."
)


def _show_installation(desk: GitHub, ask: Ask) -> Response:
    _check_installation(desk, ask)
    return JSONResponse(
        {
            "id": int(desk.seed.installation_id),
            "app_id": int(desk.seed.app_id),
            "account": {"login": OWNER},
            "repository_selection": "selected",
            "permissions": desk.memory.granted,
            "suspended_at": _iso(desk.now()) if desk.memory.suspended else None,
        }
    )


def _create_token(desk: GitHub, ask: Ask) -> Response:
    _check_installation(desk, ask)
    if desk.memory.suspended:
        raise refused(403, "This installation has been suspended")
    said = ask.fields()
    wanted = said.get("permissions") or desk.memory.granted
    if any(_rank(level) > _rank(desk.memory.granted.get(name, "")) for name, level in wanted.items()):
        raise refused(422, "The permissions requested are not granted to this installation.")
    repositories = [str(name) for name in said.get("repositories") or [REPOSITORY]]
    if repositories != [REPOSITORY]:
        raise refused(
            422, "There is at least one repository that does not exist or is not accessible to the parent installation."
        )
    # The format with the app's id and a long tail is rolled out by stages since 2026; nobody may count its characters.
    token = f"ghs_{desk.seed.app_id}_{secrets.token_urlsafe(160)}"
    made = Token(token, desk.now() + TOKEN_LIFE_S, dict(wanted), repositories)
    desk.memory.tokens.append(made)
    shown = {"token": made.token, "expires_at": _iso(made.expires_at), "permissions": made.permissions}
    return JSONResponse({**shown, "repository_selection": "selected"}, 201)


def _drop_token(desk: GitHub, ask: Ask) -> Response:
    desk.memory.tokens.remove(token_of(desk, ask))
    return Response(status_code=204)


def _show_public_key(desk: GitHub, ask: Ask) -> Response:
    del ask
    public = bytes(_box_key(desk).public_key)
    return JSONResponse({"key_id": desk.seed.box_key_id, "key": base64.b64encode(public).decode()})


def _show_secret(desk: GitHub, ask: Ask) -> Response:
    name, found = _secret(desk, ask)
    return JSONResponse({"name": name, "created_at": _iso(found.created_at), "updated_at": _iso(found.updated_at)})


def _write_secret(desk: GitHub, ask: Ask) -> Response:
    name, now = ask.ids["secret"].upper(), desk.now()
    if not _NAME.fullmatch(name):
        raise refused(422, "Secret names must not start with GITHUB_." if name.startswith("GITHUB_") else _BAD_NAME)
    value = _opened(desk, ask.fields())
    there = desk.memory.secrets.get(name)
    desk.memory.secrets[name] = ActionsSecret(value, there.created_at if there else now, now)
    return Response(status_code=204) if there else JSONResponse({}, 201)


def _delete_secret(desk: GitHub, ask: Ask) -> Response:
    name, _ = _secret(desk, ask)
    del desk.memory.secrets[name]
    return Response(status_code=204)


def _opened(desk: GitHub, said: Mapping[str, Any]) -> str:
    """Open the sealed box with the repository's key; nothing else can."""
    if said.get("key_id") != desk.seed.box_key_id:
        raise refused(422, "The key_id does not fit the repository's public key")
    try:
        sealed = base64.b64decode(str(said.get("encrypted_value", "")), validate=True)
        value = SealedBox(_box_key(desk)).decrypt(sealed)
    except (binascii.Error, CryptoError, ValueError, TypeError):
        raise refused(422, "Bad request - the encrypted value cannot be opened") from None
    if len(value) > _LARGEST_BYTES:
        raise refused(422, "Secret value is too large")
    return value.decode()


def _secret(desk: GitHub, ask: Ask) -> tuple[str, ActionsSecret]:
    name = ask.ids["secret"].upper()
    if name not in desk.memory.secrets:
        raise refused(404, "Not Found")
    return name, desk.memory.secrets[name]


def _box_key(desk: GitHub) -> PrivateKey:
    return PrivateKey(base64.b64decode(desk.seed.box_key))


def _check_installation(desk: GitHub, ask: Ask) -> None:
    if ask.ids["installation"] != desk.seed.installation_id:
        raise refused(404, "Not Found")


def _rank(level: object) -> int:
    return ("", "read", "write", "admin").index(str(level)) if level in {"read", "write", "admin"} else 0


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_INSTALLATION = "/app/installations/{installation}"
_SECRETS = "/repos/{owner}/{repository}/actions/secrets"
ROUTES = (
    Route("GET", _INSTALLATION, as_app(_show_installation)),
    Route("POST", f"{_INSTALLATION}/access_tokens", as_app(_create_token)),
    Route("DELETE", "/installation/token", with_a_name(_drop_token)),
    Route("GET", f"{_SECRETS}/public-key", as_installation("secrets", "read", _show_public_key)),
    Route("GET", f"{_SECRETS}/{{secret}}", as_installation("secrets", "read", _show_secret)),
    Route("PUT", f"{_SECRETS}/{{secret}}", as_installation("secrets", "write", _write_secret)),
    Route("DELETE", f"{_SECRETS}/{{secret}}", as_installation("secrets", "write", _delete_secret)),
)
