"""Each credential of a rotation as a row of the run: opened and stepped, or planned; one that fails never stops the others."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from domain.errors import OpsError
from domain.names import Credential
from domain.rotation import Kind, RotationRecord, rotation_id, verdict_of
from domain.verdicts import Verdict
from ledger.rotations import open_rotation
from steps.rotating import advance
from steps.rotation_plan import PlanRow, plan_rotation
from steps.rotation_reports import Row, row_of, row_of_failure
from tasks.preparing_rotation import RotationDesk
from tasks.reporting import event

_OPTIONS = {"persist_result": False, "cache_policy": NO_CACHE, "tags": ["opsflows", "rotation"]}
_COMPLETED = {Verdict.GREEN: "Completed", Verdict.WAITING: "Waiting"}


@dataclass(frozen=True, slots=True)
class Opening:
    """How rotations of one run are opened; every credential of one window has one rotation, however often it is asked for."""

    kind: Kind
    operator: str
    reason: str
    ticket: str
    due_window: str
    may_page: bool = False


# Never cached or persisted: the desk can reach values.
@task(task_run_name="rotate {credential}", **_OPTIONS)
def rotate_credential(desk: RotationDesk, credential: Credential, opening: Opening, done: list[Row]) -> State[None]:
    """Open the credential's rotation, or find the one of this window, and step it as far as it goes now."""

    def step() -> RotationRecord:
        with desk.hands(credential) as hands:
            record = open_rotation(
                desk.run.ledger, rotation_id(credential, opening.due_window), credential, opening.kind, operator=opening.operator,
                reason=opening.reason, ticket=opening.ticket, due_window=opening.due_window, facts={"may_page": opening.may_page},
            )  # fmt: skip
            return advance(hands, record.id)

    return _shown(credential, step, done)


@task(task_run_name="step {record.credential}", **_OPTIONS)
def step_rotation(desk: RotationDesk, record: RotationRecord, done: list[Row]) -> State[None]:
    """Step an open rotation as far as it goes now."""

    def step() -> RotationRecord:
        with desk.hands(record.credential) as hands:
            return advance(hands, record.id)

    return _shown(record.credential, step, done)


@task(task_run_name="plan {credential}", **_OPTIONS)
def plan_credential(desk: RotationDesk, credential: Credential, done: list[PlanRow]) -> State[None]:
    """Look what a rotation of the credential would do; changes nothing."""
    with desk.hands(credential) as hands:
        row = plan_rotation(hands)
    done.append(row)
    event("rotation.planned", credential=credential, problems=len(row.problems), earliest=row.earliest)
    return Completed(message=" ".join(row.problems) or "Nothing stands in its way.", name="Planned")


def show_rotations(key: str, rows: Iterable[Row], description: str) -> None:
    """Publish the table of rotations: where each stands, until when, and what to do."""
    table = [
        {
            "credential": row.credential, "rotation": row.rotation, "state": row.state, "waits for": row.wait,
            "until": row.until, "what": row.words, "what to do": row.next_step,
        }
        for row in rows
    ]  # fmt: skip
    create_table_artifact(table=table, key=key, description=description)


def show_rotation_plan(key: str, rows: Iterable[PlanRow]) -> None:
    table = [
        {
            "credential": str(row.credential), "would": "; ".join(row.would), "seen": "; ".join(row.seen),
            "stands in the way": " ".join(row.problems), "old one may go from": f"{row.earliest:%Y-%m-%d %H:%M} UTC" if row.earliest else "-",
        }
        for row in rows
    ]  # fmt: skip
    create_table_artifact(
        table=table, key=key, description="Nothing was sent that anybody would notice, and nothing was changed."
    )


def _shown(credential: Credential, step: Callable[[], RotationRecord], done: list[Row]) -> State[None]:
    """Step, add what it came to to `done`, and show it as the task run's state."""
    try:
        record = step()
    except OpsError as error:
        done.append(row_of_failure(credential, error))
        event("rotation.failed", credential=credential, kind=type(error).__name__, symptom=error.symptom)
        return Failed(message=str(error), name="Hold")
    row, verdict = row_of(record), verdict_of(record)
    done.append(row)
    event(
        "rotation.stepped",
        rotation=record.id,
        credential=credential,
        state=record.state.value,
        wait=record.wait.value or "-",
        until=row.until,
    )
    message = f"{record.id}: {row.state}. {row.words} {row.next_step}".strip()
    if verdict in _COMPLETED:
        return Completed(message=message, name=_COMPLETED[verdict])
    return Failed(message=message, name="".join(part.title() for part in (record.wait.value or "hold").split("_")))
