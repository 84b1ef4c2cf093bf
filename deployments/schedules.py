"""When things tick. A schedule only ticks: what is due is decided by the ledger. All sub-daily schedules are UTC.

A slug is a schedule's stored identity: never rename one, or the old schedule stays active beside the new.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from domain.run_bounds import SWEEPS_EVERY_MINUTES, SWEEPS_FROM_MINUTE


@dataclass(frozen=True, slots=True)
class Tick:
    """One cron schedule in UTC. Whether it is active is not said, so that an operator's switching off survives a deploy.

    `parameters` is what its runs are told that a form which nobody touched does not say.
    """

    slug: str
    cron: str
    timezone: str = "UTC"
    parameters: Mapping[str, str] = field(default_factory=dict)


# A form that nobody touched plans; a schedule is there to act.
_ACTS: Mapping[str, str] = MappingProxyType({"mode": "apply"})
# Early enough that a failure is on the desk when Europe starts working.
VERIFY_DAILY = Tick("verify-due-daily", "0 5 * * *")
SWEEP_QUARTER_HOURLY = Tick("sweep-quarter-hourly", f"{SWEEPS_FROM_MINUTE}-59/{SWEEPS_EVERY_MINUTES} * * * *")
# After the verification, so that what fails by itself is known before anything is changed.
ROTATE_DAILY = Tick("rotate-due-daily", "20 6 * * *", parameters=_ACTS)
# Before anybody starts working, and well before the rotations whose path it tries out.
DRILL_DAILY = Tick("rotation-drill-daily", "35 3 * * *")
AGES_DAILY = Tick("credential-ages-daily", "50 6 * * *")
# Before the drill and the day's verification: it asks for yesterday, which some vendors forget within days.
COLLECT_DAILY = Tick("collect-counts-daily", "10 2 * * *")
YESTERDAY_DAILY = Tick("check-yesterday-daily", "40 5 * * *")
# Four days after the month, when late events have stopped coming; what is not settled then, the daily check makes up for.
RECONCILE_MONTHLY = Tick("reconcile-monthly", "30 6 5 * *", parameters=_ACTS)
# Off the full hour, and three minutes from the sweeps at the nearest.
KMS_HALF_HOURLY = Tick("kms-smoke-half-hourly", "3,33 * * * *")
# The second day of a quarter, when every check of the last one has ended.
KMS_QUARTERLY = Tick("kms-review-quarterly", "0 7 2 1,4,7,10 *")
