"""Opsgenie's stand-in: one account in one region, which takes changes first and does them a moment later.

Source: https://docs.opsgenie.com/docs/api-overview
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from mocks import opsgenie_alerts as alerts
from mocks import opsgenie_settings as settings
from mocks.opsgenie_account import REGIONS, TEAM_NAME, Account, Integration, Memory, Seed, answer, memory, new_id, seed
from mocks.opsgenie_past import receive_many
from mocks.opsgenie_processing import alert_named, settle
from mocks.stage import Ask, Order, Route, StandIn

PERIOD_S = 60
_RIGHTS = ("read", "write", "remove", "configure")


def _headers(desk: Account, ask: Ask, response: Response) -> Mapping[str, str]:
    """Source: https://docs.opsgenie.com/docs/api-rate-limiting; on every answer, and there is no Retry-After."""
    del desk, ask, response
    return _rate_headers("OK", PERIOD_S)


def _limited(ask: Ask, seconds: int) -> Response:
    del ask
    response = answer(429, message="TooManyRequests")
    for name, value in _rate_headers("THROTTLED", seconds).items():
        response.headers[name] = value
    return response


def _rate_headers(state: str, period_s: int) -> dict[str, str]:
    return {
        "X-RateLimit-State": state,
        "X-RateLimit-Reason": "ACCOUNT",
        "X-RateLimit-Period-In-Sec": str(period_s),
    }


def _credentials(desk: Account, base_url: str) -> Mapping[str, str]:
    del base_url
    region = desk.memory.region
    return {
        "OPSGENIE_API_KEY": desk.seed.api_key,
        "OPSGENIE_REGION": region,
        "OPSGENIE_TEAM": TEAM_NAME,
        "OPSGENIE_MANAGE_KEY": desk.seed.manager_key,
    }


def _inbox(desk: Account) -> list[dict[str, Any]]:
    settle(desk)
    teams = {team.id: team.name for team in desk.memory.teams}
    return [
        {"text": f"{alert.message}\n{alert.description}".strip(), "at": alert.created_at,
         "where": ", ".join(teams.get(row["id"], row["id"]) for row in alert.responders),
         "acknowledged": alert.acknowledged, "status": alert.status, "alias": alert.alias, "count": alert.count}
        for alert in desk.memory.alerts
    ]  # fmt: skip


def _move_account(desk: Account, order: Order) -> Any:
    """Let the account live in the other region: its keys are unknown elsewhere."""
    desk.memory.region = _one_of(order, "region", tuple(REGIONS))
    return {"region": desk.memory.region}


def _set_team_check(desk: Account, order: Order) -> Any:
    """Notice an unknown responder at `acceptance` (422) or at `processing` (202, then isSuccess false)."""
    desk.memory.team_check = _one_of(order, "at", ("acceptance", "processing"))
    return {"at": desk.memory.team_check}


def _discard_alerts(desk: Account, order: Order) -> Any:
    """Switch a policy on or off that lets no new alert through."""
    desk.memory.discarding = bool(order.fields.get("on", True))
    return {"on": desk.memory.discarding}


def _acknowledge(desk: Account, order: Order) -> Any:
    """Acknowledge an alert by its alias, as the person on call does in the app."""
    settle(desk)
    alert = alert_named(desk, order.text("alias"), "alias")
    if alert is None:
        raise ValueError(f"there is no alert with alias {order.text('alias')}")
    alert.acknowledged = True
    return {"id": alert.id, "acknowledged": True}


def _mint_integration(desk: Account, order: Order) -> Any:
    rights = [str(right) for right in order.fields.get("rights", _RIGHTS[:3])]
    if not set(rights) <= set(_RIGHTS):
        raise ValueError(f"rights are among {', '.join(_RIGHTS)}")
    minted = Integration(new_id(), order.text("name", "minted"), new_id(), order.text("team_id"), rights=rights)
    desk.memory.integrations.append(minted)
    return {"id": minted.id, "name": minted.name, "key": minted.key}


def _revoke_integration(desk: Account, order: Order) -> Any:
    """Delete an integration by id; the first where none is given."""
    wanted = order.text("id") or desk.seed.integration_id
    kept = [row for row in desk.memory.integrations if row.id != wanted]
    revoked, desk.memory.integrations = len(desk.memory.integrations) - len(kept), kept
    return {"revoked": revoked}


def _switch_integration(desk: Account, order: Order) -> Any:
    """Enable or disable an integration by id; the first where none is given."""
    wanted = order.text("id") or desk.seed.integration_id
    for row in desk.memory.integrations:
        if row.id == wanted:
            row.enabled = bool(order.fields.get("on", False))
            return {"id": row.id, "enabled": row.enabled}
    raise ValueError(f"there is no integration {wanted}")


def _account(desk: Account, order: Order) -> Any:
    """Show what an operator reads off the settings pages, and the key that may manage integrations."""
    del order
    return {
        "integration_id": desk.seed.integration_id, "manager_id": desk.seed.manager_id,
        "manager_key": desk.seed.manager_key, "team_id": desk.seed.team_id, "user": desk.seed.user,
    }  # fmt: skip


def _one_of(order: Order, name: str, allowed: tuple[str, ...]) -> str:
    if order.text(name) not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}")
    return order.text(name)


_ROUTES = (
    Route("POST", "/v2/alerts", alerts.create_alert),
    Route("GET", "/v2/alerts", alerts.list_alerts),
    Route("GET", "/v2/alerts/count", alerts.count_alerts),
    Route("GET", "/v2/alerts/requests/{request_id}", alerts.show_request),
    Route("GET", "/v2/alerts/{name}", alerts.show_alert),
    Route("DELETE", "/v2/alerts/{name}", alerts.change("Delete", "remove")),
    Route("POST", "/v2/alerts/{name}/close", alerts.change("Close")),
    Route("POST", "/v2/alerts/{name}/acknowledge", alerts.change("Acknowledge")),
    Route("POST", "/v2/alerts/{name}/unacknowledge", alerts.change("UnAcknowledge")),
    Route("POST", "/v2/alerts/{name}/notes", alerts.change("AddNote")),
    Route("POST", "/v2/integrations", settings.create_integration),
    Route("GET", "/v2/integrations", settings.list_integrations),
    Route("GET", "/v2/integrations/{integration_id}", settings.show_integration),
    Route("DELETE", "/v2/integrations/{integration_id}", settings.delete_integration),
    Route("POST", "/v2/integrations/{integration_id}/enable", settings.enable_integration),
    Route("POST", "/v2/integrations/{integration_id}/disable", settings.disable_integration),
    Route("POST", "/v2/heartbeats", settings.create_heartbeat),
    Route("GET", "/v2/heartbeats", settings.list_heartbeats),
    Route("GET", "/v2/heartbeats/{heartbeat}", settings.show_heartbeat),
    Route("DELETE", "/v2/heartbeats/{heartbeat}", settings.delete_heartbeat),
    Route("POST", "/v2/heartbeats/{heartbeat}/enable", settings.enable_heartbeat),
    Route("POST", "/v2/heartbeats/{heartbeat}/disable", settings.disable_heartbeat),
    Route("GET", "/v2/heartbeats/{heartbeat}/ping", settings.ping_heartbeat),
    Route("POST", "/v2/heartbeats/{heartbeat}/ping", settings.ping_heartbeat),
    Route("GET", "/v2/teams", settings.list_teams),
    Route("GET", "/v2/teams/{team}", settings.show_team),
    Route("GET", "/v2/account", settings.show_account),
)

STAND_IN = StandIn(
    name="opsgenie",
    seed=seed,
    memory=memory,
    seed_type=Seed,
    memory_type=Memory,
    routes=_ROUTES,
    credentials=_credentials,
    inbox=_inbox,
    actions={
        "move_account": _move_account,
        "set_team_check": _set_team_check,
        "discard_alerts": _discard_alerts,
        "acknowledge": _acknowledge,
        "mint_integration": _mint_integration,
        "revoke_integration": _revoke_integration,
        "switch_integration": _switch_integration,
        "account": _account,
        "receive_many": receive_many,
    },
    hosts=tuple(REGIONS.values()),
    limited=_limited,
    headers=_headers,
)
