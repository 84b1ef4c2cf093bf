"""Day 1: thirty steps in order, each proved, resumable; green only when every step that counts is done."""

import json
from enum import StrEnum
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from domain.checklist import CHECKLIST, StepResult, judge_steps
from domain.errors import OpsError
from domain.names import DAY1_WIRING, REHEARSAL
from domain.run_mode import Mode
from domain.verdicts import Judgement, Verdict, World
from domain.wiring import WIRING_MODE, check_environment, parse_mode
from steps.cold_start import check_rehearsed
from steps.plan import planned
from steps.reports import day1_report, first_line, last_of_each, plan_report, probe_documents
from steps.resuming import resume
from steps.wiring import broken_step, recapture_log
from tasks.concluding import concluded, refused
from tasks.parts import expect, part
from tasks.preparing import context_of, own_ledger, read_own_config, store_rehearsal_credentials, walk_of
from tasks.progress import shown_progress
from tasks.reporting import show_plan, show_report, show_steps
from tasks.run_history import occasion, recorded_run
from tasks.schedules import verify_due_is_active
from tasks.wiring import walk_step
from vendors.registry import INTEGRATIONS

IntegrationName = StrEnum("IntegrationName", {name: name for name in INTEGRATIONS})  # type: ignore[misc]  # choices of the form

_NAME = DAY1_WIRING.partition("/")[0]


@flow(name=_NAME, flow_run_name="day 1 {environment} {wiring_mode} ({mode})", persist_result=False)
def wire_day_one(  # noqa: PLR0917 (the fields of the form)
    operator: Annotated[str, Field(min_length=1, max_length=100)],
    ticket: Annotated[str, Field(min_length=1, max_length=100)],
    reason: Annotated[str, Field(min_length=1, max_length=500)],
    environment: Annotated[str, Field(pattern=r"^[a-z0-9]+$")] = REHEARSAL,
    # Which names are in scope is said by the run, in words.
    wiring_mode: Annotated[str, Field(pattern=f"^({WIRING_MODE})$", max_length=500)] = "mock",
    mode: Mode = Mode.PLAN,
    may_page: list[IntegrationName] = [],  # noqa: B006 (Prefect reads the default into the form; nobody changes it)
    skip_rehearsal: Annotated[str, Field(max_length=500)] = "",
) -> State[None]:
    """Bring an environment's integrations live: thirty steps, each with its proof; stops nowhere, ends on HOLD where one is missing.

    When it fails: open the artifact `day-1-<environment>`; every step that is not done says what to do, and the next run
    picks up where this one stood.

    Args:
        operator: Who starts this run. Prefect knows no users, so this is recorded as claimed.
        ticket: The ticket this run belongs to.
        reason: Why it is run now, in your words.
        environment: An environment of opsflows.toml. The rehearsal runs against stand-ins and needs no credentials.
        wiring_mode: mock (with rehearsal), real_all, or real_ and names, e.g. real_slack or real_slack,sentry.
        mode: plan shows what would be done and who would be woken; apply does it.
        may_page: Integrations whose probe may wake whoever is on call, where no low-urgency target is declared.
        skip_rehearsal: Why a real mode starts without a passed rehearsal. Leave empty; kept in the audit bundle.
    """
    try:
        config = read_own_config()
        chosen = parse_mode(wiring_mode, config.environment(environment).targets)
        check_environment(chosen, environment)
        with shown_progress(), own_ledger() as ledger, recorded_run(
            ledger, flow=_NAME, environment=environment, mode=f"{wiring_mode} {mode}", actor=operator, reason=reason,
            ticket=ticket, name=f"day 1 {environment} {wiring_mode} ({mode}, {occasion()})",
            parameters={"may_page": [str(name) for name in may_page], "skip_rehearsal": skip_rehearsal},
        ) as run:  # fmt: skip
            context = context_of(run, config, environment, frozenset(str(name) for name in may_page))
            with walk_of(run, context, chosen, skip_rehearsal, verify_due_is_active) as walk:
                resume(walk, CHECKLIST)
                if mode is Mode.PLAN:
                    rows = planned(walk, CHECKLIST)
                    show_plan(f"day-1-plan-{environment}", rows)
                    run.conclude(Judgement(Verdict.PLANNED, World.NONE), plan_report(walk, rows))
                    return concluded(run, f"{len(rows)} steps planned; nothing was changed.")
                check_rehearsed(walk.context, walk.targets, skip_rehearsal)
                store_rehearsal_credentials(walk)
                results: list[StepResult] = []
                expect(len(CHECKLIST))
                for step in CHECKLIST:
                    with part(f"{step.number:02d} {step.title}"):
                        state = walk_step(walk, step, results, return_state=True)
                    if len(results) < step.number:
                        results.append(broken_step(step, state.message or ""))
                recapture_log(walk)
                run.bundle.write("probes.json", json.dumps(probe_documents(last_of_each(walk.results)), indent=2))
                judgement = judge_steps(results, walk.world)
                report = day1_report(walk, CHECKLIST, results, judgement)
                show_steps(f"day-1-{environment}", zip(CHECKLIST, results, strict=True), str(judgement))
                show_report(f"day-1-report-{environment}", report, str(judgement))
                run.conclude(judgement, report)
                return concluded(run, first_line(results))
    except OpsError as error:
        return refused(error)
