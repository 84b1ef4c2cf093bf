"""A clock counts on by itself where hundreds of threads would ask the database for the time."""

import time
from datetime import UTC, datetime, timedelta

from steps.clock import Clock


def test_a_clock_that_counts_on_asks_once_and_does_not_stand_still() -> None:
    noon = datetime(2026, 5, 4, 12, tzinfo=UTC)
    asked: list[datetime] = []

    def now() -> datetime:
        asked.append(noon)
        return noon

    clock = Clock(now=now).counting_on()
    ends = time.monotonic() + 5
    while clock.now() == noon and time.monotonic() < ends:
        pass

    assert noon < clock.now() < noon + timedelta(seconds=10)
    assert asked == [noon]
