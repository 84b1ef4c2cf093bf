"""How long a run of each deployment may take, and how old its last good end may become, before somebody looks."""

from collections.abc import Mapping
from datetime import timedelta

from domain.names import (
    CHECK_YESTERDAY,
    COLLECT_COUNTS,
    CONFIRM_STEP,
    CREDENTIAL_AGES,
    DAY1_WIRING,
    DECIDE,
    KMS_REVIEW,
    KMS_SMOKE,
    RECONCILE,
    RESPOND,
    ROTATE,
    ROTATE_DUE,
    ROTATION_DRILL,
    STEP_ROTATION,
    SWEEPER,
    VERIFY_DUE,
    WATCH_RUNS,
)

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)

# A run that waits for a person or an overlap ends and is started again, so no wait is in these.
TAKES_AT_MOST: Mapping[str, timedelta] = {
    WATCH_RUNS: 15 * _MINUTE,
    KMS_SMOKE: 20 * _MINUTE,
    SWEEPER: 30 * _MINUTE,
    CREDENTIAL_AGES: _HOUR,
    KMS_REVIEW: _HOUR,
    CONFIRM_STEP: _HOUR,
    DECIDE: _HOUR,
    DAY1_WIRING: 2 * _HOUR,
    VERIFY_DUE: 2 * _HOUR,
    ROTATE: 2 * _HOUR,
    RESPOND: 2 * _HOUR,
    ROTATE_DUE: 2 * _HOUR,
    STEP_ROTATION: 2 * _HOUR,
    ROTATION_DRILL: 2 * _HOUR,
    COLLECT_COUNTS: 6 * _HOUR,
    CHECK_YESTERDAY: 6 * _HOUR,
    RECONCILE: 6 * _HOUR,
}

_DAY = timedelta(days=1)
# A day, the run itself, and a worker that was away over lunch.
_DAILY = timedelta(hours=26)

# Off the full hour, when every other schedule in the world ticks.
SWEEPS_FROM_MINUTE, SWEEPS_EVERY_MINUTES = 7, 15

# How old a scheduled deployment's last good end may become. A test holds it against the schedules.
ENDS_WELL_WITHIN: Mapping[str, timedelta] = {
    SWEEPER: timedelta(minutes=65),
    KMS_SMOKE: timedelta(minutes=100),
    VERIFY_DUE: _DAILY,
    ROTATE_DUE: _DAILY,
    CREDENTIAL_AGES: _DAILY,
    ROTATION_DRILL: _DAILY,
    COLLECT_COUNTS: _DAILY,
    CHECK_YESTERDAY: _DAILY,
    RECONCILE: 32 * _DAY,
    KMS_REVIEW: 93 * _DAY,
}
