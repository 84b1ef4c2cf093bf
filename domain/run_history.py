"""How the runs of one deployment stand, as Prefect tells it."""

from dataclasses import dataclass
from datetime import datetime

from domain.seen_runs import SeenRun


@dataclass(frozen=True, slots=True)
class DeploymentRuns:
    """One deployment. `last`, `running` and `next` are None where there is none; without `next_is_known` a missing `next` says nothing."""

    name: str
    id: str
    is_paused: bool
    has_schedule: bool
    last: SeenRun | None
    running: SeenRun | None
    next: SeenRun | None
    made_at: datetime | None = None
    next_is_known: bool = True
