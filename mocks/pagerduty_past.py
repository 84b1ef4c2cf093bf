"""Events that PagerDuty's stand-in is told it received in the past: each opened an incident, which a timer resolved later."""

import secrets

from mocks.pagerduty_memory import Alert, Incident, Integration, LogEntry, PagerDutyDesk, Service, written_event
from mocks.received_events import ReceivedEvent, accepted, received_events
from mocks.stage import Order

# https://support.pagerduty.com/docs/service-settings: a service resolves what nobody looked at for four hours.
_AUTO_RESOLVE_S = 4 * 3600


def receive_many(desk: PagerDutyDesk, order: Order) -> object:
    """Take events at moments of the past: an incident each, and an entry in the log for each copy.

    The type is the event's class, its id the dedup key. What was not accepted left no trace: PagerDuty reports no
    reasons. The timers' entries stand in the log too, and count to its total.
    """
    service = desk.memory.services[order.text("service", desk.seed.service_id)]
    integration = next(iter(service.integrations.values()))
    events = accepted(received_events(order))
    for event in events:
        incident = _resolved_incident(desk, service, integration, event)
        desk.memory.incidents.append(incident)
        desk.memory.log.extend(_entry("trigger", "api", incident, event, integration) for _ in range(event.copies))
        desk.memory.log.append(_entry("resolve", "timeout", incident, event, None))
    desk.memory.log.sort(key=lambda entry: entry.at)
    return {"received": sum(event.copies for event in events)}


def _resolved_incident(
    desk: PagerDutyDesk, service: Service, integration: Integration, event: ReceivedEvent
) -> Incident:
    title, ended = f"{event.type or 'event'} {event.event_id}", event.at + _AUTO_RESOLVE_S
    alert = Alert(
        _bulk_id("Q"), event.event_id, integration.integration_id, title, "error", event.at, event.at,
        {"summary": title, "source": "application", "severity": "error", "class": event.type, "details": {}},
        resolved=True, resolved_seen_at=ended,
    )  # fmt: skip
    return Incident(
        _bulk_id("Q"), len(desk.memory.incidents) + 1, title, service.service_id, "high", event.at, event.at, [alert],
        resolved=True, resolved_seen_at=ended,
    )  # fmt: skip


def _entry(
    kind: str, channel: str, incident: Incident, event: ReceivedEvent, integration: Integration | None
) -> LogEntry:
    """Return an entry: of the event where an integration took it, else of the timer that ended it."""
    at = event.at if integration else event.at + _AUTO_RESOLVE_S
    payload = {"summary": incident.title, "source": "application", "severity": "error", "class": event.type}
    return LogEntry(
        _bulk_id("R"), f"{kind}_log_entry", channel, incident.incident_id, incident.service_id,
        integration.integration_id if integration else "", f"{kind}: {incident.title}", at, at,
        written_event(event.event_id, payload) if integration else {},
    )  # fmt: skip


def _bulk_id(letter: str) -> str:
    """An id in one draw: ids letter by letter would take seconds for a month of events."""
    return letter + secrets.token_hex(7)[:13].upper()
