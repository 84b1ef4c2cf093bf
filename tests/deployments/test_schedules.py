"""What the schedules come to, as docs/scaling.md counts it."""

import asyncio
from datetime import UTC, datetime, timedelta

from prefect.server.schemas.schedules import CronSchedule

from deployments.catalog import CATALOG
from deployments.schedules import KMS_HALF_HOURLY, SWEEP_QUARTER_HOURLY, Tick
from tests.program import ROOT

# Neither the day of the month's reconciliation nor that of the quarter's review.
A_PLAIN_DAY = datetime(2026, 11, 3, tzinfo=UTC)


def runs_of(tick: Tick) -> int:
    schedule = CronSchedule(cron=tick.cron, timezone=tick.timezone)
    end = A_PLAIN_DAY + timedelta(days=1, seconds=-1)
    return len(asyncio.run(schedule.get_dates(n=1440, start=A_PLAIN_DAY, end=end)))


def test_a_plain_day_has_as_many_runs_as_the_page_on_scaling_says() -> None:
    runs = {tick.slug: runs_of(tick) for entry in CATALOG for tick in entry.schedules}
    daily = [slug for slug, times in runs.items() if times == 1]

    said = (
        f"{sum(runs.values())} runs a day ({runs[SWEEP_QUARTER_HOURLY.slug]} sweeps, "
        f"{runs[KMS_HALF_HOURLY.slug]} checks of KMS, {len(daily)} daily ones)"
    )

    assert said in (ROOT / "docs" / "scaling.md").read_text()
