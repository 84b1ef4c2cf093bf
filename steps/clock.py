"""The time a step is given, so that a test can live through a day."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` is aware UTC; `sleep` takes seconds."""

    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep

    def counting_on(self) -> "Clock":
        """Return a clock that asks once and then counts by itself: for many probes that would ask the database at once."""
        began, then = self.now(), time.monotonic()
        return replace(self, now=lambda: began + timedelta(seconds=time.monotonic() - then))
