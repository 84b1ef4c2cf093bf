"""Responds to a compromise: what is exposed is listed, told, isolated where it can be, replaced without an overlap, seen refused."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field

from domain.compromise import MOMENT, Case, moment_of
from domain.errors import BadInput, OpsError
from domain.names import RESPOND
from domain.run_mode import Mode
from domain.verdicts import Judgement, Verdict, World
from steps.audited_run import AuditedRun
from steps.compromise import Suspect, channels_of, order_replacement, rotations_of_case, suspects
from steps.compromise_findings import Findings, case_report, headline
from steps.compromise_plan import exposed_count, plan_page
from steps.emergency import Order, check_moment, check_second_person, renew_exposed
from steps.rotation_scope import credentials_of_scope
from tasks.compromise import (
    findings_of,
    isolate_all,
    keep_pages,
    plan_case,
    rows_of,
    show_case_plan,
    sources_of,
    step_in_turn,
    tell_that_it_begins,
    tell_where_it_stands,
)
from tasks.concluding import concluded, refused
from tasks.parts import expect, part
from tasks.preparing import own_ledger, read_own_config
from tasks.preparing_rotation import RotationDesk, rotation_desk
from tasks.progress import shown_progress
from tasks.reporting import show_report
from tasks.rotation import keep_journals, show_rotations
from tasks.run_history import recorded_run
from vendors.registry import ROTATIONS

_NAME = RESPOND.partition("/")[0]


class Isolate(StrEnum):
    """Whether exposed credentials are switched off before there are others."""

    NOTHING = "nothing"
    WHAT_CAN_BE = "what can be"


def _run_name() -> str:
    """Return e.g. `respond to SEC-1: prod/datadog (apply)`."""
    given = flow_run.parameters
    what = ", ".join(str(one) for one in given.get("scope", []))
    return f"respond to {given.get('ticket', '')}: {what} ({given.get('mode', '')})"


@flow(name=_NAME, flow_run_name=_run_name, persist_result=False)
def respond_to_a_compromise(  # noqa: PLR0917 (the fields of the form)
    scope: list[Annotated[str, Field(pattern=r"^[a-z0-9_]+([-/][a-z0-9_]+)*$")]],
    compromised_since: Annotated[str, Field(pattern=f"^{MOMENT}$")],
    operator: Annotated[str, Field(min_length=1, max_length=100)],
    ticket: Annotated[str, Field(min_length=1, max_length=100)],
    reason: Annotated[str, Field(min_length=1, max_length=500)],
    mode: Mode = Mode.PLAN,
    isolate: Isolate = Isolate.NOTHING,
    second_person: Annotated[str, Field(max_length=100)] = "",
    may_page: bool = False,  # noqa: FBT001, FBT002 (a switch of the form)
) -> State[None]:
    """Replace everything of the scope that a compromise exposed: no overlap, no quiet time, no soak; a freeze does not hold it.

    Run it again with the same ticket and moment to go on with the same case: nothing is ordered twice, and the bundle has the
    whole of it (timeline, security, development, management). When it fails: the table `compromise-<case>` says per credential
    where it stands and what to do, and the sweeper goes on with what waits. docs/runbooks/rotation-compromise.md has the rest.

    Args:
        scope: What may be exposed: an environment (prod), a target of it (prod/datadog, prod/pagerduty/payments), or a credential's full name.
        compromised_since: The last moment at which the leak was open, in UTC, e.g. 2026-11-25T14:00:00Z. Values minted until then count as exposed.
        operator: Who orders it. Prefect knows no users, so this is recorded as claimed.
        ticket: The incident's ticket. With the moment it names the case.
        reason: What happened, in your words; it stands in every report.
        mode: plan lists what is exposed, what would happen and what a person must do, and changes nothing; apply does it.
        isolate: Whether to switch off before there is another what can be. What uses it fails until then. Never an alert channel or what makes others.
        second_person: Who agreed to isolating; another person than the operator.
        may_page: Agree that a probe may wake whoever is on call, where no low-urgency target is declared.
    """
    try:
        config = read_own_config()
        since = moment_of(compromised_since)
        order = Order(
            since, operator, f"compromise: {reason}", ticket, isolate is Isolate.WHAT_CAN_BE, second_person, may_page
        )  # fmt: skip
        case = _case_of(order)
        check_second_person(order)
        if not scope:
            raise BadInput("No scope was named.", "Nothing was done.", "Name an environment, a target or a credential.")
        chosen = credentials_of_scope(config, scope, ROTATIONS)
        given = {
            "scope": list(scope), "case": case.id, "compromised_since": compromised_since, "isolate": str(isolate),
            "second_person": second_person, "may_page": may_page,
        }  # fmt: skip
        with shown_progress(), own_ledger() as ledger:
            check_moment(ledger, case.compromised_at)
            environments = list(dict.fromkeys(one.environment for one in chosen))
            with recorded_run(
                ledger, flow=_NAME, environment=environments[0] if len(environments) == 1 else "-", mode=str(mode), actor=operator,
                reason=reason, ticket=ticket, parameters=given, why="compromise",
            ) as run, rotation_desk(run, config) as desk:  # fmt: skip
                found = suspects(sources_of(desk), chosen, case.compromised_at)
                if mode is Mode.PLAN:
                    return _planned(run, desk, found, order)
                if not any(one.is_exposed for one in found) and not rotations_of_case(ledger, case):
                    nothing = f"Nothing of the scope is exposed ({len(found)} credentials); nothing was changed."
                    run.conclude(Judgement(Verdict.GREEN, World.NONE), f"# {ticket}\n\n{nothing}\n")
                    return Completed(message=nothing, name="NothingExposed")
                return _responded(run, desk, found, order, _again(scope, case, reason))
    except OpsError as error:
        return refused(error)


def _planned(run: AuditedRun, desk: RotationDesk, found: Sequence[Suspect], order: Order) -> State[None]:
    case = _case_of(order)
    rows = plan_case(desk, found, isolates=order.contain_first)
    show_case_plan(f"compromise-plan-{case.id}", rows)
    run.conclude(Judgement(Verdict.PLANNED, World.NONE), plan_page(case, found, rows))
    return concluded(run, f"case {case.id}: {exposed_count(found)} are exposed; nothing was changed.")


def _responded(run: AuditedRun, desk: RotationDesk, found: Sequence[Suspect], order: Order, again: str) -> State[None]:
    case = _case_of(order)
    told: list[str] = []
    for environment in dict.fromkeys(one.credential.environment for one in found if one.is_exposed):
        told += tell_that_it_begins(desk, environment, case, found, order.operator)
    records = order_replacement(run.ledger, desk.config, found, order)
    expect(3)
    with part("what goes first isolated"):
        if order.contain_first:
            isolate_all(desk, records)
    with part("what is exposed replaced"):
        rows = step_in_turn(desk, records)
    # What was under way and minted before the compromise was finished forward; it is replaced as well.
    with part("what was under way replaced"):
        renewed = renew_exposed(run.ledger, channels_of(desk.config), [one.credential for one in found])
        rows += step_in_turn(desk, renewed)
    worlds = {desk.context(one.credential.environment).is_rehearsal for one in found}
    world = World.REHEARSAL if worlds == {True} else World.REAL
    findings = findings_of(desk, case, found, [row for row in rows if not row.rotation], world)
    for environment in dict.fromkeys(one.credential.environment for one in found):
        told += tell_where_it_stands(desk, environment, findings, again)
    return _left(run, desk, replace(findings, told=told))


def _left(run: AuditedRun, desk: RotationDesk, findings: Findings) -> State[None]:
    """Leave the case's table, pages and report, and conclude."""
    rows, report = rows_of(findings), case_report(findings)
    keep_pages(desk, findings)
    keep_journals(run, rows)
    show_rotations(f"compromise-{findings.case.id}", rows, str(findings.judgement))
    show_report(f"compromise-report-{findings.case.id}", report, str(findings.judgement))
    run.conclude(findings.judgement, report)
    return concluded(run, f"case {findings.case.id}: {headline(findings)}")


def _case_of(order: Order) -> Case:
    return Case(order.ticket, order.compromised_at)


def _again(scope: Sequence[str], case: Case, reason: str) -> str:
    """Return the command that goes on with the case."""
    since = f"{case.compromised_at:%Y-%m-%dT%H:%M:%SZ}"
    scopes = [word for one in scope for word in ("--scope", one)]
    return shlex.join(["opsflows", "emergency", "--since", since, *scopes, "--ticket", case.ticket, "--reason", reason])
