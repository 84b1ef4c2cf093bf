"""Holds what was sent against what arrived, and takes off what explains the difference; nothing is ever netted.

A loss is explained by what is known of it and by no more than that: each explanation takes of what the ones before it left.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from domain.event_counts import Fate, Unit
from domain.proportions import sampling_error
from domain.reconciliation import NONE_AT_ALL, Bounds, Compared, Emitted, Explained, Overlay, Received, Why
from domain.windows import DAY, HOUR, Window, day_window

_HOURS = 24
# How many standard errors a sample may be off before it counts as a difference.
_SIGMAS = 3


@dataclass(frozen=True, slots=True)
class Manner:
    """How one target's two sides are compared.

    `rate` is the share sent on purpose, 0.0-1.0, by event type. `shift` is how far the vendor's clock may put an event from
    where ours does. `overlays` are the incidents of this target.
    """

    unit: Unit
    shift: timedelta
    rates: Mapping[str, float]
    rate: float
    overlays: tuple[Overlay, ...] = ()

    def rate_of(self, event_type: str) -> float:
        return self.rates.get(event_type, self.rate)


def compared_days(
    days: Mapping[date, tuple[Emitted, Received]], event_type: str, manner: Manner, window: Window
) -> dict[date, Compared]:
    """Return the comparison of every day of one target and type that both sides know, explained as far as it can be."""
    rate = manner.rate_of(event_type)
    found = {day: _explained_by_vendor(*sides, _raw(*sides, rate, manner.unit)) for day, sides in days.items()}
    if rate < 1:
        found = {day: _explained_by_sampling(days[day][0], rate, one) for day, one in found.items()}
    if any(received.lost is None for _, received in days.values()):
        found = _explained_by_boundary(found, days, manner.shift, window)
    return {day: _explained_by_incidents(day, *days[day], one, manner.overlays) for day, one in found.items()}


def sampled_month(sides: Sequence[tuple[Emitted, Received]], rate: float, unit: Unit) -> Compared:
    """Return the comparison of a whole month of one sampled type: a sampler's noise evens out over the days."""
    emitted, received = total_emitted(one for one, _ in sides), total_received(one for _, one in sides)
    raw = _explained_by_vendor(emitted, received, _raw(emitted, received, rate, unit))
    return _explained_by_sampling(emitted, rate, raw)


def is_detectable(events: int, rate: float, tolerance: float) -> bool:
    """Say whether a difference of `tolerance` would stand out of a sampler's noise."""
    return _SIGMAS * sampling_error(events, rate) <= tolerance * events * rate


def summed(parts: Iterable[Compared]) -> Compared:
    """Return the sum of comparisons: losses with losses, excesses with excesses, each reason with its like."""
    rows = list(parts)
    duplicates = [row.duplicates for row in rows]
    return Compared(
        expected=sum(row.expected for row in rows),
        received=sum(row.received for row in rows),
        loss=_total(row.loss for row in rows),
        excess=_total(row.excess for row in rows),
        duplicates=None if None in duplicates else sum(one or 0 for one in duplicates),
        loss_explained=_merged(one for row in rows for one in row.loss_explained),
        excess_explained=_merged(one for row in rows for one in row.excess_explained),
    )


def total_emitted(parts: Iterable[Emitted]) -> Emitted:
    """Return the sum; hours are kept apart only within a day, so a sum of several days has none."""
    rows = list(parts)
    drops: dict[str, int] = {}
    for reason, events in (drop for row in rows for drop in row.drops):
        drops[reason] = drops.get(reason, 0) + events
    return Emitted(
        records=sum(row.records for row in rows),
        unique=sum(row.unique for row in rows),
        sent=sum(row.sent for row in rows),
        drops=tuple(sorted(drops.items())),
        sampled_out=sum(row.sampled_out for row in rows),
    )


def total_received(parts: Iterable[Received]) -> Received:
    """Return the sum; a part that only counts makes the whole one that only counts."""
    rows = list(parts)
    losses: dict[tuple[Fate, str], int] = {}
    for fate, reason, events in (loss for row in rows for loss in row.losses):
        losses[fate, reason] = losses.get((fate, reason), 0) + events
    return Received(
        events=sum(row.events for row in rows),
        unique=_sum_or_none(row.unique for row in rows),
        lost=_sum_or_none(row.lost for row in rows),
        extra=_sum_or_none(row.extra for row in rows),
        losses=tuple((fate, reason, n) for (fate, reason), n in sorted(losses.items(), key=lambda one: str(one[0]))),
    )


def _raw(emitted: Emitted, received: Received, rate: float, unit: Unit) -> Compared:
    expected = round(emitted.sent * rate)
    # Where a sampler is not recorded, ids that it left out look like lost ones: there only numbers are compared.
    if rate == 1 and received.lost is not None and received.extra is not None:
        lost, extra = received.lost, received.extra
        return Compared(expected, received.events, Bounds(lost, lost), Bounds(extra, extra), received.duplicates)
    net = expected - received.events
    repeats = math.ceil(emitted.repeats * rate)
    # Repeats that arrived may hide as many losses; merged alerts may be fewer with nothing lost.
    least = 0 if unit is Unit.MERGED else max(0, net)
    loss = Bounds(least, min(expected, max(0, net + repeats)))
    over = max(0, -net)
    compared = Compared(expected, received.events, loss, Bounds(over, over), None)
    twice = min(over, repeats)
    return _with_excess(compared, Explained(Why.REPEATS, "the application sent them more than once", twice))


def _explained_by_vendor(emitted: Emitted, received: Received, compared: Compared) -> Compared:
    known = emitted.dropped
    for fate, reason, events in received.losses:
        of_ours = max(0, events - known) if fate is Fate.CLIENT_DROPPED else events
        known = max(0, known - events) if fate is Fate.CLIENT_DROPPED else known
        why = Why.RATE_LIMIT if fate is Fate.RATE_LIMITED else Why.VENDOR
        words = f"{fate.value}: {reason}" if reason else fate.value
        compared = _with_loss(compared, Explained(why, words, of_ours))
    return compared


def _explained_by_sampling(emitted: Emitted, rate: float, compared: Compared) -> Compared:
    noise = math.ceil(_SIGMAS * sampling_error(emitted.sent, rate))
    one = Explained(Why.SAMPLING, f"within the noise of a sampler of {rate:g}", noise)
    return _with_excess(_with_loss(compared, one), one)


def _explained_by_boundary(
    found: Mapping[date, Compared],
    days: Mapping[date, tuple[Emitted, Received]],
    shift: timedelta,
    window: Window,
) -> dict[date, Compared]:
    """Move what one day misses and its neighbour has too much, as far as events near midnight can have moved."""
    moved = dict(found)
    for day in sorted(found):
        following = day + DAY
        if following in found:
            late = _near_end(days[day][0], shift)
            early = _near_start(days[following][0], shift)
            _move(moved, day, following, late)
            _move(moved, following, day, early)
    first, last = window.start.date(), (window.end - DAY).date()
    if first in moved:
        moved[first] = _at_edge(moved[first], _near_start(days[first][0], shift), "the month before")
    if last in moved:
        moved[last] = _at_edge(moved[last], _near_end(days[last][0], shift), "the month after")
    return moved


def _move(moved: dict[date, Compared], loses: date, gains: date, at_most: int) -> None:
    events = min(moved[loses].loss_residual.high, moved[gains].excess_residual.high, at_most)
    moved[loses] = _with_loss(moved[loses], Explained(Why.BOUNDARY, "on the neighbouring day", events))
    moved[gains] = _with_excess(moved[gains], Explained(Why.BOUNDARY, "from the neighbouring day", events))


def _at_edge(compared: Compared, at_most: int, other: str) -> Compared:
    one = Explained(Why.BOUNDARY, f"may stand in {other}", at_most)
    return _with_excess(_with_loss(compared, one), one)


def _near_end(emitted: Emitted, shift: timedelta) -> int:
    return _within(emitted, emitted.by_hour[-1:], shift)


def _near_start(emitted: Emitted, shift: timedelta) -> int:
    return _within(emitted, emitted.by_hour[:1], shift)


def _within(emitted: Emitted, hour: Sequence[int], shift: timedelta) -> int:
    """Return how many events the day has within `shift` of midnight, by its nearest hour where hours are known."""
    per_hour = hour[0] if hour and shift <= HOUR else emitted.sent / _HOURS
    return math.ceil(per_hour * (shift / HOUR))


def _explained_by_incidents(
    day: date, emitted: Emitted, received: Received, compared: Compared, overlays: Iterable[Overlay]
) -> Compared:
    for overlay in overlays:
        within = overlay.window.overlap(day_window(day))
        if within is not None:
            events = math.ceil(sum(_lost_within(emitted, received, within)))
            compared = _with_loss(compared, Explained(Why.INCIDENT, overlay.words, events))
    return compared


def _lost_within(emitted: Emitted, received: Received, span: Window) -> Iterator[float]:
    """Yield how many events of each hour can have been lost in the span: the hour's own shortfall where both sides know it."""
    start = span.start.replace(hour=0, minute=0, second=0, microsecond=0)
    for hour in range(_HOURS):
        within = span.overlap(Window(start + hour * HOUR, start + (hour + 1) * HOUR))
        if within is None:
            continue
        sent = emitted.by_hour[hour] if emitted.by_hour else emitted.sent / _HOURS
        arrived = received.by_hour[hour] if emitted.by_hour and received.by_hour else 0
        yield min(sent * (within.span / HOUR), max(0, sent - arrived))


def _with_loss(compared: Compared, one: Explained) -> Compared:
    events = min(one.events, compared.loss_residual.high)
    return replace(compared, loss_explained=_merged((*compared.loss_explained, replace(one, events=events))))


def _with_excess(compared: Compared, one: Explained) -> Compared:
    events = min(one.events, compared.excess_residual.high)
    return replace(compared, excess_explained=_merged((*compared.excess_explained, replace(one, events=events))))


def _merged(parts: Iterable[Explained]) -> tuple[Explained, ...]:
    totals: dict[tuple[Why, str], int] = {}
    for one in parts:
        if one.events:
            totals[one.why, one.words] = totals.get((one.why, one.words), 0) + one.events
    order = list(Why)
    rows = [Explained(why, words, events) for (why, words), events in totals.items()]
    return tuple(sorted(rows, key=lambda one: (order.index(one.why), one.words)))


def _total(parts: Iterable[Bounds]) -> Bounds:
    return sum(parts, start=NONE_AT_ALL)


def _sum_or_none(parts: Iterable[int | None]) -> int | None:
    rows = list(parts)
    return None if None in rows else sum(one or 0 for one in rows)
