"""What a call of one of Google's official clients came to, read off what it raises: the same for gRPC and for REST.

Source: https://googleapis.dev/python/google-api-core/latest/exceptions.html, https://cloud.google.com/apis/design/errors
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

_FAILED, _UNAUTHORIZED, _SERVER_ERROR = 400, 401, 500


@dataclass(frozen=True, slots=True)
class Heard:
    """What a call came to. `status` is the HTTP status, or the one that a gRPC code stands for; None where nobody answered.

    Where nobody answered, `symptom` says how the network failed; without one the caller's identity was refused.
    """

    status: int | None
    answer: Any = None
    code: str = ""
    text: str = ""
    symptom: str = ""
    sent: bool = True
    reached_google: bool = True
    wait: timedelta | None = None

    @property
    def judged_as(self) -> int:
        return self.status or _UNAUTHORIZED


# How gRPC tells in words what happened on the way, and whether the request had left by then.
_ON_THE_WAY = (
    ("dns resolution failed", "network.dns", False),
    ("errors resolving", "network.dns", False),
    ("certificate_verify_failed", "network.tls", False),
    ("handshake", "network.tls", False),
    ("failed to connect", "network.refused", False),
    ("connection reset", "network.reset", True),
    ("socket closed", "network.reset", True),
)
# gRPC asks for the caller's token itself, just before it sends.
_IDENTITY = "getting metadata from plugin failed"


@cache
def failures() -> tuple[type[Exception], ...]:
    """Return everything that a client of Google's raises where a call did not succeed."""
    from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415 (heavy)
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 (heavy)
    from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]  # noqa: PLC0415 (heavy)
    from requests import RequestException  # noqa: PLC0415 (heavy)

    return (GoogleAPIError, GoogleAuthError, RequestException, ParseError)


def heard_from(error: Exception) -> Heard:
    from google.api_core.exceptions import GoogleAPICallError  # noqa: PLC0415 (heavy)
    from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: PLC0415 (heavy)
    from requests import RequestException  # noqa: PLC0415 (heavy)

    if isinstance(error, GoogleAPICallError):
        return _answered(error)
    if isinstance(error, GoogleAuthError):
        away = isinstance(error, TransportError) or bool(error.retryable)
        return _without_identity("network.reset" if away else "", str(error))
    if isinstance(error, RequestException):
        return _failed_request(error)
    return Heard(None, symptom="network.garbage")


def _answered(error: Any) -> Heard:
    known = error.grpc_status_code
    code, text = known.name if known is not None else "", str(error.message)
    lower = text.lower()
    if code == "UNAVAILABLE":
        if _IDENTITY in lower:
            return _without_identity("" if "invalid_grant" in lower else "network.reset", text)
        for words, symptom, sent in _ON_THE_WAY:
            if words in lower:
                return Heard(None, symptom=symptom, sent=sent)
    if code == "DEADLINE_EXCEEDED":
        return Heard(None, symptom="network.timeout")
    # A REST class knows the HTTP status alone: FAILED_PRECONDITION is a 400 like others, and stands in the body.
    body = getattr(getattr(error, "response", None), "content", None)
    if body is not None:
        code, text = _told_in(body)
    return Heard(int(error.code or _SERVER_ERROR), code=code, text=text, wait=_named_wait(error.details))


def _without_identity(symptom: str, text: str) -> Heard:
    return Heard(None, code="UNAUTHENTICATED", text=text, symptom=symptom, sent=False, reached_google=False)


def make_readable(response: Any, *args: object, **kwargs: object) -> None:
    """Take the words from a REST answer that failed and is not in Google's form: its client breaks at any other JSON.

    A hook of `requests`, for a gateway or proxy that answers in Google's place.
    """
    del args, kwargs
    if response.status_code >= _FAILED and _told_in(response.content) == ("", ""):
        response._content = b""  # noqa: SLF001 (requests has no public place for it)


def _told_in(body: bytes) -> tuple[str, str]:
    """Return code and message of a REST answer, nothing where a gateway or proxy answered in Google's place."""
    try:
        told = json.loads(body)["error"]
        rows = [*told.get("errors", ()), *told.get("details", ())]
        return (str(told["status"]), str(told["message"])) if all(isinstance(row, dict) for row in rows) else ("", "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", ""


def _named_wait(details: Any) -> timedelta | None:
    """Return the time of a RetryInfo detail: a message over gRPC, JSON like {"retryDelay": "17s"} over REST."""
    for detail in details or ():
        delay = getattr(detail, "retry_delay", None)
        if delay is not None:
            return timedelta(seconds=delay.seconds)
        whole = str(detail.get("retryDelay", "")).rstrip("s").split(".")[0] if isinstance(detail, Mapping) else ""
        if whole.isdecimal():
            return timedelta(seconds=int(whole))
    return None


def _failed_request(error: Exception) -> Heard:
    import requests  # noqa: PLC0415 (heavy)

    rows: tuple[tuple[type[Exception], str, bool], ...] = (
        (requests.exceptions.ProxyError, "network.proxy", False),
        (requests.exceptions.SSLError, "network.tls", False),
        (requests.exceptions.ConnectTimeout, "network.connect_timeout", False),
        (requests.exceptions.Timeout, "network.timeout", True),
    )
    for kind, symptom, sent in rows:
        if isinstance(error, kind):
            return Heard(None, symptom=symptom, sent=sent)
    words = str(error).lower()
    if "resolve" in words:
        return Heard(None, symptom="network.dns", sent=False)
    if "refused" in words:
        return Heard(None, symptom="network.refused", sent=False)
    return Heard(None, symptom="network.reset")
