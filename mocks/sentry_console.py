"""What is done by hand in Sentry's settings: the control plane's actions."""

from collections.abc import Mapping
from types import MappingProxyType

from mocks.sentry_memory import SentryDesk, new_token, set_active
from mocks.sentry_received import receive_many
from mocks.stage import Action, Order

_REGIONS = ("us", "de")


def _alert_to_pagerduty(desk: SentryDesk, order: Order) -> object:
    """Set the alert rule "a new issue is created": it triggers a PagerDuty event with this `routing_key`."""
    desk.memory.alert_routing_keys.append(str(order.fields["routing_key"]))
    return {"rules": len(desk.memory.alert_routing_keys)}


def _set_key_active(desk: SentryDesk, order: Order) -> object:
    key = desk.memory.keys[order.text("key", desk.seed.key_id)]
    set_active(desk, key, active=bool(order.fields["active"]))
    return {"key": key.key_id, "active": key.active}


def _set_project_enabled(desk: SentryDesk, order: Order) -> object:
    project = desk.memory.projects[order.text("project", desk.seed.project_id)]
    project.enabled = bool(order.fields["enabled"])
    return {"project": project.project_id, "enabled": project.enabled}


def _set_region(desk: SentryDesk, order: Order) -> object:
    """Let the organisation live in another region: `us` (loopback stands for it) or `de`."""
    region = order.text("region")
    if region not in _REGIONS:
        raise ValueError(f"{region!r} is none of {', '.join(_REGIONS)}")
    desk.memory.region = region
    return {"region": region}


def _set_cold_cache(desk: SentryDesk, order: Order) -> object:
    """Answer the next `requests` events 200 and drop them, as ingest does before it has the project's settings."""
    desk.memory.cold_requests = int(order.number("requests", 1))
    return {"requests": desk.memory.cold_requests}


def _set_propagation_delay(desk: SentryDesk, order: Order) -> object:
    desk.memory.propagation_s = order.number("seconds")
    return {"seconds": desk.memory.propagation_s}


def _filter_messages(desk: SentryDesk, order: Order) -> object:
    """Set the inbound filter: events with one of these `words` in their title are taken and dropped."""
    desk.memory.filtered_words = [str(word) for word in order.fields["words"]]
    return {"words": desk.memory.filtered_words}


def _mint_token(desk: SentryDesk, order: Order) -> object:
    token = new_token()
    desk.memory.tokens[token] = [str(scope) for scope in order.fields["scopes"]]
    return {"token": token, "scopes": desk.memory.tokens[token]}


def _revoke_token(desk: SentryDesk, order: Order) -> object:
    desk.memory.tokens.pop(order.text("token", desk.seed.auth_token))
    return {"tokens_left": len(desk.memory.tokens)}


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "alert_to_pagerduty": _alert_to_pagerduty,
        "set_key_active": _set_key_active,
        "set_project_enabled": _set_project_enabled,
        "set_region": _set_region,
        "set_cold_cache": _set_cold_cache,
        "set_propagation_delay": _set_propagation_delay,
        "filter_messages": _filter_messages,
        "mint_token": _mint_token,
        "revoke_token": _revoke_token,
        "receive_many": receive_many,
    }
)
