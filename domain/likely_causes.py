"""What is probably behind a difference, and what to do next: rows, of which the first that fits is told."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from domain.event_counts import Trust, Unit
from domain.reconciliation import Cell, Compared, Finding, LikelyCause, ShiftFound, Why

# So much of a residual in one place is where it comes from.
_MOST = 0.8
_FEW_DAYS = 3
_STEADY_DAYS = 7
# The zones of the database whose names are hours: Etc/GMT-14 to Etc/GMT+12.
_FARTHEST_EAST = 14
_FARTHEST_WEST = 12


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of one target's month when its cause is looked for."""

    target: str
    finding: Finding
    compared: Compared | None
    cells: Sequence[Cell]
    shift: ShiftFound | None
    trust: tuple[Trust, ...]
    unit: Unit
    by_ids: bool
    days_missing: tuple[date, ...]

    @property
    def is_loss(self) -> bool:
        """Tell whether what is missing weighs more than what is too many."""
        compared = self.compared
        return compared is None or compared.loss_residual.high >= compared.excess_residual.high

    def residual_by(self, key: Callable[[Cell], object]) -> Counter[object]:
        """Return the greater side's residual of all cells by a key of theirs."""
        found: Counter[object] = Counter()
        for cell in self.cells:
            if cell.compared is not None:
                side = cell.compared.loss_residual if self.is_loss else cell.compared.excess_residual
                found[key(cell)] += side.high
        return +found


def likely_cause(case: Case) -> LikelyCause | None:
    """Return the first cause that fits, None where nothing needs one."""
    if case.finding in {Finding.OK, Finding.PROVISIONAL}:
        return None
    return next((cause for rule in _RULES if (cause := rule(case)) is not None), None)


def _no_data(case: Case) -> LikelyCause | None:
    if case.finding is not Finding.NO_DATA:
        return None
    days = ", ".join(f"{day:%-d %b}" for day in case.days_missing[:_STEADY_DAYS])
    more = f" and {len(case.days_missing) - _STEADY_DAYS} more" if len(case.days_missing) > _STEADY_DAYS else ""
    said = next((cell.missing for cell in case.cells if cell.missing), "a side could not be read").removesuffix(".")
    return LikelyCause(
        f"{days}{more}: {said}." if days else f"{said}.",
        "Put the missing input right, then run the month again; what was read already is not read again.",
    )


def _shifted(case: Case) -> LikelyCause | None:
    if case.shift is None:
        return None
    return LikelyCause(
        f"{case.shift.words} It is the time zone, not loss.",
        _zone_advice(case.target, case.shift.hours),
    )


def _zone_advice(target: str, hours: int) -> str:
    """Return which time_zone undoes a shift: where the vendor is 8 h early, it took the times for those of UTC+8."""
    if not -_FARTHEST_EAST <= hours <= _FARTHEST_WEST:
        return f"No time zone is {abs(hours)} h away: look at the clock of what sends to {target}, or at the day that it writes."
    # Names of this kind have their signs the other way round: Etc/GMT-8 is 8 hours ahead of UTC.
    return (
        f'Write times with an offset; until then set time_zone = "Etc/GMT{hours:+d}" in the received section of {target} '
        "(where it names a zone already, one that is as many hours off), and run the month again."
    )


def _merged(case: Case) -> LikelyCause | None:
    if case.unit is not Unit.MERGED or case.by_ids or not case.is_loss:
        return None
    return LikelyCause(
        "The vendor merges repeats into one alert, so that its number is below what was sent with nothing lost.",
        f'Compare {case.target} by its ids: by = "ids" in its received section.',
    )


def _estimated(case: Case) -> LikelyCause | None:
    if Trust.ESTIMATE not in case.trust:
        return None
    return LikelyCause(
        "The emitted number is an estimate of Prometheus, which extrapolates and misses what no scrape saw.",
        "Let the application write down its events, or snapshots of its counters, and name them as emitted.",
    )


def _explained(case: Case) -> LikelyCause | None:
    compared = case.compared
    if case.finding is not Finding.EXPLAINED or compared is None:
        return None
    # Both residuals may be nothing: it is the raw difference that has a reason.
    reasons = compared.loss_explained if compared.loss.high >= compared.excess.high else compared.excess_explained
    most = max((*reasons,), key=lambda one: one.events, default=None)
    if most is None:
        return None
    return LikelyCause(
        f"Mostly {most.why.value}: {most.words} ({most.events:,} events).",
        "Decide whether this is meant; a filter or limit that nobody wants costs events every month.",
    )


def _cannot_tell(case: Case) -> LikelyCause | None:
    compared = case.compared
    if case.finding is not Finding.INCONCLUSIVE or compared is None:
        return None
    if compared.loss_residual.low or compared.excess_residual.low:
        return None
    return LikelyCause(
        "It may be nothing: what was sent more than once, a sampler's noise, or an incident whose hours nobody can compare "
        "is as large as what differs.",
        "Let the application record what it samples out; nothing is to be repaired before that tells more."
        if case.by_ids
        else f'Compare {case.target} by ids (by = "ids") where the vendor lists them, and record what is sampled out.',
    )


def _another_sender(case: Case) -> LikelyCause | None:
    if case.is_loss:
        return None
    unsent = sum(
        cell.compared.excess_residual.high for cell in case.cells if cell.compared and not cell.compared.expected
    )
    whole = sum(case.residual_by(lambda cell: cell.target).values())
    if not whole or unsent < _MOST * whole:
        return None
    return LikelyCause(
        "What arrived is of types that the application did not record: another sender writes with this credential.",
        "Look at the vendor who sends these types; narrow the query down, or record them as emitted.",
    )


def _one_type(case: Case) -> LikelyCause | None:
    found = case.residual_by(lambda cell: cell.type)
    if len({cell.type for cell in case.cells}) < 2 or not _is_mostly(found, 1):  # noqa: PLR2004 (one alone says nothing)
        return None
    [(kind, events)] = found.most_common(1)
    return LikelyCause(
        f"It is events of type {kind!r} ({events:,} of {found.total():,}).",
        "Look at how this type is sent: its size, fields and filters differ from the others'.",
    )


def _copies(case: Case) -> LikelyCause | None:
    compared = case.compared
    if compared is None or case.is_loss or not compared.duplicates:
        return None
    recorded = sum(one.events for one in compared.excess_explained if one.why is Why.REPEATS)
    if compared.duplicates - recorded < _MOST * compared.excess_residual.high:
        return None
    return LikelyCause(
        f"The vendor has events more than once that were recorded once ({compared.duplicates - recorded:,} copies).",
        "Look for retries that are not recorded, of a client library or a collector on the way, and let them keep the event's id.",
    )


def _few_days(case: Case) -> LikelyCause | None:
    found = case.residual_by(lambda cell: cell.day)
    at_most = min(_FEW_DAYS, len({cell.day for cell in case.cells}) // 4)
    count = next((n for n in range(1, at_most + 1) if _is_mostly(found, n)), 0)
    if not count:
        return None
    days = sorted(day for day, _ in found.most_common(count) if isinstance(day, date))
    named = ", ".join(f"{day:%-d %B}" for day in days)
    return LikelyCause(
        f"It happened on {named}; the other days agree.",
        "Compare with deploys, rotations and the vendor's status of these days; if it was an incident, add it to [[incidents]].",
    )


def _since_a_day(case: Case) -> LikelyCause | None:
    found = case.residual_by(lambda cell: cell.day)
    days = sorted(day for day in found if isinstance(day, date))
    everything = {cell.day for cell in case.cells}
    if len(days) < _STEADY_DAYS or len(days) == len(everything):
        return None
    since = {day for day in everything if day >= days[0]}
    if len(days) < _MOST * len(since):
        return None
    return LikelyCause(
        f"It began on {days[0]:%-d %B} and goes on.",
        "Look at what was deployed, configured or rotated that day.",
    )


def _steady(case: Case) -> LikelyCause | None:
    what = "lost" if case.is_loss else "too many"
    return LikelyCause(
        f"Events are {what} evenly, over all days and types.",
        "Look for a sampler, a queue that overflows or a quota that is not recorded, at the application and on the way; "
        "the missing ids, where listed, show what they have in common."
        if case.is_loss
        else "Look for retries that are not recorded, or a second sender; compare by ids where the vendor lists them.",
    )


def _is_mostly(found: Counter[object], count: int) -> bool:
    return found.total() > 0 and sum(n for _, n in found.most_common(count)) >= _MOST * found.total()


_RULES: tuple[Callable[[Case], LikelyCause | None], ...] = (
    _no_data, _shifted, _merged, _estimated, _explained, _cannot_tell, _copies, _another_sender,
    _few_days, _one_type, _since_a_day, _steady,
)  # fmt: skip
