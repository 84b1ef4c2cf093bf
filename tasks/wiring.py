"""Each step of day 1 as a row of the run: its name, its state, its one sentence."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from domain.checklist import UNCOUNTED, Step, StepResult, StepState
from steps.walk import Walk
from steps.wiring import carry_out_step
from tasks.reporting import event


# Never cached or persisted: the walk can reach credentials.
@task(
    task_run_name="{step.number:02d} {step.title}",
    persist_result=False,
    cache_policy=NO_CACHE,
    tags=["opsflows", "day1"],
)
def walk_step(walk: Walk, step: Step, done: list[StepResult]) -> State[None]:
    """Carry out one step, add what it came to to `done`, and show it as the task run's state."""
    result = carry_out_step(walk, step)
    done.append(result)
    event(
        "step.done", number=step.number, state=result.state.value, title=step.title,
        detail=result.detail, next_step=result.next_step,
    )  # fmt: skip
    if result.state is StepState.DONE or result.state in UNCOUNTED:
        return Completed(message=result.detail, name="Completed" if result.state is StepState.DONE else "NotRun")
    return Failed(
        message=f"{result.detail} {result.next_step}".strip(), name=result.state.value.title().replace(" ", "")
    )
