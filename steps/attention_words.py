"""What needs someone, as a terminal and as machines read it. The first line says how many and the worst."""

import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime

from domain.attention import Attention, Weight

_WIDTH = 120
NOTHING = "Nothing needs you."
_HEADS = {Weight.NOW: "NOW", Weight.SOON: "SOON", Weight.LATER: "LATER"}
_WHEN = {Weight.NOW: "needed now", Weight.SOON: "soon", Weight.LATER: "later"}


def headline(found: Sequence[Attention]) -> str:
    """Return how many things there are and the first of them. That there are none is a claim, so it says what it rests on."""
    if not found:
        return f"{NOTHING} The ledger was read, and Prefect answers."
    counted = ", ".join(
        f"{number} {_WHEN[weight]}" for weight in Weight if (number := sum(one.weight is weight for one in found))
    )
    return f"{counted}. First: {found[0].what}"


def lines(found: Sequence[Attention], now: datetime | None) -> Iterator[str]:
    """Yield each thing as a block: weight and what is wrong, by when it matters, what it means, the command."""
    for one in found:
        yield ""
        yield f"{_HEADS[one.weight]:<6} {one.what}"
        if one.by is not None:
            yield f"       by {one.by:%Y-%m-%d %H:%M} UTC{_since(one.by, now)}"
        yield from textwrap.wrap(one.means, _WIDTH, initial_indent="       ", subsequent_indent="       ")
        yield f"       $ {one.command}"
        if one.runbook:
            yield f"       {one.runbook}"


def document(found: Sequence[Attention], not_counted: Sequence[Attention]) -> dict[str, object]:
    """Return the same for machines; moments in ISO 8601, null where none is known."""
    return {
        "now": sum(one.weight is Weight.NOW for one in found),
        "soon": sum(one.weight is Weight.SOON for one in found),
        "later": sum(one.weight is Weight.LATER for one in found),
        "attentions": [_told(one) for one in found],
        "not_counted": [_told(one) for one in not_counted],
    }


def _told(one: Attention) -> dict[str, object]:
    return {
        "key": one.key,
        "weight": one.weight.name,
        "environment": one.environment or None,
        "what": one.what,
        "means": one.means,
        "by": one.by.isoformat() if one.by else None,
        "command": one.command,
        "runbook": one.runbook or None,
    }


def _since(by: datetime, now: datetime | None) -> str:
    """Return how far away the moment is, empty where nobody can tell the time."""
    if now is None:
        return ""
    hours = (by - now).total_seconds() / 3600
    size = f"{abs(hours) / 24:.0f} days" if abs(hours) >= _DAYS_FROM_HOURS else f"{abs(hours):.0f} h"
    if abs(hours) < 1:
        size = f"{abs(hours) * 60:.0f} min"
    return f", in {size}" if hours >= 0 else f", {size} ago"


_DAYS_FROM_HOURS = 48
