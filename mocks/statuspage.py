"""Statuspage's stand-in: a page with incidents, components and subscribers, and the limit that its API is known for.

Traps kept: notifications go to every subscriber unless `deliver_notifications` is false, with each update anew;
resolving an incident leaves its components as they are; over the limit the status is 420, which no list of HTTP knows.
Source: https://developer.statuspage.io, https://support.atlassian.com/statuspage/docs/create-and-manage-api-keys
"""

import math
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.stage import Ask, Refused, Route, StandIn
from mocks.statuspage_console import ACTIONS
from mocks.statuspage_memory import (
    OVER_LIMIT,
    WINDOW_S,
    ApiKey,
    Component,
    Incident,
    Mail,
    Memory,
    Page,
    Seed,
    Update,
    new_id,
    new_memory,
    new_seed,
)

# https://developer.statuspage.io/#operation/getPagesPageIdIncidents
LARGEST_PAGE_ROWS = 100
_REALTIME = ("investigating", "identified", "monitoring", "resolved")
_SCHEDULED = ("scheduled", "in_progress", "verifying", "completed")
_IMPACTS = ("none", "maintenance", "minor", "major", "critical")
_COMPONENT_STATES = ("operational", "under_maintenance", "degraded_performance", "partial_outage", "major_outage")


def _on_page(answer: Callable[[Page, Ask], Response]) -> Callable[[Page, Ask], Response]:
    """Return a handler that first looks at the key, its limit and the page."""

    def handle(desk: Page, ask: Ask) -> Response:
        key = _caller(desk, ask)
        if ask.ids.get("page", desk.seed.page_id) != desk.seed.page_id:
            raise _refused(404, "Page not found")
        if not key.allowed:
            raise _refused(403, "You are not authorized to access this resource.")
        return answer(desk, ask)

    return handle


def _caller(desk: Page, ask: Ask) -> ApiKey:
    """Return the key that was sent. The query parameter api_key is not looked at: its support ended in January 2026."""
    sent, now = ask.authorization("OAuth").encode(), desk.now()
    key = next((row for row in desk.memory.keys if secrets.compare_digest(row.key.encode(), sent)), None)
    if key is None or (key.expires_at is not None and key.expires_at <= now):
        raise _refused(401, "Could not authenticate")
    allowed = desk.memory.calls_per_window
    key.calls = [at for at in key.calls if at > now - WINDOW_S] if allowed else []
    if allowed and len(key.calls) >= allowed:
        raise Refused(_over_limit(desk.memory.over_limit, math.ceil(key.calls[0] + WINDOW_S - now)))
    if allowed:
        key.calls.append(now)
    return key


def _over_limit(status: int, seconds: int) -> Response:
    """Source: the API's own description, and Atlassian's announcement of 2020: with Retry-After, in seconds.

    The body is not documented.
    """
    return JSONResponse({"error": "Rate limit exceeded"}, status, {"retry-after": str(max(1, seconds))})


def _limited(ask: Ask, seconds: int) -> Response:
    del ask
    return _over_limit(OVER_LIMIT, seconds)


def _refused(status: int, error: str | list[str]) -> Refused:
    return Refused(JSONResponse({"error": error}, status))


def _list_pages(desk: Page, ask: Ask) -> Response:
    del ask
    return JSONResponse([_as_page(desk)])


def _show_page(desk: Page, ask: Ask) -> Response:
    del ask
    return JSONResponse(_as_page(desk))


def _create_incident(desk: Page, ask: Ask) -> Response:
    """Source: https://developer.statuspage.io/#operation/postPagesPageIdIncidents."""
    said = _said(ask, "incident")
    name = str(said.get("name") or "").strip()
    if not name:
        raise _refused(422, ["Name can't be blank"])
    now = desk.now()
    incident = Incident(new_id(), name, "investigating", str(said.get("impact_override") or "none"), now, now)
    if incident.impact not in _IMPACTS:
        raise _refused(422, ["Impact override is not included in the list"])
    _write(desk, incident, said)
    desk.memory.incidents.append(incident)
    return JSONResponse(_as_incident(desk, incident), 201)


def _update_incident(desk: Page, ask: Ask) -> Response:
    """Source: https://developer.statuspage.io/#operation/patchPagesPageIdIncidentsIncidentId."""
    incident = _incident(desk, ask)
    _write(desk, incident, _said(ask, "incident"))
    return JSONResponse(_as_incident(desk, incident))


def _write(desk: Page, incident: Incident, said: Mapping[str, Any]) -> None:
    """Change the incident as was said, and tell every subscriber unless that was forbidden in so many words."""
    status = str(said.get("status") or incident.status)
    if status not in (*_REALTIME, *_SCHEDULED):
        raise _refused(422, ["Status is not included in the list"])
    _set_components(desk, incident, said)
    now, silent = desk.now(), said.get("deliver_notifications") in {False, "false"}
    incident.name, incident.status = str(said.get("name") or incident.name), status
    incident.updated_at = now
    incident.resolved_at = incident.resolved_at or (now if status in {"resolved", "completed"} else None)
    body = str(said.get("body") or "")
    incident.updates.insert(0, Update(new_id(), status, body, now, not silent))
    if not silent:
        desk.memory.mails += [Mail(to, incident.name, body, now) for to in desk.memory.subscribers]


def _set_components(desk: Page, incident: Incident, said: Mapping[str, Any]) -> None:
    states = said.get("components") or {}
    wanted = [str(row) for row in (*(said.get("component_ids") or ()), *states)]
    known = {row.id: row for row in desk.memory.components}
    if not set(wanted) <= set(known) or not set(states.values()) <= set(_COMPONENT_STATES):
        raise _refused(422, ["Components are invalid"])
    for component_id, state in states.items():
        known[component_id].status = str(state)
    incident.components = list(dict.fromkeys([*incident.components, *wanted]))


def _list_incidents(desk: Page, ask: Ask) -> Response:
    """Source: https://developer.statuspage.io/#operation/getPagesPageIdIncidents; newest first, the first page is 1."""
    limit = min(_number(ask, "limit", LARGEST_PAGE_ROWS), LARGEST_PAGE_ROWS)
    start = limit * (max(1, _number(ask, "page", 1)) - 1)
    wanted = ask.query.get("q", "").lower()
    newest_first = sorted(desk.memory.incidents, key=lambda row: row.created_at)[::-1]
    found = [row for row in newest_first if not wanted or wanted in _searched(row)]
    return JSONResponse([_as_incident(desk, row) for row in found[start : start + limit]])


def _searched(incident: Incident) -> str:
    return " ".join([incident.name, incident.status, *(update.body for update in incident.updates)]).lower()


def _show_incident(desk: Page, ask: Ask) -> Response:
    return JSONResponse(_as_incident(desk, _incident(desk, ask)))


def _delete_incident(desk: Page, ask: Ask) -> Response:
    """Source: https://developer.statuspage.io/#operation/deletePagesPageIdIncidentsIncidentId."""
    incident = _incident(desk, ask)
    if desk.memory.keeps_incidents:
        raise _refused(403, "You are not authorized to access this resource.")
    desk.memory.incidents.remove(incident)
    return JSONResponse(_as_incident(desk, incident))


def _list_components(desk: Page, ask: Ask) -> Response:
    del ask
    return JSONResponse([_as_component(desk, row) for row in desk.memory.components])


def _update_component(desk: Page, ask: Ask) -> Response:
    """Source: https://developer.statuspage.io/#operation/patchPagesPageIdComponentsComponentId."""
    component = next((row for row in desk.memory.components if row.id == ask.ids["component"]), None)
    if component is None:
        raise _refused(404, "Component not found")
    status = _said(ask, "component").get("status", component.status)
    if status not in _COMPONENT_STATES:
        raise _refused(422, ["Status is not included in the list"])
    component.status = status
    return JSONResponse(_as_component(desk, component))


def _list_subscribers(desk: Page, ask: Ask) -> Response:
    del ask
    return JSONResponse(
        [{"mode": "email", "email": to, "page_id": desk.seed.page_id} for to in desk.memory.subscribers]
    )


def _incident(desk: Page, ask: Ask) -> Incident:
    found = next((row for row in desk.memory.incidents if row.id == ask.ids["incident"]), None)
    if found is None:
        raise _refused(404, "Incident not found")
    return found


def _said(ask: Ask, what: str) -> Mapping[str, Any]:
    """Return the object that the body holds. The form dialect, `incident[name]=...`, is not stood in for."""
    said = ask.fields().get(what)
    if not isinstance(said, dict):
        raise _refused(400, f"{what} is missing")
    return said


def _number(ask: Ask, name: str, default: int) -> int:
    text = ask.query.get(name, "")
    return int(text) if text.isdecimal() else default


def _as_page(desk: Page) -> dict[str, Any]:
    return {"id": desk.seed.page_id, "name": "stand-in", "subdomain": "stand-in", "time_zone": "UTC"}


def _as_incident(desk: Page, incident: Incident) -> dict[str, Any]:
    known = {row.id: row for row in desk.memory.components}
    return {
        "id": incident.id, "name": incident.name, "status": incident.status, "impact": incident.impact,
        "page_id": desk.seed.page_id, "created_at": _iso(incident.created_at), "updated_at": _iso(incident.updated_at),
        "resolved_at": _iso(incident.resolved_at), "shortlink": f"https://stspg.io/{incident.id}",
        "components": [_as_component(desk, known[component_id]) for component_id in incident.components],
        "incident_updates": [
            {"id": row.id, "status": row.status, "body": row.body, "created_at": _iso(row.at),
             "deliver_notifications": row.deliver_notifications, "incident_id": incident.id}
            for row in incident.updates
        ],
    }  # fmt: skip


def _as_component(desk: Page, component: Component) -> dict[str, Any]:
    return {"id": component.id, "page_id": desk.seed.page_id, "name": component.name, "status": component.status}


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _credentials(desk: Page, base_url: str) -> Mapping[str, str]:
    del base_url
    return {"STATUSPAGE_API_KEY": desk.seed.api_key, "STATUSPAGE_PAGE_ID": desk.seed.page_id}


def _inbox(desk: Page) -> list[dict[str, Any]]:
    """Return what a visitor reads on the page, and what every subscriber was mailed."""
    page = [
        {"text": f"{row.name}\n{row.updates[0].body}".strip(), "at": row.created_at, "where": "the page",
         "acknowledged": False, "status": row.status}
        for row in desk.memory.incidents
    ]  # fmt: skip
    mails = [
        {"text": f"{mail.subject}\n{mail.text}".strip(), "at": mail.at, "where": f"mail to {mail.to}", "acknowledged": False}
        for mail in desk.memory.mails
    ]  # fmt: skip
    return [*page, *mails]


_PAGE = "/v1/pages/{page}"
STAND_IN = StandIn(
    name="statuspage",
    seed=new_seed,
    memory=new_memory,
    seed_type=Seed,
    memory_type=Memory,
    routes=(
        Route("GET", "/v1/pages", _on_page(_list_pages)),
        Route("GET", _PAGE, _on_page(_show_page)),
        Route("POST", f"{_PAGE}/incidents", _on_page(_create_incident)),
        Route("GET", f"{_PAGE}/incidents", _on_page(_list_incidents)),
        Route("GET", f"{_PAGE}/incidents/{{incident}}", _on_page(_show_incident)),
        Route("PATCH", f"{_PAGE}/incidents/{{incident}}", _on_page(_update_incident)),
        Route("PUT", f"{_PAGE}/incidents/{{incident}}", _on_page(_update_incident)),
        Route("DELETE", f"{_PAGE}/incidents/{{incident}}", _on_page(_delete_incident)),
        Route("GET", f"{_PAGE}/components", _on_page(_list_components)),
        Route("PATCH", f"{_PAGE}/components/{{component}}", _on_page(_update_component)),
        Route("GET", f"{_PAGE}/subscribers", _on_page(_list_subscribers)),
    ),
    credentials=_credentials,
    inbox=_inbox,
    actions=ACTIONS,
    hosts=("api.statuspage.io",),
    limited=_limited,
)
