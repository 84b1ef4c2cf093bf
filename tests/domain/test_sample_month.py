"""A sample month has the faults that it says it has, no more and no fewer, and is the same each time."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from domain.findings import Rule, judged
from domain.reconciliation import Bounds, Compared, Finding
from domain.sample_month import TYPES, Planted, SampleEvent, sample_month
from domain.windows import DAY, HOUR, Month, Window

OCTOBER = Month(2026, 10)
OUTAGE = Window(datetime(2026, 10, 11, tzinfo=UTC), datetime(2026, 10, 14, tzinfo=UTC))


def sample(month: Month = OCTOBER, seed: int = 1, days: Window | None = None) -> tuple[list[SampleEvent], Planted]:
    planted = Planted()
    return list(sample_month(month, seed, planted, days)), planted


def test_the_same_month_and_seed_give_the_same_events() -> None:
    first, again, other = sample(days=OUTAGE), sample(days=OUTAGE), sample(seed=2, days=OUTAGE)

    assert first == again
    assert first != other


@pytest.mark.parametrize("month", [OCTOBER, Month(2028, 2)])
def test_every_event_is_of_the_month_and_every_day_has_some(month: Month) -> None:
    events, _ = sample(month)

    assert {one.at.date() for one in events} == set(month.window.days())
    assert all(month.window.start <= one.at < month.window.end for one in events)
    assert {one.type for one in events} == set(TYPES)


def test_fewer_days_have_no_others() -> None:
    events, _ = sample(days=OUTAGE)

    assert {one.at.date() for one in events} == set(OUTAGE.days())


def test_no_two_events_share_an_id() -> None:
    events, _ = sample(days=OUTAGE)

    assert len({one.event_id for one in events}) == len(events)


def test_what_was_planted_is_what_is_wrong_with_the_events() -> None:
    events, planted = sample()

    found: dict[str, Counter[str]] = {}
    for one in events:
        found.setdefault(one.integration, Counter()).update(_faults(one))
    assert {name: dict(+faults) for name, faults in found.items()} == planted.faults


def _faults(event: SampleEvent) -> list[str]:
    silently_lost = event.arrives == 0 and event.outcome == "sent" and event.is_sampled
    said = {
        "lost in an outage on the 12th and 13th": silently_lost and event.integration == "slack",
        "lost, here and there": silently_lost and event.integration == "opsgenie",
        "sent and received twice": event.records == event.arrives == 2,
        "filtered by the vendor": event.fate == "filtered",
        "rate-limited by the vendor": event.fate == "rate_limited",
        "dropped by the client: queue_full": event.outcome == "queue_full",
        "sampled out by the client": not event.is_sampled,
        "written into the next day's file": event.recorded_on == event.at.date() + DAY,
        "counted 8 hours earlier": event.arrives_at == event.at - 8 * HOUR,
    }
    return [name for name, is_so in said.items() if is_so]


def test_losses_are_on_the_days_of_the_outage_alone() -> None:
    events, _ = sample()

    lost = {one.at.day for one in events if one.integration == "slack" and not one.arrives}
    assert lost == {12, 13}


def test_an_event_is_recorded_on_its_day_or_the_next() -> None:
    events, _ = sample(days=OUTAGE)

    late = {one.recorded_on - one.at.date() for one in events if one.recorded_on}
    assert late == {timedelta(0), DAY}


def test_of_the_usual_sample_nobody_can_tell_whether_opsgenie_lost_too_much() -> None:
    events, planted = sample()

    lost = planted.faults["opsgenie"]["lost, here and there"]
    sent = sum(one.integration == "opsgenie" for one in events)
    found = judged(Compared(sent, sent - lost, Bounds(lost, lost), Bounds(0, 0), 0), Rule(0.01, 0.95))
    assert found.finding is Finding.INCONCLUSIVE
