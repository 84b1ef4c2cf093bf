"""Keycloak's token endpoint for a client's own credentials, and what its access tokens say.

A client without a service account is refused only after its secret was accepted; that refusal has words of its own.
Source: services/src/main/java/org/keycloak/protocol/oidc/grants/ClientCredentialsGrantType.java,
services/src/main/java/org/keycloak/authentication/AuthenticationProcessor.java of keycloak/keycloak; RFC 6749, 2.3.1 and 5.2
"""

import base64
import binascii
import hmac
import json
import uuid
from typing import Any
from urllib.parse import unquote_plus

from starlette.responses import JSONResponse, Response

from mocks.oidc_memory import REALM, TOKEN_LIFESPAN_S, Client, Realm, client_named
from mocks.oidc_secrets import accepts
from mocks.stage import Ask, Refused, Route

_REALM = f"/realms/{REALM}"
_TOKEN = f"{_REALM}/protocol/openid-connect/token"
_UNKNOWN = "Invalid client or Invalid client credentials"


def _grant(desk: Realm, ask: Ask) -> Response:
    client = _authenticated(desk, ask)
    if ask.fields().get("grant_type") != "client_credentials":
        return _refusal(400, "unsupported_grant_type", "Unsupported grant_type")
    if client.public:
        return _refusal(401, "unauthorized_client", "Public client not allowed to retrieve service account")
    if not client.service_accounts:
        return _refusal(401, "unauthorized_client", "Client not enabled to retrieve service account")
    return JSONResponse(
        {
            "access_token": _signed(desk, _claims(desk, ask, client)), "expires_in": TOKEN_LIFESPAN_S,
            "refresh_expires_in": 0, "token_type": "Bearer", "not-before-policy": 0, "scope": "profile email",
        },
        headers={"cache-control": "no-store"},
    )  # fmt: skip


def _authenticated(desk: Realm, ask: Ask) -> Client:
    """Return the client that sent its id and secret, in the Basic header or in the form."""
    client_id, secret = _sent(ask)
    if not client_id:
        raise Refused(_refusal(400, "invalid_client", "Missing client_id parameter"))
    client = client_named(desk, client_id)
    if client is None or not client.enabled:
        raise Refused(_refusal(401, "invalid_client", _UNKNOWN))
    # The secret of a public client is not even looked at.
    if not client.public and not accepts(desk, client, secret):
        raise Refused(_refusal(401, "unauthorized_client", _UNKNOWN))
    return client


def _sent(ask: Ask) -> tuple[str, str]:
    form = ask.fields()
    try:
        decoded = base64.b64decode(ask.authorization("Basic"), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        decoded = ""
    client_id, _, secret = decoded.partition(":")
    return str(form.get("client_id") or unquote_plus(client_id)), str(form.get("client_secret") or unquote_plus(secret))


def _discovery(desk: Realm, ask: Ask) -> Response:
    issuer = _issuer(desk, ask)
    return JSONResponse(
        {
            "issuer": issuer, "token_endpoint": f"{issuer}/protocol/openid-connect/token",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }
    )  # fmt: skip


def caller_of(desk: Realm, ask: Ask) -> Client | None:
    """Return the client whose access token this is, None where it is none of ours or has ended."""
    head, _, signature = ask.authorization("Bearer").rpartition(".")
    if not hmac.compare_digest(_signature(desk, head).encode(), signature.encode()):
        return None
    claims = json.loads(base64.urlsafe_b64decode(head.partition(".")[2] + "=="))
    return client_named(desk, claims["azp"]) if claims["exp"] > desk.now() else None


def _claims(desk: Realm, ask: Ask, client: Client) -> dict[str, Any]:
    now = int(desk.now())
    return {
        "iss": _issuer(desk, ask), "azp": client.client_id, "sub": client.id, "typ": "Bearer",
        "iat": now, "exp": now + TOKEN_LIFESPAN_S, "jti": f"trrtcc:{uuid.uuid4()}",
    }  # fmt: skip


def _issuer(desk: Realm, ask: Ask) -> str:
    return f"{desk.memory.frontend_url or ask.base_url}{_REALM}"


def _signed(desk: Realm, claims: dict[str, Any]) -> str:
    """Keycloak signs with a key pair; a shared key is quicker to make, and nobody else checks it here."""
    head = ".".join(_packed(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{head}.{_signature(desk, head)}"


def _signature(desk: Realm, head: str) -> str:
    return _packed(hmac.digest(desk.seed.signing_key.encode(), head.encode(), "sha256"))


def _packed(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def _refusal(status: int, error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status)


ROUTES = (
    Route("POST", _TOKEN, _grant),
    Route("GET", f"{_REALM}/.well-known/openid-configuration", _discovery),
)
