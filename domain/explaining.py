"""What explains a loss or an excess: the vendor's own words, midnight, known incidents; no reason explains more than it can.

An explanation comes off the upper bound as far as it surely is of the loss, and off the lower one as far as it may be.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from domain.event_counts import Fate
from domain.reconciliation import Bounds, Compared, Emitted, Explained, Overlay, Received, Why
from domain.windows import DAY, HOUR, Window, day_window

# A day of one target and type, as both sides know it.
Day = tuple[Emitted, Received]

_HOURS = 24


# What may have moved beyond the days that are compared: of that nothing can be counted.
_UNSEEN = Explained(Why.BOUNDARY, "beyond the days compared", 0)


def with_loss(compared: Compared, one: Explained, may_be: int | None = None) -> Compared:
    """Return the comparison with a reason for so many of its loss; `may_be` tells how many it can be at most."""
    one = replace(one, events=min(one.events, compared.loss_residual.high))
    left = _left(compared.loss_residual, one.events, may_be)
    return replace(compared, loss_explained=merged((*compared.loss_explained, one)), loss_left=left)


def with_excess(compared: Compared, one: Explained, may_be: int | None = None) -> Compared:
    """Return the comparison with a reason for so many of its excess; `may_be` tells how many it can be at most."""
    one = replace(one, events=min(one.events, compared.excess_residual.high))
    left = _left(compared.excess_residual, one.events, may_be)
    return replace(compared, excess_explained=merged((*compared.excess_explained, one)), excess_left=left)


def merged(parts: Iterable[Explained]) -> tuple[Explained, ...]:
    """Return the reasons with what they explain, each once, in the order in which they are tried."""
    totals: dict[tuple[Why, str], int] = {}
    for one in parts:
        if one.events:
            totals[one.why, one.words] = totals.get((one.why, one.words), 0) + one.events
    order = list(Why)
    rows = [Explained(why, words, events) for (why, words), events in totals.items()]
    return tuple(sorted(rows, key=lambda one: (order.index(one.why), one.words)))


def in_order(losses: Iterable[tuple[Fate, str, int]]) -> tuple[tuple[Fate, str, int], ...]:
    """Return a vendor's losses by where events get lost and then by its words: the order of its answer says nothing."""
    order = list(Fate)
    return tuple(sorted(losses, key=lambda loss: (order.index(loss[0]), loss[1:])))


def explained_by_vendor(
    emitted: Emitted, received: Received, compared: Compared, *, repeats: int, spare: int
) -> Compared:
    """Take off what the vendor says it did not accept.

    It counts sendings, which are taken to be of events that the application recorded. `repeats` of them were of events that
    had been sent before, and `spare` of these are not in the loss's upper bound: so many refusals may each be of an event
    that arrived another time, and explain nothing.
    """
    # What the application recorded as dropped or sampled out, or was configured to leave out, was never expected.
    known = emitted.kept_back + max(0, emitted.sent - compared.expected)
    # Duplicates first, since only they are surely of repeats; then as events get lost, in whatever order the vendor tells.
    for fate, reason, events in sorted(in_order(received.losses), key=lambda loss: loss[0] is not Fate.DEDUPLICATED):
        ours = max(0, events - known) if fate is Fate.CLIENT_DROPPED else events
        known = max(0, known - events) if fate is Fate.CLIENT_DROPPED else known
        surely = max(0, ours - spare)
        spare -= ours - surely
        # One that was dropped as known is there: it is a repeat as long as there were any.
        may_be = max(0, ours - repeats) if fate is Fate.DEDUPLICATED else ours
        repeats = max(0, repeats - ours) if fate is Fate.DEDUPLICATED else repeats
        why = Why.RATE_LIMIT if fate is Fate.RATE_LIMITED else Why.VENDOR
        words = f"{fate.value}: {reason}" if reason else fate.value
        compared = with_loss(compared, Explained(why, words, surely), may_be)
    return compared


def explained_by_boundary(
    found: Mapping[date, Compared], days: Mapping[date, Day], shift: timedelta, rate: float, window: Window
) -> dict[date, Compared]:
    """Move what one day misses and a later or earlier one has too much, as far as events near midnight can have moved.

    An event that comes late takes the place of one that does the same a day later, so that loss and excess of a steady lag
    may lie days apart; over each midnight no more moves than was sent within `shift` of it. What moves over the window's
    own ends is in no other day: that may be, and nothing shows it.
    """
    moved = dict(found)
    ends = {day: _near_midnight(days[day][0].by_hour[::-1], days[day][0], shift, rate) for day in days}
    starts = {day: _may_be_earlier(days[day][0], shift, rate) for day in days}
    first, last = window.start.date(), (window.end - DAY).date()
    # How busy the days beyond the ends are is not known: taken to be as busy as the ones at the ends.
    _carry(moved, sorted(moved), ends, (first, ends.get(first, 0)), last)
    # But how many events of the last day our own counters saw only on the day after is known.
    beyond = math.ceil(days[last][0].may_be_later * rate) if last in days else 0
    _carry(moved, sorted(moved, reverse=True), starts, (last, starts.get(last, 0) + beyond), first)
    return moved


def explained_by_incidents(
    day: date, sides: Day, compared: Compared, rate: float, overlays: Iterable[Overlay]
) -> Compared:
    """Take off what was lost in known incidents: each moment counts once, however many of them cover it.

    Where both sides know hours, a shortfall is of the hour that it is in. Where one does not, the day's losses may lie
    anywhere in it: only what cannot have been lost outside of the incidents surely was in them.
    """
    found = lost_within(day, sides, rate, overlays)
    # What other reasons explained may have been lost in the incident too: it is not lost twice.
    spare = sum(one.events for one in compared.loss_explained)
    surely_left = max(0, compared.loss_residual.high - found.outside)
    for overlay, events in found.within:
        surely = max(0, events - spare) if found.knows_hours else min(events, surely_left)
        spare -= events - surely
        surely_left -= surely
        compared = with_loss(compared, Explained(Why.INCIDENT, overlay.words, surely), events)
    return compared


@dataclass(frozen=True, slots=True)
class LostWithin:
    """How many events of a day can have been lost in each overlay, and outside of all of them."""

    within: tuple[tuple[Overlay, int], ...]
    outside: int
    knows_hours: bool

    @property
    def most(self) -> int:
        return sum(events for _, events in self.within)

    def of(self, loss: Bounds) -> Bounds:
        """Return how many of the day's loss lie in the overlays."""
        low = min(loss.low, self.most) if self.knows_hours else max(0, loss.low - self.outside)
        return Bounds(low, min(loss.high, self.most))


def lost_within(day: date, sides: Day, rate: float, overlays: Iterable[Overlay]) -> LostWithin:
    """Return where the day's losses can lie; a moment in several overlays is in the first of them."""
    shortfalls = list(_shortfalls(*sides, rate))
    begins, expected = day_window(day).start, list(_by_hour(sides[0], rate))
    within = []
    for overlay, span in _apart(overlays, day_window(day)):
        lost = 0.0
        for hour in range(_HOURS):
            part = span.overlap(Window(begins + hour * HOUR, begins + (hour + 1) * HOUR))
            here = min(expected[hour] * (part.span / HOUR), shortfalls[hour]) if part else 0.0
            shortfalls[hour] -= here
            lost += here
        within.append((overlay, math.ceil(lost)))
    return LostWithin(tuple(within), math.ceil(sum(shortfalls)), _knows_hours(*sides))


def _left(residual: Bounds, surely: int, may_be: int | None) -> Bounds:
    high = residual.high - surely
    return Bounds(min(high, max(0, residual.low - (surely if may_be is None else may_be))), high)


def _carry(
    moved: dict[date, Compared], order: Sequence[date], at_most: Mapping[date, int], begin: tuple[date, int], end: date
) -> None:  # fmt: skip
    """Give the losses of each day to the excesses of those after it in the order, the nearest first.

    At `begin` so many may come from beyond it, and from `end` they may go beyond.
    """
    waiting: list[tuple[date | None, int]] = []
    for number, day in enumerate(order):
        if number and abs(day - order[number - 1]) > DAY:
            waiting = []
        if day == begin[0]:
            waiting = [(None, begin[1])]
        # Only what is surely missing and surely too much can have moved; what may be neither shows nothing.
        gains = moved[day].excess_residual.low
        while waiting and gains:
            loser, events = waiting.pop()
            given = min(events, gains)
            gains -= given
            if events > given:
                waiting.append((loser, events - given))
            if loser is None:
                moved[day] = with_excess(moved[day], _UNSEEN, given)
                continue
            moved[loser] = with_loss(moved[loser], Explained(Why.BOUNDARY, "on a neighbouring day", given))
            moved[day] = with_excess(moved[day], Explained(Why.BOUNDARY, "from a neighbouring day", given))
        waiting = _newest([*waiting, (day, moved[day].loss_residual.low)], at_most[day])
    for loser, events in waiting if order and order[-1] == end else ():
        if loser is not None:
            moved[loser] = with_loss(moved[loser], _UNSEEN, events)


def _newest(waiting: Sequence[tuple[date | None, int]], at_most: int) -> list[tuple[date | None, int]]:
    kept: list[tuple[date | None, int]] = []
    for day, events in reversed(waiting):
        part = min(events, at_most)
        at_most -= part
        if part:
            kept.append((day, part))
    return kept[::-1]


def _may_be_earlier(emitted: Emitted, shift: timedelta, rate: float) -> int:
    """Return how many events the vendor may have on an earlier day: by its clock, or because our counters saw them late."""
    return _near_midnight(emitted.by_hour, emitted, shift, rate) + math.ceil(emitted.may_be_earlier * rate)


def _near_midnight(hours: Sequence[int], emitted: Emitted, shift: timedelta, rate: float) -> int:
    """Return how many events were expected within `shift` of the midnight at which `hours` begin, or of an even day."""
    whole, part = divmod(min(shift, DAY), HOUR)
    if not hours:
        return math.ceil(emitted.sent * rate * (min(shift, DAY) / DAY))
    partly = hours[whole] * (part / HOUR) if part else 0
    return math.ceil((sum(hours[:whole]) + partly) * rate)


def _apart(overlays: Iterable[Overlay], day: Window) -> Iterator[tuple[Overlay, Window]]:
    """Yield the spans of the day that each covers and none before it did."""
    covered = day.start
    for overlay in sorted(overlays, key=lambda one: one.window):
        span = overlay.window.overlap(Window(covered, day.end)) if covered < day.end else None
        if span is not None:
            yield overlay, span
            covered = span.end


def _by_hour(emitted: Emitted, rate: float) -> Iterator[float]:
    """Yield how many events were expected in each hour of the day, evenly where hours are not known."""
    for hour in range(_HOURS):
        yield (emitted.by_hour[hour] if emitted.by_hour else emitted.sent / _HOURS) * rate


def _shortfalls(emitted: Emitted, received: Received, rate: float) -> Iterator[float]:
    """Yield how many events of each hour can be missing: all of them, where one side does not know hours."""
    knows = _knows_hours(emitted, received)
    for hour, expected in enumerate(_by_hour(emitted, rate)):
        yield max(0.0, expected - received.by_hour[hour]) if knows else expected


def _knows_hours(emitted: Emitted, received: Received) -> bool:
    return bool(emitted.by_hour and received.by_hour)
