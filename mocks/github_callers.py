"""Who asks GitHub's stand-in: the app itself with a signed JWT, or one of its installations with a token.

The texts of the 401s are those that clients report; which of two faults GitHub names first is not documented.
Source: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app,
octokit/auth-app.js issue 698, sigmavirus24/github3.py issue 1050, octokit/octokit.rb issue 1080
"""

import base64
import binascii
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from starlette.responses import JSONResponse, Response

from mocks.github_memory import OWNER, GitHub, Token
from mocks.stage import Ask, Refused

_LONGEST_LIFE_S = 600
_DOCUMENTATION = "https://docs.github.com/rest"
_NOT_A_JWT = "A JSON web token could not be decoded"
_EXPIRED = "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"
_TOO_LONG = "'Expiration time' claim ('exp') is too far in the future"
_NOT_YET = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"

Handler = Callable[[GitHub, Ask], Response]


def refused(status: int, message: str, **more: object) -> Refused:
    body = {"message": message, "documentation_url": _DOCUMENTATION, "status": str(status), **more}
    return Refused(JSONResponse(body, status))


def with_a_name(answer: Handler) -> Handler:
    """Return a handler that first wants a User-Agent, as GitHub does of everybody."""

    def handle(desk: GitHub, ask: Ask) -> Response:
        if not ask.headers.get("user-agent"):
            raise refused(
                403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header."
            )
        return answer(desk, ask)

    return handle


def as_app(answer: Handler) -> Handler:
    """Return a handler that only the app itself reaches, with a JWT of one of its private keys."""

    def handle(desk: GitHub, ask: Ask) -> Response:
        _check_app(desk, ask.authorization("Bearer"))
        return answer(desk, ask)

    return with_a_name(handle)


def as_installation(permission: str, level: str, answer: Handler) -> Handler:
    """Return a handler that an installation's token reaches which has the permission, in the repository of the path."""

    def handle(desk: GitHub, ask: Ask) -> Response:
        token = token_of(desk, ask)
        if ask.ids["owner"] != OWNER or ask.ids["repository"] not in token.repositories:
            raise refused(404, "Not Found")
        if token.permissions.get(permission) not in {level, "write"}:
            raise refused(403, "Resource not accessible by integration")
        return answer(desk, ask)

    return with_a_name(handle)


def token_of(desk: GitHub, ask: Ask) -> Token:
    sent = (ask.authorization("Bearer") or ask.authorization("token")).encode()
    found = next((row for row in desk.memory.tokens if secrets.compare_digest(row.token.encode(), sent)), None)
    if found is None or found.expires_at <= desk.now():
        raise refused(401, "Bad credentials")
    return found


def _check_app(desk: GitHub, token: str) -> None:
    """Raise a 401 or 404 unless the JWT is the app's, signed with a living key, and of now."""
    claims = _claims(token)
    issuer = str(claims.get("iss", ""))
    if issuer not in {desk.seed.app_id, desk.seed.client_id}:
        raise (
            refused(404, "Integration not found")
            if issuer.isdecimal()
            else _unauthorized("'Issuer' claim ('iss') must be an Integer")
        )
    if not any(_signed_with(token, key.public_key) for key in desk.memory.keys):
        raise _unauthorized(_NOT_A_JWT)
    _check_times(claims, desk.now())


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int) or issued > now:
        raise _unauthorized(_NOT_YET)
    if not isinstance(expires, int | float) or expires <= now:
        raise _unauthorized(_EXPIRED)
    if expires > now + _LONGEST_LIFE_S:
        raise _unauthorized(_TOO_LONG)


def _claims(token: str) -> dict[str, Any]:
    """Return what the JWT says, whoever signed it. Source: RFC 7515, 7.1."""
    try:
        header, claims, _ = (part.encode() for part in token.split("."))
        said = json.loads(_opened(header)), json.loads(_opened(claims))
    except (ValueError, binascii.Error):
        raise _unauthorized(_NOT_A_JWT) from None
    if not all(isinstance(part, dict) for part in said) or said[0].get("alg") != "RS256":
        raise _unauthorized(_NOT_A_JWT)
    return dict(said[1])


def _signed_with(token: str, public_key: str) -> bool:
    key = load_pem_public_key(public_key.encode())
    signed, _, signature = token.rpartition(".")
    try:
        if isinstance(key, RSAPublicKey):
            key.verify(_opened(signature.encode()), signed.encode(), PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error):
        return False
    return isinstance(key, RSAPublicKey)


def _opened(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def _unauthorized(message: str) -> Refused:
    return refused(401, message)
