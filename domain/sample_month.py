"""A month of sample events with planted faults: what applications recorded, what each vendor got, and what was planted.

The same month and seed give the same events.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from domain.windows import DAY, HOUR, Month, Window, day_window

TYPES = ("login_failed", "payment_failed", "job_failed")
_WEIGHTS = (5, 3, 2)
# Busy by day and quiet by night, in UTC; a volume without rhythm would hide a wrong time zone.
_RHYTHM = (1, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 9, 9, 10, 10, 9, 8, 7, 5, 4, 3, 2, 1, 1)
_OUTAGE_DAYS = (12, 13)
# The moments of a zone that is 8 hours ahead of UTC, which is called Etc/GMT-8.
_ZONE_HOURS = -8


@dataclass(frozen=True, slots=True)
class SampleEvent:
    """One event as it happened. `records` is how often the application wrote it down, `recorded_at` in which day's file.

    `outcome` is "sent", or why the client dropped it. `arrives` is how often the vendor got it, `arrives_at` when by the
    vendor's clock; `fate` and `reason` are the vendor's, empty where it accepted the event.
    """

    event_id: str
    at: datetime
    type: str
    integration: str
    outcome: str = "sent"
    is_sampled: bool = True
    records: int = 1
    recorded_on: date | None = None
    arrives: int = 1
    arrives_at: datetime | None = None
    fate: str = "accepted"
    reason: str = ""


@dataclass(slots=True)
class Planted:
    """What was planted, by integration: names of faults and how many events each is."""

    faults: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, integration: str, fault: str, events: int = 1) -> None:
        found = self.faults.setdefault(integration, {})
        found[fault] = found.get(fault, 0) + events


# Events a day: enough for a verdict, and few enough for stand-ins that keep them in memory.
_PER_DAY = {"slack": 60, "pagerduty": 40, "opsgenie": 40, "sentry": 240, "datadog": 240, "splunk": 320}


def sample_month(month: Month, seed: int, planted: Planted, days: Window | None = None) -> Iterator[SampleEvent]:
    """Yield the month's events by integration and time, and note in `planted` what is wrong with them.

    `days` are fewer days of the month than all; the outage is on the 12th and 13th.
    """
    for integration, per_day in _PER_DAY.items():
        chance = random.Random(f"{month} {seed} {integration}")  # noqa: S311 (sample data)
        for day in (days or month.window).days():
            for event in _day(integration, per_day, day, chance):
                yield _FAULTS[integration](event, chance, planted)


def _day(integration: str, per_day: int, day: date, chance: random.Random) -> Iterator[SampleEvent]:
    start = day_window(day).start
    hours = sorted(chance.choices(range(24), weights=_RHYTHM, k=round(per_day * chance.uniform(0.9, 1.1))))
    for hour in hours:
        at = start + hour * HOUR + timedelta(milliseconds=chance.randrange(3_600_000))
        [kind] = chance.choices(TYPES, weights=_WEIGHTS)
        yield SampleEvent(str(UUID(int=chance.getrandbits(128), version=4)), at, kind, integration, recorded_on=day)


def _outage(event: SampleEvent, chance: random.Random, planted: Planted) -> SampleEvent:
    """Slack: on two days most messages never arrive, and nobody says why."""
    if event.at.day in _OUTAGE_DAYS and chance.random() < 0.6:  # noqa: PLR2004 (a share)
        planted.add(event.integration, "lost in an outage on the 12th and 13th")
        return replace(event, arrives=0)
    return event


def _repeats(event: SampleEvent, chance: random.Random, planted: Planted) -> SampleEvent:
    """PagerDuty: the application retries, writes down both tries, and both arrive."""
    if chance.random() < 0.01:  # noqa: PLR2004 (a share)
        planted.add(event.integration, "sent and received twice")
        return replace(event, records=2, arrives=2)
    return event


def _few_lost(event: SampleEvent, chance: random.Random, planted: Planted) -> SampleEvent:
    """Opsgenie: a few are lost, so few of so few that nobody can tell whether it is more than 1 %."""
    if chance.random() < 0.012:  # noqa: PLR2004 (a share)
        planted.add(event.integration, "lost, here and there")
        return replace(event, arrives=0)
    return event


def _filtered(event: SampleEvent, chance: random.Random, planted: Planted) -> SampleEvent:
    """Sentry: an inbound filter and a rate limit take some, and Sentry says so."""
    drawn = chance.random()
    if drawn < 0.03:  # noqa: PLR2004 (a share)
        planted.add(event.integration, "filtered by the vendor")
        return replace(event, fate="filtered", reason="browser-extensions")
    if drawn < 0.035:  # noqa: PLR2004 (a share)
        planted.add(event.integration, "rate-limited by the vendor")
        return replace(event, fate="rate_limited", reason="key_quota")
    return event


def _dropped_and_late(event: SampleEvent, chance: random.Random, planted: Planted) -> SampleEvent:
    """Datadog: the client drops some and samples others out, as it records; some are written down a day late."""
    drawn = chance.random()
    if drawn < 0.008:  # noqa: PLR2004 (a share)
        planted.add(event.integration, "dropped by the client: queue_full")
        return replace(event, outcome="queue_full", arrives=0)
    if drawn < 0.05:  # noqa: PLR2004 (a share)
        planted.add(event.integration, "sampled out by the client")
        return replace(event, is_sampled=False, arrives=0)
    if drawn < 0.06 and event.recorded_on is not None:  # noqa: PLR2004 (a share)
        planted.add(event.integration, "written into the next day's file")
        return replace(event, recorded_on=event.recorded_on + DAY)
    return event


def _other_zone(event: SampleEvent, _chance: random.Random, planted: Planted) -> SampleEvent:
    """Splunk: the times have no offset, and it takes them for those of a zone that is 8 h ahead: the moments are earlier."""
    planted.add(event.integration, f"counted {-_ZONE_HOURS} hours earlier")
    return replace(event, arrives_at=event.at + _ZONE_HOURS * HOUR)


_FAULTS = {
    "slack": _outage,
    "pagerduty": _repeats,
    "opsgenie": _few_lost,
    "sentry": _filtered,
    "datadog": _dropped_and_late,
    "splunk": _other_zone,
}
