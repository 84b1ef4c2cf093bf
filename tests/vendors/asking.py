"""A vendor's counter with the evidence of what it asked, and sums of what it answered; connecting is counting_at's."""

from collections import Counter as Tally
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from domain.event_counts import Count, Fate
from domain.exchanges import Exchange
from domain.windows import Month, Window
from tests.conftest import StandIns
from tests.vendors.counting_at import Desk
from vendors.counting import Counter, Counting

OCTOBER = Month(2026, 10).window
FIRST_DAYS = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 5, tzinfo=UTC))
A_DAY = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 2, tzinfo=UTC))


@contextmanager
def counter_of(
    stand_ins: StandIns,
    counting: Counting,
    changes: dict[str, str] | None = None,
    **section: Any,
) -> Iterator[tuple[Counter, list[Exchange]]]:
    """Give a counter with the stand-in's credentials, `changes` (by variable name) made, and its evidence."""
    evidence: list[Exchange] = []
    with Desk(stand_ins, counting).counter(evidence, changes=changes, **section) as counter:
        yield counter, evidence


def totals(counts: list[Count]) -> dict[tuple[str, Fate, str, bool], int]:
    """Return the events by type, fate, reason and whether they are probes, without the noughts."""
    tally: Tally[tuple[str, Fate, str, bool]] = Tally()
    for count in counts:
        tally[count.type, count.fate, count.reason, count.is_probe] += count.events
    return {key: number for key, number in tally.items() if number}


def receive(stand_ins: StandIns, vendor: str, *events: dict[str, Any]) -> None:
    stand_ins.control("POST", f"/{vendor}/actions/receive_many", {"events": list(events)})
