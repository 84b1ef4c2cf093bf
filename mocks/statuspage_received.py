"""What the page received earlier, laid down at once: the control plane's action `receive_many`.

Every event is an incident of its own, and its copies are updates of it. What was refused shows nowhere, and is not stored.
"""

import secrets
from datetime import datetime

from mocks.stage import Order
from mocks.statuspage_memory import Incident, Page, Update

_STATUSES = frozenset({"investigating", "identified", "monitoring", "resolved"})


def receive_many(desk: Page, order: Order) -> object:
    """Store `events`: {"id", "at", "type", "fate", "reason", "copies", "updates"}, posted at `at`.

    The id stands in the incident's name; the type is the update's status where Statuspage knows such a one. `updates`
    are the times of further updates.
    """
    taken = 0
    for said in order.fields["events"]:
        copies = int(said.get("copies", 1))
        taken += copies
        if said.get("fate", "accepted") != "accepted":
            continue
        at = datetime.fromisoformat(str(said["at"])).timestamp()
        kind = str(said.get("type", ""))
        status = kind if kind in _STATUSES else "investigating"
        later = [datetime.fromisoformat(str(text)).timestamp() for text in said.get("updates") or ()]
        updates = [Update(secrets.token_hex(6), status, "", moment, False) for moment in [*[at] * copies, *later]]  # noqa: FBT003 - nobody was told
        name = str(said.get("name", said["id"]))
        desk.memory.incidents.append(
            Incident(secrets.token_hex(6), name, status, "none", at, updates[-1].at, updates=updates[::-1])
        )
    return {"received": taken}
