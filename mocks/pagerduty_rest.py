"""How PagerDuty's REST API reads and writes: keys, pages, windows, errors, and how each object looks.

Source: https://developer.pagerduty.com/docs/rest-api-overview, .../pagination, .../errors, .../types
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from starlette.responses import JSONResponse, Response

from mocks.pagerduty_events import region_of
from mocks.pagerduty_memory import (
    WINDOW_S,
    Alert,
    ChangeEvent,
    Incident,
    Integration,
    LogEntry,
    PagerDutyDesk,
    Service,
    calls_last_minute,
    note_call,
    status_of,
)
from mocks.stage import Ask, Refused

T = TypeVar("T")

DEFAULT_PAGE, LARGEST_PAGE, LAST_REACHABLE = 25, 100, 10_000
LONGEST_WINDOW = timedelta(days=184)  # six months
DEFAULT_WINDOW = timedelta(days=30)
# A caller who names no time zone gets the account's, which is seldom UTC.
ACCOUNT_TIME_ZONE = timezone(timedelta(hours=-8))

_INVALID_INPUT, _UNAUTHORIZED, _FORBIDDEN, _LIMITED, _NOT_FOUND = 2001, 2006, 2010, 2020, 2100


def authorise(desk: PagerDutyDesk, ask: Ask) -> None:
    """Let the request pass, or raise Refused: unknown key or other region 401, read-only key 403, too many 429."""
    key = ask.authorization("Token").removeprefix("token=").strip('"')
    if key not in desk.memory.api_keys or region_of(ask) != desk.memory.region:
        raise error(401, _UNAUTHORIZED, "Unauthorized")
    if note_call(desk, key) > desk.memory.rest_calls_per_minute:
        raise Refused(limited_rest())
    if ask.method != "GET" and not desk.memory.api_keys[key]:
        raise error(403, _FORBIDDEN, "Access Denied")


def rate_headers(desk: PagerDutyDesk, ask: Ask, response: Response) -> dict[str, str]:
    """Return the REST API's three headers; `ratelimit-reset` counts seconds. The Events API has none."""
    del response
    key = ask.authorization("Token").removeprefix("token=").strip('"')
    if ask.path.startswith("/v2/") or key not in desk.memory.api_keys:
        return {}
    recent = calls_last_minute(desk, key)
    reset_s = WINDOW_S - (desk.now() - min(recent)) if recent else 0
    limit = desk.memory.rest_calls_per_minute
    return {
        "ratelimit-limit": str(limit),
        "ratelimit-remaining": str(max(0, limit - len(recent))),
        "ratelimit-reset": str(max(0, round(reset_s))),
    }


def limited_rest(seconds: int | None = None) -> Response:
    headers = {} if seconds is None else {"ratelimit-remaining": "0", "ratelimit-reset": str(seconds)}
    return JSONResponse({"error": {"message": "Rate Limit Exceeded", "code": _LIMITED}}, 429, headers)


def error(status: int, code: int, message: str, errors: Sequence[str] = ()) -> Refused:
    details = {"errors": list(errors)} if errors else {}
    return Refused(JSONResponse({"error": {"message": message, "code": code, **details}}, status))


def invalid(*problems: str) -> Refused:
    return error(400, _INVALID_INPUT, "Invalid Input Provided", problems)


def not_found() -> Refused:
    return error(404, _NOT_FOUND, "Not Found")


def page(ask: Ask, name: str, things: Sequence[T], written: Callable[[T], dict[str, Any]]) -> Response:
    """Return one page in the classic way: `total` is null unless asked for, and nothing lies beyond 10,000."""
    limit = min(_count(ask, "limit", DEFAULT_PAGE), LARGEST_PAGE)
    offset = _count(ask, "offset", 0)
    if offset + limit > LAST_REACHABLE:
        raise invalid(f"Offset+limit exceeds maximum allowed value of {LAST_REACHABLE}.")
    shown = things[offset : offset + limit]
    total = len(things) if ask.query.get("total") == "true" else None
    return JSONResponse(
        {name: [written(thing) for thing in shown], "limit": limit, "offset": offset, "total": total,
         "more": offset + limit < len(things)}
    )  # fmt: skip


def window(desk: PagerDutyDesk, ask: Ask) -> tuple[float, float]:
    """Return since and until in epoch seconds; the last month where they are not given."""
    if ask.query.get("date_range") == "all":
        return 0.0, float("inf")
    zone = _zone(ask.query.get("time_zone"))
    now = datetime.fromtimestamp(desk.now(), UTC)
    until = _moment(ask, "until", zone) or now
    since = _moment(ask, "since", zone) or until - DEFAULT_WINDOW
    if until - since > LONGEST_WINDOW:
        raise invalid("The date range may not be longer than 6 months.")
    return since.timestamp(), until.timestamp()


def written_incident(desk: PagerDutyDesk, ask: Ask, incident: Incident) -> dict[str, Any]:
    """Write an incident. One with alerts has no incident_key of its own; the query finds it by its alerts'."""
    now = desk.now()
    status = status_of(incident, now)
    resolved = [alert for alert in incident.alerts if status_of(alert, now) == "resolved"]
    service = desk.memory.services.get(incident.service_id)
    return {
        "id": incident.incident_id, "type": "incident", "summary": f"[#{incident.number}] {incident.title}",
        "incident_number": incident.number, "title": incident.title, "description": incident.title,
        "created_at": iso(incident.created_at), "status": status, "incident_key": None, "urgency": incident.urgency,
        "service": reference("service", incident.service_id, service.name if service else ""),
        "resolved_at": iso(incident.resolved_seen_at) if status == "resolved" else None,
        "alert_counts": {"all": len(incident.alerts), "resolved": len(resolved),
                         "triggered": len(incident.alerts) - len(resolved)},
        "self": f"{ask.base_url}/incidents/{incident.incident_id}",
    }  # fmt: skip


def written_alert(desk: PagerDutyDesk, incident: Incident, alert: Alert) -> dict[str, Any]:
    """Write an alert; `integration.id` says which routing key opened it."""
    return {
        "id": alert.alert_id, "type": "alert", "summary": alert.summary, "alert_key": alert.dedup_key,
        "status": status_of(alert, desk.now()), "suppressed": False, "severity": alert.severity,
        "created_at": iso(alert.created_at), "service": reference("service", incident.service_id),
        "integration": reference("events_api_v2_inbound_integration", alert.integration_id),
        "incident": reference("incident", incident.incident_id),
        "body": {"type": "alert_body", "cef_details": alert.cef_details},
    }  # fmt: skip


def written_log_entry(ask: Ask, entry: LogEntry) -> dict[str, Any]:
    """Write an entry; what its event held is there for `include[]=channels` alone."""
    whole = "channels" in ask.query.getlist("include[]") and entry.event
    channel = {"summary": entry.summary, "cef_details": entry.event} if whole else {}
    return {
        "id": entry.entry_id, "type": entry.type, "summary": entry.summary, "created_at": iso(entry.at),
        "channel": {"type": entry.channel, **channel}, "service": reference("service", entry.service_id),
        "incident": reference("incident", entry.incident_id),
        "agent": reference("events_api_v2_inbound_integration", entry.integration_id) if entry.integration_id else None,
    }  # fmt: skip


def written_change(change: ChangeEvent) -> dict[str, Any]:
    return {
        "id": change.change_id, "type": "change_event", "summary": change.summary, "source": change.source,
        "timestamp": iso(change.at), "custom_details": change.details,
        "services": [reference("service", change.service_id)],
        "integration": reference("events_api_v2_inbound_integration", change.integration_id),
    }  # fmt: skip


def written_integration(service: Service, integration: Integration) -> dict[str, Any]:
    return {
        "id": integration.integration_id, "type": integration.type, "summary": integration.name,
        "name": integration.name, "integration_key": integration.routing_key,
        "created_at": iso(integration.created_at), "service": reference("service", service.service_id, service.name),
    }  # fmt: skip


def written_service(desk: PagerDutyDesk, ask: Ask, service: Service) -> dict[str, Any]:
    """Write a service; its integrations stand there as references unless `include[]=integrations` asks for more."""
    whole = "integrations" in ask.query.getlist("include[]")
    return {
        "id": service.service_id, "type": "service", "summary": service.name, "name": service.name,
        "status": service.status, "created_at": iso(service.created_at),
        "incident_urgency_rule": {"type": "constant", "urgency": service.urgency},
        "alert_creation": "create_alerts_and_incidents",
        "integrations": [
            written_integration(service, i) if whole else reference(i.type, i.integration_id, i.name)
            for i in service.integrations.values()
            if desk.listed(i.created_at)
        ],
        "self": f"{ask.base_url}/services/{service.service_id}",
    }  # fmt: skip


def reference(kind: str, identifier: str, summary: str = "") -> dict[str, Any]:
    return {"id": identifier, "type": f"{kind}_reference", "summary": summary}


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _count(ask: Ask, name: str, default: int) -> int:
    text = ask.query.get(name, str(default))
    if not text.isdecimal():
        raise invalid(f"{name} must be a number.")
    return int(text)


def _zone(name: str | None) -> tzinfo:
    if name is None:
        return ACCOUNT_TIME_ZONE
    if name in {"UTC", "Etc/UTC"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as problem:
        raise invalid("Time zone is not valid.") from problem


def _moment(ask: Ask, name: str, zone: tzinfo) -> datetime | None:
    text = ask.query.get(name)
    if not text:
        return None
    try:
        # A "+" that nobody encoded arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError as problem:
        raise invalid(f"{name} is not a date.") from problem
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
