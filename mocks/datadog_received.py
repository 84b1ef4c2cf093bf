"""What Datadog received earlier, laid down at once: the control plane's action `receive_many`.

Datadog gives no reasons: what it did not accept shows nowhere, and is not stored. It merges nothing: every copy is an event.
"""

from datetime import datetime
from typing import Any

from mocks.datadog_events import new_event_id, new_uid
from mocks.datadog_org import Event, Organisation
from mocks.stage import Order


def receive_many(desk: Organisation, order: Order) -> Any:
    """Store `events`: {"id", "at", "type", "fate", "reason", "copies", "tags", "attributes"}, received at `at`.

    The id is the tag event_id and the attribute order.id, the type the tag event_type.
    """
    taken = 0
    for said in order.fields["events"]:
        taken += int(said.get("copies", 1))
        if said.get("fate", "accepted") != "accepted":
            continue
        # Datadog keeps an event's time to the millisecond.
        at = int(datetime.fromisoformat(str(said["at"])).timestamp() * 1000) / 1000
        kind = str(said.get("type", ""))
        own = said.get("attributes") or {}
        attributes = {**own, "order": {"id": str(said["id"]), **(own.get("order") or {})}}
        tags = [f"event_id:{said['id']}", *([f"event_type:{kind}"] if kind else []), *(said.get("tags") or [])]
        desk.memory.events.extend(
            Event(
                id=new_event_id(), uid=new_uid(), title=kind or "an event", text="received earlier", tags=list(tags),
                at=at, visible_at=at, source="my_apps", status="info", priority="normal",
                api_key_id=desk.seed.api_key_id, custom=attributes,
            )
            for _ in range(int(said.get("copies", 1)))
        )  # fmt: skip
    return {"received": taken}
