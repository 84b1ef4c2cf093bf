"""One run and one deployment of ours as Prefect's run history tells them, and what a run is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from domain.names import DAY1_WIRING, RECONCILE, REHEARSAL, RESPOND, ROTATE, ROTATE_DUE

PLAN = "plan"
_EVERY = "all"
# What their forms do where nothing else was chosen.
PLANS_UNLESS_ASKED = frozenset({DAY1_WIRING, ROTATE, RESPOND, ROTATE_DUE, RECONCILE})
# Keys go to vendors that take 255 characters.
_LONGEST_SUBJECT = 120


class Ended(StrEnum):
    """How a run ended, by the type of Prefect's state."""

    WELL = "COMPLETED"
    FAILED = "FAILED"
    CRASHED = "CRASHED"


@dataclass(frozen=True, slots=True)
class SeenRun:
    """One run of ours as Prefect tells it. `at` is when it ended; of one that goes on when it began, of one that waits when it was to."""

    deployment: str
    name: str
    run_id: str
    state: str
    state_name: str
    message: str
    at: datetime
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def parts(self) -> frozenset[str]:
        """Return the things that the run is about: its rotation, its scope, its credentials or its environment; "" for none of them."""
        scope = self._several("scope")
        where = " ".join(one for one in (self._one("environment"), self._one("instance")) if one)
        about = (
            scope
            or [f"{where} {one}".strip() for one in self._several("credentials")]
            or [self._one("rotation") or where]
        )
        return frozenset(about)

    @property
    def subject(self) -> str:
        """Return what the run is about in words, the same for the same parameters; empty where they do not say."""
        whole = ", ".join(sorted(self.parts))
        if len(whole) <= _LONGEST_SUBJECT:
            return whole
        return f"{whole[:_LONGEST_SUBJECT]}... {sha256(whole.encode()).hexdigest()[:8]}"

    @property
    def is_plan(self) -> bool:
        """Say whether it only said what would be done."""
        unless_asked = PLAN if self.deployment in PLANS_UNLESS_ASKED else ""
        return str(self.parameters.get("mode") or unless_asked) == PLAN

    @property
    def environment(self) -> str:
        """Return the environment that the run names, empty where it names none or every one."""
        named = str(self.parameters.get("environment") or "")
        return "" if named == _EVERY else named

    @property
    def is_rehearsal(self) -> bool:
        """Say whether it ran at the stand-ins, which are broken on purpose. An emergency names its environments in its scope."""
        scope = self.parameters.get("scope")
        named = [str(one) for one in scope] if isinstance(scope, list) else [self.environment]
        return bool(named) and all(REHEARSAL in one.replace("/", "-").split("-") for one in named)

    def _one(self, name: str) -> str:
        value = str(self.parameters.get(name) or "")
        return "" if value == _EVERY else value

    def _several(self, name: str) -> list[str]:
        values = self.parameters.get(name)
        return [str(one) for one in values] if isinstance(values, list) else []


@dataclass(frozen=True, slots=True)
class SeenDeployment:
    """One deployment of ours, since when it is there, whether its failure pages, and which of its runs were seen."""

    name: str
    made_at: datetime
    is_paged: bool
    is_off: bool
    ended: tuple[SeenRun, ...]
    waiting: tuple[SeenRun, ...]
    going_on: tuple[SeenRun, ...] = ()

    @property
    def ended_well_at(self) -> datetime | None:
        """Return when it last did well what it is for, which a plan does not."""
        return max((run.at for run in self.ended if run.state == Ended.WELL and not run.is_plan), default=None)
