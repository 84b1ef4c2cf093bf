"""A quarter of smoke checks, judged: were they made, were the alarms real, which keys are near their age, what is left to a person."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from domain.kms_history import Judged, Spell, SpellJudgement
from domain.kms_standing import ANSWERS
from domain.kms_thresholds import STALE_AFTER, Latency, Threshold
from domain.kms_version_parts import ROTATION_GRACE
from domain.quarters import Quarter
from domain.verdicts import Judgement, Verdict, World
from domain.windows import Window

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


def _covers(spell: Spell, at: datetime) -> bool:
    return spell.began_at <= at and (spell.ended_at is None or at < spell.ended_at)
