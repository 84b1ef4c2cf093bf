"""Alerts that Opsgenie's stand-in is told it was sent in the past: repeats of an open alias only raise its count."""

from typing import Any

from mocks.opsgenie_account import Account, Alert, millis, new_id
from mocks.received_events import ReceivedEvent, accepted, received_events
from mocks.stage import Order


def receive_many(desk: Account, order: Order) -> Any:
    """Take events as alerts of the first integration, which stay open.

    The id is the alias; the type stands in the tag event_type. What was not accepted left no trace: Opsgenie reports
    no reasons.
    """
    events = accepted(received_events(order))
    open_by_alias = {alert.alias: alert for alert in desk.memory.alerts if alert.status == "open"}
    for event in events:
        repeated = open_by_alias.get(event.event_id)
        if repeated is None:
            open_by_alias[event.event_id] = _raised(desk, event)
        else:
            repeated.count += event.copies
            repeated.last_occurred_at = repeated.updated_at = event.at
    desk.memory.alerts.sort(key=lambda alert: alert.created_at)
    return {"received": sum(event.copies for event in events)}


def _raised(desk: Account, event: ReceivedEvent) -> Alert:
    desk.memory.last_tiny_id += 1
    alert = Alert(
        id=f"{new_id()}-{millis(event.at)}", tiny_id=str(desk.memory.last_tiny_id), alias=event.event_id,
        message=f"{event.type or 'event'} {event.event_id}", integration_id=desk.seed.integration_id,
        created_at=event.at, updated_at=event.at, last_occurred_at=event.at, priority="P3", source="application",
        count=event.copies, tags=[f"event_type={event.type}"] if event.type else [],
        responders=[{"type": "team", "id": desk.seed.team_id}],
    )  # fmt: skip
    desk.memory.alerts.append(alert)
    return alert
