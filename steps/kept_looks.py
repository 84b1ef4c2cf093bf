"""A look at something slow, made in a thread of its own and kept for a while: who waits for it waits no longer than he wants.

One that hangs is left behind after a minute and another one is made, so that what answers again is seen again.
"""

from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

T = TypeVar("T")

LEFT_AFTER_SECONDS = 60.0
# What hangs for good costs a thread each; with so many of them at once it is as good as known that the next one hangs too.
MOST_LEFT = 3


class Look(Generic[T]):
    """One look, under way or over."""

    def __init__(self, ask: Callable[[], T], monotonic: Callable[[], float]) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._over = Event()
        self._answer: T | None = None
        self._began_at = monotonic()
        self._ended_at = 0.0

    def make(self) -> None:
        try:
            self._answer = self._ask()
        finally:
            self._ended_at = self._monotonic()
            self._over.set()

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def ended_before(self, moment: float) -> bool:
        return self.is_over and self._ended_at <= moment

    def hangs_since(self, moment: float) -> bool:
        return not self.is_over and self._began_at <= moment

    def within(self, seconds: float) -> T | None:
        """Return what was seen, waiting so long for it; None where it is not there by then, or where asking failed."""
        return self._answer if self._over.wait(max(0.0, seconds)) else None


class KeptLooks(Generic[T]):
    """Looks at one thing: the newest serves everybody until it is too old. One is under way, beside a few that hang."""

    def __init__(self, ask: Callable[[], T], kept_seconds: float, monotonic: Callable[[], float]) -> None:
        self._ask = ask
        self._kept_seconds = kept_seconds
        self._monotonic = monotonic
        self._lock = Lock()
        self._newest: Look[T] | None = None
        self._left: list[Look[T]] = []

    def begin(self) -> Look[T]:
        """Return the newest look, or a new one where that is too old or hangs for a minute."""
        with self._lock:
            if self._newest is None or self._is_done_with(self._newest):
                self._newest = Look(self._ask, self._monotonic)
                # A daemon, so that a look that hangs does not keep the process.
                Thread(target=self._newest.make, name="look", daemon=True).start()
            return self._newest

    def _is_done_with(self, newest: Look[T]) -> bool:
        """Say whether the newest look is too old, or hangs for long enough to be left behind; then it is put with those."""
        now = self._monotonic()
        if newest.ended_before(now - self._kept_seconds):
            return True
        self._left = [one for one in self._left if not one.is_over]
        if not newest.hangs_since(now - LEFT_AFTER_SECONDS) or len(self._left) == MOST_LEFT:
            return False
        self._left.append(newest)
        return True
