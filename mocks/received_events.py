"""Events that a stand-in is told it received at moments of the past: the fields of the action receive_many, read once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mocks.stage import Order

ACCEPTED = "accepted"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One event. `at_us` is in epoch microseconds; `copies` is how often the same event came."""

    event_id: str
    at_us: int
    type: str
    fate: str
    reason: str
    copies: int

    @property
    def at(self) -> float:
        """When it came, in epoch seconds."""
        return self.at_us / 1_000_000


def received_events(order: Order) -> list[ReceivedEvent]:
    """Return the events of the order, oldest first.

    Raises:
        KeyError, TypeError, ValueError: an event lacks its id or its moment, or says something that cannot be.
    """
    return sorted(_events(order.fields["events"]), key=lambda event: event.at_us)


def accepted(events: list[ReceivedEvent]) -> list[ReceivedEvent]:
    return [event for event in events if event.fate == ACCEPTED]


def _events(rows: list[Mapping[str, Any]]) -> Iterator[ReceivedEvent]:
    for row in rows:
        at = datetime.fromisoformat(row["at"])
        if at.tzinfo is None:
            raise ValueError(f"{row['at']} names no offset from UTC")
        copies = int(row.get("copies", 1))
        if copies < 1:
            raise ValueError(f"{row['id']} came {copies} times")
        yield ReceivedEvent(
            str(row["id"]), (at - _EPOCH) // _MICROSECOND, str(row.get("type") or ""),
            str(row.get("fate") or ACCEPTED), str(row.get("reason") or ""), copies,
        )  # fmt: skip
