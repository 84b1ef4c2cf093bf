"""How the runs of one deployment stand, as Prefect tells it; moments are aware UTC."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RunState:
    """One run. `kind` is Prefect's state type, `state` its name (Hold, Waiting, Late); `at` when it ended, or begins."""

    id: str
    name: str
    kind: str
    state: str
    at: datetime
    message: str = ""


@dataclass(frozen=True, slots=True)
class DeploymentRuns:
    """One deployment. `last`, `running` and `next` are None where there is none; without `next_is_known` a missing `next` says nothing."""

    name: str
    id: str
    is_paused: bool
    has_schedule: bool
    last: RunState | None
    running: RunState | None
    next: RunState | None
    next_is_known: bool = True
