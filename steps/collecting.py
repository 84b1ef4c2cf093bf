"""Keeps what vendors counted, day by day, for those that forget it before a month is reconciled."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from domain.errors import OpsError
from domain.vendor_clock import really_at
from domain.windows import DAY, Window, day_window
from ledger.collected_counts import keep_counts, kept_counts
from steps.context import Context
from steps.received_sides import (
    Asked,
    ask_vendor,
    day_of,
    is_collected,
    midnight_after,
    retention_of,
    section_digest,
    section_of,
    shrunken_days,
)
from vendors.counting import Counting

# So many days back late events still change a count, where the vendor knows them for so long.
ASKED_AGAIN = timedelta(days=4)
_TOO_SHORT = "it forgets a day before the day is over, so none can be kept whole (retention_days below 2)"


@dataclass(frozen=True, slots=True)
class Due:
    """One target whose counts of these days are asked for now."""

    asked: Asked
    window: Window


@dataclass(frozen=True, slots=True)
class Collected:
    """What came of one target; `problem` is empty where its counts are kept."""

    environment: str
    target: str
    window: Window
    events: int
    problem: str

    @property
    def words(self) -> str:
        whole = self.window.start < self.window.end
        span = f", {self.window.start:%Y-%m-%d} to {self.window.end - DAY:%Y-%m-%d}" if whole else ""
        return f"{self.environment} {self.target}{span}: {self.problem or f'{self.events:,} events kept'}."


def collections_due(context: Context, counts: Mapping[str, Counting], now: datetime) -> list[Due]:
    """Return which targets of the environment are collected, and for which whole days."""
    asked = [
        Asked(target, counts[target.integration], section_of(context, target))
        for target in context.declared.targets
        if target.integration in counts and section_of(context, target).wanted
    ]
    return [Due(one, _days(context, one, now)) for one in asked if is_collected(one)]


def collected(context: Context, due: Due) -> Collected:
    """Ask for the days and keep each of them; what cannot be had is told, and what is kept of it stays.

    A day that has become smaller is told as well, and stays as it was: what the vendor forgot was received nevertheless.
    """
    target = str(due.asked.target)
    if due.window.start == due.window.end:
        return Collected(context.environment, target, due.window, 0, _TOO_SHORT)
    try:
        counts = ask_vendor(context, due.asked, due.window)
    except OpsError as error:
        return Collected(context.environment, target, due.window, 0, f"{error.happened} {error.next_step}".rstrip("."))
    digest = section_digest(due.asked.section)
    kept = kept_counts(context.ledger, context.environment, target, due.window, digest)
    shrunken = shrunken_days(kept, counts, due.window)
    for day in due.window.days():
        if day not in shrunken:
            of_day = [one for one in counts if day_of(one) == day]
            keep_counts(
                context.ledger, context.run_id, context.environment, target, day_window(day), digest, of_day
            )  # fmt: skip
    events = sum(one.events for one in counts if day_of(one) not in shrunken)
    return Collected(context.environment, target, due.window, events, _shrunken_words(shrunken))


def collection_report(done: Iterable[Collected]) -> str:
    rows = [f"- {one.words}" for one in done]
    return "\n".join(["# Collected counts", "", *(rows or ["No vendor in scope forgets its counts that soon."]), ""])


def _shrunken_words(days: Mapping[date, tuple[int, int]]) -> str:
    """Return what is told of days that the vendor counts fewer events of than it did before; nothing where there is none."""
    if not days:
        return ""
    told = ", ".join(f"{now:,} of {before:,} on {day}" for day, (before, now) in days.items())
    return (
        f"it shows fewer events than it did before ({told}), and the larger counts stay; "
        "where it keeps its counts for a shorter time than is said of it, set retention_days"
    )


def _days(context: Context, asked: Asked, now: datetime) -> Window:
    """Return the days before today that may still change, and back to the first that was never kept and is still known whole.

    The window is empty where the vendor forgets a day before it is over.
    """
    today = day_window(now.date()).start
    # What the vendor forgets today, by its own clock.
    forgotten = really_at(today + DAY - (retention_of(asked) or ASKED_AGAIN), ZoneInfo(asked.section.time_zone))
    known = Window(min(midnight_after(forgotten), today), today)
    kept = kept_counts(context.ledger, context.environment, str(asked.target), known, section_digest(asked.section))
    never = min((day_window(day).start for day in kept.days_missing(known)), default=today)
    return Window(max(known.start, min(never, today - ASKED_AGAIN)), today)
