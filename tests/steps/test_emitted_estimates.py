"""Prometheus asked day by day: estimates that say so, and days of which it knows nothing."""

from collections.abc import Iterator
from datetime import date

import pytest

from domain.errors import Rejected, Unavailable
from domain.event_counts import Trust
from domain.reconciliation_sections import PrometheusCounters
from domain.windows import Window, day_window
from steps.emitted_estimates import estimated_counts
from tests.steps.storing import repeats
from tests.stores.loopback import Loopback
from tests.stores.prometheus import Counters, prometheus, refused
from vendors.hosts import HostRule
from vendors.http import Conduct

FIRST, SECOND = date(2026, 10, 1), date(2026, 10, 2)
TWO_DAYS = Window(day_window(FIRST).start, day_window(SECOND).end)
CONDUCT = Conduct(HostRule(rehearsal=True), lambda _: None)


@pytest.fixture
def served() -> Iterator[tuple[Counters, Loopback]]:
    with prometheus() as served:
        yield served


def section(loopback: Loopback) -> PrometheusCounters:
    return PrometheusCounters.model_validate(
        {"kind": "prometheus", "environment": "prod", "address": loopback.url, "metric": "events", "integrations": {"Slack": "slack"}}
    )  # fmt: skip


def test_each_day_is_asked_for_and_whole_events_are_counted(served: tuple[Counters, Loopback]) -> None:
    counters, loopback = served
    counters.by_end[day_window(FIRST).end] = [
        ({"integration": "Slack", "event_type": "login"}, "99.6"),
        ({"integration": "sentry", "event_type": "error"}, "0"),
    ]
    counters.by_end[day_window(SECOND).end] = [({"integration": "slack", "event_type": "login"}, "50.2")]

    counts = estimated_counts("app", section(loopback), TWO_DAYS, CONDUCT, repeats())

    assert counts.counts == {
        (FIRST, "slack", "login"): 100, (FIRST, "sentry", "error"): 0, (SECOND, "slack", "login"): 50,
    }  # fmt: skip
    assert counts.trust is Trust.ESTIMATE
    assert [(fact.what.partition(":")[0], fact.is_fault) for fact in counts.facts] == [("an estimate", False)]


def test_a_day_of_which_no_counter_is_known_is_not_a_day_of_0(served: tuple[Counters, Loopback]) -> None:
    counters, loopback = served
    counters.by_end[day_window(FIRST).end] = [({"integration": "slack", "event_type": "login"}, "1")]

    counts = estimated_counts("app", section(loopback), TWO_DAYS, CONDUCT, repeats())

    assert counts.uncounted_days == (SECOND,)
    assert "2026-10-02: no counter is known, which is not 0 events" in [
        fact.what for fact in counts.facts if fact.is_fault
    ]


def test_warnings_and_counters_without_a_number_are_shown(served: tuple[Counters, Loopback]) -> None:
    counters, loopback = served
    counters.by_end[day_window(FIRST).end] = [({"integration": "slack", "event_type": "login"}, "NaN")]
    counters.warnings = ["partial"]

    counts = estimated_counts("app", section(loopback), day_window(FIRST), CONDUCT, repeats())

    assert [fact.what for fact in counts.facts if fact.is_fault] == [
        "2026-10-01: no counter is known, which is not 0 events",
        "2026-10-01: 1 counters have no number",
        "2026-10-01: Prometheus warns: partial",
    ]


def test_a_busy_prometheus_is_asked_again_and_a_refusing_one_is_not(served: tuple[Counters, Loopback]) -> None:
    _, loopback = served
    loopback.spoil(refused(503, "timeout"), None, refused(422, "execution"))

    with pytest.raises(Rejected):
        estimated_counts("app", section(loopback), TWO_DAYS, CONDUCT, repeats())

    assert len(loopback.asked) == 3


def test_a_day_that_cannot_be_had_ends_in_no_estimate(served: tuple[Counters, Loopback]) -> None:
    _, loopback = served
    loopback.spoil(*[refused(503, "timeout")] * 9)

    with pytest.raises(Unavailable):
        estimated_counts("app", section(loopback), TWO_DAYS, CONDUCT, repeats())
