"""Daily: canary credentials are rotated end to end through the same code as all others, so that the quarterly path cannot rot."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from domain.errors import OpsError
from domain.names import REHEARSAL, ROTATION_DRILL
from domain.rotation import Kind
from domain.verdicts import World
from steps.rotation_reports import Row, headline, judge_rotations, rotation_report
from tasks.concluding import concluded, held_by, refused
from tasks.drill import prepare_canaries, real_canaries, unfinished_drills
from tasks.parts import expect, part
from tasks.preparing import own_ledger, read_own_config
from tasks.preparing_rotation import rotation_desk
from tasks.progress import shown_progress
from tasks.reporting import show_report
from tasks.rotation import Opening, keep_journals, rotate_credential, show_rotations
from tasks.run_history import named, recorded_run

_NAME = ROTATION_DRILL.partition("/")[0]


@flow(name=_NAME, flow_run_name=named("rotation drill"), persist_result=False)
def drill_rotations(
    operator: Annotated[str, Field(min_length=1, max_length=100)] = "schedule",
    reason: Annotated[str, Field(min_length=1, max_length=500)] = "rotation drill",
) -> State[None]:
    """Begin today's drill: every canary on stand-ins of the drill's own, and every real canary that opsflows.toml names.

    A drill takes an hour of overlap and ten minutes of soak; the sweeper and scheduled runs finish it. One that is not over by the next
    day is HOLD, and says where it stands. When it fails: what stops a drill today stops the quarter's rotation; look at what it
    waits for (opsflows rotations) as if it were a real one.

    Args:
        operator: Who starts this run. Prefect knows no users, so this is recorded as claimed.
        reason: Why it is run now, in your words.
    """
    try:
        config = read_own_config()
        with shown_progress(), own_ledger() as ledger, recorded_run(
            ledger, flow=_NAME, environment=REHEARSAL, mode="apply", actor=operator, reason=reason,
            parameters={}, why="drill",
        ) as run:  # fmt: skip
            today = f"drill {ledger.now():%Y-%m-%d}"
            rows: list[Row] = []
            with rotation_desk(run, config) as desk:
                canaries = [*prepare_canaries(desk), *real_canaries(config)]
                rows.extend(unfinished_drills(ledger, today))
                opening = Opening(Kind.DRILL, run.actor, reason, "-", today)
                unfinished = {row.credential for row in rows}
                due = [one for one in canaries if str(one) not in unfinished]
                expect(len(due))
                for credential in due:
                    with part(str(credential)):
                        rotate_credential(desk, credential, opening, rows, return_state=True)
            keep_journals(run, rows)
            judgement = judge_rotations(rows, World.REHEARSAL)
            report = rotation_report(rows, judgement)
            show_rotations("rotation-drill", rows, str(judgement))
            show_report("rotation-drill-report", report, str(judgement))
            run.conclude(judgement, report)
            return concluded(run, headline(rows), held_by(rows))
    except OpsError as error:
        return refused(error)
