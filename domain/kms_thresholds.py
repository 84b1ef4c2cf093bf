"""How long operations took in a window, and how often each threshold would have fired: at half of it, as it is, at twice as much."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil, floor

from domain.kms_history import KeptCheck, Spell
from domain.kms_standing import CHANGES_FOR_FLAPPING, FLAPPING_WITHIN
from domain.windows import Window

# The rules' own (deployments/prometheus/kms.yml, which a test reads). Without a passing check for longer, KMSCanaryStale fires.
STALE_AFTER = timedelta(minutes=70)
# KMSCanarySlow: the p95 of so many measurements in a row, six hours of them, is above the target's slow_ms.
P95_OF = 12
# Every threshold is looked at as it is, at half and at twice its value.
FACTORS = (0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Threshold:
    """One threshold: what it is of, and how often it would have fired at half of it, as it is, and at twice as much."""

    what: str
    at: str
    fired: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Latency:
    """Of one operation of one part, in milliseconds; `measured` says of how many."""

    part: str
    operation: str
    measured: int
    p50: float
    p95: float
    longest: float


def quantile_of(measured: Iterable[float], share: float) -> float:
    """Return the greatest measurement up to which no more than this share of them lies: one that was made, none in between.

    So the p95 of 12 is the second greatest, and one that was slow alone is not told of.
    """
    ordered = sorted(measured)
    return ordered[max(1, floor(share * len(ordered))) - 1]


def _measured(checks: Iterable[KeptCheck]) -> dict[tuple[str, str], list[float]]:
    """Return what each operation of each part took, oldest first."""
    found: dict[tuple[str, str], list[float]] = {}
    for check in checks:
        for part in check.checked.parts:
            for operation, took in part.milliseconds.items():
                found.setdefault((part.name, operation), []).append(took)
    return found


def latencies(checks: Iterable[KeptCheck]) -> Iterator[Latency]:
    for (part, operation), took in sorted(_measured(checks).items()):
        yield Latency(part, operation, len(took), quantile_of(took, 0.5), quantile_of(took, 0.95), max(took))


def thresholds(
    slow_ms: float, checks: Sequence[KeptCheck], spells: Iterable[Spell], watched: Window
) -> Iterator[Threshold]:  # fmt: skip
    """Yield each threshold with what it would have come to; `watched` is the window from the first check that was due."""
    by_operation = _measured(checks).values()
    took = [ms for measured in by_operation for ms in measured]
    yield Threshold(
        "an operation is slow (slow_ms)",
        f"{slow_ms:g} ms",
        tuple(sum(ms > slow_ms * by for ms in took) for by in FACTORS),
    )
    rolling = [list(_p95s(measured)) for measured in by_operation]
    yield Threshold(
        f"p95 of {P95_OF} measurements of an operation (KMSCanarySlow)",
        f"{slow_ms:g} ms",
        tuple(sum(_times_above(p95s, slow_ms * by) for p95s in rolling) for by in FACTORS),
    )
    moments = [watched.start, *(check.at for check in checks), watched.end]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    minutes = STALE_AFTER.total_seconds() / 60
    yield Threshold(
        "no check for so long (KMSCanaryStale)",
        f"{minutes:g} min",
        tuple(sum(gap > STALE_AFTER * by for gap in gaps) for by in FACTORS),
    )
    changes = _changes(spells, watched)
    yield Threshold(
        "changes within an hour (flapping)",
        str(CHANGES_FOR_FLAPPING),
        tuple(sum(_times_reached(of_part, ceil(CHANGES_FOR_FLAPPING * by)) for of_part in changes) for by in FACTORS),
    )


def _p95s(measured: Sequence[float]) -> Iterator[float]:
    """Yield the p95 that was known after each measurement, from the first on that has enough before it."""
    for end in range(P95_OF, len(measured) + 1):
        yield quantile_of(measured[end - P95_OF : end], 0.95)


def _times_above(values: Iterable[float], limit: float) -> int:
    """Return how often the values came to lie above the limit; what goes on is counted once."""
    above = [False, *(value > limit for value in values)]
    return sum(is_now and not was for was, is_now in pairwise(above))


def _changes(spells: Iterable[Spell], window: Window) -> list[list[datetime]]:
    """Return each part's changes within the window, in order: where a spell began and where it ended."""
    found: dict[str, list[datetime]] = {}
    for spell in spells:
        moments = [at for at in (spell.began_at, spell.ended_at) if at is not None and window.start <= at < window.end]
        found.setdefault(spell.part, []).extend(moments)
    return [sorted(moments) for moments in found.values()]


def _times_reached(moments: Sequence[datetime], wanted: int) -> int:
    """Return how often so many changes came to lie within an hour; what goes on is counted once."""
    reached, was = 0, False
    for index, at in enumerate(moments):
        within = sum(at - earlier < FLAPPING_WITHIN for earlier in moments[: index + 1])
        reached += within >= wanted and not was
        was = within >= wanted
    return reached
