"""One operation of a smoke check: how long it took, what its failure is called, and at most two repeats of what may go away."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_base, wait_random

from domain.errors import NotYet, OpsError, OutcomeUnknown, Unavailable
from domain.kms_budget import REPEATS
from domain.kms_checks import Part, PartOutcome, faulty
from domain.kms_faults import FAULTS
from steps.clock import Clock

T = TypeVar("T")

# A pause that one check can wait for; whoever is asked to stay away longer is not asked again in this run.
LONGEST_PAUSE = timedelta(seconds=5)
_PAUSE_SECONDS = (0.2, 1.0)
# Asks the key's description, or a page: nobody pays for it.
READ = "read"
# Nothing answered at all; what the page says is never asked twice, so that a service that comes and goes is seen.
_UNREAD = frozenset({"health.unreachable", "health.timeout"})


class FaultSeen(Exception):
    """What an operation failed with: the id of a row of domain/kms_faults.py, and what its {detail} and {version} say."""

    def __init__(self, fault: str, detail: str = "", version: str = "", retry_after: timedelta | None = None) -> None:
        super().__init__(fault, detail, version, retry_after)
        self.fault = fault
        self.detail = detail
        self.version = version
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Asking:
    """How one side is asked. `faults` leads from its symptoms to ids of domain/kms_faults.py; `ticks` counts seconds."""

    slow_ms: float
    clock: Clock
    faults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ticks: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class Tally:
    """What the operations of one part came to so far: how many were made, repeats among them, and the slowest of each kind."""

    operations: int = 0
    milliseconds: dict[str, float] = field(default_factory=dict)


def ask(asking: Asking, tally: Tally, operation: str, act: Callable[[], T]) -> T:
    """Return what the operation came to, asked again twice at most where its fault may go away.

    Raises:
        FaultSeen: it failed, the last time that it was tried.
    """

    def once() -> T:
        tally.operations += operation != READ
        begun = asking.ticks()
        try:
            answer = act()
        except OpsError as error:
            raise seen_in(error, asking.faults) from error
        took = (asking.ticks() - begun) * 1000
        tally.milliseconds[operation] = max(tally.milliseconds.get(operation, 0.0), round(took, 1))
        return answer

    again = retry_if_exception(_may_go_away)
    stop = stop_after_attempt(1 + REPEATS)
    return Retrying(retry=again, stop=stop, wait=_Pause(), sleep=asking.clock.sleep, reraise=True)(once)


def seen_in(error: OpsError, faults: Mapping[str, str]) -> FaultSeen:
    """Return which fault an error is. One that no row speaks of: the KMS failed where it may go away, else it is configured wrongly."""
    passing = isinstance(error, (Unavailable, NotYet, OutcomeUnknown))
    fault = faults.get(error.symptom, "kms.unavailable" if passing else "kms.config")
    return FaultSeen(fault, in_one_clause(error.happened), "", error.retry_after)


def in_one_clause(sentence: str) -> str:
    """Return the sentence as a row's {detail} takes it: the row ends it."""
    return sentence.strip().removesuffix(".")


def failed(name: str, seen: FaultSeen, tally: Tally) -> Part:
    return measured(faulty(name, seen.fault, seen.detail, seen.version), tally)


def measured(part: Part, tally: Tally) -> Part:
    """Return the part with its operations and times."""
    return replace(part, operations=tally.operations, milliseconds=MappingProxyType(dict(tally.milliseconds)))


def judged_by_time(part: Part, tally: Tally, asking: Asking) -> Part:
    """Return the part with its operations and times; one that passed is a WARN where an operation was slow."""
    part = measured(part, tally)
    slow = {operation: ms for operation, ms in tally.milliseconds.items() if ms >= asking.slow_ms}
    if part.outcome is not PartOutcome.PASS or not slow:
        return part
    words = ", ".join(f"{operation} took {ms:.0f} ms" for operation, ms in slow.items())
    return replace(
        part, outcome=PartOutcome.WARN, fault="kms.slow", detail=f"{words}, slow from {asking.slow_ms:.0f} ms on"
    )


def _may_go_away(error: BaseException) -> bool:
    if not isinstance(error, FaultSeen) or not (FAULTS[error.fault].is_repeated or error.fault in _UNREAD):
        return False
    return error.retry_after is None or error.retry_after <= LONGEST_PAUSE


class _Pause(wait_base):
    """The time that the other side names, else a short one that is not the same for all."""

    def __init__(self) -> None:
        self._short = wait_random(*_PAUSE_SECONDS)

    def __call__(self, retry_state: RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        named = error.retry_after if isinstance(error, FaultSeen) else None
        short = self._short(retry_state)
        return max(named.total_seconds(), short) if named else short
