"""How a run ends in Prefect: run history must never look green when it is not."""

from collections.abc import Iterable, Mapping

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from domain.errors import BadInput, OpsError
from domain.verdicts import Verdict
from steps.audited_run import AuditedRun
from steps.rotation_reports import Row
from tasks.reporting import event

# Verdict -> the state's name; every one that is not listed here is a failure.
_COMPLETED = {Verdict.GREEN: "Completed", Verdict.WAITING: "Waiting", Verdict.PLANNED: "Planned"}
HOLD = "Hold"


def concluded(run: AuditedRun, first_line: str, held_as: str = HOLD) -> State[None]:
    """Return the flow's state for the run's judgement; its message is what an on-call reads first.

    `held_as` names a state that holds after what holds it, where that can be said.
    """
    judgement = run.judgement
    event("run.concluded", run=run.run_id, verdict=judgement, bundle=run.bundle.folder)
    message = f"{judgement}: {first_line}"
    name = _COMPLETED.get(judgement.verdict)
    return Completed(message=message, name=name) if name else Failed(message=message, name=held_as)


def held_by(rows: Iterable[Row]) -> str:
    """Return the state's name for rotations on HOLD: what they all stand still at (BlockedStillUsed), else Hold."""
    names = {state_name(row.wait) for row in rows if row.verdict is Verdict.HOLD}
    return names.pop() if len(names) == 1 else HOLD


def state_name(wait: str) -> str:
    """Return a state's name for what a rotation stands still at: BLOCKED_STILL_USED is BlockedStillUsed."""
    return "".join(part.title() for part in (wait or HOLD).split("_"))


def refused(error: OpsError) -> State[None]:
    """Return the flow's state for an error that ended it, in its own three sentences."""
    name = "BadInput" if isinstance(error, BadInput) else HOLD
    event("run.refused", kind=name)
    return Failed(message=str(error), name=name)


def together(states: Mapping[str, State[None]]) -> State[None]:
    """Return one state for a run over several environments, by name: one HOLD holds the run, one that waits lets it wait."""
    if len(states) == 1:
        return next(iter(states.values()))
    message = " ".join(f"{name}: {state.message}" for name, state in states.items())
    if not all(state.is_completed() for state in states.values()):
        return Failed(message=message, name="Hold")
    waits = any(state.name == "Waiting" for state in states.values())
    return Completed(message=message, name="Waiting" if waits else "Completed")
