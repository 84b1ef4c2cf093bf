"""What is remembered of checks: each as it was kept, how an answer changed where a part stands, and the times of being DOWN."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.kms_checks import Checked, Part
from domain.kms_standing import PartStanding, Standing


@dataclass(frozen=True, slots=True)
class KeptCheck:
    """One check as it was kept."""

    at: datetime
    run_id: str
    checked: Checked


@dataclass(frozen=True, slots=True)
class Change:
    """How one answer changed where a part stands: `before` is None where nobody had asked it yet."""

    part: Part
    before: PartStanding | None
    now: PartStanding

    @property
    def went_down(self) -> bool:
        return self.now.standing is Standing.DOWN and (self.before is None or self.before.standing is Standing.UP)

    @property
    def came_up(self) -> bool:
        return self.before is not None and self.before.standing is Standing.DOWN and self.now.standing is Standing.UP


@dataclass(frozen=True, slots=True)
class Spell:
    """A time for which a part was DOWN; `ended_at` is None while it is."""

    id: int
    environment: str
    target: str
    part: str
    fault: str
    began_at: datetime
    ended_at: datetime | None


class Judged(StrEnum):
    """What a spell was."""

    REAL = "real"
    FALSE_ALARM = "false alarm"


@dataclass(frozen=True, slots=True)
class SpellJudgement:
    """One judgement in force."""

    spell: int
    judged: Judged
    who: str
    note: str
    at: datetime
