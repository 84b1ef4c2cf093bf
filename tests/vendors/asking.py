"""A vendor's counter connected to its stand-in, and asked to the end: what the tests of counts begin with."""

from collections import Counter as Tally
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

from domain.event_counts import Count, Fate, Listed, Page
from domain.exchanges import Exchange
from domain.reconciliation_sections import ReceivedSection
from domain.windows import Month, Window
from tests.conftest import StandIns
from vendors.capabilities import Integration, checked_values
from vendors.counting import Counter, Counting
from vendors.hosts import HostRule
from vendors.http import Conduct

OCTOBER = Month(2026, 10).window
FIRST_DAYS = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 5, tzinfo=UTC))
A_DAY = Window(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 2, tzinfo=UTC))


@contextmanager
def counter_of(
    stand_ins: StandIns,
    integration: Integration,
    counting: Counting,
    changes: dict[str, str] | None = None,
    **section: Any,
) -> Iterator[tuple[Counter, list[Exchange]]]:
    """Give a counter with the stand-in's credentials, `changes` (by variable name) made, and its evidence."""
    evidence: list[Exchange] = []
    given = stand_ins.control("GET", f"/{integration.name}/credentials") | (changes or {})
    conduct = Conduct(HostRule(rehearsal=True), evidence.append)
    address = f"{stand_ins.url}/{integration.name}"
    said = ReceivedSection.model_validate(section)
    with closing(counting.connect(checked_values(integration, given), address, conduct, said)) as counter:
        yield counter, evidence


def pages(counter: Counter, window: Window) -> list[Page]:
    """Ask until nothing follows, or until a page says that the window holds too much."""
    found = [counter.page(window, "")]
    while found[-1].cursor and not found[-1].is_capped:
        found.append(counter.page(window, found[-1].cursor))
    return found


def counted(counter: Counter, window: Window) -> list[Count]:
    return [count for page in pages(counter, window) for count in page.counts]


def listed(counter: Counter, window: Window) -> list[Listed]:
    return [event for page in pages(counter, window) for event in page.listed]


def totals(counts: list[Count]) -> dict[tuple[str, Fate, str, bool], int]:
    """Return the events by type, fate, reason and whether they are probes, without the noughts."""
    tally: Tally[tuple[str, Fate, str, bool]] = Tally()
    for count in counts:
        tally[count.type, count.fate, count.reason, count.is_probe] += count.events
    return {key: number for key, number in tally.items() if number}


def receive(stand_ins: StandIns, vendor: str, *events: dict[str, Any]) -> None:
    stand_ins.control("POST", f"/{vendor}/actions/receive_many", {"events": list(events)})
