"""The drift of every day as a map of numbers: loss with a minus, excess with a plus, and a state in words where there is none."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from domain.reconciliation import NONE_AT_ALL, Bounds, Cell, Finding, Reconciliation, TargetMonth
from steps.reconciliation_wording import NO_DATA, day_in_words, percent

# As wide as a plus, which a hyphen is not.
MINUS = "\N{MINUS SIGN}"
# A share that would be shown as 0.0.
_TOO_SMALL = 0.0005
_WHOLE_FROM = 0.0995
# What stands beside a number above the rule, so that nobody needs its colour: explained, waived, not to be told.
_MARK = {"explained": "e", "waived": "w", "unclear": "?", "above": ""}
_TOLD = {
    "explained": "explained",
    "waived": "waived",
    "unclear": "too few events, or bounds too wide, to tell",
    "above": "unexplained",
}


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One day of one integration: `shown` and `mark` in the map, `says` in words, `look` is its class on the page."""

    day: date
    shown: str
    says: str
    look: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class _Drift:
    """The sums of a day over all types of an integration. `residual` is the greater of what is unexplained, at most."""

    expected: int
    loss: Bounds
    excess: Bounds
    residual: int
    missing: int
    findings: frozenset[Finding]
    cells: int


def heat_map(reconciliation: Reconciliation) -> dict[str, list[HeatCell]]:
    """Return a cell for each day of the window by integration; a day without any cell has no data."""
    by_day: dict[tuple[str, date], list[Cell]] = defaultdict(list)
    for cell in reconciliation.cells:
        by_day[cell.target, cell.day].append(cell)
    days = list(reconciliation.window.days())
    return {
        one.target: [_heat_cell(day, one, by_day.get((one.target, day), []), reconciliation.tolerance) for day in days]
        for one in reconciliation.targets
    }


def _heat_cell(day: date, target: TargetMonth, cells: list[Cell], tolerance: float) -> HeatCell:
    drift = _drift(cells)
    if drift.missing == drift.cells:
        return HeatCell(day, "▨", NO_DATA, "nodata")
    one = _compared(day, drift, tolerance, target.finding)
    # Cells are judged whenever they are known; it is the integration's month that has settled or has not.
    is_provisional = target.finding is Finding.PROVISIONAL
    look = one.look + (" partly" if drift.missing else "") + (" provisional" if is_provisional else "")
    says = one.says + (f"; {drift.missing} of {drift.cells} types have {NO_DATA}" if drift.missing else "")
    return replace(one, look=look, says=says + ("; provisional" if is_provisional else ""))


def _compared(day: date, drift: _Drift, tolerance: float, month: Finding) -> HeatCell:
    if not drift.expected:
        return _unexpected(day, drift, month)
    is_loss = (
        drift.loss.low >= drift.excess.low
        if drift.loss.low or drift.excess.low
        else drift.loss.high >= drift.excess.high
    )
    found, word, sign = (drift.loss, "lost", MINUS) if is_loss else (drift.excess, "too much", "+")
    low, high = found.low / drift.expected, found.high / drift.expected
    says = (
        f"{percent(low) if found.is_exact else f'{percent(low)} to {percent(high)}'} {word}"
        if found.high
        else "no difference"
    )
    if low <= tolerance and Finding.BREACH not in drift.findings:
        return HeatCell(day, f"≤{_number(high)}" if high > tolerance and not low else _signed(low, sign), says, "even")
    how = _how(drift, tolerance, month)
    look = f"{'loss' if is_loss else 'excess'} {how}"
    return HeatCell(day, _signed(low or high, sign), f"{day_in_words(day)}: {says}, {_TOLD[how]}", look, _MARK[how])


def _unexpected(day: date, drift: _Drift, month: Finding) -> HeatCell:
    """Return the cell of a day that nothing was expected of: what came without a reason is as bad as anywhere else."""
    came = drift.excess.high
    says = f"{came:,} received, nothing expected"
    if not came or not drift.findings & {Finding.BREACH, Finding.INCONCLUSIVE}:
        return HeatCell(day, "+" if came else "\N{EN DASH}", says, "even")
    how = "waived" if month is Finding.WAIVED else "above" if Finding.BREACH in drift.findings else "unclear"
    return HeatCell(day, "+", f"{day_in_words(day)}: {says}, {_TOLD[how]}", f"excess {how}", _MARK[how])


def _how(drift: _Drift, tolerance: float, month: Finding) -> str:
    """Return what a difference above the rule is; the cells' own findings decide, whose tests know how many there are."""
    if month is Finding.WAIVED:
        return "waived"
    if Finding.BREACH in drift.findings:
        return "above"
    return "explained" if drift.residual <= tolerance * drift.expected else "unclear"


def _drift(cells: Iterable[Cell]) -> _Drift:
    rows = list(cells)
    known = [cell.compared for cell in rows if cell.compared is not None]
    lost, over = (one.loss_residual.high for one in known), (one.excess_residual.high for one in known)
    return _Drift(
        expected=sum(one.expected for one in known),
        loss=sum((one.loss for one in known), start=NONE_AT_ALL),
        excess=sum((one.excess for one in known), start=NONE_AT_ALL),
        residual=max(sum(lost), sum(over)),
        missing=len(rows) - len(known),
        findings=frozenset(cell.finding for cell in rows),
        cells=len(rows),
    )


def _signed(share: float, sign: str) -> str:
    return "·" if share < _TOO_SMALL else f"{sign}{_number(share)}"


def _number(share: float) -> str:
    return f"{share * 100:.0f}" if share >= _WHOLE_FROM else f"{share * 100:.1f}"
