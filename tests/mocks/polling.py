"""Waiting for what a stand-in shows later: by asking again, within a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LIMIT_S = 5.0
STEP_S = 0.02


def eventually(ask: Callable[[], T], wanted: Callable[[T], bool] = bool) -> T:
    """Return the first answer that is wanted; fail when none came in time."""
    deadline = time.monotonic() + LIMIT_S
    while not wanted(answer := ask()):
        assert time.monotonic() < deadline, f"still {answer!r} after {LIMIT_S:.0f} s"
        time.sleep(STEP_S)
    return answer
