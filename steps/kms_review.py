"""What a quarter of smoke checks comes to: were they made, what did they see, and would another threshold have done better.

Everything is read from the ledger. What a person has to say is not guessed: a spell that nobody judged is not judged, and a rate
of false alarms is of judged ones alone.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime

from domain.config import Config
from domain.errors import BadInput
from domain.kms_budget import daily_bound
from domain.kms_checks import Part, PartKind, PartOutcome, part_name
from domain.kms_history import KeptCheck, Spell
from domain.kms_reviewing import (
    CHECKED_EVERY,
    KeyAge,
    Operations,
    Review,
    TargetReview,
    due_slots,
    kept_from_paging,
    spans_without,
)
from domain.kms_sections import KmsTarget
from domain.kms_thresholds import latencies, thresholds
from domain.quarters import Quarter
from domain.windows import Window
from ledger.kms_checks import checks_since, first_checked_at, last_check, spells_since
from ledger.kms_judgements import judgements
from ledger.opening import Ledger


def reviewed(ledger: Ledger, config: Config, environment: str, quarter: Quarter) -> Review:
    """Return the review of the environment's declared targets; of a quarter that goes on, up to now.

    Raises:
        BadInput: the quarter has not begun.
    """
    now = ledger.now()
    if now <= quarter.window.start:
        raise BadInput(
            f"{quarter} has not begun.", "Nothing was looked at.", f"Name a quarter up to {Quarter.before(now)}."
        )
    window = Window(quarter.window.start, min(quarter.window.end, now))
    names = [name for name, row in config.kms.items() if row.environment == environment]
    spells = [
        one for one in spells_since(ledger, environment, datetime.min.replace(tzinfo=now.tzinfo)) if one.target in names
    ]
    said = judgements(ledger)
    targets = [_target(ledger, name, config.kms[name], window, spells) for name in names]
    late = [one for one in spells if one.began_at < window.start and one.id not in said]
    return Review(quarter, environment, now, tuple(targets), said, tuple(late))


def _target(
    ledger: Ledger, name: str, section: KmsTarget, window: Window, spells: Collection[Spell]
) -> TargetReview:  # fmt: skip
    environment = section.environment
    checks = [one for one in checks_since(ledger, environment, name, window.start) if one.at < window.end]
    first = first_checked_at(ledger, environment, name)
    slots = due_slots(window, first)
    watched = Window(slots[0] if slots else window.end, window.end)
    missing = spans_without(slots, (one.at for one in checks), window.start)
    own = [one for one in spells if one.target == name]
    newest = last_check(ledger, environment, name)
    return TargetReview(
        environment,
        name,
        known_since=first,
        checks=len(checks),
        due=len(slots),
        made=len(slots) - sum(span.span // CHECKED_EVERY for span in missing),
        missing=tuple(missing),
        failures=dict(
            Counter(
                part.row.fault_class.value for check in checks for part in check.checked.failed if part.row is not None
            )
        ),
        kept_from_paging=sum(
            kept_from_paging(answers, [one for one in own if one.part == part])
            for part, answers in _answers(checks).items()
        ),
        spells=tuple(one for one in own if _in(window, one)),
        latencies=tuple(latencies(checks)),
        thresholds=tuple(thresholds(section.slow_ms, checks, own, watched)),
        ages=tuple(_ages(section, newest)),
        destroyed_at=_destroyed_at(newest),
        operations=tuple(_operations(section, checks)),
    )


def _answers(checks: Iterable[KeptCheck]) -> dict[str, list[tuple[datetime, bool]]]:
    found: dict[str, list[tuple[datetime, bool]]] = {}
    for check in checks:
        for part in check.checked.parts:
            if part.outcome is not PartOutcome.NOT_RUN:
                found.setdefault(part.name, []).append((check.at, part.outcome is not PartOutcome.FAIL))
    return found


def _ages(section: KmsTarget, newest: KeptCheck | None) -> Iterator[KeyAge]:
    for key, row in section.keys.items():
        part = _part(newest, part_name(PartKind.ROTATION, key))
        told = part.facts.get("age_days") if part else None
        yield KeyAge(key, float(told) if told else None, row.rotation_days)


def _destroyed_at(newest: KeptCheck | None) -> dict[str, datetime]:
    """Return the versions that wait for their destruction, by key and version, as the newest check saw them."""
    found = {}
    for part in newest.checked.parts if newest else ():
        kind, _, key = part.name.partition("/")
        for fact, told in part.facts.items():
            what, _, version = fact.partition("/")
            if kind == PartKind.VERSIONS and what == "destroy_at":
                found[f"{key} version {version}"] = datetime.fromisoformat(told)
    return found


def _operations(section: KmsTarget, checks: Iterable[KeptCheck]) -> Iterator[Operations]:
    made: dict[str, Counter[date]] = {key: Counter() for key in section.keys}
    for check in checks:
        for part in check.checked.parts:
            key = part.name.partition("/")[2]
            if key in made:
                made[key][check.at.date()] += part.operations
    for key, by_day in made.items():
        bound = daily_bound(len(section.keys[key].replicas))
        above = sorted(day for day, number in by_day.items() if number > bound)
        yield Operations(key, max(by_day.values(), default=0), bound, tuple(above))


def _part(check: KeptCheck | None, name: str) -> Part | None:
    return next((part for part in check.checked.parts if part.name == name), None) if check else None


def _in(window: Window, spell: Spell) -> bool:
    return window.start <= spell.began_at < window.end
