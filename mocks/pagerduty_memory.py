"""What PagerDuty's stand-in remembers: services with integrations, incidents with alerts, log entries, API keys.

What the Events API changed shows in the REST API only after the indexing delay; what REST changed shows at once. Hence
each state has two times: when it was so, and from when it is seen.
"""

import secrets
from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from mocks.stage import Desk

REST_CALLS_PER_MINUTE = 960  # https://developer.pagerduty.com/docs/rest-api-rate-limits
EVENTS_PER_MINUTE = 120  # https://developer.pagerduty.com/docs/events-api-v2-rate-limits, per integration key
WINDOW_S = 60
EVENTS_INTEGRATION = "events_api_v2_inbound_integration"
_NO_EVENT: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Seed:
    """One account with a user, a service and its integration, a REST key that reads and one that may do everything."""

    api_key: str
    manage_key: str
    user_id: str
    user_email: str
    service_id: str
    integration_id: str
    routing_key: str


@dataclass(slots=True)
class Integration:
    integration_id: str
    name: str
    routing_key: str
    created_at: float
    type: str = EVENTS_INTEGRATION


@dataclass(slots=True)
class Service:
    """`status` is active, disabled or maintenance; `urgency` is high, low or severity_based."""

    service_id: str
    name: str
    created_at: float
    status: str = "active"
    urgency: str = "high"
    integrations: dict[str, Integration] = field(default_factory=dict)


@dataclass(slots=True)
class Alert:
    alert_id: str
    dedup_key: str
    integration_id: str
    summary: str
    severity: str
    created_at: float
    visible_at: float
    cef_details: dict[str, Any]
    resolved: bool = False
    resolved_seen_at: float = 0.0


@dataclass(slots=True)
class Incident:
    incident_id: str
    number: int
    title: str
    service_id: str
    urgency: str
    created_at: float
    visible_at: float
    alerts: list[Alert]
    acknowledged: bool = False
    acknowledged_seen_at: float = 0.0
    resolved: bool = False
    resolved_seen_at: float = 0.0


@dataclass(slots=True)
class LogEntry:
    """`channel` is api where an event caused it, website where REST or a person did, timeout where a timer did.

    `event` is what the event held, empty where none caused it.
    """

    entry_id: str
    type: str
    channel: str
    incident_id: str
    service_id: str
    integration_id: str
    summary: str
    at: float
    visible_at: float
    event: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ChangeEvent:
    change_id: str
    integration_id: str
    service_id: str
    summary: str
    source: str
    details: dict[str, Any]
    at: float
    visible_at: float


@dataclass(slots=True)
class Memory:
    """`api_keys` maps a REST key to whether it may write; `calls` holds when each credential was used last minute.

    `log` is in the order of its entries' times.
    """

    api_keys: dict[str, bool]
    services: dict[str, Service]
    region: str = "us"
    incidents: list[Incident] = field(default_factory=list)
    log: list[LogEntry] = field(default_factory=list)
    changes: list[ChangeEvent] = field(default_factory=list)
    slack_paths: list[str] = field(default_factory=list)
    calls: dict[str, list[float]] = field(default_factory=dict)
    rest_calls_per_minute: int = REST_CALLS_PER_MINUTE
    events_per_minute: int = EVENTS_PER_MINUTE


PagerDutyDesk = Desk[Seed, Memory]


def identifier(letter: str = "P") -> str:
    """Return an id as PagerDuty writes them: P and capital letters and digits."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return letter + "".join(secrets.choice(alphabet) for _ in range(13))


def new_api_key() -> str:
    return f"u+{secrets.token_urlsafe(24)[:18]}"


def new_routing_key() -> str:
    return secrets.token_hex(16)


def new_seed() -> Seed:
    email = f"on-call-{secrets.token_hex(3)}@example.com"
    return Seed(new_api_key(), new_api_key(), identifier(), email, identifier(), identifier(), new_routing_key())


def new_memory(seed: Seed) -> Memory:
    integration = Integration(seed.integration_id, "opsflows", seed.routing_key, 0.0)
    service = Service(seed.service_id, "Payments", 0.0, integrations={integration.integration_id: integration})
    return Memory({seed.api_key: False, seed.manage_key: True}, {service.service_id: service})


def status_of(thing: Alert | Incident, now: float) -> str:
    """Return the status that the REST API shows at `now`."""
    if thing.resolved and thing.resolved_seen_at <= now:
        return "resolved"
    if isinstance(thing, Incident) and thing.acknowledged and thing.acknowledged_seen_at <= now:
        return "acknowledged"
    return "triggered"


def calls_last_minute(desk: PagerDutyDesk, credential: str) -> list[float]:
    return [at for at in desk.memory.calls.get(credential, []) if at > desk.now() - WINDOW_S]


def note_call(desk: PagerDutyDesk, credential: str) -> int:
    """Count one more use of the credential; return how many there were in the last minute, this one included."""
    recent = [*calls_last_minute(desk, credential), desk.now()]
    desk.memory.calls[credential] = recent
    return len(recent)


def note(
    desk: PagerDutyDesk, kind: str, incident: Incident, integration_id: str, seen_at: float,
    *, event: Mapping[str, Any] = _NO_EVENT,
) -> None:  # fmt: skip
    """Write a log entry of the incident; integration and event are empty where a person or REST did it."""
    channel = "api" if integration_id else "website"
    entry = LogEntry(
        identifier("R"), f"{kind}_log_entry", channel, incident.incident_id, incident.service_id, integration_id,
        f"{kind}: {incident.title}", desk.now(), seen_at, dict(event),
    )  # fmt: skip
    insort(desk.memory.log, entry, key=lambda logged: logged.at)


def written_event(dedup_key: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event as the log shows it: in names of its own, which are not those of the Events API."""
    named = {
        "severity": "severity", "event_class": "class", "source_component": "component", "service_group": "group",
        "source_origin": "source", "description": "summary", "details": "custom_details",
    }  # fmt: skip
    return {"dedup_key": dedup_key, **{name: payload[key] for name, key in named.items() if payload.get(key)}}
