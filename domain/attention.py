"""What needs someone: what is wrong or waits, by when it matters, and the one command that goes on. One shape for all lists."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum


class Weight(IntEnum):
    """How much it matters; the lowest comes first."""

    NOW = 0
    SOON = 1
    LATER = 2


@dataclass(frozen=True, slots=True)
class Attention:
    """One thing that someone must see to.

    `by` is when it begins to hurt (UTC), None where no moment is known: a missing date is not an early one. `command` is what
    to run next, whole; `runbook` a page under docs/ or empty. `key` names the thing itself, so that two looks can be compared.
    """

    key: str
    weight: Weight
    environment: str
    what: str
    means: str
    by: datetime | None
    command: str
    runbook: str = ""


def in_turn(found: list[Attention]) -> list[Attention]:
    """Return them in the order in which they should be seen to: the weightiest first, of those what matters soonest."""
    return sorted(found, key=lambda one: (one.weight, one.by is None, one.by.isoformat() if one.by else "", one.key))
