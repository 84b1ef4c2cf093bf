"""Exact statistics of shares: how far a share seen may lie from the true one, and which of many tests to believe.

Imports SciPy, which costs a tenth of a second: only what compares imports this.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import betainc, betaincinv


@dataclass(frozen=True, slots=True)
class Interval:
    """A share, 0.0-1.0, lies between these."""

    low: float
    high: float


def clopper_pearson(fewest: int, most: int, of: int, confidence: float) -> Interval:
    """Return the exact two-sided interval of a share of which between `fewest` and `most` of `of` were seen.

    The two are the same where the number is known, and bounds of it where it is not.
    Source: Clopper and Pearson 1934, by quantiles of the beta distribution.
    """
    if of <= 0:
        return Interval(0.0, 1.0)
    tail = (1 - confidence) / 2
    low = 0.0 if fewest <= 0 else float(betaincinv(fewest, of - fewest + 1, tail))
    high = 1.0 if most >= of else float(betaincinv(most + 1, of - most, 1 - tail))
    return Interval(low, high)


def chance_of(at_least: int, of: int, share: float) -> float:
    """Return how likely so many or more of `of` are when each happens with `share`."""
    if at_least <= 0:
        return 1.0
    return float(betainc(at_least, of - at_least + 1, share)) if at_least <= of else 0.0


def believed(chances: Sequence[float], false_share: float) -> list[bool]:
    """Say of each test whether it is believed, so that at most `false_share` of those believed are expected to be false.

    Source: Benjamini and Hochberg 1995.
    """
    ranked = sorted(range(len(chances)), key=chances.__getitem__)
    passing = [rank for rank, at in enumerate(ranked, 1) if chances[at] <= rank / len(chances) * false_share]
    kept = set(ranked[: passing[-1]]) if passing else set()
    return [at in kept for at in range(len(chances))]


def fewest_to_certify(tolerance: float, confidence: float) -> int:
    """Return how many events without a loss it takes to show a share below `tolerance`."""
    return math.ceil(math.log((1 - confidence) / 2) / math.log(1 - tolerance))


def sampling_error(events: int, rate: float) -> float:
    """Return the standard error, in events, of how many of `events` a sampler of `rate` lets through."""
    return math.sqrt(events * rate * (1 - rate))
