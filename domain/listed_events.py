"""Events that a vendor lists one by one: kept within the window that was asked for, and counted by the hour."""

from collections import Counter
from collections.abc import Iterable

from domain.event_counts import Count, Fate, Listed, Page
from domain.windows import HOUR, Window


def page_of(listed: Iterable[Listed], window: Window, cursor: str, *, by_ids: bool) -> Page:
    """Return one page of what lies in the window: the events themselves, or how many there were.

    What a vendor shows beyond the window belongs to the one before or after, and is counted there.
    """
    inside = tuple(event for event in listed if window.start <= event.at < window.end)
    if by_ids:
        return Page(listed=inside, cursor=cursor)
    return Page(counts=hourly_counts(inside, window), cursor=cursor)


def hourly_counts(listed: Iterable[Listed], window: Window) -> tuple[Count, ...]:
    """Return how many events of each type there were in each UTC hour, probes apart; copies count.

    A span ends where the window does, so that counts of adjoining windows never speak of the same time.
    """
    events: Counter[tuple[Window, str, bool]] = Counter()
    for event in listed:
        events[_hour_of(event, window), event.type, event.is_probe] += event.copies
    return tuple(
        Count(hour.start, hour.span, kind, Fate.ACCEPTED, number, is_probe=is_probe)
        for (hour, kind, is_probe), number in sorted(events.items())
    )


def _hour_of(event: Listed, window: Window) -> Window:
    start = event.at.replace(minute=0, second=0, microsecond=0)
    return Window(max(start, window.start), min(start + HOUR, window.end))
