"""What is deployed: one row per deployment. Names are stored identity (domain/names.py); everything carries our tag."""

from dataclasses import dataclass
from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import ConcurrencyLimitStrategy

from deployments.schedules import SWEEP_QUARTER_HOURLY, VERIFY_DAILY, Tick
from domain.names import CONFIRM_STEP, DAY1_WIRING, SWEEPER, VERIFY_DUE
from flows.confirm_a_step import confirm_a_step
from flows.sweep_what_is_due import sweep_what_is_due
from flows.verify_what_is_due import verify_what_is_due
from flows.wire_day_one import wire_day_one

MARKER = "opsflows"
WORK_POOL = "opsflows"


@dataclass(frozen=True, slots=True)
class Entry:
    """One deployment: which flow, under which name, when, and what happens when two runs meet."""

    full_name: str
    flow: Flow[..., Any]
    schedules: tuple[Tick, ...]
    collision: ConcurrencyLimitStrategy
    tags: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.full_name.partition("/")[2]


CATALOG: tuple[Entry, ...] = (
    Entry(DAY1_WIRING, wire_day_one, (), ConcurrencyLimitStrategy.ENQUEUE, ("day1", "by-hand")),
    Entry(CONFIRM_STEP, confirm_a_step, (), ConcurrencyLimitStrategy.ENQUEUE, ("day1", "by-hand")),
    Entry(VERIFY_DUE, verify_what_is_due, (VERIFY_DAILY,), ConcurrencyLimitStrategy.CANCEL_NEW, ("verify", "scheduled")),
    Entry(SWEEPER, sweep_what_is_due, (SWEEP_QUARTER_HOURLY,), ConcurrencyLimitStrategy.CANCEL_NEW, ("sweeper", "scheduled")),
)  # fmt: skip
