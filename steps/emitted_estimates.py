"""What applications emitted, as Prometheus estimates it: asked for each UTC day, each answer with what it leaves open."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import date

from domain.emitted_counts import DayCell, EmittedCounts
from domain.event_counts import Trust
from domain.reconciliation import SourceFact
from domain.reconciliation_sections import PrometheusCounters
from domain.windows import Window, day_window
from steps.repeated_reads import Repeats
from vendors.http import Conduct
from vendors.prometheus import Growth, Prometheus

_ESTIMATE = (
    "an estimate: Prometheus extrapolates between scrapes, and misses what was counted before a counter's first scrape "
    "and after its last"
)


def estimated_counts(
    source: str, section: PrometheusCounters, window: Window, conduct: Conduct, repeats: Repeats
) -> EmittedCounts:
    """Return the estimates of the window, for the section of that name.

    Raises:
        BadInput: the address is not allowed here, or a label is none.
        Rejected, Unavailable: a day could not be had, in spite of repeats.
    """
    with closing(Prometheus(section, conduct)) as prometheus:
        by_day = {day: _grown(prometheus, part, repeats) for day, part in _days(window)}
    events: Counter[DayCell] = Counter()
    for day, growth in by_day.items():
        for row in growth.grown:
            events[(day, section.integrations.get(row.integration, row.integration), row.type)] += round(row.events)
    uncounted = tuple(day for day, growth in by_day.items() if not growth.grown)
    return EmittedCounts(dict(events), Trust.ESTIMATE, tuple(_facts(source, by_day)), {}, uncounted)


def _days(window: Window) -> Iterator[tuple[date, Window]]:
    for day in window.days():
        part = window.overlap(day_window(day))
        if part is not None:
            yield day, part


def _grown(prometheus: Prometheus, window: Window, repeats: Repeats) -> Growth:
    return repeats.read(lambda: prometheus.growth(window))


def _facts(source: str, by_day: Mapping[date, Growth]) -> Iterator[SourceFact]:
    yield SourceFact(source, "", _ESTIMATE, 0, is_fault=False)
    for day, growth in by_day.items():
        if not growth.grown:
            yield SourceFact(source, "", f"{day}: no counter is known, which is not 0 events", 0, is_fault=True)
        if growth.unusable:
            yield SourceFact(source, "", f"{day}: {growth.unusable} counters have no number", 0, is_fault=True)
        for words in growth.warnings:
            yield SourceFact(source, "", f"{day}: Prometheus warns: {words}", 0, is_fault=True)
