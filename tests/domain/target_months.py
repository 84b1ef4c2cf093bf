"""Months of one target for tests: as month_results makes them from both sides, and bare ones with a finding."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from domain.comparing import Manner
from domain.event_counts import Clock, Trust, Unit
from domain.findings import Rule
from domain.month_results import Sides, month_results
from domain.reconciliation import Cell, Emitted, Finding, Received, TargetMonth
from domain.windows import Month, Window

RULE = Rule(0.01, 0.95)
OCTOBER = Month(2026, 10)
SETTLED = datetime(2026, 11, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

Key = tuple[date, str]


def sides_of(
    emitted: Mapping[Key, Emitted], received: Mapping[Key, Received], *, by_ids: bool = False, rate: float = 1.0
) -> Sides:
    """Return both sides of Slack, with nothing missing; tests replace what they are about."""
    return Sides(
        target="slack",
        manner=Manner(Unit.EVENTS, timedelta(0), {}, rate),
        trust=(Trust.EXACT,),
        clock=Clock.EVENT,
        splits_types=True,
        by_ids=by_ids,
        settles_at=SETTLED,
        emitted=emitted,
        received=received,
        emitted_missing={},
        received_missing={},
    )


def result_of(sides: Sides, window: Window = OCTOBER.window, now: datetime = SETTLED) -> tuple[TargetMonth, list[Cell]]:
    months, cells = month_results([sides], RULE, window, now)
    return months[0], list(cells)


def month_found(finding: Finding) -> TargetMonth:
    """Return an empty month with this finding."""
    month, _ = result_of(sides_of({}, {}))
    return replace(month, finding=finding)


def every_day(sent: int, received: int, kind: str = "a") -> tuple[dict[Key, Emitted], dict[Key, Received]]:
    """Return both sides of an October in which every day was the same."""
    days = list(OCTOBER.window.days())
    return {(day, kind): Emitted(sent, sent, sent) for day in days}, {(day, kind): Received(received) for day in days}
