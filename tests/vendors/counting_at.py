"""A vendor's counter connected to its stand-in, and asked to the end: what the tests of counts begin with."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from domain.event_counts import Count, Listed, Page
from domain.exchanges import Exchange
from domain.reconciliation_sections import ReceivedSection
from domain.windows import Month, Window
from tests.conftest import StandIns
from vendors.capabilities import checked_values
from vendors.counting import Counter, Counting
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.registry import integration_named

MONTH = Month(2026, 10).window
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Desk:
    """The stand-in of the vendor whose row is given."""

    stand_ins: StandIns
    row: Counting

    def act(self, action: str, fields: object = None) -> Any:
        return self.stand_ins.control("POST", f"/{self.row.integration}/actions/{action}", fields)

    def receive(self, *events: Mapping[str, object]) -> None:
        self.act("receive_many", {"events": [*events]})

    def answer_next(self, **fault: object) -> None:
        self.stand_ins.control("POST", f"/{self.row.integration}/faults", fault)

    def queries(self) -> list[str]:
        asked: list[dict[str, Any]] = self.stand_ins.control("GET", f"/{self.row.integration}/requests")
        return [entry["query"] for entry in asked]

    @contextmanager
    def counter(
        self, evidence: list[Exchange] | None = None, *, changes: Mapping[str, str] | None = None, **section: Any
    ) -> Iterator[Counter]:
        """Give a counter with the stand-in's credentials, `changes` made, and what opsflows.toml says."""
        name = self.row.integration
        given = self.stand_ins.control("GET", f"/{name}/credentials") | (changes or {})
        record = (lambda _: None) if evidence is None else evidence.append
        conduct = Conduct(HostRule(rehearsal=True), record)
        values = checked_values(integration_named(name), given)
        address = f"{self.stand_ins.url}/{name}"
        with closing(self.row.connect(values, address, conduct, ReceivedSection(**section))) as counter:
            yield counter


def sent(event_id: str, at: datetime, kind: str = "login", **more: object) -> dict[str, object]:
    return {"id": event_id, "at": at.isoformat(), "type": kind, **more}


def pages(counter: Counter, window: Window = MONTH) -> list[Page]:
    """Ask until nothing follows, or until a page says that the window holds too much."""
    found = [counter.page(window, "")]
    while found[-1].cursor and not found[-1].is_capped:
        found.append(counter.page(window, found[-1].cursor))
    return found


def counts(counter: Counter, window: Window = MONTH) -> list[Count]:
    return [count for page in pages(counter, window) for count in page.counts]


def listed(counter: Counter, window: Window = MONTH) -> list[Listed]:
    return [event for page in pages(counter, window) for event in page.listed]


def by_type(found: Iterable[Count]) -> dict[str, int]:
    """Return how many events of each type there were, probes left out."""
    totals: dict[str, int] = {}
    for count in found:
        if not count.is_probe:
            totals[count.type] = totals.get(count.type, 0) + count.events
    return totals


def ids(found: Iterable[Listed]) -> list[str]:
    return sorted(event.event_id for event in found)


def windows_between(cuts: Sequence[datetime], whole: Window = MONTH) -> list[Window]:
    """Return the adjoining windows that the cuts make of the whole one."""
    edges = sorted({whole.start, whole.end, *cuts})
    return [Window(start, end) for start, end in pairwise(edges)]


# Cuts anywhere, and cuts at and beside the moments at which events came.
def cuts_near(moments: Sequence[datetime]) -> st.SearchStrategy[list[datetime]]:
    beside = st.builds(
        lambda at, micros: at + timedelta(microseconds=micros),
        st.sampled_from(moments),
        st.sampled_from([-1_000_000, -1000, -1, 0, 1, 999, 1000, 1_000_000]),
    )
    anywhere = st.integers(1, MONTH.span // MICROSECOND - 1).map(lambda micros: MONTH.start + micros * MICROSECOND)
    within = (beside | anywhere).filter(lambda cut: MONTH.start < cut < MONTH.end)
    return st.lists(within, min_size=1, max_size=4)
