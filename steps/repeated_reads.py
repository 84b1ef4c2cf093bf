"""A read is repeated while nothing but the moment is wrong with it: nothing changes by reading twice."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from steps.clock import Clock
from steps.probing import Pace, repeat_until

T = TypeVar("T")
# A store or vendor that limits us names a minute at most; three of them, and the reads themselves, fit.
BOUND = timedelta(minutes=5)
ATTEMPTS = 6


@dataclass(frozen=True, slots=True)
class Repeats:
    """How reads are repeated."""

    pace: Pace
    clock: Clock

    def read(self, ask: Callable[[], T]) -> T:
        """Return what `ask` gives, asked again where it is Unavailable, within BOUND; its last error after that."""
        given: list[T] = []

        def keep() -> None:
            given.append(ask())

        repeat_until(keep, BOUND, self.pace, self.clock, polls=False, attempts=ATTEMPTS)
        return given[-1]
