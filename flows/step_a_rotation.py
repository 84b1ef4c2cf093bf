"""Steps one open rotation whose moment has come; the scheduled runs that operators see are of this flow."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from pydantic import Field

from domain.errors import OpsError
from domain.names import STEP_ROTATION
from domain.verdicts import World
from ledger.rotation_rows import find_rotation
from steps.rotation_reports import Row, headline, judge_rotations, rotation_report
from tasks.concluding import concluded, held_by, refused
from tasks.parts import part
from tasks.preparing import own_ledger, read_own_config
from tasks.preparing_rotation import rotation_desk
from tasks.progress import shown_progress
from tasks.reporting import show_report
from tasks.rotation import keep_journals, show_rotations, step_rotation
from tasks.run_history import occasion, recorded_run

_NAME = STEP_ROTATION.partition("/")[0]
_STEP = "step "


def _run_name() -> str:
    """Return the name that whoever scheduled the run gave it, e.g. `step slack-default-prod-send (overlap over)`."""
    given = flow_run.name or ""
    return given if given.startswith(_STEP) else f"{_STEP}rotation {flow_run.parameters.get('rotation', '')}"


def _name_of(credential: str) -> str:
    """Return the run's name with the credential in it, where nobody gave it one."""
    return "" if credential in (flow_run.name or "") else f"{_STEP}{credential} ({occasion()})"


@flow(name=_NAME, flow_run_name=_run_name, persist_result=False)
def step_a_rotation(
    rotation: Annotated[str, Field(pattern=r"^r[0-9a-f]{11}$")],
    operator: Annotated[str, Field(max_length=100)] = "",
    reason: Annotated[str, Field(max_length=500)] = "",
) -> State[None]:
    """Step a rotation as far as it goes now. One that is over, or in another run's hands, is left alone.

    When it fails: the message says what the rotation waits for and the command that helps; the sweeper tries again every quarter of
    an hour, whether or not this run succeeds.

    Args:
        rotation: The rotation's id, as opsflows rotations lists it.
        operator: Who starts this run; empty where opsflows does, for whoever ordered the rotation. Prefect knows no users, so this is recorded as claimed.
        reason: Why it is run now, in your words; empty for the rotation's own.
    """
    try:
        config = read_own_config()
        with shown_progress(), own_ledger() as ledger:
            record = find_rotation(ledger, rotation)
            environment = record.credential.environment
            with recorded_run(
                ledger, flow=_NAME, environment=environment, mode="apply", actor=operator.strip() or record.operator, reason=reason or record.reason,
                ticket=record.ticket, parameters={"rotation": rotation}, why=record.kind.value,
                name=_name_of(str(record.credential)),
            ) as run:  # fmt: skip
                rows: list[Row] = []
                with rotation_desk(run, config) as desk:
                    with part(str(record.credential)):
                        step_rotation(desk, record, rows, return_state=True)
                    world = World.REHEARSAL if desk.context(environment).is_rehearsal else World.REAL
                keep_journals(run, rows)
                judgement = judge_rotations(rows, world)
                report = rotation_report(rows, judgement)
                show_rotations(f"rotation-{record.credential}", rows, str(judgement))
                show_report(f"rotation-report-{environment}", report, str(judgement))
                run.conclude(judgement, report)
                return concluded(run, headline(rows), held_by(rows))
    except OpsError as error:
        return refused(error)
