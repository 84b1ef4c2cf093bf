"""A look at something slow, made in a thread of its own and kept for a while: who waits for it waits no longer than he wants."""

from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Look(Generic[T]):
    """One look, under way or over."""

    def __init__(self, ask: Callable[[], T], monotonic: Callable[[], float]) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._over = Event()
        self._answer: T | None = None
        self._ended_at = 0.0

    def make(self) -> None:
        try:
            self._answer = self._ask()
        finally:
            self._ended_at = self._monotonic()
            self._over.set()

    def ended_before(self, moment: float) -> bool:
        return self._over.is_set() and self._ended_at <= moment

    def within(self, seconds: float) -> T | None:
        """Return what was seen, waiting so long for it; None where it is not there by then, or where asking failed."""
        return self._answer if self._over.wait(max(0.0, seconds)) else None


class KeptLooks(Generic[T]):
    """Looks at one thing: the newest serves everybody until it is too old, and one at most is under way."""

    def __init__(self, ask: Callable[[], T], kept_seconds: float, monotonic: Callable[[], float]) -> None:
        self._ask = ask
        self._kept_seconds = kept_seconds
        self._monotonic = monotonic
        self._lock = Lock()
        self._newest: Look[T] | None = None

    def begin(self) -> Look[T]:
        """Return the newest look, or a new one where that is too old. A look that hangs is not joined by a second one."""
        with self._lock:
            too_old = self._monotonic() - self._kept_seconds
            if self._newest is None or self._newest.ended_before(too_old):
                self._newest = Look(self._ask, self._monotonic)
                # A daemon, so that a look that hangs does not keep the process.
                Thread(target=self._newest.make, name="look", daemon=True).start()
            return self._newest
