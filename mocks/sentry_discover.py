"""Sentry's table of events: fields, counts by field, pages of at most 100 rows whose successor stands in the Link header.

Traps kept: times are told to the second; `end` is exclusive here, though stats_v2 includes its own; only kept events are
in it, so a filtered or refused one shows nowhere.
Source: https://docs.sentry.io/api/explore/query-explore-events-in-table-format/, https://docs.sentry.io/api/pagination/
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.boolean_query import Test, UnreadableQuery, fits, parse, unquoted
from mocks.sentry_memory import Event, SentryDesk
from mocks.stage import Ask, Refused

MAX_PAGE = 100
_COUNT = "count()"
_BUCKET_S = {"timestamp.to_hour": 3600, "timestamp.to_day": 86_400}
Row = dict[str, Any]


def list_events(desk: SentryDesk, ask: Ask) -> Response:
    """Source: https://docs.sentry.io/api/explore/query-explore-events-in-table-format/."""
    size, offset = _size(ask), _offset(ask)
    fields = ask.query.getlist("field")
    if not fields:
        raise _invalid("No columns selected")
    events = _asked_for(desk, ask)
    rows = _counted(events, fields) if _COUNT in fields else _shown(events, fields, offset, size)
    shown = rows[offset : offset + size] if _COUNT in fields else rows
    total = len(rows) if _COUNT in fields else len(events)
    body = {"data": shown, "meta": {"dataset": ask.query.get("dataset", "discover"), "fields": {}}}
    return JSONResponse(body, headers={"link": _links(ask, offset, size, total)})


def _asked_for(desk: SentryDesk, ask: Ask) -> list[Event]:
    """Return the kept events from `start` on and before `end`, oldest first, an event's time cut to its second."""
    start, end = _moment(ask, "start"), _moment(ask, "end")
    if start >= end:
        raise _invalid("start must be before end")
    projects, now = set(ask.query.getlist("project")) - {"-1"}, desk.now()
    try:
        test = parse(ask.query.get("query", ""), _term)
    except UnreadableQuery as problem:
        raise _invalid(f"Error parsing search query: {problem}") from problem
    found = [
        event
        for event in desk.memory.events.values()
        if start <= (_happened(event) // 1) < end
        and event.visible_at <= now
        and (not projects or event.project_id in projects)
        and test(event)
    ]
    return sorted(found, key=lambda event: (int(_happened(event)), event.event_id))


def _shown(events: list[Event], fields: list[str], offset: int, size: int) -> list[Row]:
    return [{name: _value(event, name) for name in fields} for event in events[offset : offset + size]]


def _counted(events: list[Event], fields: list[str]) -> list[Row]:
    names = [name for name in fields if name != _COUNT]
    groups: dict[tuple[str, ...], int] = {} if names else {(): 0}
    for event in events:
        key = tuple(_value(event, name) for name in names)
        groups[key] = groups.get(key, 0) + 1
    return [{**dict(zip(names, key, strict=True)), _COUNT: groups[key]} for key in sorted(groups)]


def _value(event: Event, name: str) -> str:
    """Return a field of the event; what is none of Sentry's own is a tag, empty where the event does not have it."""
    if name in _BUCKET_S:
        return _iso(_happened(event) // _BUCKET_S[name] * _BUCKET_S[name])
    if name in _FIELDS:
        return _FIELDS[name](event)
    tag = name.removeprefix("tags[").removesuffix("]")
    tags = event.payload.get("tags") or {}
    held = tags if isinstance(tags, dict) else dict(tags)
    return str(held.get(tag, ""))


def _happened(event: Event) -> float:
    """Return the event's own time where it has one, else that of receipt."""
    said = event.payload.get("timestamp")
    if isinstance(said, int | float):
        return float(said)
    try:
        return datetime.fromisoformat(str(said)).timestamp() if said else event.at
    except ValueError:
        return event.at


_FIELDS: dict[str, Callable[[Event], str]] = {
    "id": lambda event: event.event_id,
    "timestamp": lambda event: _iso(_happened(event)),
    "title": lambda event: event.title,
    "message": lambda event: event.title,
    "level": lambda event: str(event.payload.get("level", "error")),
    "platform": lambda event: str(event.payload.get("platform", "other")),
    "environment": lambda event: str(event.payload.get("environment", "")),
    "release": lambda event: str(event.payload.get("release", "")),
    "transaction": lambda event: str(event.payload.get("transaction", "")),
}


def _term(text: str) -> Test[Event]:
    if text.startswith("!"):
        test = _term(text[1:])
        return lambda event: not test(event)
    name, colon, value = text.partition(":")
    if not colon:
        return lambda event: fits(f"*{unquoted(text)}*", event.title)
    return lambda event: fits(unquoted(value), _value(event, name))


def _moment(ask: Ask, name: str) -> float:
    try:
        moment = datetime.fromisoformat(ask.query[name].replace(" ", "+"))
    except (KeyError, ValueError) as problem:
        raise _invalid("start and end are both required") from problem
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _size(ask: Ask) -> int:
    size = ask.query.get("per_page", str(MAX_PAGE))
    if not size.isdecimal() or not 0 < int(size) <= MAX_PAGE:
        raise _invalid(f"Invalid per_page value. Must be between 1 and {MAX_PAGE}.")
    return int(size)


def _offset(ask: Ask) -> int:
    offset = ask.query.get("cursor", "0:0:0").split(":")[1:2]
    if not offset or not offset[0].isdecimal():
        raise _invalid("Invalid cursor parameter.")
    return int(offset[0])


def _links(ask: Ask, offset: int, size: int, total: int) -> str:
    """Name the page before and the page after, and whether there is anything on them."""
    pages = (("previous", max(0, offset - size), 1, offset > 0), ("next", offset + size, 0, offset + size < total))
    return ", ".join(
        f'<{ask.base_url}{ask.path}?&cursor=0:{start}:{back}>; rel="{name}"; results="{str(there).lower()}"; '
        f'cursor="0:{start}:{back}"'
        for name, start, back, there in pages
    )


def _iso(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).isoformat()


def _invalid(detail: str) -> Refused:
    return Refused(JSONResponse({"detail": detail}, 400))
