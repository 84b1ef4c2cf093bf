"""What Splunk received earlier, laid down at once: the control plane's action `receive_many`.

Splunk gives no reasons: what it did not accept shows nowhere, and is not stored. It removes no duplicates: every copy is an event.
"""

import json
from datetime import datetime
from typing import Any

from mocks.splunk_memory import INDEX, Event, Instance
from mocks.stage import Order


def receive_many(desk: Instance, order: Order) -> Any:
    """Store `events`: {"id", "at", "type", "fate", "reason", "copies", "index", "fields"}, indexed at `at`.

    The event is JSON that holds event_id and event_type; `fields` are indexed with it.
    """
    taken = 0
    for said in order.fields["events"]:
        copies = int(said.get("copies", 1))
        taken += copies
        if said.get("fate", "accepted") != "accepted":
            continue
        at, kind = datetime.fromisoformat(str(said["at"])).timestamp(), str(said.get("type", ""))
        raw = json.dumps({"event_id": str(said["id"]), **({"event_type": kind} if kind else {})})
        fields = {str(name): str(value) for name, value in (said.get("fields") or {}).items()}
        index = str(said.get("index", INDEX))
        desk.memory.events.extend(
            Event(index, "stand-in", "http:first", "httpevent", at, at, raw, "first", fields) for _ in range(copies)
        )
    return {"received": taken}
