"""What an Opsgenie account is set up with: integrations (its API keys), heartbeats, teams.

Source: https://docs.opsgenie.com/docs/integration-api, .../docs/heartbeat-api, .../docs/team-api, .../docs/account-api
"""

from typing import Any

from starlette.responses import Response

from mocks.opsgenie_account import (
    Account,
    Heartbeat,
    Integration,
    answer,
    caller,
    iso,
    new_id,
    not_processable,
    refusal,
)
from mocks.stage import Ask, Refused

_SECONDS = {"minutes": 60, "hours": 3600, "days": 86400}
_RIGHT_OF_FIELD = {
    "allowReadAccess": ("read", True),
    "allowWriteAccess": ("write", True),
    "allowDeleteAccess": ("remove", True),
    "allowConfigurationAccess": ("configure", False),
}


def create_integration(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/integration-api#create-api-based-integration; shows the key."""
    manager = caller(desk, ask, "configure")
    sent = ask.fields()
    if sent.get("type") != "API":
        raise not_processable("type", "Integration type is not supported by this API")
    name = str(sent.get("name") or "")
    if not name:
        raise not_processable("name", "Name can not be empty.")
    if any(row.name == name for row in desk.memory.integrations):
        return refusal(409, f"There is already an integration with name [{name}].")
    team_id = manager.team_id or _owner_team(desk, sent.get("ownerTeam") or {})
    rights = [right for field, (right, default) in _RIGHT_OF_FIELD.items() if sent.get(field, default)]
    created = Integration(new_id(), name, new_id(), team_id, rights=rights, created_at=desk.now())
    desk.memory.integrations.append(created)
    return answer(201, result="Created", data={"id": created.id, "name": created.name, "apiKey": created.key})


def list_integrations(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/integration-api#list-integrations; a team's key sees its team's only."""
    manager = caller(desk, ask, "configure")
    return answer(200, data=[_as_row(row) for row in _seen_by(desk, manager) if desk.listed(row.created_at)])


def show_integration(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/integration-api#get-integration."""
    found = _named_integration(desk, ask)
    given = {field: right in found.rights for field, (right, _) in _RIGHT_OF_FIELD.items()}
    return answer(200, data=_as_row(found) | given)


def enable_integration(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/integration-api#enable-integration."""
    return _switched(_named_integration(desk, ask), on=True)


def disable_integration(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/integration-api#disable-integration."""
    return _switched(_named_integration(desk, ask), on=False)


def delete_integration(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/integration-api#delete-integration."""
    desk.memory.integrations.remove(_named_integration(desk, ask))
    return answer(200, result="Deleted")


def create_heartbeat(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/heartbeat-api#add-heartbeat."""
    caller(desk, ask, "configure")
    sent = ask.fields()
    name, unit, interval = str(sent.get("name") or ""), str(sent.get("intervalUnit", "")), sent.get("interval")
    if not name or unit not in _SECONDS or not isinstance(interval, int) or interval < 1:
        raise not_processable("heartbeat", "name, interval and intervalUnit (minutes, hours, days) are required")
    if any(row.name == name for row in desk.memory.heartbeats):
        return refusal(409, f"Heartbeat with name [{name}] already exists")
    created = Heartbeat(name, str(sent.get("description") or ""), interval, unit, bool(sent.get("enabled", True)))
    desk.memory.heartbeats.append(created)
    return answer(201, result="Created", data={"name": name, "enabled": created.enabled, "expired": False})


def list_heartbeats(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/heartbeat-api#list-heartbeats."""
    caller(desk, ask, "read")
    return answer(200, data={"heartbeats": [_as_heartbeat(desk, row) for row in desk.memory.heartbeats]})


def show_heartbeat(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/heartbeat-api#get-heartbeat."""
    caller(desk, ask, "read")
    return answer(200, data=_as_heartbeat(desk, _named_heartbeat(desk, ask)))


def enable_heartbeat(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/heartbeat-api#enable-heartbeat."""
    return _switched_heartbeat(desk, ask, on=True)


def disable_heartbeat(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/heartbeat-api#disable-heartbeat."""
    return _switched_heartbeat(desk, ask, on=False)


def delete_heartbeat(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/heartbeat-api#delete-heartbeat."""
    caller(desk, ask, "configure")
    found = _named_heartbeat(desk, ask)
    desk.memory.heartbeats.remove(found)
    return answer(200, result="Deleted", data={"name": found.name, "enabled": found.enabled})


def ping_heartbeat(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/heartbeat-api#ping-heartbeat-request."""
    caller(desk, ask, "write")
    _named_heartbeat(desk, ask).last_ping_at = desk.now()
    return answer(202, result="PONG - Heartbeat received")


def list_teams(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/team-api#list-teams."""
    caller(desk, ask, "read")
    return answer(200, data=[{"id": team.id, "name": team.name, "description": ""} for team in desk.memory.teams])


def show_team(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/team-api#get-team."""
    caller(desk, ask, "read")
    by_name = ask.query.get("identifierType", "id") == "name"
    for team in desk.memory.teams:
        if ask.ids["team"] == (team.name if by_name else team.id):
            return answer(200, data={"id": team.id, "name": team.name, "description": "", "members": []})
    return refusal(404, f"No team exists with {'name' if by_name else 'id'} [{ask.ids['team']}]")


def show_account(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/account-api#get-account-info."""
    caller(desk, ask, "read")
    plan = {"maxUserCount": 1500, "name": "Enterprise", "isYearly": True}
    return answer(200, data={"name": "stand-in", "userCount": len(desk.memory.users), "plan": plan})


def _owner_team(desk: Account, wanted: dict[str, Any]) -> str:
    if not wanted:
        return ""
    for team in desk.memory.teams:
        if wanted.get("id") == team.id or wanted.get("name") == team.name:
            return team.id
    raise not_processable("ownerTeam", "team not found")


def _seen_by(desk: Account, manager: Integration) -> list[Integration]:
    return [row for row in desk.memory.integrations if manager.team_id in {"", row.team_id}]


def _named_integration(desk: Account, ask: Ask) -> Integration:
    manager = caller(desk, ask, "configure")
    found = next((row for row in _seen_by(desk, manager) if row.id == ask.ids["integration_id"]), None)
    if found is None:
        raise Refused(refusal(404, "Integration not found"))
    return found


def _as_row(integration: Integration) -> dict[str, Any]:
    return {
        "id": integration.id, "name": integration.name, "enabled": integration.enabled, "type": "API",
        "teamId": integration.team_id or None,
    }  # fmt: skip


def _switched(integration: Integration, *, on: bool) -> Response:
    integration.enabled = on
    data = {"id": integration.id, "name": integration.name, "enabled": on}
    return answer(201, result="Enabled" if on else "Disabled", data=data)


def _named_heartbeat(desk: Account, ask: Ask) -> Heartbeat:
    found = next((row for row in desk.memory.heartbeats if row.name == ask.ids["heartbeat"]), None)
    if found is None:
        raise Refused(refusal(404, "Heartbeat not found"))
    return found


def _switched_heartbeat(desk: Account, ask: Ask, *, on: bool) -> Response:
    caller(desk, ask, "configure")
    found = _named_heartbeat(desk, ask)
    found.enabled = on
    return answer(200, result="Enabled" if on else "Disabled", data={"name": found.name, "enabled": on})


def _as_heartbeat(desk: Account, row: Heartbeat) -> dict[str, Any]:
    bound = row.interval * _SECONDS[row.interval_unit]
    return {
        "name": row.name, "description": row.description, "interval": row.interval, "enabled": row.enabled,
        "intervalUnit": row.interval_unit, "lastPingTime": iso(row.last_ping_at),
        "expired": row.enabled and row.last_ping_at is not None and row.last_ping_at + bound < desk.now(),
    }  # fmt: skip
