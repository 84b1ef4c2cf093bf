"""What is deployed: one row per deployment. Names are stored identity (domain/names.py); everything carries our tag."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import ConcurrencyLimitStrategy

from deployments.schedules import (
    AGES_DAILY,
    COLLECT_DAILY,
    DRILL_DAILY,
    KMS_HALF_HOURLY,
    KMS_QUARTERLY,
    RECONCILE_MONTHLY,
    ROTATE_DAILY,
    SWEEP_QUARTER_HOURLY,
    VERIFY_DAILY,
    YESTERDAY_DAILY,
    Tick,
)
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
    ROTATION_POOL,
    STEP_ROTATION,
    SWEEPER,
    VERIFY_DUE,
    WATCH_RUNS,
    WORK_POOL,
)
from flows.check_credential_ages import check_credential_ages
from flows.check_yesterday import check_yesterday
from flows.collect_counts import collect_counts
from flows.confirm_a_step import confirm_a_step
from flows.decide_on_a_month import decide_on_a_month
from flows.drill_rotations import drill_rotations
from flows.reconcile_events import reconcile_events
from flows.respond_to_a_compromise import respond_to_a_compromise
from flows.review_kms import review_kms
from flows.rotate_credentials import rotate_credentials
from flows.rotate_what_is_due import rotate_what_is_due
from flows.smoke_kms import smoke_kms
from flows.step_a_rotation import step_a_rotation
from flows.sweep_what_is_due import sweep_what_is_due
from flows.verify_what_is_due import verify_what_is_due
from flows.watch_runs import watch_runs
from flows.wire_day_one import wire_day_one

MARKER = "opsflows"
# Pool -> what a person reads about it in the UI.
POOLS = {
    WORK_POOL: "Runs what looks, counts and reports.",
    ROTATION_POOL: "Runs what changes credentials: its workers reach sinks and clusters, and no others do.",
}


class Tier(StrEnum):
    """Whom a run that failed or holds wakes: the page target, or the ticket target."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Entry:
    """One deployment: which flow, under which name, when, in which pool, what happens when more than `limit` runs meet, and whom its failure wakes."""

    full_name: str
    flow: Flow[..., Any]
    schedules: tuple[Tick, ...]
    collision: ConcurrencyLimitStrategy
    tags: tuple[str, ...]
    limit: int = 1
    pool: str = WORK_POOL
    tier: Tier = Tier.TICKET

    @property
    def name(self) -> str:
        return self.full_name.partition("/")[2]

    @property
    def all_tags(self) -> list[str]:
        """Return what stands on the deployment: ours, whom it wakes (`tier:page`), and what it is about."""
        return [MARKER, f"tier:{self.tier}", *self.tags]


CATALOG: tuple[Entry, ...] = (
    Entry(DAY1_WIRING, wire_day_one, (), ConcurrencyLimitStrategy.ENQUEUE, ("day1",)),
    Entry(CONFIRM_STEP, confirm_a_step, (), ConcurrencyLimitStrategy.ENQUEUE, ("day1",)),
    Entry(VERIFY_DUE, verify_what_is_due, (VERIFY_DAILY,), ConcurrencyLimitStrategy.CANCEL_NEW, ("verify",)),
    Entry(ROTATE, rotate_credentials, (), ConcurrencyLimitStrategy.ENQUEUE, ("rotation",), pool=ROTATION_POOL),
    # It waits behind no other run, not even one of its own kind: rotations are fenced by their leases.
    Entry(RESPOND, respond_to_a_compromise, (), ConcurrencyLimitStrategy.ENQUEUE, ("rotation", "emergency"), limit=20, pool=ROTATION_POOL, tier=Tier.PAGE),
    Entry(ROTATE_DUE, rotate_what_is_due, (ROTATE_DAILY,), ConcurrencyLimitStrategy.ENQUEUE, ("rotation",), pool=ROTATION_POOL),
    Entry(STEP_ROTATION, step_a_rotation, (), ConcurrencyLimitStrategy.ENQUEUE, ("rotation",), pool=ROTATION_POOL, tier=Tier.PAGE),
    Entry(CREDENTIAL_AGES, check_credential_ages, (AGES_DAILY,), ConcurrencyLimitStrategy.CANCEL_NEW, ("rotation",)),
    Entry(ROTATION_DRILL, drill_rotations, (DRILL_DAILY,), ConcurrencyLimitStrategy.CANCEL_NEW, ("rotation", "drill"), pool=ROTATION_POOL),
    Entry(RECONCILE, reconcile_events, (RECONCILE_MONTHLY,), ConcurrencyLimitStrategy.ENQUEUE, ("reconciliation",)),
    Entry(COLLECT_COUNTS, collect_counts, (COLLECT_DAILY,), ConcurrencyLimitStrategy.CANCEL_NEW, ("reconciliation",)),
    Entry(CHECK_YESTERDAY, check_yesterday, (YESTERDAY_DAILY,), ConcurrencyLimitStrategy.CANCEL_NEW, ("reconciliation",)),
    Entry(DECIDE, decide_on_a_month, (), ConcurrencyLimitStrategy.ENQUEUE, ("reconciliation",)),
    # Not CANCEL_NEW: it would cancel the check that comes a minute after a failure when the half-hourly one runs, or that one. Nothing
    # piles up: a run that starts late ends at once where its targets were checked since (steps/kms_choosing.py).
    Entry(KMS_SMOKE, smoke_kms, (KMS_HALF_HOURLY,), ConcurrencyLimitStrategy.ENQUEUE, ("kms",), tier=Tier.PAGE),
    Entry(KMS_REVIEW, review_kms, (KMS_QUARTERLY,), ConcurrencyLimitStrategy.ENQUEUE, ("kms",)),
    Entry(SWEEPER, sweep_what_is_due, (SWEEP_QUARTER_HOURLY,), ConcurrencyLimitStrategy.CANCEL_NEW, ("sweeper",), pool=ROTATION_POOL, tier=Tier.PAGE),
    # Started by an automation (deployments/automations.py). Enqueued, since the one that runs may have looked already.
    Entry(WATCH_RUNS, watch_runs, (), ConcurrencyLimitStrategy.ENQUEUE, ("sweeper",)),
)  # fmt: skip
