"""What a quarter of smoke checks comes to: were they made, what did they see, and would another threshold have done better.

Everything is read from the ledger. What a person has to say is not guessed: a spell that nobody judged is not judged, and a rate
of false alarms is of judged ones alone.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from domain.config import Config
from domain.errors import BadInput
from domain.kms_budget import daily_bound
from domain.kms_checks import Part, PartKind, PartOutcome, part_name
from domain.kms_history import KeptCheck, Spell
from domain.kms_sections import KmsTarget
from domain.kms_standing import ANSWERS
from domain.kms_version_parts import ROTATION_GRACE
from domain.quarters import Quarter
from domain.verdicts import Judgement, Verdict, World
from domain.windows import Window
from ledger.kms_checks import checks_since, first_checked_at, last_check, spells_since
from ledger.kms_judgements import Judged, SpellJudgement, judgements
from ledger.opening import Ledger
from steps.kms_thresholds import STALE_AFTER, Latency, Threshold, latencies, thresholds

CHECKED_EVERY = timedelta(minutes=30)
NEAR_POLICY = timedelta(days=30)
# Until then somebody has judged what was DOWN, after the review that named it.
JUDGED_WITHIN = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class KeyAge:
    """The version in use of one key: its age and the policy's, in days. The age is None where no check could tell it."""

    key: str
    age_days: float | None
    policy_days: float

    @property
    def is_overdue(self) -> bool:
        return self.age_days is not None and self.age_days > self.policy_days + ROTATION_GRACE / timedelta(days=1)

    @property
    def is_near(self) -> bool:
        left = None if self.age_days is None else self.policy_days - self.age_days
        return left is not None and 0 <= left <= NEAR_POLICY.days


@dataclass(frozen=True, slots=True)
class Operations:
    """Cryptographic operations of one key: the most of one day, what is stated for a day without faults, and the days above it."""

    key: str
    most: int
    bound: int
    days_above: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class TargetReview:
    """One target's quarter. Of `due` half hours `made` had one of the `checks`; `missing` are the spans that had none.

    Before `known_since`, the oldest check that is kept, none was due: None where there never was one.
    """

    environment: str
    target: str
    known_since: datetime | None
    checks: int
    due: int
    made: int
    missing: tuple[Window, ...]
    failures: Mapping[str, int]
    kept_from_paging: int
    spells: tuple[Spell, ...]
    latencies: tuple[Latency, ...]
    thresholds: tuple[Threshold, ...]
    ages: tuple[KeyAge, ...]
    destroyed_at: Mapping[str, datetime]
    operations: tuple[Operations, ...]

    @property
    def is_unseen(self) -> bool:
        """Say whether checks were due and not one was made."""
        return self.due > 0 and self.checks == 0

    @property
    def is_unknown(self) -> bool:
        """Say whether no check was due: the quarter was over before the first one that is kept, or has hardly begun."""
        return self.due == 0 and self.checks == 0


@dataclass(frozen=True, slots=True)
class Review:
    """One environment's quarter, made at `at`. `late` are spells of earlier quarters that nobody has judged to this day."""

    quarter: Quarter
    environment: str
    at: datetime
    targets: tuple[TargetReview, ...]
    judged: Mapping[int, SpellJudgement]
    late: tuple[Spell, ...]

    @property
    def spells(self) -> tuple[Spell, ...]:
        return tuple(spell for target in self.targets for spell in target.spells)

    @property
    def not_judged(self) -> tuple[Spell, ...]:
        return tuple(spell for spell in self.spells if spell.id not in self.judged)

    @property
    def false_alarms(self) -> tuple[int, int]:
        """Return how many of the judged spells were false alarms, and how many were judged."""
        said = [self.judged[spell.id].judged for spell in self.spells if spell.id in self.judged]
        return said.count(Judged.FALSE_ALARM), len(said)


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


def verdict_of(review: Review, world: World) -> Judgement:
    """Return HOLD for what is past its day or was not looked at, WAITING for what somebody has to look at by a day, else GREEN.

    A target that began after the quarter leaves the others' verdict alone; where there are none, nothing is known.
    """
    overdue = any(age.is_overdue for target in review.targets for age in target.ages)
    unseen = any(target.is_unseen for target in review.targets) or not any(target.checks for target in review.targets)
    if overdue or unseen or review.late:
        return Judgement(Verdict.HOLD, world)
    near = any(age.is_near for target in review.targets for age in target.ages)
    gaps = any(gap.span > STALE_AFTER for target in review.targets for gap in target.missing)
    waits = bool(review.not_judged) or near or gaps
    return Judgement(Verdict.WAITING if waits else Verdict.GREEN, world)


def due_slots(window: Window, first: datetime | None) -> list[datetime]:
    """Return the half hours in which a check was due: of the whole window, or from the one in which the first ever was made."""
    begin = window.start if first is None or first <= window.start else first
    skipped = (begin - window.start) // CHECKED_EVERY
    return [window.start + n * CHECKED_EVERY for n in range(skipped, window.span // CHECKED_EVERY)]


def spans_without(slots: Sequence[datetime], moments: Iterable[datetime], start: datetime) -> list[Window]:
    """Return the slots in which there is no moment, those next to each other as one span."""
    seen = {start + ((at - start) // CHECKED_EVERY) * CHECKED_EVERY for at in moments}
    spans: list[Window] = []
    for slot in slots:
        if slot in seen:
            continue
        if spans and spans[-1].end == slot:
            spans[-1] = Window(spans[-1].start, slot + CHECKED_EVERY)
        else:
            spans.append(Window(slot, slot + CHECKED_EVERY))
    return spans


def kept_from_paging(answers: Sequence[tuple[datetime, bool]], spells: Collection[Spell]) -> int:
    """Return how many failing answers of one part made nobody DOWN: neither within a spell nor the ones that began it."""
    began = {spell.began_at for spell in spells}

    def counts(index: int) -> bool:
        at, passed = answers[index]
        led_to_it = any(later in began for later, _ in answers[index : index + ANSWERS])
        return not (passed or led_to_it or any(_covers(spell, at) for spell in spells))

    return sum(counts(index) for index in range(len(answers)))


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


def _covers(spell: Spell, at: datetime) -> bool:
    return spell.began_at <= at and (spell.ended_at is None or at < spell.ended_at)
