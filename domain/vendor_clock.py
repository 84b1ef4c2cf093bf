"""A vendor that takes times without an offset for those of its own zone has every event at another moment; here it is moved back.

An application writes 12:00 and means UTC. A vendor in UTC+8 reads 12:00+08:00, which is 04:00 UTC. Its 04:00 is our 12:00.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from domain.errors import BadInput
from domain.event_counts import Page
from domain.event_rows import Mark, clock_changes
from domain.windows import HOUR, Window, day_window

NO_SHIFT = "UTC"
_SHOWN = {Mark.AMBIGUOUS: "twice", Mark.ABSENT: "never"}


def at_vendor(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return where the vendor has what happened at this moment. What the zone's clock shows twice is taken for the first time."""
    return moment.astimezone(UTC).replace(tzinfo=zone).astimezone(UTC)


def really_at(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return when that happened which the vendor has at this moment."""
    return moment.astimezone(zone).replace(tzinfo=UTC, fold=0)


def vendor_windows(window: Window, zone_name: str) -> list[Window]:
    """Return what the vendor has to be asked for to learn of the window: of each day apart, for other zones than UTC.

    A vendor counts by hours of UTC. Where zones are half an hour off, such an hour would lie in two of our days; at the
    ends of what is asked for it is cut.
    """
    if zone_name == NO_SHIFT:
        return [window]
    zone = ZoneInfo(zone_name)
    parts = (day_window(day).overlap(window) for day in window.days())
    return [Window(at_vendor(part.start, zone), at_vendor(part.end, zone)) for part in parts if part is not None]


def moved_back(page: Page, zone_name: str, target: str) -> Page:
    """Return the page with every event at the moment at which it happened.

    Raises:
        BadInput: the vendor counts longer spans than hours, which cannot be moved.
    """
    if zone_name == NO_SHIFT:
        return page
    zone = ZoneInfo(zone_name)
    if any(one.span > HOUR and one.events for one in page.counts):
        raise BadInput(
            f"{target} counts by the day, and its time_zone is {zone_name}.",
            "A day that was counted as one cannot be moved by hours: which of its events are of our day is not known.",
            f'List the events of {target} (by = "ids"), leave type_field out where types are counted by the day alone, '
            "or write times with an offset and leave time_zone out.",
        )
    return replace(
        page,
        counts=tuple(replace(one, start=really_at(one.start, zone)) for one in page.counts),
        listed=tuple(replace(one, at=really_at(one.at, zone)) for one in page.listed),
    )


def unclear_hours(window: Window, zone_name: str) -> Iterator[str]:
    """Yield the times of the window that the vendor's clock shows twice or never; of their events it may have the hour wrong."""
    for change in clock_changes(ZoneInfo(zone_name), window):
        if window.start <= change.start.replace(tzinfo=UTC) < window.end:
            yield f"{change.start:%-d %B %H:%M} to {change.end:%H:%M}, which its clock shows {_SHOWN[change.mark]}"
