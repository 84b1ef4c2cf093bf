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
    """Which world answered; the host rule of an environment sees to it that no other one can."""

    REHEARSAL = "rehearsal"
    REAL = "real"
    NONE = "nothing answered"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict in its world: `GREEN (rehearsal)`, `GREEN`, `HOLD (rehearsal)`."""

    verdict: Verdict
    world: World

    def __str__(self) -> str:
        return f"{self.verdict.value} ({self.world.value})" if self.world is World.REHEARSAL else self.verdict.value


def judge(outcomes: Iterable[Outcome], world: World) -> Judgement:
    """Return GREEN only when something counted and every counted outcome is PASS, in a world that answered."""
    counted = [outcome for outcome in outcomes if outcome not in _NOT_COUNTED]
    passed = bool(counted) and all(outcome is Outcome.PASS for outcome in counted)
    clear = world in {World.REAL, World.REHEARSAL}
    return Judgement(Verdict.GREEN if passed and clear else Verdict.HOLD, world)
