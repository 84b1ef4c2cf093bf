"""Cells and months of one integration as a comparison would have found them, for tests of whatever tells them.

Numbers follow the rules of domain/comparing.py by hand, so that a fault there does not change what is expected here.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime

from domain.event_counts import NOT_SPLIT, Clock, Fate, Trust, Unit
from domain.reconciliation import (
    Bounds,
    Cell,
    Compared,
    Emitted,
    Explained,
    Finding,
    PastMonth,
    ProbeRatio,
    Received,
    TargetMonth,
    Why,
)
from domain.windows import Month

OCTOBER = Month(2026, 10)
SETTLED = datetime(2026, 11, 5, tzinfo=UTC)
RULE = 0.01


def emitted_of(sent: int, *, repeats: int = 0, dropped: int = 0, sampled_out: int = 0) -> Emitted:
    unique = sent + dropped + sampled_out
    drops = (("queue_overflow", dropped),) if dropped else ()
    return Emitted(unique + repeats, unique, sent, drops, sampled_out)


def compared_by_counts(emitted: Emitted, received: Received, *, explained: tuple[Explained, ...] = ()) -> Compared:
    """Return what counts alone allow to say: repeats that arrived may hide as many losses."""
    net = emitted.sent - received.events
    loss = Bounds(max(0, net), max(0, net + emitted.repeats))
    excess = Bounds(max(0, -net), max(0, -net, emitted.repeats))
    repeats = _repeats(min(excess.high, emitted.repeats))
    return Compared(emitted.sent, received.events, loss, excess, None, explained, repeats)


def compared_by_ids(emitted: Emitted, received: Received) -> Compared:
    """Return what ids tell: what arrived twice is among the excess, and repeats of the application explain as much of it."""
    lost, twice = received.lost or 0, received.duplicates or 0
    over = (received.extra or 0) + twice
    repeats = _repeats(min(twice, emitted.repeats))
    return Compared(emitted.sent, received.events, Bounds(lost, lost), Bounds(over, over), twice, (), repeats)


def cell_of(
    day: date,
    target: str,
    type_: str,
    emitted: Emitted,
    received: Received | None,
    *,
    explained: tuple[Explained, ...] = (),
    missing: str = "",
) -> Cell:
    """Return a cell with the finding that its numbers ask for."""
    if received is None:
        return Cell(day, target, type_, emitted, None, None, Finding.NO_DATA, missing or "the vendor did not answer")
    if received.lost is not None:
        compared = compared_by_ids(emitted, received)
    else:
        compared = compared_by_counts(emitted, received, explained=explained)
    return Cell(day, target, type_, emitted, received, compared, _finding(compared))


def month_of(target: str, cells: Iterable[Cell], finding: Finding, why: str, **more: object) -> TargetMonth:
    """Return a target's month over its cells, with everything else as `more` says."""
    own = [cell for cell in cells if cell.target == target]
    parts = [cell.compared for cell in own if cell.compared is not None]
    compared = _summed(parts) if parts else None
    share = compared.residual_share if compared is not None else None
    least = _least_share(compared)
    usual = TargetMonth(
        target=target,
        finding=finding,
        why=why,
        trust=(Trust.EXACT,),
        clock=Clock.EVENT,
        unit=Unit.EVENTS,
        splits_types=all(cell.type != NOT_SPLIT for cell in own),
        by_ids=compared is not None and compared.duplicates is not None,
        emitted=_emitted(own),
        received=_received(own),
        compared=compared,
        low=None if least is None else least * 0.94,
        high=None if share is None else share * 1.06 + 0.0002,
        raw_above=compared is not None and (compared.difference_share or 0) > RULE,
        days_missing=tuple(sorted({cell.day for cell in own if cell.received is None})),
        settles_at=SETTLED,
        probes=ProbeRatio(744, 744),
        past=past_of(lambda number: 0.0008 + 0.0003 * (number % 3)),
    )
    return replace(usual, **more)  # type: ignore[arg-type]  # the fields are those of TargetMonth


def past_of(share: Callable[[int], float], months: int = 6) -> tuple[PastMonth, ...]:
    """Return so many months before October, the oldest first."""
    found: list[PastMonth] = []
    month = OCTOBER
    for number in range(months, 0, -1):
        month = month.previous
        residual = round(58_000 * share(number))
        finding = Finding.BREACH if residual > 58_000 * RULE else Finding.OK
        found.insert(0, PastMonth(str(month), finding, 58_000, residual))
    return tuple(found)


def _repeats(events: int) -> tuple[Explained, ...]:
    return (Explained(Why.REPEATS, "the application sent them more than once", events),) if events else ()


def _finding(compared: Compared) -> Finding:
    if not compared.expected:
        return Finding.OK
    left, over = compared.loss_residual, compared.excess_residual
    least, most = max(left.low, over.low) / compared.expected, max(left.high, over.high) / compared.expected
    if most > RULE:
        return Finding.BREACH if least > RULE and compared.expected > 100 else Finding.INCONCLUSIVE
    return Finding.EXPLAINED if (compared.difference_share or 0) > RULE else Finding.OK


def _summed(parts: list[Compared]) -> Compared:
    known = [one.duplicates for one in parts if one.duplicates is not None]
    none = Bounds(0, 0)
    return Compared(
        sum(one.expected for one in parts),
        sum(one.received for one in parts),
        sum((one.loss for one in parts), none),
        sum((one.excess for one in parts), none),
        sum(known) if len(known) == len(parts) else None,
        _merged(reason for one in parts for reason in one.loss_explained),
        _merged(reason for one in parts for reason in one.excess_explained),
        sum((one.loss_residual for one in parts), none),
        sum((one.excess_residual for one in parts), none),
    )


def _merged(reasons: Iterable[Explained]) -> tuple[Explained, ...]:
    totals: dict[tuple[Why, str], int] = {}
    for one in reasons:
        totals[one.why, one.words] = totals.get((one.why, one.words), 0) + one.events
    order = list(Why)
    rows = [Explained(why, words, events) for (why, words), events in totals.items() if events]
    return tuple(sorted(rows, key=lambda one: (order.index(one.why), one.words)))


def _emitted(cells: list[Cell]) -> Emitted | None:
    known = [cell.emitted for cell in cells if cell.emitted is not None]
    if not known:
        return None
    dropped = sum(one.dropped for one in known)
    return Emitted(
        sum(one.records for one in known),
        sum(one.unique for one in known),
        sum(one.sent for one in known),
        (("queue_overflow", dropped),) if dropped else (),
        sum(one.sampled_out for one in known),
    )


def _received(cells: list[Cell]) -> Received | None:
    known = [cell.received for cell in cells if cell.received is not None]
    if not known:
        return None
    losses: dict[tuple[Fate, str], int] = {}
    for fate, reason, events in (loss for one in known for loss in one.losses):
        losses[fate, reason] = losses.get((fate, reason), 0) + events
    by_ids = all(one.unique is not None for one in known)
    return Received(
        sum(one.events for one in known),
        sum(one.unique or 0 for one in known) if by_ids else None,
        sum(one.lost or 0 for one in known) if by_ids else None,
        sum(one.extra or 0 for one in known) if by_ids else None,
        tuple((fate, reason, events) for (fate, reason), events in losses.items()),
    )


def _least_share(compared: Compared | None) -> float | None:
    if compared is None or not compared.expected:
        return None
    return max(compared.loss_residual.low, compared.excess_residual.low) / compared.expected
