"""What is done by hand in PagerDuty's web application: the control plane's actions."""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from mocks.pagerduty_memory import (
    Incident,
    Integration,
    PagerDutyDesk,
    Service,
    identifier,
    new_api_key,
    new_routing_key,
    note,
)
from mocks.pagerduty_past import receive_many
from mocks.stage import Action, Order

_STATUSES = ("active", "disabled", "maintenance")
_URGENCIES = ("high", "low", "severity_based")
_REGIONS = ("us", "eu")


def _set_service_status(desk: PagerDutyDesk, order: Order) -> object:
    """Pause a service (disabled, maintenance) or let it work again (active)."""
    service = _service(desk, order)
    service.status = _one_of(order.text("status"), _STATUSES)
    return {"service": service.service_id, "status": service.status}


def _set_urgency(desk: PagerDutyDesk, order: Order) -> object:
    service = _service(desk, order)
    service.urgency = _one_of(order.text("urgency"), _URGENCIES)
    return {"service": service.service_id, "urgency": service.urgency}


def _add_service(desk: PagerDutyDesk, order: Order) -> object:
    service = Service(identifier(), order.text("name", "Another service"), desk.now())
    desk.memory.services[service.service_id] = service
    return {"service": service.service_id, **_added_integration(desk, service, "opsflows")}


def _add_integration(desk: PagerDutyDesk, order: Order) -> object:
    return _added_integration(desk, _service(desk, order), order.text("name", "another"))


def _delete_integration(desk: PagerDutyDesk, order: Order) -> object:
    """Delete the integration with the `routing_key`, or the first one."""
    key = order.text("routing_key", desk.seed.routing_key)
    for service in desk.memory.services.values():
        for integration in list(service.integrations.values()):
            if integration.routing_key == key:
                del service.integrations[integration.integration_id]
                return {"deleted": integration.integration_id}
    raise ValueError("no integration has this routing key")


def _set_region(desk: PagerDutyDesk, order: Order) -> object:
    """Let the account live in another region: `us` (loopback stands for it) or `eu`."""
    desk.memory.region = _one_of(order.text("region"), _REGIONS)
    return {"region": desk.memory.region}


def _revoke_api_key(desk: PagerDutyDesk, order: Order) -> object:
    desk.memory.api_keys.pop(order.text("key", desk.seed.api_key))
    return {"keys_left": len(desk.memory.api_keys)}


def _mint_api_key(desk: PagerDutyDesk, order: Order) -> object:
    """Make a REST key; `read_only` makes one that may not write."""
    key = new_api_key()
    desk.memory.api_keys[key] = not order.fields.get("read_only", False)
    return {"key": key, "user_email": desk.seed.user_email}


def _set_rate_limits(desk: PagerDutyDesk, order: Order) -> object:
    memory = desk.memory
    memory.rest_calls_per_minute = int(order.number("rest_per_minute", memory.rest_calls_per_minute))
    memory.events_per_minute = int(order.number("events_per_minute", memory.events_per_minute))
    return {"rest_per_minute": memory.rest_calls_per_minute, "events_per_minute": memory.events_per_minute}


def _acknowledge(desk: PagerDutyDesk, order: Order) -> object:
    """A person acknowledges an incident (`incident`, or the newest open one)."""
    incident = _open_incident(desk, order)
    incident.acknowledged, incident.acknowledged_seen_at = True, desk.now()
    note(desk, "acknowledge", incident, "", desk.now())
    return {"incident": incident.incident_id}


def _notify_slack(desk: PagerDutyDesk, order: Order) -> object:
    """Post every new incident to Slack, through `webhook_url` or as PagerDuty's own app in `channel`."""
    url = order.text("webhook_url") or str(
        desk.world.act(
            "slack", "install_app", {"name": "PagerDuty", "channel": order.fields["channel"]}, order.base_url
        )["webhook_url"]
    )
    path = "/services/" + urlsplit(url).path.partition("/services/")[2]
    desk.memory.slack_paths.append(path)
    return {"connections": len(desk.memory.slack_paths)}


def _added_integration(desk: PagerDutyDesk, service: Service, name: str) -> dict[str, str]:
    integration = Integration(identifier(), name, new_routing_key(), desk.now())
    service.integrations[integration.integration_id] = integration
    return {"integration": integration.integration_id, "routing_key": integration.routing_key}


def _open_incident(desk: PagerDutyDesk, order: Order) -> Incident:
    wanted = order.text("incident")
    for incident in reversed(desk.memory.incidents):
        if not incident.resolved and wanted in {"", incident.incident_id}:
            return incident
    raise ValueError("there is no such open incident")


def _service(desk: PagerDutyDesk, order: Order) -> Service:
    return desk.memory.services[order.text("service", desk.seed.service_id)]


def _one_of(value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{value!r} is none of {', '.join(known)}")
    return value


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "set_service_status": _set_service_status,
        "set_urgency": _set_urgency,
        "add_service": _add_service,
        "add_integration": _add_integration,
        "delete_integration": _delete_integration,
        "set_region": _set_region,
        "revoke_api_key": _revoke_api_key,
        "mint_api_key": _mint_api_key,
        "set_rate_limits": _set_rate_limits,
        "acknowledge": _acknowledge,
        "notify_slack": _notify_slack,
        "receive_many": receive_many,
    }
)
