"""Opsgenie's alert API: changes are taken with 202 and a request id, reads show what was processed so far.

Source: https://docs.opsgenie.com/docs/alert-api
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from mocks.boolean_query import UnreadableQuery
from mocks.opsgenie_account import (
    Account,
    Alert,
    Request,
    answer,
    caller,
    iso,
    millis,
    new_id,
    not_processable,
    refusal,
)
from mocks.opsgenie_processing import alert_named, known_identifier_type, settle, unknown_responders
from mocks.opsgenie_search import Searchable, creation_bounds, search_test
from mocks.stage import Ask, Refused

MESSAGE_LIMIT_CHARACTERS = 130
ALIAS_LIMIT_CHARACTERS = 512
PAGE_LIMIT_ALERTS = 100
# Source: https://docs.opsgenie.com/docs/alert-api#list-alerts
REACH_LIMIT_ALERTS = 20_000
# Milliseconds are rounded; what lies at a bound is tested all the same.
_MARGIN_S = 0.002
_PRIORITIES = frozenset({"P1", "P2", "P3", "P4", "P5"})
_RESPONDER_TYPES = frozenset({"team", "user", "escalation", "schedule"})


def create_alert(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/alert-api#create-alert."""
    integration = caller(desk, ask, "write")
    sent = ask.fields()
    _check_alert(sent)
    if desk.memory.team_check == "acceptance" and unknown_responders(desk, sent.get("responders") or []):
        raise not_processable("responders", "team not found")
    return _taken(desk, Request(new_id(), "Create", integration.id, desk.visible_at(), payload=sent))


def change(action: str, right: str = "write") -> Callable[[Account, Ask], Response]:
    """Return the handler of one action on one alert.

    Source: https://docs.opsgenie.com/docs/alert-api#close-alert and the other actions of that page.
    """

    def handle(desk: Account, ask: Ask) -> Response:
        integration = caller(desk, ask, right)
        kind = _identifier_type(ask)
        request = Request(new_id(), action, integration.id, desk.visible_at(), ask.ids["name"], kind, ask.fields())
        return _taken(desk, request)

    return handle


def show_request(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/alert-api#get-request-status; only for the integration that asked."""
    integration = caller(desk, ask, "read")
    settle(desk)
    own = [request for request in desk.memory.requests if request.integration_id == integration.id]
    found = next((request for request in own if request.id == ask.ids["request_id"] and request.processed), None)
    if found is None:
        return refusal(404, "Request not found. It might not be processed, yet.")
    data = {
        "success": found.success, "action": found.action, "processedAt": iso(found.due_at),
        "integrationId": found.integration_id, "isSuccess": found.success, "status": found.outcome,
        "alertId": found.alert_id, "alias": found.alias,
    }  # fmt: skip
    return answer(200, data=data)


def show_alert(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/alert-api#get-alert."""
    caller(desk, ask, "read")
    settle(desk)
    found = alert_named(desk, ask.ids["name"], _identifier_type(ask))
    if found is None:
        return refusal(404, "Alert not found")
    whole = {"actions": found.actions, "entity": found.entity, "description": found.description}
    return answer(200, data=_as_alert(desk, found) | whole | {"details": found.details})


def list_alerts(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/alert-api#list-alerts."""
    caller(desk, ask, "read")
    found = _matching(desk, ask)
    limit, offset = int(ask.query.get("limit", "20")), int(ask.query.get("offset", "0"))
    if not 0 < limit <= PAGE_LIMIT_ALERTS:
        raise not_processable("limit", f"must be between 1 and {PAGE_LIMIT_ALERTS}")
    if offset + limit > REACH_LIMIT_ALERTS:
        raise not_processable("offset", f"offset + limit must not exceed {REACH_LIMIT_ALERTS}")
    sort = ask.query.get("sort", "createdAt")
    found.sort(key=_ORDERS.get(sort, _ORDERS["createdAt"]))
    if ask.query.get("order", "desc") == "desc":
        found.reverse()
    rows = [_as_alert(desk, alert) for alert in found[offset : offset + limit]]
    paging = {"first": _page_url(ask, 0, limit)}
    if len(found) > offset + limit:
        paging["next"] = _page_url(ask, offset + limit, limit)
    return answer(200, data=rows, paging=paging)


def count_alerts(desk: Account, ask: Ask) -> Response:
    """Source: https://docs.opsgenie.com/docs/alert-api#count-alerts; counts alerts, not their repeats."""
    caller(desk, ask, "read")
    return answer(200, data={"count": len(_matching(desk, ask))})


def _taken(desk: Account, request: Request) -> Response:
    desk.memory.requests.append(request)
    response = answer(202, result="Request will be processed")
    request.id = response.headers["x-request-id"]
    return response


def _check_alert(sent: dict[str, Any]) -> None:
    if not str(sent.get("message") or "").strip():
        raise not_processable("message", "Message can not be empty.")
    if len(str(sent["message"])) > MESSAGE_LIMIT_CHARACTERS:
        raise not_processable("message", f"Message can not be longer than {MESSAGE_LIMIT_CHARACTERS} characters.")
    if len(str(sent.get("alias") or "")) > ALIAS_LIMIT_CHARACTERS:
        raise not_processable("alias", f"Alias can not be longer than {ALIAS_LIMIT_CHARACTERS} characters.")
    if sent.get("priority") is not None and sent["priority"] not in _PRIORITIES:
        raise not_processable("priority", f"Invalid priority '{sent['priority']}'")
    for responder in sent.get("responders") or []:
        if not isinstance(responder, dict) or responder.get("type") not in _RESPONDER_TYPES:
            raise not_processable("responders#type", "Invalid responder type")


def _identifier_type(ask: Ask) -> str:
    kind = ask.query.get("identifierType", "id")
    if not known_identifier_type(kind):
        raise Refused(refusal(422, "identifierType should be one of [id, tiny, alias]"))
    return kind


def _matching(desk: Account, ask: Ask) -> list[Alert]:
    settle(desk)
    query = ask.query.get("query", "")
    try:
        test = search_test(query)
    except UnreadableQuery as problem:
        raise Refused(refusal(422, f"Query could not be parsed: {problem}")) from problem
    least, most = creation_bounds(query)
    first = bisect_left(desk.memory.alerts, least / 1000 - _MARGIN_S, key=_created_at)
    beyond = bisect_right(desk.memory.alerts, most / 1000 + _MARGIN_S, key=_created_at)
    within = desk.memory.alerts[first:beyond]
    return [alert for alert in within if test(Searchable(partial(_texts, desk, alert), partial(_number, alert)))]


def _created_at(alert: Alert) -> float:
    return alert.created_at


def _texts(desk: Account, alert: Alert, name: str) -> list[str]:
    """Return the texts that a query finds under that name; none where alerts have no such field."""
    if name in _TEXTS:
        return _TEXTS[name](alert)
    if name.startswith("integration."):
        return [_integration(desk, alert).get(name.removeprefix("integration."), "")]
    if name in {"teams", "responders"}:
        return [team.name for team in desk.memory.teams if any(row["id"] == team.id for row in alert.responders)]
    key = name.removeprefix("details.")
    return [alert.details[key]] if key != name and key in alert.details else []


def _number(alert: Alert, name: str) -> float | None:
    return _NUMBERS[name](alert) if name in _NUMBERS else None


def _integration(desk: Account, alert: Alert) -> dict[str, str]:
    """A deleted integration leaves its id on the alerts it made."""
    found = next((row for row in desk.memory.integrations if row.id == alert.integration_id), None)
    return {"id": alert.integration_id, "name": found.name if found else "", "type": "API"}


def _as_alert(desk: Account, alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id, "tinyId": alert.tiny_id, "alias": alert.alias, "message": alert.message,
        "status": alert.status, "acknowledged": alert.acknowledged, "isSeen": alert.acknowledged, "tags": alert.tags,
        "snoozed": False, "count": alert.count, "lastOccurredAt": iso(alert.last_occurred_at),
        "createdAt": iso(alert.created_at), "updatedAt": iso(alert.updated_at), "source": alert.source, "owner": "",
        "priority": alert.priority, "responders": alert.responders, "integration": _integration(desk, alert),
    }  # fmt: skip


def _page_url(ask: Ask, offset: int, limit: int) -> str:
    return f"{ask.base_url}{ask.path}?{urlencode({**dict(ask.query), 'offset': offset, 'limit': limit})}"


_TEXTS: dict[str, Callable[[Alert], list[str]]] = {
    "alertId": lambda alert: [alert.id],
    "tinyId": lambda alert: [alert.tiny_id],
    "alias": lambda alert: [alert.alias],
    "message": lambda alert: [alert.message],
    "description": lambda alert: [alert.description],
    "status": lambda alert: [alert.status],
    "priority": lambda alert: [alert.priority],
    "source": lambda alert: [alert.source],
    "entity": lambda alert: [alert.entity],
    "tag": lambda alert: alert.tags,
    "tags": lambda alert: alert.tags,
    "acknowledged": lambda alert: [str(alert.acknowledged).lower()],
    "details.key": lambda alert: [*alert.details],
    "details.value": lambda alert: [*alert.details.values()],
}
_NUMBERS: dict[str, Callable[[Alert], float]] = {
    "createdAt": lambda alert: millis(alert.created_at),
    "updatedAt": lambda alert: millis(alert.updated_at),
    "lastOccurredAt": lambda alert: millis(alert.last_occurred_at),
    "count": lambda alert: alert.count,
}
_ORDERS: dict[str, Callable[[Alert], Any]] = {
    "createdAt": lambda alert: alert.created_at,
    "updatedAt": lambda alert: alert.updated_at,
    "lastOccurredAt": lambda alert: alert.last_occurred_at,
    "count": lambda alert: alert.count,
    "alias": lambda alert: alert.alias,
    "message": lambda alert: alert.message,
    "priority": lambda alert: alert.priority,
    "status": lambda alert: alert.status,
    "tinyId": lambda alert: int(alert.tiny_id),
}
