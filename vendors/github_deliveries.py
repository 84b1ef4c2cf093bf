"""Reading a webhook's deliveries: which one is the newest, and which secret one was signed with.

GitHub shows a delivery's payload as JSON and not as the bytes that were signed, so they are written again here.
Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries; how GitHub writes JSON: the helper
toNormalizedJsonString of octokit/webhooks.js
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from domain.diagnosis import error_of
from domain.errors import NotYet, OpsError, Rejected
from vendors.answers import iso_moment
from vendors.github_signatures import SYMPTOMS
from vendors.http import Answer, succeeded

_SIGNATURE = "x-hub-signature-256"
_ESCAPED = re.compile(r"(?<!\\)((?:\\\\)*)\\u([0-9a-f]{4})")
_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_REFUSES = range(400, 500)
_ACCEPTS = range(200, 300)

Row = Mapping[str, Any]


def rows_of(answer: Answer) -> list[Row] | None:
    """Return the deliveries of a page, None where the answer is none."""
    try:
        rows = json.loads(answer.body) if succeeded(answer) else None
    except (ValueError, RecursionError):
        return None
    return [row for row in rows if isinstance(row, dict) and row.get("id")] if isinstance(rows, list) else None


def newest(rows: Sequence[Row]) -> Row | None:
    """Return the newest delivery; GitHub lists it first, and its times are of whole seconds."""
    return max(rows, key=lambda row: str(row.get("delivered_at") or ""), default=None)


def redelivered(rows: Sequence[Row], guid: str, before: str, since: datetime) -> Row | None:
    """Return the redelivery of `guid` that is newer than the delivery `before`.

    Without a guid, which a crash lost, the newest redelivery since that moment, in whole seconds as GitHub tells them.
    """
    for row in rows:
        if guid and str(row["id"]) == before:
            return None
        if row.get("redelivery") is not True:
            continue
        at = iso_moment(row.get("delivered_at"))
        if row.get("guid") == guid if guid else at is not None and at >= since.replace(microsecond=0):
            return row
    return None


def check_signature(delivery: Row, secret: str) -> None:
    """Return where the delivery is signed with the secret.

    Raises:
        Rejected: it is signed with another one (github.other_secret), or with none (github.unsigned).
        OpsError: its payload cannot be written again as it was signed.
    """
    request, delivery_id = _object(delivery.get("request")), str(delivery.get("id", ""))
    headers = {str(name).lower(): str(value) for name, value in _object(request.get("headers")).items()}
    told, payload = headers.get(_SIGNATURE, ""), request.get("payload")
    if not told:
        raise error_of(SYMPTOMS["github.unsigned"], Rejected, delivery=delivery_id)
    bodies = _bodies(payload, is_form="form" in headers.get("content-type", ""))
    if any(hmac.compare_digest(_signature(secret, body), told) for body in bodies):
        return
    if _is_written_in_several_ways(payload):
        raise error_of(SYMPTOMS["github.signature_unreadable"], OpsError, delivery=delivery_id)
    raise error_of(SYMPTOMS["github.other_secret"], Rejected, delivery=delivery_id)


def check_received(delivery: Row) -> None:
    """Return where the receiver answered 2xx.

    Raises:
        NotYet: it has not answered yet.
        Rejected: it refused the delivery (github.receiver_refused), or was not there (github.receiver_away).
    """
    status, delivery_id = delivery.get("status_code"), str(delivery.get("id", ""))
    if not status:
        raise error_of(SYMPTOMS["github.redelivery_pending"], NotYet, delivery=delivery_id)
    if status not in _ACCEPTS:
        symptom = "github.receiver_refused" if status in _REFUSES else "github.receiver_away"
        raise error_of(SYMPTOMS[symptom], Rejected, delivery=delivery_id, status=str(status))


def _signature(secret: str, body: str) -> str:
    return f"sha256={hmac.new(secret.encode(), body.encode(errors='surrogatepass'), hashlib.sha256).hexdigest()}"


def _bodies(payload: object, *, is_form: bool) -> Iterator[str]:
    """Yield the bytes that may have been signed: compact JSON, in the few ways in which it may be escaped."""
    plain, ascii_only = (json.dumps(payload, ensure_ascii=flag, separators=(",", ":")) for flag in (False, True))
    for text in (plain, plain.translate(_HTML), ascii_only, ascii_only.translate(_HTML)):
        for body in dict.fromkeys((_in_capitals(text), text)):
            yield urlencode({"payload": body}) if is_form else body


def _in_capitals(text: str) -> str:
    return _ESCAPED.sub(lambda found: f"{found[1]}\\u{found[2].upper()}", text)


def _is_written_in_several_ways(payload: object) -> bool:
    """Say whether there are more ways to write it than are tried: fractions, halves of characters, or no JSON object."""
    if isinstance(payload, dict):
        return any(_is_ambiguous(value) for value in payload.values())
    return True


def _is_ambiguous(value: object) -> bool:
    if isinstance(value, dict | list):
        return any(_is_ambiguous(inner) for inner in (value.values() if isinstance(value, dict) else value))
    if isinstance(value, str):
        return any("\ud800" <= character <= "\udfff" for character in value)
    return isinstance(value, float)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
