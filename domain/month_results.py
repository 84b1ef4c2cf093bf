"""Puts a month together: cells by day, what each integration comes to, and what the whole says.

A day that one side does not know is named and judged NO DATA; it is never taken for a day without events.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from domain.clock_shift import found_shift
from domain.comparing import (
    Manner,
    compared_days,
    noise_of,
    sampled_month,
    summed,
    total_emitted,
    total_received,
)
from domain.event_counts import NOT_SPLIT, Clock, Trust
from domain.explaining import lost_within
from domain.findings import FALSE_SHARE, Judged, Rule, chance_within_rule, judged
from domain.likely_causes import Case, likely_cause
from domain.proportions import believed
from domain.reconciliation import (
    NONE_AT_ALL,
    Bounds,
    Cell,
    Compared,
    Emitted,
    Finding,
    Overlay,
    PastMonth,
    ProbeRatio,
    Received,
    ShiftFound,
    TargetMonth,
    Waiver,
    Why,
)
from domain.unsplit_losses import with_losses_shared
from domain.windows import Window

_NOTHING_SENT = Emitted(0, 0, 0)
_NO_HOURS = (0,) * 24
_MAY_BE_WAIVED = frozenset({Finding.BREACH, Finding.INCONCLUSIVE, Finding.NO_DATA})

# By day and type.
Days = Mapping[tuple[date, str], Emitted]


@dataclass(frozen=True, slots=True)
class Sides:
    """What both sides say of one target, by UTC day and event type.

    `emitted_missing` and `received_missing` name days that a side could not be read for, and why. A day in neither and
    without an entry had no events. `settles_at` is when late events have stopped coming. `windows` are all times in which
    losses of this target may lie, those that explain nothing among them.
    """

    target: str
    manner: Manner
    trust: tuple[Trust, ...]
    clock: Clock
    splits_types: bool
    by_ids: bool
    settles_at: datetime
    emitted: Mapping[tuple[date, str], Emitted]
    received: Mapping[tuple[date, str], Received]
    emitted_missing: Mapping[date, str]
    received_missing: Mapping[date, str]
    probes: ProbeRatio | None = None
    past: tuple[PastMonth, ...] = ()
    missing_ids: tuple[str, ...] = ()
    windows: tuple[Overlay, ...] = ()


def month_results(
    sides: Sequence[Sides], rule: Rule, window: Window, now: datetime
) -> tuple[tuple[TargetMonth, ...], tuple[Cell, ...]]:
    """Return every target's month and all cells, each with its finding."""
    cells = {one.target: _cells(one, window) for one in sides}
    told = _with_findings([cell for found in cells.values() for cell in found], rule)
    by_target: dict[str, list[Cell]] = {one.target: [] for one in sides}
    for cell in told:
        by_target[cell.target].append(cell)
    return tuple(_target_month(one, by_target[one.target], rule, window, now) for one in sides), tuple(told)


def false_alarms_expected(cells: Iterable[Cell]) -> float:
    """Return how many of the cells that are called breaches are expected to be called so by chance, at most."""
    return FALSE_SHARE * sum(cell.finding is Finding.BREACH for cell in cells)


def waived(month: TargetMonth, waiver: Waiver | None) -> TargetMonth:
    """Return the month as it is once someone accepts it; what needs no acceptance stays as it is."""
    if waiver is None or month.finding not in _MAY_BE_WAIVED:
        return month
    words = f"waived until {waiver.until} by {waiver.who} ({waiver.reason}); {month.finding.value}: {month.why}"
    return replace(month, finding=Finding.WAIVED, why=words, waiver=waiver)


def _cells(sides: Sides, window: Window) -> list[Cell]:
    emitted = sides.emitted if sides.splits_types else _not_split(sides.emitted)
    if sides.splits_types:
        sides = replace(sides, received=with_losses_shared(emitted, sides.received, sides.manner))
    missing = _said(sides.emitted_missing, sides.received_missing)
    types = sorted({kind for _, kind in (*emitted, *sides.received)})
    found = []
    for kind in types or [NOT_SPLIT]:
        found.extend(_cells_of_type(sides, kind, emitted, missing, window))
    return sorted(found, key=lambda cell: (cell.day, cell.type))


def _cells_of_type(
    sides: Sides, kind: str, emitted: Days, missing: Mapping[date, str], window: Window
) -> list[Cell]:  # fmt: skip
    nothing_arrived = Received(0, 0, 0, 0) if sides.by_ids else Received(0)
    both: dict[date, tuple[Emitted, Received]] = {}
    lacking: list[Cell] = []
    for day in window.days():
        sent = None if day in sides.emitted_missing else emitted.get((day, kind), _NOTHING_SENT)
        arrived = None if day in sides.received_missing else sides.received.get((day, kind), nothing_arrived)
        if sent is None or arrived is None:
            lacking.append(Cell(day, sides.target, kind, sent, arrived, None, Finding.NO_DATA, missing[day]))
        elif sent.records or arrived.events or arrived.losses:
            both[day] = (sent, arrived)
    compared = compared_days(both, kind, sides.manner, window)
    return [*lacking, *(Cell(day, sides.target, kind, *both[day], compared[day], Finding.OK) for day in both)]


def _not_split(emitted: Days) -> dict[tuple[date, str], Emitted]:
    by_day: dict[date, list[Emitted]] = {}
    for (day, _), one in emitted.items():
        by_day.setdefault(day, []).append(one)
    return {
        (day, NOT_SPLIT): replace(total_emitted(rows), by_hour=_added(row.by_hour for row in rows))
        for day, rows in by_day.items()
    }


def _added(vectors: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    rows = list(vectors)
    return tuple(sum(hour) for hour in zip(*rows, strict=True)) if all(rows) else ()


def _said(emitted: Mapping[date, str], received: Mapping[date, str]) -> dict[date, str]:
    sides = (("emitted", emitted), ("received", received))
    return {
        day: "; ".join(f"{side}: {missing[day]}" for side, missing in sides if day in missing)
        for day in {**emitted, **received}
    }


def _with_findings(cells: Sequence[Cell], rule: Rule) -> list[Cell]:
    """Return the cells with their findings: of thousands some look bad by chance, so a breach has to stand out of them all."""
    compared = [cell.compared for cell in cells]
    tested = [at for at, one in enumerate(compared) if one is not None and one.expected]
    chances = [chance_within_rule(one, rule) for at in tested if (one := compared[at]) is not None]
    stands_out = dict(zip(tested, believed(chances, FALSE_SHARE), strict=True))
    return [
        cell if one is None else replace(cell, finding=_cell_finding(one, rule, stands_out=stands_out.get(at, True)))
        for at, (cell, one) in enumerate(zip(cells, compared, strict=True))
    ]


def _cell_finding(compared: Compared, rule: Rule, *, stands_out: bool) -> Finding:
    finding = judged(compared, rule).finding
    return Finding.INCONCLUSIVE if finding is Finding.BREACH and not stands_out else finding


def _target_month(
    sides: Sides, cells: Sequence[Cell], rule: Rule, window: Window, now: datetime
) -> TargetMonth:  # fmt: skip
    compared = _month_compared(sides, cells)
    days_missing = tuple(
        sorted(day for day in window.days() if day in {**sides.emitted_missing, **sides.received_missing})
    )
    shift = _shift(sides, cells, window)
    result = _month_judged(sides, cells, compared, rule, days_missing)
    finding, why = result.finding, result.why
    if now < sides.settles_at:
        finding, why = (
            Finding.PROVISIONAL,
            f"settles {sides.settles_at:%Y-%m-%d %H:%M} UTC; so far {finding.value}: {why}",
        )
    case = Case(
        sides.target, result.finding, compared, cells, shift, sides.trust, sides.manner.unit, sides.by_ids, days_missing
    )  # fmt: skip
    emitted = [cell.emitted for cell in cells if cell.emitted is not None]
    received = [cell.received for cell in cells if cell.received is not None]
    return TargetMonth(
        target=sides.target,
        finding=finding,
        why=why,
        trust=sides.trust,
        clock=sides.clock,
        unit=sides.manner.unit,
        splits_types=sides.splits_types,
        by_ids=sides.by_ids,
        emitted=total_emitted(emitted) if _knows_a_day(sides.emitted_missing, window) else None,
        received=total_received(received) if _knows_a_day(sides.received_missing, window) else None,
        compared=compared,
        low=result.interval.low if result.interval else None,
        high=result.interval.high if result.interval else None,
        raw_above=compared is not None and _is_above(compared, rule),
        days_missing=days_missing,
        settles_at=sides.settles_at,
        shift=shift,
        cause=likely_cause(case),
        probes=sides.probes,
        past=sides.past,
        missing_ids=sides.missing_ids,
        loss_in_windows=_loss_in_windows(sides, cells, compared),
    )


def _loss_in_windows(sides: Sides, cells: Sequence[Cell], compared: Compared | None) -> Bounds | None:
    if compared is None or not sides.windows:
        return None
    found = NONE_AT_ALL
    for cell in cells:
        if cell.emitted is not None and cell.received is not None and cell.compared is not None:
            rate = sides.manner.rate_of(cell.type)
            where = lost_within(cell.day, (cell.emitted, cell.received), rate, sides.windows)
            found += where.of(cell.compared.loss)
    # A sampler's noise evens out over the days, so that the month may have lost less than its days did.
    return Bounds(min(found.low, compared.loss.low), min(found.high, compared.loss.high))


def _is_above(compared: Compared, rule: Rule) -> bool:
    """Tell whether the raw difference is above the rule; where nothing was expected, anything is."""
    return max(compared.loss.high, compared.excess.high) > rule.tolerance * compared.expected


def _month_judged(
    sides: Sides, cells: Sequence[Cell], compared: Compared | None, rule: Rule, days_missing: Sequence[date]
) -> Judged:
    if compared is None:
        why = next((cell.missing for cell in cells if cell.missing), "no side could be read")
        return Judged(Finding.NO_DATA, None, why)
    result = judged(compared, rule)
    if days_missing:
        why = f"{len(days_missing)} days without data; of the others {result.finding.value}: {result.why}"
        return Judged(Finding.NO_DATA, result.interval, why)
    if _noise(sides, cells) > rule.tolerance * compared.expected and result.finding is not Finding.BREACH:
        why = f"so few events are sampled that {rule.tolerance:.2%} cannot be told from noise: {result.why}"
        return Judged(Finding.INCONCLUSIVE, result.interval, why)
    if Trust.ESTIMATE in sides.trust and result.finding is Finding.BREACH:
        return Judged(Finding.INCONCLUSIVE, result.interval, f"what was emitted is an estimate: {result.why}")
    return result


def _noise(sides: Sides, cells: Sequence[Cell]) -> int:
    """Return by how many events the samplers of all types may be off in the month."""
    sent: dict[str, int] = {}
    for cell in cells:
        if cell.compared is not None and cell.emitted is not None:
            sent[cell.type] = sent.get(cell.type, 0) + cell.emitted.sent
    return sum(noise_of(events, sides.manner.rate_of(kind)) for kind, events in sent.items())


def _month_compared(sides: Sides, cells: Sequence[Cell]) -> Compared | None:
    """Return the month as the sum of its days; sampled types are compared as a whole."""
    known = [cell for cell in cells if cell.compared is not None]
    if cells and not known:
        return None
    kinds = sorted({cell.type for cell in known})
    return summed(_type_compared(sides, [cell for cell in known if cell.type == kind], kind) for kind in kinds)


def _type_compared(sides: Sides, cells: Sequence[Cell], kind: str) -> Compared:
    rate = sides.manner.rate_of(kind)
    if rate == 1:
        return summed(cell.compared for cell in cells if cell.compared is not None)
    both = [(cell.emitted, cell.received) for cell in cells if cell.emitted is not None and cell.received is not None]
    known = [one for cell in cells if cell.compared is not None for one in cell.compared.loss_explained]
    incidents = [one for one in known if one.why is Why.INCIDENT]
    within = [
        lost_within(cell.day, (cell.emitted, cell.received), rate, sides.manner.overlays).most
        for cell in cells
        if cell.emitted is not None and cell.received is not None
    ]
    return sampled_month(both, rate, sides.manner.unit, incidents, sum(within))


def _shift(sides: Sides, cells: Sequence[Cell], window: Window) -> ShiftFound | None:
    """Look for a shift where every day that had events has its hours on both sides; days without are hours of 0."""
    ours: dict[date, list[tuple[int, ...]]] = {day: [_NO_HOURS] for day in window.days()}
    theirs: dict[date, list[tuple[int, ...]]] = {day: [_NO_HOURS] for day in window.days()}
    for cell in cells:
        if cell.emitted is None or cell.received is None:
            ours.pop(cell.day, None)
            continue
        if (not cell.emitted.by_hour and cell.emitted.sent) or (not cell.received.by_hour and cell.received.events):
            return None
        rate = sides.manner.rate_of(cell.type)
        ours[cell.day].append(tuple(round(events * rate) for events in cell.emitted.by_hour) or _NO_HOURS)
        theirs[cell.day].append(cell.received.by_hour or _NO_HOURS)
    emitted = [hour for day in ours for hour in _added(ours[day])]
    received = [hour for day in ours for hour in _added(theirs[day])]
    return found_shift(emitted, received)


def _knows_a_day(missing: Mapping[date, str], window: Window) -> bool:
    return any(day not in missing for day in window.days())
