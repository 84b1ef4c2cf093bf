"""What a system says of events: how many, of which type, in which span of time, and what became of them.

A count that could not be read is no Count at all; a Count of 0 was seen to be 0.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

# In place of a type where the vendor does not tell types apart.
NOT_SPLIT = ""


class Clock(Enum):
    """By which of an event's moments a system counts it."""

    EVENT = "event time"
    RECEIVED = "time of receipt"


class Fate(Enum):
    """What became of an event at the vendor, in the order in which it can get lost."""

    CLIENT_DROPPED = "dropped by the client"
    REFUSED = "refused"
    RATE_LIMITED = "rate-limited"
    FILTERED = "filtered"
    INVALID = "invalid"
    DEDUPLICATED = "de-duplicated"
    ACCEPTED = "accepted"


class Unit(Enum):
    """What one counted thing is. Vendors that merge repeats count fewer things than events were sent."""

    EVENTS = "events"
    MERGED = "merged alerts"


@dataclass(frozen=True, slots=True)
class Count:
    """How many events of one type and fate a vendor counted from `start` on, for `span` (an hour, a day, or less).

    `reason` is the vendor's own word for the fate, empty where it has none.
    """

    start: datetime
    span: timedelta
    type: str
    fate: Fate
    events: int
    reason: str = ""
    is_probe: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """One event as the vendor lists it, by the id that the application gave it. `copies` counts merged repeats with it."""

    event_id: str
    at: datetime
    type: str
    copies: int = 1
    is_probe: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to one question. `cursor` asks for the next page and is empty at the end.

    With `is_capped` the window holds more than the vendor pages through: nothing of the page counts, and each half is
    asked for instead.
    """

    counts: tuple[Count, ...] = ()
    listed: tuple[Listed, ...] = ()
    cursor: str = ""
    is_capped: bool = False


class Trust(Enum):
    """Where an emitted number comes from, the most trusted first."""

    EXACT = "event records"
    COUNTERS = "counter snapshots"
    ESTIMATE = "Prometheus, an estimate"
