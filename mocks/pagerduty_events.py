"""PagerDuty's Events API v2: takes events at once, acts on them later, and says nothing about those it drops.

Source: https://developer.pagerduty.com/docs/events-api-v2-overview, .../send-alert-event, .../send-change-event
"""

import secrets
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.pagerduty_memory import (
    Alert,
    ChangeEvent,
    Incident,
    Integration,
    PagerDutyDesk,
    Service,
    identifier,
    note,
    note_call,
    written_event,
)
from mocks.stage import Ask, Refused

EVENT_LIMIT_BYTES = 512 * 1024
SUMMARY_LIMIT_CHARS = 1024
DEDUP_KEY_LIMIT_CHARS = 255
ROUTING_KEY_CHARS = 32
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "error", "warning", "info")
_URGENT = frozenset({"critical", "error"})


def enqueue(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Take an alert event."""
    event = _event(ask)
    _refuse_any([*_key_problems(event), *_event_problems(event)])
    service, integration = _addressee(desk, ask, event)
    dedup_key = str(event.get("dedup_key") or secrets.token_hex(16))
    _act(desk, service, integration, dedup_key, event)
    return JSONResponse({"status": "success", "message": "Event processed", "dedup_key": dedup_key}, 202)


def enqueue_change(desk: PagerDutyDesk, ask: Ask) -> Response:
    """Take a change event, which never makes an incident."""
    event = _event(ask)
    payload = _payload(event)
    _refuse_any([*_key_problems(event), *_blank(payload, ("summary",))])
    service, integration = _addressee(desk, ask, event)
    desk.memory.changes.append(
        ChangeEvent(
            identifier(), integration.integration_id, service.service_id, str(payload["summary"]),
            str(payload.get("source") or ""), dict(payload.get("custom_details") or {}), desk.now(), desk.visible_at(),
        )
    )  # fmt: skip
    return JSONResponse({"status": "success", "message": "Change event processed"}, 202)


def throttled() -> Response:
    """Source: https://developer.pagerduty.com/docs/events-api-v2-rate-limits."""
    message = "Requests for this service are arriving too quickly. Please retry later."
    return JSONResponse({"status": "throttle exceeded", "message": message, "errors": [message]}, 429)


def region_of(ask: Ask) -> str:
    """Return the region whose host was asked; a plain loopback address stands for the US hosts."""
    return "eu" if ".eu." in ask.host else "us"


def _act(
    desk: PagerDutyDesk, service: Service, integration: Integration, dedup_key: str, event: Mapping[str, Any]
) -> None:
    """Do what the event asks. An event for an alert that its own key did not open is dropped."""
    found = _open_alert(desk, integration, dedup_key)
    action = event["event_action"]
    seen_at = desk.visible_at()
    if found is None:
        if action == "trigger" and service.status == "active":
            _open_incident(desk, service, integration, dedup_key, _payload(event))
        return
    incident, alert = found
    if action == "acknowledge":
        incident.acknowledged, incident.acknowledged_seen_at = True, seen_at
    elif action == "resolve":
        alert.resolved, alert.resolved_seen_at = True, seen_at
        if all(other.resolved for other in incident.alerts):
            incident.resolved, incident.resolved_seen_at = True, seen_at
    logged = written_event(dedup_key, _payload(event))
    note(desk, action, incident, integration.integration_id, seen_at, event=logged)


def _open_alert(desk: PagerDutyDesk, integration: Integration, dedup_key: str) -> tuple[Incident, Alert] | None:
    of_this_key = (
        (incident, alert)
        for incident in desk.memory.incidents
        for alert in incident.alerts
        if alert.dedup_key == dedup_key and alert.integration_id == integration.integration_id
    )
    return next(((incident, alert) for incident, alert in of_this_key if not alert.resolved), None)


def _open_incident(
    desk: PagerDutyDesk, service: Service, integration: Integration, dedup_key: str, payload: Mapping[str, Any]
) -> None:
    now, seen_at = desk.now(), desk.visible_at()
    title = str(payload["summary"])
    alert = Alert(
        identifier("Q"), dedup_key, integration.integration_id, title, str(payload["severity"]), now, seen_at,
        {**payload, "details": payload.get("custom_details") or {}},
    )  # fmt: skip
    incident = Incident(
        identifier("Q"), len(desk.memory.incidents) + 1, title, service.service_id, _urgency(service, alert), now,
        seen_at, [alert],
    )  # fmt: skip
    desk.memory.incidents.append(incident)
    note(desk, "trigger", incident, integration.integration_id, seen_at, event=written_event(dedup_key, payload))
    for path in desk.memory.slack_paths:
        desk.world.deliver("slack", "POST", path, {"text": f"Triggered #{incident.number} on {service.name}: {title}"})


def _urgency(service: Service, alert: Alert) -> str:
    """Source: https://support.pagerduty.com/docs/service-settings, dynamic notifications by severity."""
    if service.urgency == "severity_based":
        return "high" if alert.severity in _URGENT else "low"
    return service.urgency


def _addressee(desk: PagerDutyDesk, ask: Ask, event: Mapping[str, Any]) -> tuple[Service, Integration]:
    """Return the service and integration of the routing key; unknown keys and keys of the other region are refused."""
    for service in desk.memory.services.values():
        for integration in service.integrations.values():
            if integration.routing_key == event["routing_key"] and region_of(ask) == desk.memory.region:
                if note_call(desk, integration.integration_id) > desk.memory.events_per_minute:
                    raise Refused(throttled())
                return service, integration
    raise _invalid(["Invalid routing key"])


def _event(ask: Ask) -> dict[str, Any]:
    if len(ask.body) > EVENT_LIMIT_BYTES:
        raise Refused(JSONResponse({"status": "invalid event", "message": "Event object is too large"}, 413))
    said = ask.json()
    if not isinstance(said, dict):
        raise _invalid(["Event object is not valid JSON"])
    return said


def _key_problems(event: Mapping[str, Any]) -> list[str]:
    key = str(event.get("routing_key") or "")
    if not key:
        return ["'routing_key' is missing or blank"]
    problems = []
    if len(key) != ROUTING_KEY_CHARS:
        problems.append(f"Length of 'routing_key' is incorrect (should be {ROUTING_KEY_CHARS} characters)")
    if not (key.isascii() and key.isalnum()):
        problems.append("'routing_key' cannot contain non-alphanumeric characters.")
    return problems


def _event_problems(event: Mapping[str, Any]) -> list[str]:
    if event.get("event_action") not in ACTIONS:
        return [f"'event_action' is invalid (must be one of the following: {', '.join(ACTIONS)})"]
    dedup_key = str(event.get("dedup_key") or "")
    problems = []
    if len(dedup_key) > DEDUP_KEY_LIMIT_CHARS:
        problems.append(f"'dedup_key' is too long (should be at most {DEDUP_KEY_LIMIT_CHARS} characters)")
    if event["event_action"] != "trigger":
        return problems if dedup_key else ["'dedup_key' is missing or blank"]
    return problems + _payload_problems(_payload(event))


def _payload_problems(payload: Mapping[str, Any]) -> list[str]:
    problems = _blank(payload, ("summary", "source", "severity"))
    if payload.get("severity") and payload["severity"] not in SEVERITIES:
        problems.append(f"'payload.severity' is invalid (must be one of the following: {', '.join(SEVERITIES)})")
    if len(str(payload.get("summary") or "")) > SUMMARY_LIMIT_CHARS:
        problems.append(f"'payload.summary' is too long (should be at most {SUMMARY_LIMIT_CHARS} characters)")
    return problems


def _blank(payload: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    return [f"'payload.{name}' is missing or blank" for name in names if not payload.get(name)]


def _payload(event: Mapping[str, Any]) -> dict[str, Any]:
    payload = event.get("payload")
    return payload if isinstance(payload, dict) else {}


def _refuse_any(problems: list[str]) -> None:
    if problems:
        raise _invalid(problems)


def _invalid(errors: list[str]) -> Refused:
    body = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
    return Refused(JSONResponse(body, 400))
