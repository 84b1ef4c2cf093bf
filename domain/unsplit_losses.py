"""Losses that a vendor does not split by type explain losses of each type of their day: never more than they are, and none twice.

Which type a refused event was of is not known. So the losses of a day are shared out by what each type lacks; what no type
lacks stays by itself, and explains nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from domain.comparing import Manner, compared_days
from domain.event_counts import NOT_SPLIT, Fate
from domain.explaining import in_order
from domain.reconciliation import Emitted, Received
from domain.windows import day_window

Loss = tuple[Fate, str, int]
_NOTHING_ARRIVED = Received(0)


@dataclass(slots=True)
class _Room:
    """What one type has room for: drops that it recorded itself, repeats of what had been sent before, and losses."""

    recorded: int
    repeats: int
    lost: int


# Which losses are of what, the likeliest first: a drop that the application knows of explains no other loss.
_ORDER = {Fate.CLIENT_DROPPED: ("recorded", "lost"), Fate.DEDUPLICATED: ("repeats", "lost")}
_OTHERS = ("lost", "repeats")


def with_losses_shared(
    emitted: Mapping[tuple[date, str], Emitted], received: Mapping[tuple[date, str], Received], manner: Manner
) -> dict[tuple[date, str], Received]:
    """Return what was received, with each day's unsplit losses given to the types of that day that lack events."""
    shared = dict(received)
    for (day, kind), one in received.items():
        if kind == NOT_SPLIT and one.losses:
            sent = {of: cell for (at, of), cell in emitted.items() if at == day and of != NOT_SPLIT}
            shared |= _of_day(day, sent, one, shared, manner)
    return shared


def _of_day(
    day: date,
    sent: Mapping[str, Emitted],
    unsplit: Received,
    received: Mapping[tuple[date, str], Received],
    manner: Manner,
) -> dict[tuple[date, str], Received]:
    nothing = _NOTHING_ARRIVED if unsplit.lost is None else Received(0, 0, 0, 0)
    cells = {kind: received.get((day, kind), nothing) for kind in sorted(sent)}
    rooms = {kind: _room(day, kind, sent[kind], cell, manner) for kind, cell in cells.items()}
    given: dict[str, list[Loss]] = {kind: [] for kind in cells}
    left: list[Loss] = []
    for fate, reason, events in in_order(unsplit.losses):
        rest = events
        for of in _ORDER.get(fate, _OTHERS):
            parts = _shares(rest, [getattr(room, of) for room in rooms.values()])
            for (kind, room), part in zip(rooms.items(), parts, strict=True):
                setattr(room, of, getattr(room, of) - part)
                given[kind] += [(fate, reason, part)] if part else []
            rest -= sum(parts)
        left += [(fate, reason, rest)] if rest else []
    told = {(day, kind): replace(cell, losses=_added((*cell.losses, *given[kind]))) for kind, cell in cells.items() if given[kind]}  # fmt: skip
    return told | {(day, NOT_SPLIT): replace(unsplit, losses=tuple(left))}


def _room(day: date, kind: str, emitted: Emitted, received: Received, manner: Manner) -> _Room:
    # Before midnight and incidents explain anything: what the vendor itself says comes first.
    bare = replace(manner, shift=timedelta(0), overlays=())
    compared = compared_days({day: (emitted, received)}, kind, bare, day_window(day))[day]
    left_out = max(0, emitted.sent - compared.expected)
    own = sum(events for fate, _, events in received.losses if fate is Fate.CLIENT_DROPPED)
    recorded = max(0, emitted.kept_back + left_out - own)
    return _Room(recorded, math.ceil(emitted.resent * manner.rate_of(kind)), compared.loss_residual.high)


def _shares(events: int, rooms: Sequence[int]) -> list[int]:
    """Return so many events shared out in proportion to what there is room for, as many as fit."""
    whole = sum(rooms)
    fitting = min(events, whole)
    parts = [fitting * room // whole if whole else 0 for room in rooms]
    # What rounding left goes to the first that still have room.
    for at, room in enumerate(rooms):
        more = min(room - parts[at], fitting - sum(parts))
        parts[at] += more
    return parts


def _added(losses: Sequence[Loss]) -> tuple[Loss, ...]:
    sums: dict[tuple[Fate, str], int] = {}
    for fate, reason, events in losses:
        sums[fate, reason] = sums.get((fate, reason), 0) + events
    return in_order((fate, reason, events) for (fate, reason), events in sums.items())
