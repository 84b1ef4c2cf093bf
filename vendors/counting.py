"""How a vendor is asked what it received: which questions it takes, and what its answers mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from domain.event_counts import Clock, Page, Unit
from domain.reconciliation_sections import ReceivedSection
from domain.windows import Window
from vendors.http import Conduct


class Counter(Protocol):
    """A connected vendor that can say what it received.

    `page` makes one request and returns what the vendor has for the half-open window; the first page has cursor "".
    It translates the window to the vendor's own bounds (inclusive ends, milliseconds, account time zones) and leaves
    out what lies outside, so that adjoining windows never share an event. Raises the errors of vendors.http alone.
    """

    def page(self, window: Window, cursor: str) -> Page: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Counting:
    """How one integration counts; a row of COUNTS.

    `connect(values, address, conduct, section)` takes values by variable field, as Integration.connect does, and what
    opsflows.toml says of this integration's counts. It raises BadInput for what the vendor cannot do.
    `counts` says in words what is counted. `lists_ids` tells whether the vendor can list events by the application's
    id (section.by = "ids"), `type_fields` says in words what section.type_field may name, empty where types are not split.
    `reporting_lag` is how late its numbers may be. `retention` is how long they can be asked for, None for at least
    thirteen months; where it is shorter than two months, the daily collector keeps them. `longest` is the longest window
    of one question, `finest` the shortest: a window that holds too much is halved down to it. `shifts_at_day_end`
    says how far its clock may put an event from where ours does (lag and skew together): each row says why so far, and
    received.<environment>.<target>.shift_minutes says otherwise where an account is known to differ.
    """

    integration: str
    connect: Callable[[Mapping[str, str], str | None, Conduct, ReceivedSection], Counter]
    counts: str
    unit: Unit
    clock: Clock
    lists_ids: bool
    type_fields: str
    reporting_lag: timedelta
    retention: timedelta | None
    longest: timedelta
    finest: timedelta = timedelta(seconds=1)
    shifts_at_day_end: timedelta = timedelta(minutes=1)
