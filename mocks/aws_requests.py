"""One request to AWS as its stand-ins read it: which service and operation, signed by whom, and in which dialect refused.

IAM and STS take forms and answer XML (the "query" protocol), Secrets Manager takes and answers JSON.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html,
https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
"""

import re
import secrets
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from starlette.responses import JSONResponse, Response

from mocks.stage import Ask, Refused

_SCHEME = "AWS4-HMAC-SHA256"
_CLAIM = re.compile(
    r"Credential=(?P<key_id>[^/,\s]+)/(?P<day>\d{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request,\s*"
    r"SignedHeaders=(?P<headers>[a-z0-9;-]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_JSON_SERVICE = "secretsmanager"
# What the same refusal is called by services that speak JSON, all of them with the status 400.
_JSON_CODES = {
    "AccessDenied": "AccessDeniedException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "Throttling": "ThrottlingException",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose signature a request says to carry, and over what."""

    key_id: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


def operation_of(ask: Ask) -> str:
    """Return the operation's name ("CreateAccessKey"), empty where the request names none."""
    target = ask.headers.get("x-amz-target", "")
    return target.rpartition(".")[2] if target else str(ask.fields().get("Action", ""))


def claim_of(ask: Ask) -> Claim:
    """Return what the Authorization header claims.

    Raises:
        Refused: there is none, or it is no signature of version 4.
    """
    found = _CLAIM.fullmatch(ask.authorization(_SCHEME))
    if found is None:
        raise refused(ask, 403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    return Claim(
        found["key_id"], found["region"], found["service"], tuple(found["headers"].split(";")), found["signature"]
    )


def is_signed_with(secret: str, claim: Claim, ask: Ask) -> bool:
    """Compute the signature anew, with the signer that AWS's own client has.

    The age of X-Amz-Date is not looked at: the client reads this machine's clock, and the stand-ins have their own.
    """
    # Imported here: it takes a quarter of a second, and most stand-ins need none of it.
    from botocore.auth import SigV4Auth  # type: ignore[import-untyped]  # noqa: PLC0415 (as above)
    from botocore.credentials import Credentials  # type: ignore[import-untyped]  # noqa: PLC0415 (as above)

    signer = SigV4Auth(Credentials(claim.key_id, secret), claim.service, claim.region)
    # Of an address with a path the client signs that path, with the slash at its end or without.
    return any(
        secrets.compare_digest(_signature(signer, url, claim, ask), claim.signature)
        for url in (ask.base_url, ask.base_url + ask.path)
    )


def refused(ask: Ask, status: int, code: str, message: str) -> Refused:
    return Refused(refusal(ask, status, code, message))


def refusal(ask: Ask, status: int, code: str, message: str) -> Response:
    """Return the refusal in the dialect of the service that was asked."""
    if _speaks_json(ask):
        named = _JSON_CODES.get(code, code)
        return JSONResponse({"__type": named, "Message": message}, 400, media_type="application/x-amz-json-1.1")
    body = (
        '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
        f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        f"<RequestId>{secrets.token_hex(16)}</RequestId></ErrorResponse>"
    )
    return Response(body, status, media_type="text/xml")


def limited(ask: Ask, seconds: int) -> Response:
    """Source: .../CommonErrors.html. AWS names no seconds: its clients wait longer each time."""
    del seconds
    return refusal(ask, 400, "Throttling", "Rate exceeded")


def _speaks_json(ask: Ask) -> bool:
    return ask.headers.get("x-amz-target", "").startswith(f"{_JSON_SERVICE}.")


def _signature(signer: Any, url: str, claim: Claim, ask: Ask) -> str:
    from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]  # noqa: PLC0415 (as above)

    headers = {name: ask.headers.get(name, "") for name in claim.signed_headers}
    request = AWSRequest(method=ask.method, url=url, headers=headers, data=ask.body)
    request.context["timestamp"] = ask.headers.get("x-amz-date", "")
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))
