"""How many events applications say they emitted, where they count and do not record: per UTC day, target and type.

A day that is not there was not counted, which is not 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from domain.event_counts import Trust
from domain.reconciliation import SourceFact

# UTC day, target, event type.
DayCell = tuple[date, str, str]


@dataclass(frozen=True, slots=True)
class EmittedCounts:
    """Counts of one source, and what a reader has to know of them.

    `may_be_earlier` says of a cell how many of its events may have happened on an earlier day: they were first seen in the
    cell's day, and last not seen before it. `uncounted_days` are days of the window of which the source says nothing;
    `unusable_days` are those of a file that could not be used, and why: what is counted of them is not all.
    """

    counts: Mapping[DayCell, int]
    trust: Trust
    facts: tuple[SourceFact, ...]
    may_be_earlier: Mapping[DayCell, int]
    uncounted_days: tuple[date, ...] = ()
    unusable_days: Mapping[date, str] = field(default_factory=dict)
