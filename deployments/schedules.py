"""When things tick. A schedule only ticks: what is due is decided by the ledger. All sub-daily schedules are UTC.

A slug is a schedule's stored identity: never rename one, or the old schedule stays active beside the new.
"""

from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule


def _cron(slug: str, cron: str) -> DeploymentScheduleCreate:
    # `active` is left out, so that an operator's switching off survives the next deploy.
    return DeploymentScheduleCreate(schedule=CronSchedule(cron=cron, timezone="UTC"), slug=slug)


# Early enough that a failure is on the desk when Europe starts working.
VERIFY_DAILY = _cron("verify-due-daily", "0 5 * * *")
# Off the full hour, when every other schedule in the world ticks.
SWEEP_QUARTER_HOURLY = _cron("sweep-quarter-hourly", "7/15 * * * *")
