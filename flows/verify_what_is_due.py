"""Verifies every live environment that the ledger says is due: daily for 14 days after go-live, weekly from then on."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from domain.config import EnvironmentKind
from domain.errors import OpsError
from domain.names import VERIFY_DUE
from steps.routine import Verified, due_in
from tasks.concluding import refused
from tasks.parts import expect, part
from tasks.preparing import context_of, own_ledger, read_own_config
from tasks.progress import shown_progress
from tasks.run_history import named, recorded_run, started_by
from tasks.verification import verify_environment

_NAME = VERIFY_DUE.partition("/")[0]


@flow(name=_NAME, flow_run_name=named("verify what is due"), persist_result=False)
def verify_what_is_due(
    operator: Annotated[str, Field(min_length=1, max_length=100)] = "schedule",
    reason: Annotated[str, Field(min_length=1, max_length=500)] = "scheduled verification",
) -> State[None]:
    """Verify every live environment that is due, all integrations in scope side by side.

    When it fails: open the artifact `verify-<environment>`: every integration that did not pass says what it means and
    what to do. After go-live roll back first (incident.md in the audit bundle has the command), investigate afterwards.

    Args:
        operator: Who starts this run. Prefect knows no users, so this is recorded as claimed.
        reason: Why it is run now, in your words.
    """
    try:
        config = read_own_config()
        done: list[Verified] = []
        words: list[str] = []
        verified: list[str] = []
        failed: list[str] = []
        with shown_progress(), own_ledger() as ledger:
            dues = {
                name: due_in(ledger, config, name)
                for name, declared in config.environments.items()
                if declared.kind is not EnvironmentKind.REHEARSAL
            }
            expect(sum(1 for due in dues.values() if due.is_due))
            for name, due in dues.items():
                words.append(f"{name}: {due.cadence.value}" + (f", due {due.at:%Y-%m-%d %H:%M} UTC" if due.at else ""))
                if not due.is_due:
                    continue
                with part(name), recorded_run(
                    ledger, flow=_NAME, environment=name, mode="real_all", actor=operator, reason=reason,
                    parameters={}, name=f"verify {', '.join([*verified, name])} ({started_by()})",
                ) as run:  # fmt: skip
                    # A scheduled probe wakes nobody: who was agreed to at go-live is declared as a low-urgency target.
                    state = verify_environment(run, context_of(run, config, name, frozenset()), done, return_state=True)
                    verified.append(name)
                    if not state.is_completed():
                        failed.append(f"{name}: {state.message}")
    except OpsError as error:
        return refused(error)
    message = f"{len(verified)} environments verified, {len(failed)} on HOLD. {'; '.join(words)}"
    if failed:
        return Failed(message=f"{' '.join(failed)} {message}", name="Hold")
    return Completed(message=message, name="Completed" if verified else "NothingDue")
