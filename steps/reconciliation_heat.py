"""The drift of every day as a map of numbers: loss with a minus, excess with a plus, and a state in words where there is none."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from domain.reconciliation import NONE_AT_ALL, Bounds, Cell, Finding, Reconciliation
from steps.reconciliation_wording import NO_DATA, day_in_words, percent

# As wide as a plus, which a hyphen is not.
MINUS = "\N{MINUS SIGN}"
# A share that would be shown as 0.0.
_TOO_SMALL = 0.0005
_WHOLE_FROM = 0.0995


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One day of one integration: `shown` in the map, `says` in words, `look` is its class on the page."""

    day: date
    shown: str
    says: str
    look: str
    is_explained: bool = False


@dataclass(frozen=True, slots=True)
class _Drift:
    """The sums of a day over all types of an integration."""

    expected: int
    loss: Bounds
    excess: Bounds
    residual: int
    missing: int
    cells: int
    is_provisional: bool


def heat_map(reconciliation: Reconciliation) -> dict[str, list[HeatCell]]:
    """Return a cell for each day of the window by integration; a day without any cell has no data."""
    by_day: dict[tuple[str, date], list[Cell]] = defaultdict(list)
    for cell in reconciliation.cells:
        by_day[cell.target, cell.day].append(cell)
    days = list(reconciliation.window.days())
    return {
        one.target: [_heat_cell(day, by_day.get((one.target, day), []), reconciliation.tolerance) for day in days]
        for one in reconciliation.targets
    }


def _heat_cell(day: date, cells: list[Cell], tolerance: float) -> HeatCell:
    drift = _drift(cells)
    if drift.missing == drift.cells:
        return HeatCell(day, "▨", NO_DATA, "nodata")
    one = _compared(day, drift, tolerance)
    look = one.look + (" partly" if drift.missing else "") + (" provisional" if drift.is_provisional else "")
    says = one.says + (f"; {drift.missing} of {drift.cells} types have {NO_DATA}" if drift.missing else "")
    says += "; provisional" if drift.is_provisional else ""
    return HeatCell(day, one.shown, says, look, one.is_explained)


def _compared(day: date, drift: _Drift, tolerance: float) -> HeatCell:
    worst = max(drift.loss.high, drift.excess.high)
    if not drift.expected:
        return HeatCell(
            day,
            "+" if worst else "\N{EN DASH}",
            f"{worst:,} received, nothing expected" if worst else "nothing expected",
            "even",
        )
    share, is_loss = worst / drift.expected, drift.loss.high >= drift.excess.high
    word = "lost" if is_loss else "too much"
    says = f"{percent(share)} {word}" if worst else "no difference"
    if share <= tolerance:
        return HeatCell(day, _shown(share, is_loss), says, "even")
    explained = drift.residual <= tolerance * drift.expected
    direction = "loss" if is_loss else "excess"
    told = f"{day_in_words(day)}: {says}, {'explained' if explained else f'{drift.residual:,} events unexplained'}"
    return HeatCell(
        day, _shown(share, is_loss), told, f"{direction}{' explained' if explained else ' above'}", explained
    )


def _drift(cells: Iterable[Cell]) -> _Drift:
    rows = list(cells)
    known = [cell.compared for cell in rows if cell.compared is not None]
    loss, excess = (one.loss for one in known), (one.excess for one in known)
    lost, over = (one.loss_residual.high for one in known), (one.excess_residual.high for one in known)
    return _Drift(
        expected=sum(one.expected for one in known),
        loss=sum(loss, start=NONE_AT_ALL),
        excess=sum(excess, start=NONE_AT_ALL),
        residual=max(sum(lost), sum(over)),
        missing=len(rows) - len(known),
        cells=len(rows),
        is_provisional=any(cell.finding is Finding.PROVISIONAL for cell in rows),
    )


def _shown(share: float, is_loss: bool) -> str:  # noqa: FBT001 (which of two signs, by the caller's own comparison)
    if share < _TOO_SMALL:
        return "·"
    number = f"{share * 100:.0f}" if share >= _WHOLE_FROM else f"{share * 100:.1f}"
    return f"{MINUS if is_loss else '+'}{number}"
