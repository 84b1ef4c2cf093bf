"""PagerDuty's stand-in: Events API v2 and the part of the REST API that reads, counts, resolves and keeps keys.

Traps kept: 202 says nothing about an incident; an acknowledge or resolve by another routing key is dropped; a service
that is disabled or in maintenance swallows triggers; the other region answers 401 to a good key.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.pagerduty_console import ACTIONS
from mocks.pagerduty_events import enqueue, enqueue_change, throttled
from mocks.pagerduty_memory import (
    EVENTS_INTEGRATION,
    Incident,
    Integration,
    LogEntry,
    Memory,
    PagerDutyDesk,
    Seed,
    Service,
    identifier,
    new_memory,
    new_routing_key,
    new_seed,
    note,
    status_of,
)
from mocks.pagerduty_rest import (
    authorise,
    error,
    invalid,
    limited_rest,
    not_found,
    page,
    rate_headers,
    window,
    written_alert,
    written_change,
    written_incident,
    written_integration,
    written_log_entry,
    written_service,
)
from mocks.stage import Ask, Route, StandIn

_ALREADY_RESOLVED, _UNKNOWN_REQUESTER = 1001, 1008


def _list_incidents(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Source: https://developer.pagerduty.com/api-reference, "List incidents"."""
    since, until = window(desk, ask)
    wanted_key = ask.query.get("incident_key")
    found = [
        incident
        for incident in desk.memory.incidents
        if _is_visible(desk, incident)
        and since <= incident.created_at < until
        and _among(ask, "service_ids[]", incident.service_id)
        and _among(ask, "statuses[]", status_of(incident, desk.now()))
        and _among(ask, "urgencies[]", incident.urgency)
        and (wanted_key is None or any(alert.dedup_key == wanted_key for alert in incident.alerts))
    ]
    newest_first = ask.query.get("sort_by", "").endswith(":desc")
    return page(ask, "incidents", found[::-1] if newest_first else found, lambda i: written_incident(desk, ask, i))


def _get_incident(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Source: https://developer.pagerduty.com/api-reference, "Get an incident"."""
    return JSONResponse({"incident": written_incident(desk, ask, _incident(desk, ask))})


def _put_incident(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Source: https://developer.pagerduty.com/api-reference, "Update an incident"."""
    incident = _incident(desk, ask)
    _check_requester(desk, ask)
    wanted = _wrapped(ask, "incident")
    if wanted.get("type") not in {"incident", "incident_reference"}:
        raise invalid("Incident type is missing or wrong.")
    _move_incident(desk, incident, str(wanted.get("status", "")))
    return JSONResponse({"incident": written_incident(desk, ask, incident)})


def _list_alerts(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Source: https://developer.pagerduty.com/api-reference, "List alerts for an incident"."""
    incident = _incident(desk, ask)
    wanted_key = ask.query.get("alert_key")
    found = [
        alert
        for alert in incident.alerts
        if wanted_key in {None, alert.dedup_key} and _among(ask, "statuses[]", status_of(alert, desk.now()))
    ]
    return page(ask, "alerts", found, lambda alert: written_alert(desk, incident, alert))


def _put_alert(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Source: https://developer.pagerduty.com/api-reference, "Update an alert"."""
    incident = _incident(desk, ask)
    _check_requester(desk, ask)
    alert = next((alert for alert in incident.alerts if alert.alert_id == ask.ids["alert"]), None)
    if alert is None:
        raise not_found()
    if _wrapped(ask, "alert").get("status") != "resolved":
        raise invalid("Alert status may become resolved only.")
    alert.resolved, alert.resolved_seen_at = True, desk.now()
    if all(other.resolved for other in incident.alerts):
        _move_incident(desk, incident, "resolved")
    return JSONResponse({"alert": written_alert(desk, incident, alert)})


def _list_log_entries(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Source: https://developer.pagerduty.com/api-reference, "List log entries"."""
    since, until = window(desk, ask)
    kinds = ("trigger_log_entry",) if ask.query.get("is_overview") == "true" else ()
    now, log = desk.now(), desk.memory.log
    # Whether `until` itself is within is not documented; PagerDuty's own client halves windows as if it were not.
    first, beyond = (bisect_left(log, bound, key=_moment_of) for bound in (since, until))
    found = [e for e in log[first:beyond] if e.visible_at <= now and (not kinds or e.type in kinds)]
    return page(ask, "log_entries", found[::-1], lambda entry: written_log_entry(ask, entry))


def _list_incident_log(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Source: https://developer.pagerduty.com/api-reference, "List log entries for an incident"."""
    incident = _incident(desk, ask)
    found = [e for e in desk.memory.log if e.incident_id == incident.incident_id and e.visible_at <= desk.now()]
    return page(ask, "log_entries", found[::-1], lambda entry: written_log_entry(ask, entry))


def _moment_of(entry: LogEntry) -> float:
    return entry.at


def _list_changes(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Source: https://developer.pagerduty.com/api-reference, "List change events"."""
    since, until = window(desk, ask)
    found = [
        change
        for change in desk.memory.changes
        if change.visible_at <= desk.now()
        and since <= change.at < until
        and _among(ask, "integration_ids[]", change.integration_id)
    ]
    return page(ask, "change_events", found[::-1], written_change)


def _list_services(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Source: https://developer.pagerduty.com/api-reference, "List services"."""
    return page(
        ask, "services", list(desk.memory.services.values()), lambda service: written_service(desk, ask, service)
    )


def _get_service(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Source: https://developer.pagerduty.com/api-reference, "Get a service"."""
    return JSONResponse({"service": written_service(desk, ask, _service(desk, ask))})


def _put_service(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Source: https://developer.pagerduty.com/api-reference, "Update a service"."""
    service, wanted = _service(desk, ask), _wrapped(ask, "service")
    if wanted.get("status", "active") not in {"active", "disabled"}:
        raise invalid("Status may become active or disabled; maintenance comes from a maintenance window.")
    service.status = str(wanted.get("status", service.status))
    service.name = str(wanted.get("name", service.name))
    return JSONResponse({"service": written_service(desk, ask, service)})


def _post_integration(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Source: https://developer.pagerduty.com/api-reference, "Create a new integration"."""
    service, wanted = _service(desk, ask), _wrapped(ask, "integration")
    if wanted.get("type") != EVENTS_INTEGRATION:
        raise invalid(f"The stand-in makes integrations of the type {EVENTS_INTEGRATION} only.")
    integration = Integration(identifier(), str(wanted.get("name") or "Events API v2"), new_routing_key(), desk.now())
    service.integrations[integration.integration_id] = integration
    return JSONResponse({"integration": written_integration(service, integration)}, 201)


def _get_integration(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Source: https://developer.pagerduty.com/api-reference, "View an integration"."""
    service = _service(desk, ask)
    return JSONResponse({"integration": written_integration(service, _integration(service, ask))})


def _delete_integration(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Delete for good; not in the public specification, but what PagerDuty's own Terraform provider calls."""
    service = _service(desk, ask)
    del service.integrations[_integration(service, ask).integration_id]
    return Response(status_code=204)


def _list_users(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Source: https://developer.pagerduty.com/api-reference, "List users"."""
    user = {"id": desk.seed.user_id, "type": "user", "name": "On-call", "email": desk.seed.user_email, "role": "user"}
    return page(ask, "users", [user], dict)


def _move_incident(desk: PagerDutyDesk, incident: Incident, status: str) -> None:
    if incident.resolved:
        raise error(400, _ALREADY_RESOLVED, "Incident Already Resolved")
    now = desk.now()
    if status == "resolved":
        incident.resolved, incident.resolved_seen_at = True, now
        for alert in incident.alerts:
            alert.resolved, alert.resolved_seen_at = True, now
    elif status == "acknowledged":
        incident.acknowledged, incident.acknowledged_seen_at = True, now
    else:
        raise invalid("Status may become acknowledged or resolved.")
    note(desk, status.removesuffix("d"), incident, "", now)


def _check_requester(desk: PagerDutyDesk, ask: Ask) -> None:
    """The From header must hold the email of a user of the account."""
    requester = ask.headers.get("from", "")
    if not requester:
        raise invalid("From header is missing.")
    if requester != desk.seed.user_email:
        raise error(400, _UNKNOWN_REQUESTER, "Requester User Not Found")


def _incident(desk: PagerDutyDesk, ask: Ask) -> Incident:
    wanted = ask.ids["id"]
    found = next((i for i in desk.memory.incidents if wanted in {i.incident_id, str(i.number)}), None)
    if found is None or not _is_visible(desk, found):
        raise not_found()
    return found


def _service(desk: PagerDutyDesk, ask: Ask) -> Service:
    if ask.ids["id"] not in desk.memory.services:
        raise not_found()
    return desk.memory.services[ask.ids["id"]]


def _integration(service: Service, ask: Ask) -> Integration:
    if ask.ids["integration"] not in service.integrations:
        raise not_found()
    return service.integrations[ask.ids["integration"]]


def _is_visible(desk: PagerDutyDesk, incident: Incident) -> bool:
    return incident.visible_at <= desk.now()


def _among(ask: Ask, name: str, value: str) -> bool:
    wanted = ask.query.getlist(name)
    return not wanted or value in wanted


def _wrapped(ask: Ask, name: str) -> dict[str, Any]:
    wanted = ask.fields().get(name)
    if not isinstance(wanted, dict):
        raise invalid(f"{name} cannot be empty.")
    return wanted


def _limited(ask: Ask, seconds: int) -> Response:
    return throttled() if ask.path.startswith("/v2/") else limited_rest(seconds)


def _credentials(desk: PagerDutyDesk, base_url: str) -> Mapping[str, str]:
    del base_url
    return {
        "PAGERDUTY_ROUTING_KEY": desk.seed.routing_key,
        "PAGERDUTY_API_KEY": desk.seed.api_key,
        "PAGERDUTY_SERVICE_ID": desk.seed.service_id,
        "PAGERDUTY_REGION": desk.memory.region,
        "PAGERDUTY_MANAGE_KEY": desk.seed.manage_key,
    }


def _inbox(desk: PagerDutyDesk) -> list[dict[str, Any]]:
    now = desk.now()
    return [
        {"text": incident.title, "at": incident.created_at, "where": desk.memory.services[incident.service_id].name,
         "acknowledged": incident.acknowledged, "status": status_of(incident, now), "urgency": incident.urgency,
         "id": incident.incident_id}
        for incident in desk.memory.incidents
        if _is_visible(desk, incident)
    ]  # fmt: skip


def _rest(method: str, path: str, answer: Callable[[PagerDutyDesk, Ask], Response]) -> Route:
    """Return a route that checks the REST key first."""

    def authorised(desk: PagerDutyDesk, ask: Ask) -> Response:
        authorise(desk, ask)
        return answer(desk, ask)

    return Route(method, path, authorised)


STAND_IN = StandIn(
    name="pagerduty",
    seed=new_seed,
    memory=new_memory,
    seed_type=Seed,
    memory_type=Memory,
    routes=(
        Route("POST", "/v2/enqueue", enqueue),
        Route("POST", "/v2/change/enqueue", enqueue_change),
        _rest("GET", "/incidents", _list_incidents),
        _rest("GET", "/incidents/{id}", _get_incident),
        _rest("PUT", "/incidents/{id}", _put_incident),
        _rest("GET", "/incidents/{id}/alerts", _list_alerts),
        _rest("PUT", "/incidents/{id}/alerts/{alert}", _put_alert),
        _rest("GET", "/incidents/{id}/log_entries", _list_incident_log),
        _rest("GET", "/log_entries", _list_log_entries),
        _rest("GET", "/change_events", _list_changes),
        _rest("GET", "/services", _list_services),
        _rest("GET", "/services/{id}", _get_service),
        _rest("PUT", "/services/{id}", _put_service),
        _rest("POST", "/services/{id}/integrations", _post_integration),
        _rest("GET", "/services/{id}/integrations/{integration}", _get_integration),
        _rest("DELETE", "/services/{id}/integrations/{integration}", _delete_integration),
        _rest("GET", "/users", _list_users),
    ),
    credentials=_credentials,
    inbox=_inbox,
    actions=ACTIONS,
    hosts=("api.pagerduty.com", "api.eu.pagerduty.com", "events.pagerduty.com", "events.eu.pagerduty.com"),
    limited=_limited,
    headers=rate_headers,
)
