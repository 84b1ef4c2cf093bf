"""Sentry's ingest: envelopes and the older store endpoint. A 200 says that the event was taken, not that it was kept.

Source: https://develop.sentry.dev/sdk/data-model/envelopes/, https://develop.sentry.dev/sdk/expected-features/rate-limiting/
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from mocks.sentry_memory import ClientKey, Event, Issue, SentryDesk, accepted_by_ingest, note_outcome, number
from mocks.stage import Ask, Refused

ENVELOPE_LIMIT_BYTES = 20 * 1024 * 1024
EVENT_LIMIT_BYTES = 1024 * 1024
_EVENT_ID = re.compile(r"[0-9a-f]{32}")
_DEFAULT_GROUPING = "{{ default }}"


class BrokenEnvelope(ValueError):
    """The bytes are not an envelope; says where."""


@dataclass(frozen=True, slots=True)
class Item:
    type: str
    payload: bytes

    def fields(self) -> dict[str, Any]:
        try:
            said = json.loads(self.payload)
        except ValueError as error:
            raise BrokenEnvelope(f"the payload of the {self.type} item is not JSON") from error
        return said if isinstance(said, dict) else {}


def take_envelope(desk: SentryDesk, ask: Ask) -> Response:
    """POST /api/{project}/envelope/."""
    try:
        header, items = read_envelope(ask.body)
        named = _named_key(ask, str(header.get("dsn") or ""))
        if not items:  # nothing to keep, so the key is not even looked at
            return JSONResponse({})
        key = _authorised(desk, ask, named)
        events = [(item, item.fields()) for item in items if item.type == "event"]
    except BrokenEnvelope as problem:
        raise _invalid("invalid event envelope", str(problem)) from problem
    if len(ask.body) > ENVELOPE_LIMIT_BYTES or any(len(item.payload) > EVENT_LIMIT_BYTES for item, _ in events):
        raise Refused(JSONResponse({"detail": "envelope exceeded size limits"}, 413))
    event_id = str(header.get("event_id") or next((fields.get("event_id", "") for _, fields in events), ""))
    for _, fields in events:
        _take_event(desk, key, event_id.replace("-", "").lower(), fields)
    for item in items:
        if item.type == "client_report":
            _take_client_report(desk, key, item.fields())
    return JSONResponse({"id": event_id.replace("-", "")} if event_id else {})


def take_store(desk: SentryDesk, ask: Ask) -> Response:
    """POST /api/{project}/store/: one event as JSON, from older clients."""
    key = _authorised(desk, ask, _named_key(ask, ""))
    fields = ask.json()
    if not isinstance(fields, dict):
        raise _invalid("invalid event submission", "the body is not a JSON object")
    event_id = str(fields.get("event_id") or secrets.token_hex(16)).replace("-", "").lower()
    _take_event(desk, key, event_id, fields)
    return JSONResponse({"id": event_id})


def read_envelope(body: bytes) -> tuple[dict[str, Any], list[Item]]:
    """Return the envelope's header and items.

    Raises:
        BrokenEnvelope: a header is not a JSON object, or an item is shorter than it says.
    """
    header, rest = _header(body, "the envelope header")
    items: list[Item] = []
    while rest.strip(b"\n"):
        item_header, rest = _header(rest.lstrip(b"\n"), "an item header")
        length = item_header.get("length")
        if isinstance(length, int):
            if len(rest) < length:
                raise BrokenEnvelope("an item is shorter than its length")
            payload, rest = rest[:length], rest[length:]
        else:
            payload, _, rest = rest.partition(b"\n")
        items.append(Item(str(item_header.get("type", "")), payload))
    return header, items


def limited_ingest(seconds: int) -> Response:
    """The whole organisation is over its quota for errors; both headers say for how long."""
    headers = {"retry-after": str(seconds), "x-sentry-rate-limits": f"{seconds}:default;error;security:organization"}
    detail = "Sentry dropped data due to a quota or internal rate limit being reached."
    return JSONResponse({"detail": detail}, 429, headers)


def region_of(ask: Ask) -> str:
    """Return the region whose host was asked; plain loopback and the hosts without a region stand for the US."""
    return "de" if ".de.sentry.io" in f".{ask.host}" else "us"


def _header(body: bytes, what: str) -> tuple[dict[str, Any], bytes]:
    line, _, rest = body.partition(b"\n")
    try:
        said = json.loads(line)
    except ValueError as error:
        raise BrokenEnvelope(f"{what} is not JSON") from error
    if not isinstance(said, dict):
        raise BrokenEnvelope(f"{what} is not a JSON object")
    return said, rest


def _named_key(ask: Ask, dsn: str) -> str:
    """Return the one public key that header, query and DSN agree on."""
    named = {key for key in (_header_key(ask), ask.query.get("sentry_key", ""), urlsplit(dsn).username or "") if key}
    if len(named) != 1:
        problem = "missing authorization information" if not named else "conflicting authorization information"
        raise Refused(JSONResponse({"detail": problem}, 403))
    return named.pop()


def _authorised(desk: SentryDesk, ask: Ask, public: str) -> ClientKey:
    """Return the client key; one that is unknown, disabled, of another project or of another region is refused."""
    project_id = ask.ids["project"]
    key = next((k for k in desk.memory.keys.values() if k.public == public and k.project_id == project_id), None)
    enabled = key is not None and accepted_by_ingest(desk, key) and desk.memory.projects[project_id].enabled
    if key is None or not enabled or region_of(ask) != desk.memory.region:
        raise Refused(JSONResponse({"detail": "event submission rejected with_reason: ProjectId"}, 403))
    return key


def _header_key(ask: Ask) -> str:
    fields = ask.headers.get("x-sentry-auth", "").removeprefix("Sentry ").split(",")
    parts = dict(field.strip().partition("=")[::2] for field in fields)
    return parts.get("sentry_key", "")


def _take_event(desk: SentryDesk, key: ClientKey, event_id: str, fields: Mapping[str, Any]) -> None:
    """Keep the event, or drop it silently: a cold cache, an inbound filter, an id that was used before."""
    if not _EVENT_ID.fullmatch(event_id):
        raise _invalid("invalid event envelope", "the event id is not 32 hexadecimal digits")
    title = title_of(fields)
    if desk.memory.cold_requests:
        desk.memory.cold_requests -= 1
    elif any(word in title for word in desk.memory.filtered_words):
        note_outcome(desk, key.project_id, "filtered", "error-message")
    elif event_id in desk.memory.events:
        note_outcome(desk, key.project_id, "invalid", "duplicate")
    else:
        issue = _grouped(desk, key, title, fingerprint_of(fields))
        desk.memory.events[event_id] = Event(
            event_id, issue.issue_id, key.project_id, key.key_id, title, desk.now(), desk.visible_at(), dict(fields)
        )
        note_outcome(desk, key.project_id, "accepted")


def _grouped(desk: SentryDesk, key: ClientKey, title: str, fingerprint: list[str]) -> Issue:
    """Return the issue of the fingerprint; a new one also raises the project's alert."""
    now = desk.now()
    for issue in desk.memory.issues.values():
        if issue.fingerprint == fingerprint and issue.project_id == key.project_id:
            issue.count, issue.last_seen, issue.status = issue.count + 1, now, "unresolved"
            return issue
    desk.memory.issues_made += 1
    short_id = f"{desk.memory.projects[key.project_id].slug.upper()}-{desk.memory.issues_made}"
    issue = Issue(number(10), short_id, key.project_id, fingerprint, title, now, now, desk.visible_at())
    desk.memory.issues[issue.issue_id] = issue
    _raise_alert(desk, issue)
    return issue


def _raise_alert(desk: SentryDesk, issue: Issue) -> None:
    """Tell PagerDuty of a new issue, as Sentry's alert rule for new issues does."""
    for routing_key in desk.memory.alert_routing_keys:
        event = {
            "routing_key": routing_key,
            "event_action": "trigger",
            "dedup_key": issue.short_id,
            "payload": {"summary": issue.title, "source": issue.short_id, "severity": "error", "component": "sentry"},
        }
        desk.world.deliver("pagerduty", "POST", "/v2/enqueue", event)


def _take_client_report(desk: SentryDesk, key: ClientKey, report: Mapping[str, Any]) -> None:
    for discarded in report.get("discarded_events") or []:
        note_outcome(
            desk, key.project_id, "client_discard", str(discarded.get("reason", "")),
            category=str(discarded.get("category", "error")), quantity=int(discarded.get("quantity", 0)),
        )  # fmt: skip


def title_of(fields: Mapping[str, Any]) -> str:
    """Return an issue's title as Sentry makes it: `Type: value` of the exception, else the message's first line."""
    exceptions = _values(fields.get("exception"))
    if exceptions:
        return f"{exceptions[-1].get('type', 'Error')}: {exceptions[-1].get('value', '')}"
    return _message(fields).splitlines()[0] if _message(fields) else "<unlabeled event>"


def fingerprint_of(fields: Mapping[str, Any]) -> list[str]:
    """Return what groups the event: its own fingerprint, with the default grouping where it asks for that."""
    asked = [str(part) for part in fields.get("fingerprint") or [_DEFAULT_GROUPING]]
    return [_default_grouping(fields) if part == _DEFAULT_GROUPING else part for part in asked]


def _default_grouping(fields: Mapping[str, Any]) -> str:
    """Group by the exception's type where there is one, by the message with its numbers taken out otherwise."""
    exceptions = _values(fields.get("exception"))
    if exceptions:
        return f"exception {exceptions[-1].get('type')} {exceptions[-1].get('value')}"
    template = (fields.get("logentry") or {}).get("message") or _message(fields)
    return "message " + re.sub(r"\d+", "<int>", str(template))


def _message(fields: Mapping[str, Any]) -> str:
    entry = fields.get("logentry") or {}
    message = fields.get("message") or entry.get("formatted") or entry.get("message") or ""
    return str(message.get("formatted") or message.get("message") or "") if isinstance(message, dict) else str(message)


def _values(exception: Any) -> list[dict[str, Any]]:
    values = exception.get("values") if isinstance(exception, dict) else exception
    return values if isinstance(values, list) else []


def _invalid(detail: str, cause: str) -> Refused:
    return Refused(JSONResponse({"detail": detail, "causes": [cause]}, 400))
