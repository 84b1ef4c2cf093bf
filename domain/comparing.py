"""Holds what was sent against what arrived, and takes off what explains the difference; nothing is ever netted.

A loss is explained by what is known of it and by no more than that: each explanation takes of what the ones before it left.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from domain.event_counts import Fate, Unit
from domain.explaining import (
    explained_by_boundary,
    explained_by_incidents,
    explained_by_vendor,
    in_order,
    merged,
    with_excess,
    with_loss,
)
from domain.proportions import sampling_error
from domain.reconciliation import NONE_AT_ALL, Bounds, Compared, Emitted, Explained, Overlay, Received, Why
from domain.windows import Window

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
    found = {day: _compared(*sides, rate, manner.unit) for day, sides in days.items()}
    if any(not _knows_ids(received, rate) for _, received in days.values()):
        found = explained_by_boundary(found, days, manner.shift, rate, window)
    return {day: explained_by_incidents(day, days[day], one, rate, manner.overlays) for day, one in found.items()}


def sampled_month(
    sides: Sequence[tuple[Emitted, Received]], rate: float, unit: Unit,
    incidents: Iterable[Explained] = (), in_incidents: int = 0,
) -> Compared:  # fmt: skip
    """Return the comparison of a whole month of one sampled type: a sampler's noise evens out over the days.

    `incidents` are what its days explained by them, and `in_incidents` events at most were lost in one.
    """
    emitted, received = total_emitted(one for one, _ in sides), total_received(one for _, one in sides)
    compared = _compared(emitted, received, rate, unit)
    surely = 0
    for one in incidents:
        surely += one.events
        compared = with_loss(compared, one)
    return with_loss(compared, Explained(Why.INCIDENT, "perhaps", 0), max(0, in_incidents - surely))


def noise_of(events: int, rate: float) -> int:
    """Return how many events a sampler of `rate` may let through above or below its share before it is a difference."""
    return math.ceil(_SIGMAS * sampling_error(events, rate))


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
        loss_explained=merged(one for row in rows for one in row.loss_explained),
        excess_explained=merged(one for row in rows for one in row.excess_explained),
        # A reason of one part explains nothing of another: what is left is summed, not worked out from the sums.
        loss_left=_total(row.loss_residual for row in rows),
        excess_left=_total(row.excess_residual for row in rows),
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
        may_be_earlier=sum(row.may_be_earlier for row in rows),
        may_be_later=sum(row.may_be_later for row in rows),
        repeats_kept_back=sum(row.repeats_kept_back for row in rows),
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
        losses=in_order((fate, reason, n) for (fate, reason), n in losses.items()),
    )


def _compared(emitted: Emitted, received: Received, rate: float, unit: Unit) -> Compared:
    if _knows_ids(received, rate):
        return _by_ids(emitted, received)
    return _by_counts(emitted, received, rate, unit)


def _knows_ids(received: Received, rate: float) -> bool:
    """Tell whether ids decide: where a sampler is not recorded, those that it left out look like lost ones."""
    return rate == 1 and received.lost is not None


def _by_ids(emitted: Emitted, received: Received) -> Compared:
    """Return the exact loss; the excess is what nobody recorded, and all copies but the first of what arrived."""
    lost, copies = received.lost or 0, received.duplicates or 0
    over = (received.extra or 0) + copies
    raw = Compared(emitted.sent, received.events, Bounds(lost, lost), Bounds(over, over), received.duplicates)
    explained = _explained_by_repeats(raw, min(copies, emitted.resent))
    return explained_by_vendor(emitted, received, explained, repeats=emitted.resent, spare=emitted.resent)


def _by_counts(emitted: Emitted, received: Received, rate: float, unit: Unit) -> Compared:
    """Return bounds, which hold as long as nothing arrived twice or from elsewhere that nobody recorded: that hides losses."""
    expected = round(emitted.sent * rate)
    noise, repeats = noise_of(emitted.sent, rate), math.ceil(emitted.resent * rate)
    net, most = expected - received.events, expected + noise
    # Repeats that arrived may hide as many losses; merged alerts may be fewer with nothing lost.
    least = 0 if unit is Unit.MERGED else max(0, net - noise)
    may_be_lost = max(0, net + repeats + noise)
    excess = Bounds(max(0, -net - noise), min(received.events, max(0, noise - net, repeats)))
    raw = Compared(expected, received.events, Bounds(least, min(most, may_be_lost)), excess, None)
    explained = _explained_by_repeats(raw, repeats)
    spare = max(0, may_be_lost - most)
    return explained_by_vendor(emitted, received, explained, repeats=repeats, spare=spare)


def _explained_by_repeats(compared: Compared, repeats: int) -> Compared:
    return with_excess(compared, Explained(Why.REPEATS, "the application sent them more than once", repeats))


def _total(parts: Iterable[Bounds]) -> Bounds:
    return sum(parts, start=NONE_AT_ALL)


def _sum_or_none(parts: Iterable[int | None]) -> int | None:
    rows = list(parts)
    return None if None in rows else sum(one or 0 for one in rows)
