"""What each vendor received, by UTC day and type: asked now, or kept from days that it does not know any more.

A day that nobody can tell is named with the reason; it is not a day without events.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

from domain.errors import OpsError
from domain.event_counts import Count, Fate
from domain.explaining import in_order
from domain.names import Target
from domain.reconciliation import Received, SourceFact
from domain.reconciliation_sections import ReceivedSection
from domain.vendor_clock import really_at, unclear_hours, vendor_windows
from domain.windows import DAY, HOUR, Window, day_window
from ledger.collected_counts import KeptCounts, kept_counts
from steps.context import Context
from steps.received_pages import ReceivedPages, list_file
from steps.receiving import Line, stream
from vendors.capabilities import checked_values
from vendors.counting import Counting

# What a vendor keeps for less than this may be gone when a month is reconciled for the second time.
KEPT_LONG_ENOUGH = timedelta(days=62)
_HOURS = 24
_ASKED_BY = {"by", "type_field", "types", "query", "id_field", "time_zone"}
# Where lists of events wait to be matched, below the folder of an environment.
LISTS = "lists"
NOT_OVER = "it is not over yet"


@dataclass(frozen=True, slots=True)
class Asked:
    """One target and how it is asked; `told` is called with the number of pages read so far."""

    target: Target
    counting: Counting
    section: ReceivedSection
    told: Callable[[int], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class ReceivedSide:
    """What the vendor says. `listed` is the file of its events where ids are compared, to be removed by who compares them.

    `missing` names the days that are not known, and why. `counted_only` are days whose counts were kept and whose events
    the vendor does not list any more. `probes` are our own verifications among them, left out of the rest. `facts` are what
    a reader has to know of it.
    """

    days: Mapping[tuple[date, str], Received] = field(default_factory=dict)
    missing: Mapping[date, str] = field(default_factory=dict)
    listed: Path | None = None
    counted_only: frozenset[date] = frozenset()
    probes: int = 0
    facts: tuple[SourceFact, ...] = ()


def section_of(context: Context, target: Target) -> ReceivedSection:
    """Return what opsflows.toml says of the target's counts, or what holds where it says nothing."""
    return context.config.received.get(context.environment, {}).get(str(target), ReceivedSection())


def retention_of(asked: Asked) -> timedelta | None:
    """Return how long the vendor keeps what is counted, None where that is longer than anyone asks for."""
    days = asked.section.retention_days
    return asked.counting.retention if days is None else timedelta(days=days)


def is_collected(asked: Asked) -> bool:
    """Say whether the daily collector keeps this target's counts, because its vendor does not keep them for long enough."""
    retention = retention_of(asked)
    return retention is not None and retention < KEPT_LONG_ENOUGH


def section_digest(section: ReceivedSection) -> str:
    """Return what tells one way of asking from another: counts that were asked for otherwise are not the same counts.

    What only says how numbers are compared may change, and what was kept stays right.
    """
    return hashlib.sha256(section.model_dump_json(include=_ASKED_BY).encode()).hexdigest()[:16]


def ask_vendor(context: Context, asked: Asked, window: Window, writing: IO[str] | None = None) -> tuple[Count, ...]:
    """Return what the vendor counted or listed for the window, by the hour; listed events are written down one by one.

    Raises:
        BadInput: its credentials are missing or do not fit, or it cannot count the way opsflows.toml says.
        Rejected, Unavailable, NotYet: it did not tell.
    """
    integration = context.integrations[asked.target.integration]
    values = checked_values(integration, context.credentials(asked.target) or {})
    address = context.addresses.get(asked.target.integration)
    pages = ReceivedPages(str(asked.target), asked.section.time_zone, writing)
    counter = asked.counting.connect(values, address, context.conduct, asked.section)
    try:
        line = Line(counter, asked.counting, context.pace, context.clock, asked.told)
        stream(line, vendor_windows(window, asked.section.time_zone), pages)
    finally:
        counter.close()
    return pages.counts


def received_side(context: Context, asked: Asked, window: Window, now: datetime, lists: Path) -> ReceivedSide:
    """Return the target's side of the window: asked for as far back as the vendor knows, kept counts for the days before.

    Where the vendor shows fewer events of a day than were collected of it, it has forgotten some: what was kept stands.
    Lists of events are written into the folder `lists`.
    """
    before, known = _parts(asked, window, now)
    missing = days_not_over(window, now)
    kept = _kept(context, asked, Window(window.start, known.end))
    by_ids = asked.section.by == "ids"
    told: tuple[Count, ...] = ()
    listed: Path | None = None
    forgotten: dict[date, tuple[int, int]] = {}
    if before.start < before.end:
        missing |= dict.fromkeys(kept.days_missing(before), _never_collected(asked))
    if known.start < known.end:
        try:
            with list_file(lists, now) if by_ids else nullcontext() as writing:
                told = ask_vendor(context, asked, known, writing)
                listed = Path(writing.name) if writing else None
            forgotten = shrunken_days(kept, told, known)
        except OpsError as error:
            missing |= dict.fromkeys(known.days(), f"{error.happened} {error.next_step}")
    from_kept = {*before.days(), *forgotten}
    counts = [
        *(one for one in kept.counts if day_of(one) in from_kept),
        *(one for one in told if day_of(one) not in forgotten),
    ]
    return ReceivedSide(
        days={key: one for key, one in received_days(counts).items() if key[0] not in missing},
        missing=missing,
        listed=listed,
        counted_only=frozenset(from_kept).difference(missing) if by_ids else frozenset(),
        probes=sum(one.events for one in counts if one.is_probe),
        facts=(*_forgotten_facts(asked, forgotten), *_zone_facts(asked, known)),
    )


def days_not_over(window: Window, now: datetime) -> dict[date, str]:
    """Return the window's days that still go on or have not begun: half a day's events are not the day's."""
    return {day: NOT_OVER for day in window.days() if day_window(day).end > now}


def received_days(counts: Iterable[Count]) -> dict[tuple[date, str], Received]:
    """Return the counts by UTC day and type, verifications left out; by hour too where every one of a day is an hour's."""
    events: dict[tuple[date, str], int] = {}
    losses: dict[tuple[date, str], dict[tuple[Fate, str], int]] = {}
    hours: dict[tuple[date, str], list[int] | None] = {}
    for one in counts:
        if one.is_probe:
            continue
        at = one.start.astimezone(UTC)
        key = (at.date(), one.type)
        events.setdefault(key, 0)
        if one.fate is Fate.ACCEPTED:
            events[key] += one.events
            _add_hour(hours, key, at.hour, one)
        else:
            lost = losses.setdefault(key, {})
            lost[one.fate, one.reason] = lost.get((one.fate, one.reason), 0) + one.events
    return {
        key: Received(
            events=number,
            losses=in_order((fate, reason, lost) for (fate, reason), lost in losses.get(key, {}).items()),
            by_hour=tuple(hours.get(key) or ()),
        )
        for key, number in events.items()
    }


def day_of(count: Count) -> date:
    """Return the UTC day in which the count begins."""
    return count.start.astimezone(UTC).date()


def shrunken_days(kept: KeptCounts, told: Iterable[Count], known: Window) -> dict[date, tuple[int, int]]:
    """Return the days of which more was kept than the vendor tells now, each with both numbers.

    Late events make a day's count grow. One that shrinks is of events that the vendor has forgotten or somebody deleted.
    """
    now, before = Counter[date](), Counter[date]()
    for counts, into in ((told, now), (kept.counts, before)):
        for one in counts:
            into[day_of(one)] += one.events
    whole = set(known.days()).difference(kept.days_missing(known))
    return {day: (before[day], now[day]) for day in sorted(whole) if before[day] > now[day]}


def midnight_after(moment: datetime) -> datetime:
    """Return the beginning of the first UTC day of which nothing lies before the moment."""
    start = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return start if start == moment else start + DAY


def _add_hour(hours: dict[tuple[date, str], list[int] | None], key: tuple[date, str], hour: int, one: Count) -> None:
    of_day = hours.setdefault(key, [0] * _HOURS)
    if one.span > HOUR:
        hours[key] = None
    elif of_day is not None:
        of_day[hour] += one.events


def _kept(context: Context, asked: Asked, window: Window) -> KeptCounts:
    if retention_of(asked) is None:
        return KeptCounts((), ())
    return kept_counts(context.ledger, context.environment, str(asked.target), window, section_digest(asked.section))


def _forgotten_facts(asked: Asked, days: Mapping[date, tuple[int, int]]) -> Iterator[SourceFact]:
    for day, (kept, told) in days.items():
        what = f"events of {day} that were collected and that it does not show any more: the {kept:,} collected stand"
        yield SourceFact(str(asked.target), "", what, kept - told, is_fault=True)


def _zone_facts(asked: Asked, window: Window) -> Iterator[SourceFact]:
    """Yield what cannot be moved back to the hour; the day is right nevertheless."""
    for words in unclear_hours(window, asked.section.time_zone):
        what = f"times in {asked.section.time_zone} that may be of the hour beside: {words}"
        yield SourceFact(str(asked.target), "", what, 1, is_fault=False)


def _parts(asked: Asked, window: Window, now: datetime) -> tuple[Window, Window]:
    """Return the days that the vendor has forgotten, and the time that it knows; each may be empty."""
    retention = retention_of(asked)
    zone = ZoneInfo(asked.section.time_zone)
    reaches = window.start if retention is None else midnight_after(really_at(now - retention, zone))
    known = Window(min(max(window.start, reaches), window.end), min(window.end, max(now, window.start)))
    return Window(window.start, known.start), known


def _never_collected(asked: Asked) -> str:
    days = (retention_of(asked) or timedelta(0)).days
    return (
        f"{asked.counting.integration} keeps its counts for {days} days, and this day was not collected; "
        "the deployment collect-counts has to run daily."
    )
