"""A month's events: what was emitted is held against what each vendor received; above 1 % without a reason is HOLD."""

from datetime import datetime
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field

from domain.config import Config
from domain.errors import OpsError
from domain.names import RECONCILE
from domain.reconciliation import Reconciliation
from domain.run_mode import Mode
from domain.settling import last_settled_month
from domain.verdicts import Judgement, Verdict, World
from domain.windows import MONTH, Month
from ledger.opening import Ledger
from steps.audited_run import AuditedRun
from steps.reconciling import EVERY_ENVIRONMENT, chosen_environments, planned_lines, question_of
from tasks.concluding import concluded, refused, together
from tasks.parts import expect, part
from tasks.preparing import own_ledger, read_own_config
from tasks.progress import shown_progress
from tasks.reconciliation import MADE_UP, NOTHING_RECORDED, Gathered, gather
from tasks.rehearsing import reading_context
from tasks.reporting import show_report
from tasks.run_history import occasion, recorded_run
from tasks.telling_of_months import report_links, report_month
from vendors.registry import COUNTS

_NAME = RECONCILE.partition("/")[0]
LAST_SETTLED = "last settled"


@flow(name=_NAME, flow_run_name="reconcile {month} {environment} ({mode})", persist_result=False)
def reconcile_events(  # noqa: PLR0917 (the fields of the form)
    operator: Annotated[str, Field(min_length=1, max_length=100)] = "schedule",
    ticket: Annotated[str, Field(min_length=1, max_length=100)] = "none",
    reason: Annotated[str, Field(min_length=1, max_length=500)] = "monthly reconciliation",
    month: Annotated[str, Field(pattern=f"^({LAST_SETTLED}|{MONTH})$")] = LAST_SETTLED,
    environment: Annotated[str, Field(pattern=r"^[a-z0-9]+$")] = EVERY_ENVIRONMENT,
    mode: Mode = Mode.PLAN,
) -> State[None]:
    """Compare a month's emitted events with what each vendor says it received, and write the report.

    Only reads: nothing at a vendor is changed. The same input gives the same digest; anything else is a new revision. When it
    fails: open the artifact `reconciliation-<environment>`; each integration that is not OK says the likely cause and what to do.
    What is accepted or looked into is recorded with the deployment decide-on-a-month.

    Args:
        operator: Who starts this run. Prefect knows no users, so this is recorded as claimed.
        ticket: The ticket this run belongs to.
        reason: Why it is run now, in your words.
        month: A month in UTC like 2026-10, or "last settled": the newest whose late events have stopped coming.
        environment: An environment of opsflows.toml, or "all" that record their events.
        mode: plan shows what would be read; apply counts, asks the vendors and writes the report.
    """
    try:
        asked = None if month == LAST_SETTLED else Month.parse(month)
        config = read_own_config()
        names = chosen_environments(config, environment)
        if not names:
            return Completed(message=NOTHING_RECORDED, name="NothingDue")
        states: list[State[None]] = []
        with shown_progress(), own_ledger() as ledger:
            began: datetime = flow_run.scheduled_start_time or ledger.now()
            chosen = asked or last_settled_month(began, config.reconciliation.settles_after)
            expect(len(names))
            for name in names:
                # What one environment lacks is no reason to leave the others without their month.
                try:
                    with part(name), recorded_run(
                        ledger, flow=_NAME, environment=name, mode=mode, actor=operator, reason=reason, ticket=ticket,
                        parameters={"month": str(chosen)}, why="scheduled" if reason == MADE_UP else "",
                        name=f"reconcile {chosen} {environment} ({mode}, {'made up' if reason == MADE_UP else occasion()})",
                    ) as run:  # fmt: skip
                        states.append(_reconciled(ledger, run, config, name, chosen, mode))
                except OpsError as error:
                    states.append(refused(error))
    except OpsError as error:
        return refused(error)
    return together(dict(zip(names, states, strict=True)))


def _reconciled(  # noqa: PLR0917 (what one environment's run works with)
    ledger: Ledger, run: AuditedRun, config: Config, environment: str, month: Month, mode: Mode
) -> State[None]:
    with reading_context(run, config, environment) as context:
        question = question_of(context, month, month.window, COUNTS, ledger.now())
        if mode is Mode.PLAN:
            lines = planned_lines(question)
            plan = "\n".join([f"# Plan: {month}, {environment}", "", *(f"- {line}" for line in lines), ""])
            show_report(f"reconciliation-plan-{environment}", plan, "Nothing was read and nothing was changed.")
            run.conclude(Judgement(Verdict.PLANNED, World.NONE), plan)
            return concluded(run, f"{len(question.asked)} integrations would be compared; nothing was read.")
        gathered = Gathered()
        gather(question, gathered)
        told: list[Reconciliation] = []
        state = report_month(run, question, gathered, report_links(run, config), told, return_state=True)
        if not told:
            run.conclude(Judgement(Verdict.HOLD, World.NONE), f"# HOLD\n\nNo report could be made: {state.message}\n")
        return concluded(run, state.message or "")
