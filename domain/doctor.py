"""What a look at opsflows itself comes to. What could not be looked at is never fine, and neither is it broken."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

# From here on two clocks are worth setting, and from there on nothing is retired by them (domain/retiring.py).
CLOCKS_DRIFT = timedelta(seconds=30)


class Health(StrEnum):
    """How one thing stands. The value is what people and machines read; only BROKEN and NOT_CHECKED fail."""

    BROKEN = "BROKEN"
    NOT_CHECKED = "NOT CHECKED"
    ADVICE = "ADVICE"
    NOT_USED = "NOT USED"
    FINE = "FINE"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look came to: what is, what it means, what to do. The last two are empty where it is fine."""

    health: Health
    what: str
    means: str = ""
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """One check with its finding."""

    name: str
    finding: Finding


class Look(Protocol):
    """One look; it raises an OpsError where it cannot see."""

    def __call__(self) -> Finding: ...


def fine(what: str) -> Finding:
    return Finding(Health.FINE, what)


def broken(what: str, means: str, next_step: str) -> Finding:
    return Finding(Health.BROKEN, what, means, next_step)


def advice(what: str, means: str, next_step: str) -> Finding:
    return Finding(Health.ADVICE, what, means, next_step)


def not_used(what: str) -> Finding:
    return Finding(Health.NOT_USED, what)


def not_checked(why: str, next_step: str) -> Finding:
    return Finding(Health.NOT_CHECKED, why, "Whether it is well is not known.", next_step)


def fails(found: Iterable[Checked]) -> bool:
    """Say whether anything is broken, or could not be looked at."""
    return any(one.finding.health in {Health.BROKEN, Health.NOT_CHECKED} for one in found)


def worst_first(found: Iterable[Checked]) -> list[Checked]:
    """Return what is broken first, each kind in the order of the table of checks."""
    return sorted(found, key=lambda one: tuple(Health).index(one.finding.health))


def summary(found: Iterable[Checked]) -> str:
    """Return how many stand where and the first that fails, e.g. `1 BROKEN, 22 FINE. First: ...`."""
    rows = worst_first(found)
    counted = ", ".join(
        f"{number} {health}" for health in Health if (number := sum(one.finding.health is health for one in rows))
    )
    if not fails(rows):
        return f"Nothing of opsflows is broken: {counted}."
    return f"{counted}. First: {rows[0].name}: {rows[0].finding.what}"


def version_of(text: str) -> tuple[int, ...]:
    """Return the numbers of a version, e.g. 3.8.8 of `3.8.8.post1`: what follows says nothing of what it can do."""
    found: list[int] = []
    for part in text.split("."):
        if not part.isdecimal():
            break
        found.append(int(part))
    return tuple(found)
