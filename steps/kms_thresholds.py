"""How long operations took in a window, and how often each threshold would have fired: at half of it, as it is, at twice as much."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import ceil

from domain.kms_standing import CHANGES_FOR_FLAPPING, FLAPPING_WITHIN
from domain.windows import Window
from ledger.kms_checks import KeptCheck, Spell

# The rules' own: deployments/prometheus. Without a check for longer, KMSCanaryStale fires; a day's p95 above it is KMSCanarySlow.
STALE_AFTER = timedelta(hours=1)
SLOW_P95_MS = 1000.0
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


def _measured(checks: Iterable[KeptCheck]) -> dict[tuple[str, str], list[tuple[date, float]]]:
    """Return what each operation of each part took, with its day."""
    found: dict[tuple[str, str], list[tuple[date, float]]] = {}
    for check in checks:
        for part in check.checked.parts:
            for operation, took in part.milliseconds.items():
                found.setdefault((part.name, operation), []).append((check.at.date(), took))
    return found


def latencies(checks: Iterable[KeptCheck]) -> Iterator[Latency]:
    for (part, operation), measured in sorted(_measured(checks).items()):
        took = [ms for _, ms in measured]
        yield Latency(part, operation, len(took), _quantile(took, 0.5), _quantile(took, 0.95), max(took))


def thresholds(
    slow_ms: float, checks: Sequence[KeptCheck], spells: Iterable[Spell], watched: Window
) -> Iterator[Threshold]:  # fmt: skip
    """Yield each threshold with what it would have come to; `watched` is the window from the first check that was due."""
    by_operation = _measured(checks).items()
    took = [ms for _, measured in by_operation for _, ms in measured]
    yield Threshold(
        "an operation is slow (slow_ms)",
        f"{slow_ms:g} ms",
        tuple(sum(ms > slow_ms * by for ms in took) for by in FACTORS),
    )
    days = [_quantile(of_day, 0.95) for _, measured in by_operation for of_day in _by_day(measured).values()]
    yield Threshold(
        "a day's p95 of an operation (KMSCanarySlow)",
        f"{SLOW_P95_MS:g} ms",
        tuple(sum(p95 > SLOW_P95_MS * by for p95 in days) for by in FACTORS),
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


def _by_day(measured: Iterable[tuple[date, float]]) -> dict[date, list[float]]:
    found: dict[date, list[float]] = {}
    for day, took in measured:
        found.setdefault(day, []).append(took)
    return found


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


def _quantile(measured: Iterable[float], quantile: float) -> float:
    ordered = sorted(measured)
    return ordered[max(0, ceil(quantile * len(ordered)) - 1)]
