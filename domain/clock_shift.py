"""Finds out that a vendor counts by another clock: its hours look like ours, moved by some."""

from collections.abc import Sequence

from domain.reconciliation import ShiftFound

# The time zones of the world, and a day's error in either direction.
FARTHEST_HOURS = 24
# Moved, the two have to differ by less than half of what they differ by as they are, and that has to be worth a word.
_BETTER_BY = 2
_WORTH_SAYING = 0.02
_FEWEST_HOURS = 2 * FARTHEST_HOURS


def found_shift(emitted: Sequence[int], received: Sequence[int]) -> ShiftFound | None:
    """Return by how many hours `received` is moved against `emitted`, None where it is not; both begin at the same hour.

    Positive: the vendor puts events later than we do. Volumes without any rhythm in the day show no shift.
    """
    events = sum(emitted)
    if min(len(emitted), len(received)) < _FEWEST_HOURS or not events:
        return None
    apart = {lag: _apart(emitted, received, lag) for lag in range(-FARTHEST_HOURS, FARTHEST_HOURS + 1)}
    best = min(apart, key=lambda lag: (apart[lag], abs(lag)))
    as_they_are = apart[0]
    if not best or as_they_are < _WORTH_SAYING * events / len(emitted) or apart[best] * _BETTER_BY > as_they_are:
        return None
    direction = "later" if best > 0 else "earlier"
    return ShiftFound(
        best,
        f"The vendor's hours are ours moved {abs(best)} h {direction}: it counts in another time zone, or by another clock.",
    )


def _apart(emitted: Sequence[int], received: Sequence[int], lag: int) -> float:
    """Return the mean difference of an hour, over the hours that both have."""
    pairs = [
        (emitted[hour], received[hour + lag]) for hour in range(len(emitted)) if 0 <= hour + lag < len(received)
    ]  # fmt: skip
    return sum(abs(ours - theirs) for ours, theirs in pairs) / len(pairs)
