"""What Sentry received earlier, laid down at once: the control plane's action `receive_many`.

An accepted event is kept and counted; of any other only its outcome is. A repeated id is kept once and counted as
invalid (duplicate) from then on, as at the ingest.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import md5
from typing import Any

from mocks.sentry_memory import Event, Outcome, SentryDesk
from mocks.stage import Order

_ISSUE = "received-earlier"
_HEX = re.compile(r"[0-9a-f]{32}")


def receive_many(desk: SentryDesk, order: Order) -> object:
    """Store `events`: {"id", "at", "type", "fate", "reason", "copies", "tags", "category"}, received at `at`.

    The id is the event's own where it is 32 hex digits (dashes or not), and the tag event_id in any case; the type is
    the tag event_type.
    """
    taken = 0
    for said in order.fields["events"]:
        at = datetime.fromisoformat(str(said["at"])).timestamp()
        for _ in range(int(said.get("copies", 1))):
            _receive(desk, said, at)
            taken += 1
    return {"received": taken}


def _receive(desk: SentryDesk, said: Mapping[str, Any], at: float) -> None:
    fate, reason = str(said.get("fate", "accepted")), str(said.get("reason", ""))
    event_id = _event_id(str(said["id"]))
    if fate == "accepted" and event_id in desk.memory.events:
        fate, reason = "invalid", "duplicate"
    desk.memory.outcomes.append(Outcome(at, desk.seed.project_id, fate, reason, str(said.get("category", "error")), 1))
    if fate == "accepted":
        desk.memory.events[event_id] = _kept(desk, event_id, said, at)


def _kept(desk: SentryDesk, event_id: str, said: Mapping[str, Any], at: float) -> Event:
    kind = str(said.get("type", ""))
    tags = {"event_id": str(said["id"]), **({"event_type": kind} if kind else {}), **(said.get("tags") or {})}
    title = str(said.get("title", kind or "an event"))
    payload = {"timestamp": at, "tags": tags}
    return Event(event_id, _ISSUE, desk.seed.project_id, desk.seed.key_id, title, at, at, payload)


def _event_id(said: str) -> str:
    plain = said.replace("-", "").lower()
    return plain if _HEX.fullmatch(plain) else md5(said.encode(), usedforsecurity=False).hexdigest()
