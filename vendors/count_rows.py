"""What vendors' rows of counts become: our own event types, whole hours in UTC, and no row that lies outside the window."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from domain.errors import BadInput, Rejected
from domain.event_counts import NOT_SPLIT, Count, Fate
from domain.reconciliation_sections import ReceivedSection
from domain.windows import HOUR, Window

_HOUR_S = 3600


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


def whole_hours(window: Window, title: str) -> tuple[datetime, ...]:
    """Return the beginning of every hour of the window.

    Raises:
        Rejected: it begins or ends within an hour, which a vendor that counts by the hour cannot be asked.
    """
    if any(edge.timestamp() % _HOUR_S for edge in (window.start, window.end)):
        raise Rejected(
            f"{title} was to be asked from {window.start.isoformat()} to {window.end.isoformat()}.",
            "It counts whole hours alone, so a part of an hour would be counted with its neighbour; nothing was sent.",
            "Ask for a window that begins and ends at a whole hour in UTC.",
            "counts.part_of_an_hour",
        )
    return tuple(window.start + HOUR * number for number in range(int(window.span / HOUR)))


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def accepted(start: datetime, events: int, *, of: str = NOT_SPLIT, span: timedelta = HOUR) -> Count:
    return Count(start, span, of, Fate.ACCEPTED, events)


def probes(start: datetime, events: int, *, of: str = NOT_SPLIT, span: timedelta = HOUR) -> Count:
    return Count(start, span, of, Fate.ACCEPTED, events, is_probe=True)


def from_milliseconds(number: float) -> datetime:
    return datetime.fromtimestamp(number / 1000, UTC)
