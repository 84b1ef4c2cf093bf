"""Datadog's stand-in: one organisation with its keys, events, metrics and logs, on the site where it lives.

Source: https://docs.datadoghq.com/api/latest/
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks import datadog_events as events
from mocks import datadog_formulas as formulas
from mocks import datadog_keys as keys
from mocks import datadog_logs as logs
from mocks import datadog_metrics as metrics
from mocks.datadog_org import (
    RATE_LIMITS,
    SITES,
    SUBDOMAINS,
    ApiKey,
    AppKey,
    Memory,
    Organisation,
    Seed,
    limit_headers,
    memory,
    new_api_key,
    new_app_key,
    new_id,
    rate_limit_headers,
    seed,
)
from mocks.datadog_received import receive_many
from mocks.stage import Ask, Order, Route, StandIn

# Which limit a path counts against; the first that begins the path holds.
_LIMIT_OF_PATH = (
    ("/api/v2/events/search", "events_search"),
    ("/api/v1/query", "metrics_query"),
    ("/api/v2/query/", "metrics_query"),
    ("/api/v2/logs/", "logs_query"),
    ("/api/v2/api_keys", "key_management"),
    ("/api/v2/current_user/application_keys", "key_management"),
    ("/api/v2/application_keys", "key_management"),
    ("/api/v2/service_accounts", "key_management"),
)
_EVENT_PATHS = frozenset({"/api/v1/events", "/api/v2/events"})
_LIMITED_ANYHOW = "requests"


def _limit_name(ask: Ask) -> str:
    if ask.path in _EVENT_PATHS:
        return "event_submission" if ask.method == "POST" else "events_search"
    return next((name for start, name in _LIMIT_OF_PATH if ask.path.startswith(start)), "")


def _headers(desk: Organisation, ask: Ask, response: Response) -> Mapping[str, str]:
    """Source: https://docs.datadoghq.com/api/latest/rate-limits/; a refused key is told nothing."""
    name = _limit_name(ask)
    refused = response.status_code in {401, 403}
    return rate_limit_headers(desk, name) if name and not refused else {}


def _limited(ask: Ask, seconds: int) -> Response:
    name = _limit_name(ask) or _LIMITED_ANYHOW
    limit, period = RATE_LIMITS.get(name, (seconds, seconds))
    return JSONResponse({"errors": ["Too many requests"]}, 429, limit_headers(name, limit, period, 0, seconds))


def _credentials(desk: Organisation, base_url: str) -> Mapping[str, str]:
    del base_url
    return {
        "DD_API_KEY": desk.seed.api_key,
        "DD_APP_KEY": desk.seed.app_key,
        "DD_SITE": desk.memory.site,
        "DD_MANAGE_APP_KEY": desk.seed.manage_app_key,
        "DD_SERVICE_ACCOUNT_ID": desk.seed.service_account_id,
    }


def _inbox(desk: Organisation) -> list[dict[str, Any]]:
    return [
        {"text": f"{event.title}\n{event.text}", "at": event.at, "where": "Events Explorer", "acknowledged": False,
         "tags": event.tags, "id": event.id}
        for event in desk.memory.events if event.visible_at <= desk.now()
    ]  # fmt: skip


def _move_org(desk: Organisation, order: Order) -> Any:
    """Let the organisation live on another site: all its keys are unknown elsewhere."""
    if order.text("site") not in SITES:
        raise ValueError(f"site must be one of {', '.join(SITES)}")
    desk.memory.site = order.text("site")
    return {"site": desk.memory.site}


def _mint_api_key(desk: Organisation, order: Order) -> Any:
    minted = ApiKey(new_id(), order.text("name", "minted"), new_api_key(), desk.now())
    desk.memory.api_keys.append(minted)
    return {"id": minted.id, "name": minted.name, "key": minted.key}


def _mint_app_key(desk: Organisation, order: Order) -> Any:
    scopes = order.fields.get("scopes")
    minted = AppKey(new_id(), order.text("name", "minted"), new_app_key(), desk.seed.user_id, desk.now(), scopes)
    desk.memory.app_keys.append(minted)
    return {"id": minted.id, "name": minted.name, "key": minted.key}


def _revoke_api_key(desk: Organisation, order: Order) -> Any:
    """Revoke by id or value; the first key where neither is given."""
    wanted = order.text("id") or order.text("key") or desk.seed.api_key_id
    kept = [key for key in desk.memory.api_keys if wanted not in {key.id, key.key}]
    revoked, desk.memory.api_keys = len(desk.memory.api_keys) - len(kept), kept
    return {"revoked": revoked}


def _revoke_app_key(desk: Organisation, order: Order) -> Any:
    """Revoke by id or value; the first key where neither is given."""
    wanted = order.text("id") or order.text("key") or desk.seed.app_key_id
    kept = [key for key in desk.memory.app_keys if wanted not in {key.id, key.key}]
    revoked, desk.memory.app_keys = len(desk.memory.app_keys) - len(kept), kept
    return {"revoked": revoked}


def _set_rate_limit(desk: Organisation, order: Order) -> Any:
    if order.text("name") not in desk.memory.limits:
        raise ValueError(f"name must be one of {', '.join(desk.memory.limits)}")
    desk.memory.limits[order.text("name")] = (int(order.number("calls")), int(order.number("period_s", 60)))
    return {name: list(limit) for name, limit in desk.memory.limits.items()}


def _set_key_limits(desk: Organisation, order: Order) -> Any:
    desk.memory.max_api_keys = int(order.number("api_keys", desk.memory.max_api_keys))
    desk.memory.max_app_keys_per_user = int(order.number("app_keys_per_user", desk.memory.max_app_keys_per_user))
    return {"api_keys": desk.memory.max_api_keys, "app_keys_per_user": desk.memory.max_app_keys_per_user}


def _set_last_used_lag(desk: Organisation, order: Order) -> Any:
    """Let listings tell a use only this many seconds later."""
    desk.memory.last_used_lag_s = order.number("seconds")
    return {"seconds": desk.memory.last_used_lag_s}


def _set_propagation_delay(desk: Organisation, order: Order) -> Any:
    """Let new keys work, and deleted ones fail, only this many seconds later."""
    desk.memory.propagation_s = order.number("seconds")
    return {"seconds": desk.memory.propagation_s}


def _set_log_status(desk: Organisation, order: Order) -> Any:
    """Let log aggregations say of themselves `done` or `timeout`."""
    if order.text("status") not in {"done", "timeout"}:
        raise ValueError("status must be done or timeout")
    desk.memory.log_status = order.text("status")
    return {"status": desk.memory.log_status}


def _account(desk: Organisation, order: Order) -> Any:
    """Show the ids that an operator reads off the organisation settings pages."""
    del order
    return {
        "user_id": desk.seed.user_id, "service_account_id": desk.seed.service_account_id,
        "api_key_id": desk.seed.api_key_id, "app_key_id": desk.seed.app_key_id,
    }  # fmt: skip


_ROUTES = (
    Route("GET", "/api/v1/validate", keys.validate),
    Route("GET", "/api/v2/validate_keys", keys.validate_both),
    Route("POST", "/api/v1/series", metrics.submit_v1),
    Route("POST", "/api/v2/series", metrics.submit_v2),
    Route("GET", "/api/v1/query", metrics.query_v1),
    Route("POST", "/api/v2/query/scalar", formulas.query_scalar),
    Route("POST", "/api/v2/query/timeseries", formulas.query_timeseries),
    Route("POST", "/api/v1/events", events.post_v1_event),
    Route("GET", "/api/v1/events/{event_id}", events.get_v1_event),
    Route("POST", "/api/v2/events", events.post_v2_event),
    Route("GET", "/api/v2/events", events.list_events),
    Route("POST", "/api/v2/events/search", events.search_events),
    Route("GET", "/api/v2/events/{event_id}", events.get_v2_event),
    Route("POST", "/api/v2/logs", logs.take_logs),
    Route("POST", "/api/v2/logs/events/search", logs.search_logs),
    Route("POST", "/api/v2/logs/analytics/aggregate", logs.aggregate_logs),
    Route("POST", "/api/v2/api_keys", keys.create_api_key),
    Route("GET", "/api/v2/api_keys", keys.list_api_keys),
    Route("GET", "/api/v2/api_keys/{key_id}", keys.show_api_key),
    Route("DELETE", "/api/v2/api_keys/{key_id}", keys.delete_api_key),
    Route("POST", "/api/v2/current_user/application_keys", keys.create_own_app_key),
    Route("GET", "/api/v2/current_user/application_keys", keys.list_own_app_keys),
    Route("GET", "/api/v2/current_user/application_keys/{key_id}", keys.show_own_app_key),
    Route("DELETE", "/api/v2/current_user/application_keys/{key_id}", keys.delete_own_app_key),
    Route("GET", "/api/v2/application_keys", keys.list_all_app_keys),
    Route("GET", "/api/v2/application_keys/{key_id}", keys.show_any_app_key),
    Route("DELETE", "/api/v2/application_keys/{key_id}", keys.delete_any_app_key),
    Route("POST", "/api/v2/service_accounts/{account_id}/application_keys", keys.create_service_app_key),
    Route("GET", "/api/v2/service_accounts/{account_id}/application_keys", keys.list_service_app_keys),
    Route("GET", "/api/v2/service_accounts/{account_id}/application_keys/{key_id}", keys.show_service_app_key),
    Route("DELETE", "/api/v2/service_accounts/{account_id}/application_keys/{key_id}", keys.delete_service_app_key),
)

STAND_IN = StandIn(
    name="datadog",
    seed=seed,
    memory=memory,
    seed_type=Seed,
    memory_type=Memory,
    routes=_ROUTES,
    credentials=_credentials,
    inbox=_inbox,
    actions={
        "move_org": _move_org,
        "mint_api_key": _mint_api_key,
        "mint_app_key": _mint_app_key,
        "revoke_api_key": _revoke_api_key,
        "revoke_app_key": _revoke_app_key,
        "set_rate_limit": _set_rate_limit,
        "set_key_limits": _set_key_limits,
        "set_last_used_lag": _set_last_used_lag,
        "set_propagation_delay": _set_propagation_delay,
        "set_log_status": _set_log_status,
        "account": _account,
        "receive_many": receive_many,
    },
    hosts=tuple(f"{subdomain}.{site}" for subdomain in SUBDOMAINS for site in SITES),
    limited=_limited,
    headers=_headers,
)
