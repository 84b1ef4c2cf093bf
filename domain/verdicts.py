"""The verdict of a run: green means green, and partial green is HOLD."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from domain.probes import Outcome

_NOT_COUNTED = frozenset({Outcome.NOT_RUN, Outcome.NOT_IN_SCOPE})


class Verdict(Enum):
    """How a run ended. The value is what people read."""

    GREEN = "GREEN"
    WAITING = "WAITING"
    PLANNED = "PLANNED"
    HOLD = "HOLD"
    BAD_INPUT = "BAD INPUT"


EXIT_CODE = {Verdict.GREEN: 0, Verdict.WAITING: 0, Verdict.PLANNED: 0, Verdict.HOLD: 1, Verdict.BAD_INPUT: 2}


class World(Enum):
    """Which world answered, judged by hosts, not by what was asked for."""

    REHEARSAL = "rehearsal"
    REAL = "real"
    MIXED = "mixed"  # a stand-in answered in a real run, or the other way round: never green
    NONE = "nothing answered"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict in its world: `GREEN (rehearsal)`, `GREEN`, `HOLD (rehearsal)`."""

    verdict: Verdict
    world: World

    def __str__(self) -> str:
        return self.verdict.value if self.world is World.REAL else f"{self.verdict.value} ({self.world.value})"


def judge(outcomes: Iterable[Outcome], world: World) -> Judgement:
    """Return GREEN only when something counted and every counted outcome is PASS, in one world."""
    counted = [outcome for outcome in outcomes if outcome not in _NOT_COUNTED]
    passed = bool(counted) and all(outcome is Outcome.PASS for outcome in counted)
    clear = world in {World.REAL, World.REHEARSAL}
    return Judgement(Verdict.GREEN if passed and clear else Verdict.HOLD, world)


def world_of(stand_in_answered: Iterable[bool]) -> World:
    """Return the world of a run from, per answer, whether a stand-in gave it."""
    seen = set(stand_in_answered)
    if not seen:
        return World.NONE
    if len(seen) > 1:
        return World.MIXED
    return World.REHEARSAL if seen == {True} else World.REAL
