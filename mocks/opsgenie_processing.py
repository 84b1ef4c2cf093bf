"""Opsgenie takes a change and does it later: what is due is done before anyone looks, in the order it arrived."""

from bisect import insort
from collections.abc import Callable, Mapping
from typing import Any

from mocks.opsgenie_account import Account, Alert, Request, new_id

Step = Callable[[Account, Request, Alert], str]


def settle(desk: Account) -> None:
    """Process every request that is due by now."""
    for request in desk.memory.requests:
        if not request.processed and request.due_at <= desk.now():
            request.processed = True
            _process(desk, request)


def alert_named(desk: Account, identifier: str, kind: str) -> Alert | None:
    """Return the alert of that id, tiny id or alias; of several with one alias the open one, else the newest."""
    fitting = [alert for alert in desk.memory.alerts if _NAMES[kind](alert) == identifier]
    return next((alert for alert in fitting if alert.status == "open"), fitting[-1] if fitting else None)


def unknown_responders(desk: Account, responders: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the responders that the account does not have."""
    known = {name for team in desk.memory.teams for name in (team.id, team.name)} | set(desk.memory.users)
    return [row for row in responders if _name_of(row) not in known]


def known_identifier_type(kind: str) -> bool:
    return kind in _NAMES


def _process(desk: Account, request: Request) -> None:
    if request.action == "Create":
        _create(desk, request)
        return
    alert = alert_named(desk, request.identifier, request.identifier_type)
    if alert is None:
        request.outcome = "Alert does not exist"
        return
    request.success, request.alert_id, request.alias = True, alert.id, alert.alias
    request.outcome = _STEPS[request.action](desk, request, alert)
    alert.updated_at = request.due_at


def _create(desk: Account, request: Request) -> None:
    sent = request.payload
    unknown = unknown_responders(desk, sent.get("responders") or [])
    if unknown:
        request.outcome = f"{str(unknown[0].get('type', 'responder')).capitalize()} not found"
        return
    if desk.memory.discarding:
        request.outcome = "Alert creation was discarded by a policy"
        return
    alias = str(sent.get("alias") or "")
    open_one = next((a for a in desk.memory.alerts if alias and a.alias == alias and a.status == "open"), None)
    if open_one is not None:
        open_one.count += 1
        open_one.last_occurred_at = open_one.updated_at = request.due_at
    alert = open_one or _new_alert(desk, request, alias)
    request.success, request.outcome = True, "Created alert"
    request.alert_id, request.alias = alert.id, alert.alias


def _new_alert(desk: Account, request: Request, alias: str) -> Alert:
    sent, at, alert_id = request.payload, request.due_at, f"{new_id()}-{int(request.due_at * 1000)}"
    owners = [
        {"type": "team", "id": row.team_id}
        for row in desk.memory.integrations
        if row.id == request.integration_id and row.team_id
    ]
    desk.memory.last_tiny_id += 1
    alert = Alert(
        id=alert_id, tiny_id=str(desk.memory.last_tiny_id), alias=alias or alert_id, message=str(sent["message"]),
        integration_id=request.integration_id, created_at=at, updated_at=at, last_occurred_at=at,
        priority=str(sent.get("priority") or "P3"), source=str(sent.get("source") or ""),
        description=str(sent.get("description") or ""), entity=str(sent.get("entity") or ""),
        tags=[str(tag) for tag in sent.get("tags") or []], actions=[str(name) for name in sent.get("actions") or []],
        details={str(name): str(value) for name, value in (sent.get("details") or {}).items()},
        responders=[_resolved(desk, row) for row in sent.get("responders") or owners],
    )  # fmt: skip
    insort(desk.memory.alerts, alert, key=lambda made: made.created_at)
    return alert


def _resolved(desk: Account, responder: Mapping[str, Any]) -> dict[str, str]:
    """Responders are shown by id, however they were named."""
    name = _name_of(responder)
    team = next((team for team in desk.memory.teams if name in {team.id, team.name}), None)
    return {"type": str(responder.get("type", "team")), "id": team.id if team else name}


def _name_of(responder: Mapping[str, Any]) -> str:
    return str(responder.get("id") or responder.get("name") or responder.get("username") or "")


def _close(desk: Account, request: Request, alert: Alert) -> str:
    del desk, request
    alert.status = "closed"
    return "Closed alert"


def _acknowledge(desk: Account, request: Request, alert: Alert) -> str:
    del desk, request
    alert.acknowledged = True
    return "Acknowledged alert"


def _unacknowledge(desk: Account, request: Request, alert: Alert) -> str:
    del desk, request
    alert.acknowledged = False
    return "Unacknowledged alert"


def _add_note(desk: Account, request: Request, alert: Alert) -> str:
    del desk
    alert.notes.append(str(request.payload.get("note", "")))
    return "Added note"


def _delete(desk: Account, request: Request, alert: Alert) -> str:
    del request
    desk.memory.alerts.remove(alert)
    return "Deleted alert"


_STEPS: Mapping[str, Step] = {
    "Close": _close,
    "Acknowledge": _acknowledge,
    "UnAcknowledge": _unacknowledge,
    "AddNote": _add_note,
    "Delete": _delete,
}
_NAMES: Mapping[str, Callable[[Alert], str]] = {
    "id": lambda alert: alert.id,
    "tiny": lambda alert: alert.tiny_id,
    "alias": lambda alert: alert.alias,
}
