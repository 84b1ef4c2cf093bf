"""The webhook of GitHub's stand-in: its configuration, its deliveries for three days, and who receives them.

Traps kept: one secret at a time, never shown again; a redelivery keeps the guid, is made from the stored payload, and is
signed with the secret that is in force when it is sent; nothing is redelivered by itself.
Source: https://docs.github.com/en/rest/apps/webhooks, .../webhooks/using-webhooks/validating-webhook-deliveries
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import JSONResponse, Response

from mocks.github_callers import as_app, refused
from mocks.github_memory import OWNER, REPOSITORY, RETENTION_S, Delivery, GitHub, Received
from mocks.stage import Ask, Route

_MOST_PER_PAGE = 100
_PER_PAGE = 30
_HIDDEN = "********"
_OK = 200
_UNAUTHORIZED = 401
_FAILS_FROM = 400
_FAR_AWAY = 502


def deliver(desk: GitHub, event: str, action: str, title: object) -> Delivery:
    """Let something happen in the repository that the app is told of."""
    payload = {
        "action": action,
        event: {"number": len(desk.memory.deliveries) + 1, "title": title},
        "repository": {"id": desk.seed.repository_id, "full_name": f"{OWNER}/{REPOSITORY}", "private": True},
        "sender": {"login": "someone", "id": 1},
        "installation": {"id": int(desk.seed.installation_id)},
    }
    guid = str(UUID(bytes=secrets.token_bytes(16), version=4))
    return _sent(desk, guid, event, action, _as_github_writes(payload), redelivery=False)


def signature(secret: str, body: bytes) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def _as_github_writes(payload: Mapping[str, Any]) -> str:
    """Return compact JSON: characters beyond ASCII as they are, control characters as capital hex digits.

    Source: the helper toNormalizedJsonString of octokit/webhooks.js, which writes a parsed payload as it was signed.
    """
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return re.sub(r"(?<!\\)\\u([0-9a-f]{4})", lambda found: f"\\u{found[1].upper()}", text)


def _sent(desk: GitHub, guid: str, event: str, action: str, payload: str, *, redelivery: bool) -> Delivery:
    memory = desk.memory
    is_form = memory.hook.content_type == "form"
    body = urlencode({"payload": payload}) if is_form else payload
    headers = {
        "Accept": "*/*",
        "User-Agent": "GitHub-Hookshot/5d1a2f1",
        "X-GitHub-Delivery": guid,
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": desk.seed.hook_id,
        "X-GitHub-Hook-Installation-Target-ID": desk.seed.app_id,
        "X-GitHub-Hook-Installation-Target-Type": "integration",
        "content-type": "application/x-www-form-urlencoded" if is_form else "application/json",
    }
    if memory.hook.secret:
        headers["X-Hub-Signature-256"] = signature(memory.hook.secret, body.encode())
    status = _received(desk, headers, body)
    # Ids grow, and are longer than what fits into 32 bits.
    number = 200_000_000_000 + len(memory.deliveries)
    row = Delivery(
        number, guid, event, action, desk.now(), desk.visible_at(), redelivery, headers, payload, _words(status), status
    )
    memory.deliveries.append(row)
    return row


def _received(desk: GitHub, headers: dict[str, str], body: str) -> int:
    """Let the receiver judge the delivery: by its signature, against every secret that it knows."""
    receiver, told = desk.memory.receiver, headers.get("X-Hub-Signature-256", "")
    fits = any(hmac.compare_digest(signature(secret, body.encode()), told) for secret in receiver.accepts)
    status = receiver.answers or (_OK if fits else _UNAUTHORIZED)
    if status != _FAR_AWAY:
        receiver.received.append(Received(headers, body, status))
    return status


def _words(status: int) -> str:
    if status == _FAR_AWAY:
        return "failed to connect to host"
    return "OK" if status < _FAILS_FROM else f"Invalid HTTP Response: {status}"


def _show_config(desk: GitHub, ask: Ask) -> Response:
    del ask
    hook = desk.memory.hook
    shown = {"content_type": hook.content_type, "insecure_ssl": hook.insecure_ssl, "url": hook.url}
    return JSONResponse({**shown, **({"secret": _HIDDEN} if hook.secret else {})})


def _update_config(desk: GitHub, ask: Ask) -> Response:
    """Change what is given and leave the rest."""
    said, hook = ask.fields(), desk.memory.hook
    if said.get("content_type", "json") not in {"json", "form"} or str(said.get("insecure_ssl", "0")) not in {"0", "1"}:
        raise refused(422, "Validation Failed", errors=[{"resource": "Hook", "code": "custom", "field": "config"}])
    if not isinstance(said.get("secret", ""), str):
        raise refused(422, "Invalid request.\n\nFor 'properties/secret', the value is not a string.")
    hook.secret = str(said.get("secret", hook.secret))
    hook.url = str(said.get("url", hook.url))
    hook.content_type = str(said.get("content_type", hook.content_type))
    hook.insecure_ssl = str(said.get("insecure_ssl", hook.insecure_ssl))
    return _show_config(desk, ask)


def _list_deliveries(desk: GitHub, ask: Ask) -> Response:
    """Return one page, newest first, and a Link to the next one, whose cursor is opaque."""
    size = ask.query.get("per_page", str(_PER_PAGE))
    per_page = min(int(size), _MOST_PER_PAGE) if size.isdecimal() and int(size) > 0 else _PER_PAGE
    cursor = re.fullmatch(r"v1_(\d+)", ask.query.get("cursor", "v1_0"))
    if cursor is None:
        raise refused(400, "Invalid cursor")
    before = int(cursor[1])
    found = [row for row in _kept(desk) if (not before or row.id < before) and _has(row, ask.query.get("status", ""))]
    page, more = found[:per_page], found[per_page:]
    url = f"{ask.base_url}/app/hook/deliveries?per_page={per_page}&cursor=v1_{page[-1].id if page else 0}"
    return JSONResponse([_listed(desk, row) for row in page], headers={"link": f'<{url}>; rel="next"'} if more else {})


def _show_delivery(desk: GitHub, ask: Ask) -> Response:
    row = _delivery(desk, ask)
    shown = {
        **_listed(desk, row),
        "url": desk.memory.hook.url,
        "request": {"headers": row.headers, "payload": json.loads(row.payload)},
        "response": {"headers": {"Content-Type": "text/plain"}, "payload": ""},
    }
    return JSONResponse(shown)


def _redeliver(desk: GitHub, ask: Ask) -> Response:
    """Send the payload again under its guid. The answer says that it was queued, and nothing else."""
    row = _delivery(desk, ask)
    _sent(desk, row.guid, row.event, row.action, row.payload, redelivery=True)
    return JSONResponse({}, 202)


def _kept(desk: GitHub) -> list[Delivery]:
    now = desk.now()
    return [row for row in reversed(desk.memory.deliveries) if row.visible_at <= now < row.at + RETENTION_S]


def _has(row: Delivery, status: str) -> bool:
    return status not in {"success", "failure"} or (row.status_code < _FAILS_FROM) == (status == "success")


def _delivery(desk: GitHub, ask: Ask) -> Delivery:
    found = next((row for row in _kept(desk) if str(row.id) == ask.ids["delivery"]), None)
    if found is None:
        raise refused(404, "Not Found")
    return found


def _listed(desk: GitHub, row: Delivery) -> dict[str, Any]:
    return {
        "id": row.id, "guid": row.guid, "event": row.event, "action": row.action,
        "delivered_at": datetime.fromtimestamp(row.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "redelivery": row.redelivery, "duration": 0.03, "status": row.status, "status_code": row.status_code,
        "installation_id": int(desk.seed.installation_id), "repository_id": desk.seed.repository_id,
        "throttled_at": None,
    }  # fmt: skip


_HOOK = "/app/hook"
ROUTES = (
    Route("GET", f"{_HOOK}/config", as_app(_show_config)),
    Route("PATCH", f"{_HOOK}/config", as_app(_update_config)),
    Route("GET", f"{_HOOK}/deliveries", as_app(_list_deliveries)),
    Route("GET", f"{_HOOK}/deliveries/{{delivery}}", as_app(_show_delivery)),
    Route("POST", f"{_HOOK}/deliveries/{{delivery}}/attempts", as_app(_redeliver)),
)
