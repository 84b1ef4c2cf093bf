"""Google's OAuth2 token endpoint for service accounts, and what a bearer token is worth.

Traps kept: a key that is new, disabled or deleted gets invalid_grant, with the same words; an access token lives for an
hour whatever becomes of its key; the official clients ask for no token at all when they can sign one themselves.
A signed assertion's own times are compared with each other only: the client's clock does not move with the stand-ins'.
Source: https://developers.google.com/identity/protocols/oauth2/service-account, https://google.aip.dev/auth/4111
"""

import secrets
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.gcpkey_memory import Accounts, Key, Token, certificate
from mocks.gcpkey_pairs import opened
from mocks.stage import Ask, Refused

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"
TOKEN_LIFE_S = 3600
# An API's own audience, in an assertion that a client uses as its token.
_API_AUDIENCE = ".googleapis.com/"


def give_token(desk: Accounts, ask: Ask) -> Response:
    """Source: https://developers.google.com/identity/protocols/oauth2/service-account#httprest."""
    said = ask.fields()
    if said.get("grant_type") != GRANT:
        raise _denied("unsupported_grant_type", f"Invalid grant_type: {said.get('grant_type', '')}")
    claims = _claims_of(desk, str(said.get("assertion", "")))
    if not claims:
        raise _denied("invalid_grant", "Invalid JWT Signature.")
    # The official client names Google's own endpoint as audience, wherever it sends the assertion.
    if claims.get("aud") not in {AUDIENCE, f"{ask.base_url}/token"}:
        raise _denied("invalid_grant", "Invalid JWT: Failed audience check.")
    if not (claims.get("scope") or claims.get("target_audience")):
        raise _denied("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
    return JSONResponse({"access_token": _issued(desk, str(claims["iss"])), "expires_in": 3599, "token_type": "Bearer"})


def holder_of(desk: Accounts, token: str) -> str:
    """Return the account whose valid token this is, empty where it is nobody's."""
    issued = desk.memory.tokens.get(token)
    if issued is not None:
        return issued.email if desk.now() < issued.expires_at else ""
    claims = _claims_of(desk, token)
    for_an_api = claims.get("scope") or str(claims.get("aud", "")).endswith(_API_AUDIENCE)
    return str(claims["iss"]) if for_an_api and claims.get("sub") == claims["iss"] else ""


def _issued(desk: Accounts, email: str) -> str:
    now, token = desk.now(), f"ya29.c.{secrets.token_urlsafe(48)}"
    desk.memory.tokens = {text: row for text, row in desk.memory.tokens.items() if now < row.expires_at}
    desk.memory.tokens[token] = Token(email, now + TOKEN_LIFE_S)
    return token


def _claims_of(desk: Accounts, assertion: str) -> Mapping[str, Any]:
    """Return what an assertion says that a living key of its issuer signed, else nothing."""
    # A tenth of a second, which every start of the stand-ins would pay for.
    import jwt  # noqa: PLC0415 (as above)

    try:
        key_id = jwt.get_unverified_header(assertion).get("kid", "")
    except jwt.InvalidTokenError:
        return {}
    for key in _living(desk, key_id):
        try:
            claims = jwt.decode(
                assertion,
                opened(certificate(desk, key)).public_pem,
                algorithms=["RS256"],
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False},
            )
        except jwt.InvalidTokenError:
            continue
        if claims.get("iss") == key.email and 0 < _seconds(claims) <= TOKEN_LIFE_S:
            return claims
    return {}


def _seconds(claims: Mapping[str, Any]) -> float:
    """Return for how long an assertion says that it is good."""
    try:
        return float(claims["exp"]) - float(claims["iat"])
    except (KeyError, TypeError, ValueError):
        return 0.0


def _living(desk: Accounts, key_id: str) -> list[Key]:
    """Return the keys that may have signed: the named one, or all where none is named."""
    known = (key for key in desk.memory.keys if key.usable_at <= desk.now() < key.good_until and not key.disabled)
    return [key for key in known if key_id in {"", key.id} and certificate(desk, key)]


def _denied(error: str, description: str) -> Refused:
    return Refused(JSONResponse({"error": error, "error_description": description}, 400))
