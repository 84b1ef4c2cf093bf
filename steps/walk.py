"""What the thirty steps of day 1 share while they are walked, and the small sentences they answer with."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from domain.checklist import Step, StepResult, StepState
from domain.names import Target
from domain.probes import Outcome, ProbeResult
from domain.verdicts import World
from domain.wiring import Mode
from steps.context import Context
from vendors.stand_ins import StandIns

LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Walk:
    """One walk through the checklist.

    `states` holds where every step stands, from earlier runs and this one; `began` is when the first of those runs began; `changed`
    when each target's credentials last became others, where they did; `results` every probe of this run;
    `keep` writes a named file into the audit bundle; `fingerprint` names a secret without showing it; `stand_ins` is there
    in the rehearsal alone.
    """

    context: Context
    mode: Mode
    version: str
    skip_rehearsal: str
    keep: Callable[[str, str], None]
    save_credentials: Callable[[Target, Mapping[str, str]], None]
    schedule_is_active: Callable[[], bool]
    fingerprint: Callable[[str], str]
    stand_ins: StandIns | None
    stand_in_ports: tuple[int, ...] = ()
    began: datetime = LONG_AGO
    changed: dict[str, datetime] = field(default_factory=dict)
    states: dict[int, StepState] = field(default_factory=dict)
    results: list[ProbeResult] = field(default_factory=list)

    @property
    def world(self) -> World:
        """The world this walk is in; the conduct's host rule sees to it that no other one answers."""
        return World.REHEARSAL if self.context.is_rehearsal else World.REAL

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets in scope that the mode selects."""
        return tuple(target for target in self.context.declared.targets if self.mode.selects(target))

    def targets_of(self, integration: str) -> tuple[Target, ...]:
        return tuple(target for target in self.targets if target.integration == integration)


def done(step: Step, detail: str) -> StepResult:
    return StepResult(step.number, StepState.DONE, detail)


def hold(step: Step, detail: str, next_step: str) -> StepResult:
    return StepResult(step.number, StepState.HOLD, detail, next_step)


def waits_for_person(step: Step, detail: str, next_step: str) -> StepResult:
    return StepResult(step.number, StepState.WAITS_FOR_PERSON, detail, next_step)


def not_applicable(step: Step, detail: str) -> StepResult:
    return StepResult(step.number, StepState.NOT_APPLICABLE, detail)


def of_results(step: Step, results: Iterable[ProbeResult]) -> StepResult:
    """Return DONE when every result is PASS, else the first that is not, in its own words."""
    results = list(results)
    if not results:
        return hold(step, "Nothing was verified.", "Name what is in scope: in_scope in opsflows.toml.")
    worse = [result for result in results if result.outcome is not Outcome.PASS]
    if not worse:
        names = ", ".join(dict.fromkeys(str(result.target) for result in results))
        return done(step, f"{names}: sent, confirmed, {_cleaned(results)}.")
    first = worse[0]
    more = f" {len(worse) - 1} more failed." if len(worse) > 1 else ""
    state = {Outcome.BLOCKED: StepState.BLOCKED, Outcome.SENT_NOT_CONFIRMED: StepState.WAITS_FOR_PERSON}
    detail = f"{first.target} {first.probe}: {first.outcome.value}. {first.happened} {first.means}{more}"
    return StepResult(step.number, state.get(first.outcome, StepState.HOLD), detail.strip(), first.next_step)


def _cleaned(results: list[ProbeResult]) -> str:
    return " and ".join(dict.fromkeys(result.clean_up.value for result in results))
