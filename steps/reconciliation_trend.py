"""A month against the ones before it: control limits from earlier months alone, so that a bad month does not excuse itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from domain.reconciliation import Finding, TargetMonth

# Fewer earlier months than these say nothing about what is usual.
FEWEST = 4
_SIGMAS = 3
_WIDTH, _HEIGHT, _EDGE = 240, 72, 6


@dataclass(frozen=True, slots=True)
class Point:
    """One month; `share` is of unexplained events, None where it is not known. `x` and `y` are where it is drawn."""

    month: str
    share: float | None
    finding: Finding
    x: float
    y: float | None


@dataclass(frozen=True, slots=True)
class Limits:
    """What is usual, by earlier months: mean and three standard deviations either way, shares 0.0-1.0."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Trend:
    """The last months of one integration. `budget` is the share of what the rule allows that this month used up."""

    points: tuple[Point, ...]
    limits: Limits | None
    budget: float | None
    rule_y: float
    band: tuple[float, float] | None
    lines: tuple[str, ...]

    @property
    def is_unusual(self) -> bool:
        now = self.points[-1].share
        return self.limits is not None and now is not None and now > self.limits.high


def trend(target: TargetMonth, month: str, tolerance: float) -> Trend:
    """Return the trend up to this month, the last point."""
    shares = [(one.month, _known(one.residual_share, one.finding), one.finding) for one in target.past]
    compared = None if target.days_missing else target.compared
    now = _known(None if compared is None else compared.residual_share, target.finding)
    limits = control_limits([share for _, share, _ in shares if share is not None])
    rows = [*shares, (month, now, target.finding)]
    top = max(tolerance * 1.2, *(share or 0 for _, share, _ in rows), limits.high if limits else 0)
    gap = (_WIDTH - 2 * _EDGE) / max(1, len(rows) - 1)
    points = tuple(
        Point(name, share, finding, round(_EDGE + gap * at, 1), None if share is None else _y(share, top))
        for at, (name, share, finding) in enumerate(rows)
    )
    band = None if limits is None else (_y(limits.high, top), _y(limits.low, top))
    budget = None if now is None else now / tolerance
    return Trend(points, limits, budget, _y(tolerance, top), band, tuple(_lines(points)))


def control_limits(shares: Sequence[float]) -> Limits | None:
    """Return what earlier months make usual, None where there are too few of them."""
    if len(shares) < FEWEST:
        return None
    mean, width = fmean(shares), _SIGMAS * stdev(shares)
    return Limits(mean, max(0.0, mean - width), mean + width)


def _known(share: float | None, finding: Finding) -> float | None:
    """Return None for a month with days missing: the rest of its days would look better than it was."""
    return None if finding is Finding.NO_DATA else share


def _lines(points: Sequence[Point]) -> list[str]:
    """Return the polylines between months that are known; a gap is a gap."""
    lines: list[list[str]] = [[]]
    for point in points:
        if point.y is None:
            lines.append([])
        else:
            lines[-1].append(f"{point.x},{point.y}")
    return [" ".join(line) for line in lines if len(line) > 1]


def _y(share: float, top: float) -> float:
    return round(_HEIGHT - _EDGE - (_HEIGHT - 2 * _EDGE) * share / top, 1)
