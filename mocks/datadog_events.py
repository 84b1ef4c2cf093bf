"""Datadog's events: two ways to send them, read back by id or by search, never deleted.

Source: https://docs.datadoghq.com/api/latest/events/
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.boolean_query import UnreadableQuery
from mocks.datadog_org import (
    EVENT_INTAKE,
    Event,
    Organisation,
    errors,
    new_id,
    reader,
    sender,
    served_only_by,
    spend,
)
from mocks.datadog_search import Searchable, instant, search_test
from mocks.stage import Ask, Refused

TEXT_LIMIT_CHARACTERS = 4000
AGGREGATION_KEY_LIMIT_CHARACTERS = 100
OLDEST_EVENT_S = 18 * 3600
PAGE_LIMIT_EVENTS = 1000
_ALERT_TYPES = frozenset({"error", "warning", "info", "success", "user_update", "recommendation", "snapshot"})
_PRIORITIES = frozenset({"normal", "low"})
_STATUS_OF_ALERT = {"error": "error", "warn": "warning", "ok": "success"}
# Event ids have 19 digits, of which a JSON number as most programs read it keeps 16.
_SMALLEST_ID = 6_000_000_000_000_000_000
_ID_RANGE = 3_000_000_000_000_000_000


def post_v1_event(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/events/#post-an-event (the v1 tab); needs the API key only."""
    key = sender(desk, ask)
    spend(desk, "event_submission")
    sent = ask.fields()
    problem = _problem_with_v1(sent, desk.now())
    if problem:
        return errors(400, problem)
    event = Event(
        id=new_event_id(), uid=new_uid(), title=str(sent["title"]), text=str(sent["text"]),
        tags=[str(tag) for tag in sent.get("tags") or []],
        at=float(sent.get("date_happened") or desk.now()), visible_at=desk.visible_at(),
        source=str(sent.get("source_type_name") or "my_apps"), status=str(sent.get("alert_type") or "info"),
        priority=str(sent.get("priority") or "normal"), api_key_id=key.id, host=str(sent.get("host") or ""),
        aggregation_key=str(sent.get("aggregation_key") or ""),
    )  # fmt: skip
    desk.memory.events.append(event)
    return JSONResponse({"status": "ok", "event": _as_v1(event)}, 202)


def get_v1_event(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/events/#get-an-event (the v1 tab)."""
    reader(desk, ask, "events_read")
    found = next((event for event in _visible(desk) if event.id == ask.ids["event_id"]), None)
    if found is None:
        return errors(404, "No event matches that event_id.")
    return JSONResponse({"status": "ok", "event": _as_v1(found)})


def post_v2_event(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/events/#post-an-event; the intake has a host of its own."""
    served_only_by(EVENT_INTAKE, ask)
    key = sender(desk, ask)
    reader(desk, ask, "events_write")
    spend(desk, "event_submission")
    sent = _v2_attributes(ask)
    details = sent.get("attributes") or {}
    event = Event(
        id=new_event_id(), uid=new_uid(), title=str(sent["title"]), text=str(sent.get("message") or ""),
        tags=[str(tag) for tag in sent.get("tags") or []],
        at=_timestamp(sent.get("timestamp"), desk.now()), visible_at=desk.visible_at(),
        source=str(sent.get("integration_id") or "custom-events"),
        status=_STATUS_OF_ALERT.get(str(details.get("status")), "info"),
        priority=str(details.get("priority") or "5"), api_key_id=key.id, host=str(sent.get("host") or ""),
        aggregation_key=str(sent.get("aggregation_key") or ""), category=str(sent["category"]),
        custom=dict(details.get("custom") or {}),
    )  # fmt: skip
    desk.memory.events.append(event)
    attributes = {"attributes": {"evt": {"id": event.id, "uid": event.uid}}}
    link = f"https://app.datadoghq.com/event/event?uid={event.uid}"
    return JSONResponse({"data": {"type": "event", "id": "_", "attributes": attributes}, "links": {"self": link}}, 202)


def get_v2_event(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/events/#get-an-event; 404 until the event is indexed."""
    reader(desk, ask, "events_read")
    found = next((event for event in _visible(desk) if event.uid == ask.ids["event_id"]), None)
    if found is None:
        return JSONResponse({"errors": [{"title": "Not Found", "detail": "event not found", "status": "404"}]}, 404)
    return JSONResponse({"data": _as_v2(found)})


def search_events(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/events/#search-events; finding nothing is 200 and an empty list."""
    reader(desk, ask, "events_read")
    spend(desk, "events_search")
    sent = ask.fields()
    wanted, page = sent.get("filter") or {}, sent.get("page") or {}
    return _found(desk, wanted, page, str(sent.get("sort") or "timestamp"))


def list_events(desk: Organisation, ask: Ask) -> Response:
    """Source: https://docs.datadoghq.com/api/latest/events/#get-a-list-of-events."""
    reader(desk, ask, "events_read")
    spend(desk, "events_search")
    asked = ask.query
    wanted = {name: asked[f"filter[{name}]"] for name in ("query", "from", "to") if f"filter[{name}]" in asked}
    page = {name: asked[f"page[{name}]"] for name in ("limit", "cursor") if f"page[{name}]" in asked}
    return _found(desk, wanted, page, asked.get("sort", "timestamp"))


def matching_events(desk: Organisation, query: str, start: float, end: float) -> list[Event]:
    """Return the indexed events in [start, end) epoch seconds that fit a search query.

    Raises:
        UnreadableQuery: the query does not follow the syntax.
    """
    test = search_test(query)
    return [event for event in _visible(desk) if start <= event.at < end and test(searchable_event(event))]


def _found(desk: Organisation, wanted: dict[str, Any], page: dict[str, Any], sort: str) -> Response:
    now = desk.now()
    try:
        limit, skipped = int(page.get("limit") or 10), _position(page.get("cursor"))
        start, end = instant(wanted.get("from", "now-15m"), now), instant(wanted.get("to", "now"), now)
        events = matching_events(desk, str(wanted.get("query", "*")), start, end)
    except (UnreadableQuery, ValueError) as problem:
        return errors(400, f"Invalid request: {problem}")
    if not 0 < limit <= PAGE_LIMIT_EVENTS:
        return errors(400, f"page limit must be between 1 and {PAGE_LIMIT_EVENTS}")
    events.sort(key=lambda event: event.at, reverse=sort.startswith("-"))
    meta: dict[str, Any] = {"elapsed": 12, "request_id": new_id(), "status": "done"}
    if len(events) > skipped + limit:
        meta["page"] = {"after": urlsafe_b64encode(str(skipped + limit).encode()).decode()}
    return JSONResponse({"data": [_as_v2(event) for event in events[skipped : skipped + limit]], "meta": meta})


def _position(cursor: object) -> int:
    return int(urlsafe_b64decode(str(cursor))) if cursor else 0


def _problem_with_v1(sent: dict[str, Any], now: float) -> str:
    if not sent.get("title") or not sent.get("text"):
        return "title and text are required"
    if len(str(sent["text"])) > TEXT_LIMIT_CHARACTERS:
        return f"text is limited to {TEXT_LIMIT_CHARACTERS} characters"
    if len(str(sent.get("aggregation_key") or "")) > AGGREGATION_KEY_LIMIT_CHARACTERS:
        return f"aggregation_key is limited to {AGGREGATION_KEY_LIMIT_CHARACTERS} characters"
    if sent.get("alert_type", "info") not in _ALERT_TYPES or (sent.get("priority") or "normal") not in _PRIORITIES:
        return "alert_type or priority is not one of the allowed values"
    happened = sent.get("date_happened")
    if happened is not None and not isinstance(happened, int):
        return "date_happened must be a POSIX timestamp"
    return "Event too far in the past" if happened is not None and happened < now - OLDEST_EVENT_S else ""


def _v2_attributes(ask: Ask) -> dict[str, Any]:
    data = ask.fields().get("data")
    sent = data.get("attributes") if isinstance(data, dict) and data.get("type") == "event" else None
    if not isinstance(sent, dict) or not sent.get("title") or not isinstance(sent.get("attributes"), dict):
        raise Refused(errors(400, "data.type must be event; attributes.title and attributes.attributes are required"))
    if sent.get("category") not in {"alert", "change"}:
        raise Refused(errors(400, "category must be one of: alert, change"))
    if sent["category"] == "alert" and sent["attributes"].get("status") not in _STATUS_OF_ALERT:
        raise Refused(errors(400, "attributes.status must be one of: warn, error, ok"))
    return sent


def _timestamp(value: object, now: float) -> float:
    try:
        return datetime.fromisoformat(str(value)).timestamp() if value else now
    except ValueError:
        raise Refused(errors(400, "timestamp must be in ISO 8601")) from None


def _visible(desk: Organisation) -> list[Event]:
    return [event for event in desk.memory.events if event.visible_at <= desk.now()]


def searchable_event(event: Event) -> Searchable:
    fields = {"source": event.source, "status": event.status, "priority": event.priority, "host": event.host}
    ids = {"@evt.id": event.id, "@evt.uid": event.uid, "@aggregation_key": event.aggregation_key, "@title": event.title}
    custom = _attributes(event.custom, "@")
    return Searchable(f"{event.title}\n{event.text}", event.tags, {**custom, **fields, **ids})


def _attributes(held: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """Name what lies deeper by its path, as facets do: `@order.id`."""
    found: dict[str, str] = {}
    for name, value in held.items():
        if isinstance(value, dict):
            found |= _attributes(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = str(value)
    return found


def _as_v1(event: Event) -> dict[str, Any]:
    return {
        "id": _through_a_double(event.id), "id_str": event.id, "title": event.title, "text": event.text,
        "tags": event.tags, "date_happened": int(event.at), "alert_type": event.status, "priority": event.priority,
        "source_type_name": event.source, "host": event.host,
        "url": f"https://app.datadoghq.com/event/event?id={event.id}",
    }  # fmt: skip


def _as_v2(event: Event) -> dict[str, Any]:
    details = {
        "title": event.title, "status": event.status, "timestamp": int(event.at * 1000), "hostname": event.host,
        "aggregation_key": event.aggregation_key, "evt": {"id": event.id, "uid": event.uid, "name": event.title},
        "tags": event.tags, **event.custom,
    }  # fmt: skip
    at = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    attributes = {"attributes": details, "message": event.text, "tags": event.tags, "timestamp": at}
    return {"type": "event", "id": event.uid, "attributes": attributes}


def new_event_id() -> str:
    """Return an id that no double holds: the trap of the v1 answer's `id`."""
    return str(_SMALLEST_ID + 2 * secrets.randbelow(_ID_RANGE // 2) + 1)


def _through_a_double(event_id: str) -> int:
    return int(Decimal(repr(float(event_id))))


def new_uid() -> str:
    return "AZ" + secrets.token_urlsafe(16)[:20]
