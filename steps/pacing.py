"""Keeps this process within the vendors' published limits: a call waits for its place, or is put off when that is far away."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from threading import Lock

from domain.errors import Unavailable
from vendors.rate_limits import Limit, LimitOf

# A longer wait is not sat out: whoever called gives its work back and is called again.
LONGEST_WAIT = timedelta(seconds=30)
# A vendor counts when a call arrives. So long after its turn it may do so: the next window begins that much later.
ARRIVES_WITHIN = timedelta(seconds=1)


class Pacer:
    """One per process. Counts calls in sliding windows, per account or per credential as each limit says.

    No dataclass: Prefect walks through those that a task is given, and this one grows meanwhile in other threads.
    """

    def __init__(
        self,
        limits: Mapping[str, tuple[Limit, ...]],
        sleep: Callable[[float], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self.sleep = sleep
        self.monotonic = monotonic
        self._made: dict[tuple[object, ...], deque[float]] = {}
        self._lock = Lock()

    def admit(self, account: str, credential: str) -> Callable[[str, str], None]:
        """Return what is called before each request of one credential, with system and verb.

        Raises:
            Unavailable: the place is further away than is worth waiting for; nothing was sent.
        """

        def before(system: str, verb: str) -> None:
            for number, limit in enumerate(self.limits.get(system, ())):
                if not limit.verbs or verb in limit.verbs:
                    whose = account if limit.of is LimitOf.ACCOUNT else credential
                    self._wait((system, number, whose), limit, system)

        return before

    def _wait(self, key: tuple[object, ...], limit: Limit, system: str) -> None:
        with self._lock:
            now = self.monotonic()
            made = self._made.setdefault(key, deque(maxlen=limit.calls))
            span = (limit.per + ARRIVES_WITHIN).total_seconds()
            # What does not count any more is not kept either: a limit may allow hundreds of thousands.
            while made and made[0] + span <= now:
                made.popleft()
            at = max(now, made[0] + span) if len(made) == limit.calls else now
            if at - now > LONGEST_WAIT.total_seconds():
                raise _put_off(system, timedelta(seconds=at - now))
            # Taken now, used later: whoever comes next stands behind.
            made.append(at)
        if at > now:
            self.sleep(at - now)


def _put_off(system: str, wait: timedelta) -> Unavailable:
    return Unavailable(
        f"The published rate limit of {system} leaves no room for {wait.total_seconds():.0f} s.",
        "Nothing was sent, so that the vendor does not have to refuse it.",
        "Nothing: it is tried again after that time by itself.",
        "pacing.put_off",
        wait,
    )
