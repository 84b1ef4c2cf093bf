"""The time a step is given, so that a test can live through a day."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` is aware UTC; `sleep` takes seconds."""

    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep
