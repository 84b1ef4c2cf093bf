"""Daily: what the ledger's dates and each credential's policy make due is opened and stepped, one window once."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field

from domain.errors import OpsError
from domain.names import ROTATE_DUE, Credential
from domain.rotation import Kind
from domain.rotation_config import is_rotated
from domain.run_mode import Mode
from domain.verdicts import Judgement, Verdict, World
from steps.audited_run import AuditedRun
from steps.rotation_calendar import scheduled_environments
from steps.rotation_inventory import credentials_in, due_now, take_stock
from steps.rotation_plan import Occasion
from steps.rotation_reports import headline, judge_rotations, plan_document, rotation_report
from tasks.concluding import concluded, held_by, refused
from tasks.parts import expect, part
from tasks.preparing import own_ledger, read_own_config
from tasks.preparing_rotation import RotationDesk, manifest_of, policy_for, rotation_desk, value_in_use
from tasks.progress import shown_progress
from tasks.reporting import show_report
from tasks.rotation import (
    Opening,
    keep_journals,
    plan_all,
    rotate_all,
    show_rotation_plan,
    show_rotations,
    sweep_all_orphans,
)
from tasks.rotation_calendar import show_calendars
from tasks.run_history import recorded_run, started_by
from vendors.registry import ROTATIONS

_NAME = ROTATE_DUE.partition("/")[0]


def _run_name() -> str:
    """Return e.g. `rotate what is due (scheduled, apply)`."""
    return f"rotate what is due ({started_by()}, {flow_run.parameters.get('mode', Mode.PLAN)})"


@flow(name=_NAME, flow_run_name=_run_name, persist_result=False)
def rotate_what_is_due(
    operator: Annotated[str, Field(min_length=1, max_length=100)] = "schedule",
    reason: Annotated[str, Field(min_length=1, max_length=500)] = "scheduled rotation",
    mode: Mode = Mode.PLAN,
) -> State[None]:
    """Open a rotation for every credential that is due, step each as far as it goes now, and look for what earlier ones left.

    Due means: early enough that the old value is gone before it is older than its policy allows. A day that was missed is made up
    once. The tables `rotation-calendar-<environment>` show what falls due later on.
    When it fails: the table `rotations-due` says per credential what it waits for and what to do.

    Args:
        operator: Who starts this run. Prefect knows no users, so this is recorded as claimed.
        reason: Why it is run now, in your words.
        mode: plan shows what is due, what a rotation would do and what stands in the way, and opens none; apply rotates.
    """
    try:
        config = read_own_config()
        with shown_progress(), own_ledger() as ledger, recorded_run(
            ledger, flow=_NAME, environment="-", mode=str(mode), actor=operator, reason=reason, parameters={},
        ) as run:  # fmt: skip
            with rotation_desk(run, config) as desk:
                there = [
                    one
                    for name in scheduled_environments(config)
                    for one in credentials_in(config, name, ROTATIONS)
                    if is_rotated(config, one)
                ]
                held = take_stock(ledger, there, value_in_use(desk), desk.fingerprint)
                dues = due_now(ledger, held, policy_for(config), manifest_of)
                if mode is Mode.PLAN:
                    show_calendars(ledger, config)
                    return _planned(run, desk, [due.held.credential for due in dues])
                openings = {
                    due.held.credential: Opening(
                        Kind.SCHEDULED, run.actor, f"due since {due.at:%Y-%m-%d}", "-", due.window
                    )
                    for due in dues
                }
                expect(2)
                with part("rotations due"):
                    rows = rotate_all(desk, openings)
                with part("orphans"):
                    swept = sweep_all_orphans(desk, [one.credential for one in held])
            show_calendars(ledger, config)
            if not rows and not swept.failed:
                nothing = f"Nothing was due; {len(held)} credentials are known. {swept.summary()}"
                run.conclude(swept.judgement, "\n".join(["# Nothing was due", "", nothing, "", *swept.lines()]))
                return Completed(message=nothing, name="NothingDue")
            keep_journals(run, rows)
            judgement = swept.joined(judge_rotations(rows, World.REAL) if rows else swept.judgement)
            report = rotation_report(rows, judgement) + "\n".join(swept.lines())
            show_rotations("rotations-due", rows, str(judgement))
            show_report("rotation-report-due", report, str(judgement))
            run.conclude(judgement, report)
            return concluded(run, f"{headline(rows) if rows else ''} {swept.summary()}".strip(), held_by(rows))
    except OpsError as error:
        return refused(error)


def _planned(run: AuditedRun, desk: RotationDesk, due: list[Credential]) -> State[None]:
    """Conclude with what a rotation of each would do. What earlier ones left at a vendor stays there as well."""
    plans = plan_all(desk, due, Occasion.ORDERLY)
    show_rotation_plan("rotation-plan-due", plans)
    run.conclude(Judgement(Verdict.PLANNED, World.NONE), plan_document(plans))
    hindered = [row for row in plans if row.problems]
    return concluded(
        run, f"{len(plans)} credentials are due, something stands in the way of {len(hindered)}; nothing was rotated."
    )
