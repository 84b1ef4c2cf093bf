"""What vendors' rows of counts become: our own event types, hours in UTC, and which window an hour belongs to."""

from collections.abc import Mapping
from datetime import UTC, datetime

from domain.errors import BadInput
from domain.event_counts import NOT_SPLIT, Count, Fate
from domain.reconciliation_sections import ReceivedSection
from domain.windows import HOUR, Window


def our_types(section: ReceivedSection) -> Mapping[str, str]:
    """Return our event type by the vendor's value of `type_field`, for those that opsflows.toml names.

    Raises:
        BadInput: two of our types have one value there.
    """
    ours = {value: ours for ours, value in section.types.items()}
    if len(ours) < len(section.types):
        twice = sorted(value for value in ours if list(section.types.values()).count(value) > 1)
        raise BadInput(
            f"types gives several event types the same value: {', '.join(twice)}.",
            "The vendor could not tell them apart. Nothing was asked.",
            "Give each type a value of its own in opsflows.toml, or leave type_field out: types are then not split.",
        )
    return ours


def our_type(types: Mapping[str, str], value: str) -> str:
    """Return our event type; a value that no type maps to keeps its own name, so that it shows in the report."""
    return types.get(value, value)


def hours_begun(window: Window) -> Window:
    """Return the whole hours that begin within the window, for a vendor that counts by the hour alone.

    An hour belongs to the window in which it begins, so that adjoining windows share none and lose none; the last one may
    end after the window. It is empty, its start at its end, where no hour begins.
    """
    return Window(_next_hour(window.start), _next_hour(window.end))


def hours_touched(window: Window) -> tuple[datetime, ...]:
    """Return the beginning of every hour that has a part in the window."""
    first = hour_of(window.start)
    number = -((first - window.end) // HOUR)  # rounded up
    return tuple(first + HOUR * hour for hour in range(number))


def part_of_hour(hour: datetime, window: Window) -> Window:
    """Return what an hour and the window have in common; the hour must touch the window."""
    return Window(max(hour, window.start), min(hour + HOUR, window.end))


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def accepted(part: Window, events: int, *, of: str = NOT_SPLIT) -> Count:
    return Count(part.start, part.span, of, Fate.ACCEPTED, events)


def probes(part: Window, events: int, *, of: str = NOT_SPLIT) -> Count:
    return Count(part.start, part.span, of, Fate.ACCEPTED, events, is_probe=True)


def from_milliseconds(number: float) -> datetime:
    return datetime.fromtimestamp(number / 1000, UTC)


def _next_hour(at: datetime) -> datetime:
    return hour_of(at) if hour_of(at) == at else hour_of(at) + HOUR
