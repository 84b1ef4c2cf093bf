"""When a part counts as DOWN and when as UP again: one answer is not a state.

DOWN after two failures among three answers, or at once where the fault's row says so; UP after two passes in a row. After an
answer against the standing two more are asked for, a minute apart; one that leaves the standing as it was begins anew, and a part
that came UP is asked no more. Four changes within an hour are flapping. Answers older than two hours say nothing about now. All of
it is a value, so that the ledger can keep it and a restart forgets nothing.
Source: HashiCorp Vault (10 minutes healthy, 1 minute unhealthy), Kubernetes KMS v2 (1 minute, 10 seconds)
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

ANSWERS = 3
FAILURES_FOR_DOWN = 2
PASSES_FOR_UP = 2
ASKED_AGAIN_AFTER = timedelta(minutes=1)
CHANGES_FOR_FLAPPING = 4
FLAPPING_WITHIN = timedelta(hours=1)
COUNTS_FOR = timedelta(hours=2)


class Standing(StrEnum):
    """Where a part stands."""

    UP = "UP"
    DOWN = "DOWN"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer about one part. `at_once` is the fault's: it needs no second one."""

    at: datetime
    passed: bool
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class PartStanding:
    """What is known of a part. `still_due` says how many answers are asked for a minute apart; `changes` are UP and DOWN moments."""

    standing: Standing
    since: datetime
    recent: tuple[Answer, ...] = ()
    still_due: int = 0
    changes: tuple[datetime, ...] = ()
    last_passed_at: datetime | None = None

    @property
    def is_flapping(self) -> bool:
        return len(self.changes) >= CHANGES_FOR_FLAPPING


def beginning(at: datetime) -> PartStanding:
    """Return the standing of a part that nobody asked yet. It is UP until two answers say otherwise, and has passed never."""
    return PartStanding(Standing.UP, at)


def after(before: PartStanding, answer: Answer) -> PartStanding:
    """Return where the part stands with one more answer."""
    told = (*before.recent, answer)
    recent = tuple(one for one in told if one.at > answer.at - COUNTS_FOR)[-ANSWERS:]
    standing = _decided(before.standing, recent)
    changed = standing is not before.standing
    changes = tuple(at for at in before.changes if at > answer.at - FLAPPING_WITHIN)
    return replace(
        before,
        standing=standing,
        since=answer.at if changed else before.since,
        recent=recent,
        still_due=_still_due(before, answer, standing),
        changes=(*changes, answer.at) if changed else changes,
        last_passed_at=answer.at if answer.passed else before.last_passed_at,
    )


def _still_due(before: PartStanding, answer: Answer, standing: Standing) -> int:
    """Return how many answers are asked for a minute apart: none of a part that came UP, two after one that changed nothing."""
    is_against = answer.passed != (before.standing is Standing.UP)
    changed = standing is not before.standing
    if changed and standing is Standing.UP:
        return 0
    # What is DOWN at once has its three answers as well: it is the first of them.
    if is_against and not (changed and before.still_due):
        return ANSWERS - 1
    return max(before.still_due - 1, 0)


def _decided(standing: Standing, recent: tuple[Answer, ...]) -> Standing:
    newest = recent[-1]
    if not newest.passed:
        failures = sum(not one.passed for one in recent)
        return Standing.DOWN if newest.at_once or failures >= FAILURES_FOR_DOWN else standing
    passes = [one.passed for one in recent[-PASSES_FOR_UP:]]
    return Standing.UP if len(passes) == PASSES_FOR_UP and all(passes) else standing
