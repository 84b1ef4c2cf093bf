"""What a Splunk instance holds: HEC tokens, indexes, events, acknowledgements, and the tokens of its REST API."""

import json
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from mocks.splunk_search import Found, Row, iso
from mocks.stage import Desk

INDEX = "opsflows"
INTROSPECTION = "_introspection"
TOKEN_METRICS = "http_event_collector_metrics"  # noqa: S105 - a sourcetype
# Splunk finds key=value pairs in plain text by itself.
_PAIR = re.compile(r'([A-Za-z_][\w.]*)=("[^"]*"|[^\s,;"]+)')


@dataclass(slots=True)
class HecToken:
    """What applications send with. Empty `indexes` allow any index."""

    name: str
    token: str
    index: str = INDEX
    indexes: list[str] = field(default_factory=list)
    sourcetype: str = ""
    source: str = ""
    description: str = ""
    use_ack: bool = False
    disabled: bool = False
    query_string_auth: bool = False
    created_at: float = 0.0


@dataclass(slots=True)
class ApiToken:
    """What searches and manages; a search sees the indexes of its role and nothing says that others were left out."""

    name: str
    token: str
    search_indexes: list[str]
    may_edit_tokens: bool = False


@dataclass(slots=True)
class Event:
    """One indexed event. `fields` were sent as such; what JSON or key=value text holds is extracted by searches."""

    index: str
    host: str
    source: str
    sourcetype: str
    at: float
    indexed_at: float
    raw: str
    token_name: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Channel:
    """The acknowledgements of one channel: from when on each is true, until it was read."""

    next_id: int = 0
    true_from: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seed:
    """The instance's first tokens."""

    hec_token: str
    api_token: str
    manager_token: str


@dataclass(slots=True)
class Memory:
    """All that the instance holds. While `busy`, it takes nothing and is unhealthy.

    While `peer_down`, a search misses what one of the indexers holds, and says so in a message among its rows.
    """

    hec_tokens: list[HecToken]
    api_tokens: list[ApiToken]
    indexes: list[str]
    events: list[Event] = field(default_factory=list)
    channels: dict[str, Channel] = field(default_factory=dict)
    busy: bool = False
    peer_down: bool = False


Instance = Desk[Seed, Memory]


def seed() -> Seed:
    return Seed(new_guid(), new_guid(), new_guid())


def memory(seeded: Seed) -> Memory:
    indexes = ["main", INDEX, INTROSPECTION]
    return Memory(
        hec_tokens=[HecToken("first", seeded.hec_token, indexes=[INDEX, "main"])],
        api_tokens=[
            ApiToken("reader", seeded.api_token, indexes),
            ApiToken("manager", seeded.manager_token, indexes, may_edit_tokens=True),
        ],
        indexes=list(indexes),
    )


def new_guid() -> str:
    return str(uuid.uuid4())


def found_in(desk: Instance, indexes: list[str], start: float = 0.0, end: float = float("inf")) -> list[Found]:
    """Return the events of some indexes, from `start` on and before `end` epoch seconds, that a search sees by now.

    While a peer is down, every other event is missing, as it is on the others.
    """
    now, allowed = desk.now(), frozenset(indexes)
    seen = [e for e in desk.memory.events if start <= e.at < end and e.index in allowed and e.indexed_at <= now]
    return [_found(event) for event in (seen[::2] if desk.memory.peer_down else seen)]


def _found(event: Event) -> Found:
    indexed = {
        **event.fields, "index": event.index, "host": event.host, "source": event.source,
        "sourcetype": event.sourcetype, "_raw": event.raw,
    }  # fmt: skip
    times = {"_time": iso(event.at), "_indextime": str(int(event.indexed_at))}
    return Found(event.at, event.indexed_at, indexed, {**_extracted(event.raw), **indexed, **times})


def _extracted(raw: str) -> Row:
    try:
        held = json.loads(raw)
    except ValueError:
        held = None
    if isinstance(held, dict):
        return _flat(held)
    return {name: value.strip('"') for name, value in _PAIR.findall(raw)}


def _flat(held: dict[str, Any], prefix: str = "") -> Row:
    """Name what lies deeper by its path, as Splunk does: `data.token_name`."""
    row: Row = {}
    for name, value in held.items():
        if isinstance(value, dict):
            row |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            row[f"{prefix}{name}{{}}"] = "\n".join(as_text(item) for item in value)
        else:
            row[f"{prefix}{name}"] = as_text(value)
    return row


def as_text(value: Any) -> str:
    """Every value of a search result is text."""
    return value if isinstance(value, str) else json.dumps(value)
