"""Rotates the credentials an operator chose: planned first, then applied as far as it goes now; what waits goes on by itself."""

from enum import StrEnum
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from pydantic import Field

from domain.compromise import MOMENT, moment_of
from domain.errors import BadInput, OpsError
from domain.names import ROTATE, Credential
from domain.rotation import Kind
from domain.run_mode import Mode
from domain.verdicts import Judgement, Verdict, World
from steps.audited_run import AuditedRun
from steps.compromise import channels_of, in_turn
from steps.emergency import Order, order_emergency
from steps.rotation_choice import chosen_credentials
from steps.rotation_plan import Occasion
from steps.rotation_reports import headline, judge_rotations, plan_document, rotation_report
from tasks.compromise import step_in_turn
from tasks.concluding import concluded, held_by, refused
from tasks.preparing import own_ledger, read_own_config
from tasks.preparing_rotation import RotationDesk, rotation_desk
from tasks.progress import shown_progress
from tasks.reporting import show_report
from tasks.rotation import (
    Opening,
    keep_journals,
    plan_all,
    rotate_all,
    show_rotation_plan,
    show_rotations,
)
from tasks.run_history import recorded_run
from vendors.registry import ROTATIONS

_CHOICES = [(f"{name}_{purpose}", f"{name} {purpose}") for name, purpose in ROTATIONS]
CredentialChoice = StrEnum("CredentialChoice", _CHOICES)  # type: ignore[misc]  # choices of the form

EVERY_INSTANCE = "all"
_NAME = ROTATE.partition("/")[0]


class Reason(StrEnum):
    """Why credentials are rotated."""

    SCHEDULED = "scheduled"
    COMPROMISE = "compromise"
    TEST = "test"


def _run_name() -> str:
    """Return e.g. `rotate slack send, datadog read staging (scheduled, plan)`."""
    given = flow_run.parameters
    what = ", ".join(str(one) for one in given.get("credentials", []))
    return f"rotate {what} {given.get('environment', '')} ({given.get('reason', '')}, {given.get('mode', '')})"


@flow(name=_NAME, flow_run_name=_run_name, persist_result=False)
def rotate_credentials(  # noqa: PLR0917 (the fields of the form)
    credentials: list[CredentialChoice],
    environment: Annotated[str, Field(pattern=r"^[a-z0-9]+$")],
    reason: Reason,
    operator: Annotated[str, Field(min_length=1, max_length=100)],
    ticket: Annotated[str, Field(min_length=1, max_length=100)],
    mode: Mode = Mode.PLAN,
    instance: Annotated[str, Field(pattern=r"^[a-z0-9]*$")] = EVERY_INSTANCE,
    note: Annotated[str, Field(max_length=500)] = "",
    compromised_since: Annotated[str, Field(pattern=f"^({MOMENT})?$")] = "",
    contain_first: bool = False,  # noqa: FBT001, FBT002 (a switch of the form)
    second_person: Annotated[str, Field(max_length=100)] = "",
    may_page: bool = False,  # noqa: FBT001, FBT002 (a switch of the form)
) -> State[None]:
    """Rotate credentials: create the new one, prove it, publish it, keep the old one for the overlap, revoke it, see it refused.

    The run ends when everything has gone as far as it can now. A wait is a due moment in the ledger and a scheduled run; nothing
    sleeps. When it fails: the table `rotations-<environment>` says per credential where it stands and what to do; one that
    fails never stops the others. docs/runbooks has a page for a planned rotation, a compromise, a rollback, a stuck one.

    Args:
        credentials: What to rotate: integration and purpose. send is what applications use, read is read-back, manage is rotation's own.
        environment: An environment of opsflows.toml.
        reason: scheduled for the quarter's rotation, test for a try, compromise when values may be in foreign hands (no overlap then; respond-to-compromise finds what is exposed, and leaves the case's evidence).
        operator: Who starts this run. Prefect knows no users, so this is recorded as claimed.
        ticket: The ticket this run belongs to.
        mode: plan shows what would happen, what stands in the way, and when the old one may go; apply does it.
        instance: One instance of the integration, e.g. payments; all takes every one that the environment has in scope.
        note: Why now, in your words.
        compromised_since: For a compromise: values minted until this moment count as exposed, e.g. 2026-11-25T14:00:00Z. Empty: until now.
        contain_first: For a compromise: switch the exposed credential off before there is a new one. What uses it fails until then.
        second_person: Who agreed to containing first; another person than the operator.
        may_page: Agree that a probe may wake whoever is on call, where no low-urgency target is declared.
    """
    try:
        config = read_own_config()
        if not credentials:
            raise BadInput("No credential was chosen.", "Nothing was done.", "Choose at least one.")
        one_instance = "" if instance == EVERY_INSTANCE else instance
        chosen = chosen_credentials(config, environment, [str(one) for one in credentials], one_instance, ROTATIONS)
        given = {
            "credentials": [str(one) for one in chosen],
            "contain_first": contain_first,
            "compromised_since": compromised_since,
            "may_page": may_page,
        }
        with shown_progress(), own_ledger() as ledger, recorded_run(
            ledger, flow=_NAME, environment=environment, mode=str(mode), actor=operator, reason=f"{reason}: {note}".rstrip(": "),
            ticket=ticket, parameters=given, why=str(reason),
        ) as run:  # fmt: skip
            with rotation_desk(run, config) as desk:
                if mode is Mode.PLAN:
                    return _planned(run, desk, chosen, environment, _occasion(reason, contain_first=contain_first))
                if reason is Reason.COMPROMISE:
                    until = moment_of(compromised_since) if compromised_since else ledger.now()
                    order = Order(
                        until,
                        run.actor,
                        f"compromise: {note}".rstrip(": "),
                        ticket,
                        contain_first,
                        second_person,
                        may_page,
                    )
                    in_order = in_turn(config, chosen, ROTATIONS)
                    rows = step_in_turn(desk, order_emergency(ledger, in_order, order, channels_of(config)))
                else:
                    kind = Kind.SCHEDULED if reason is Reason.SCHEDULED else Kind.MANUAL
                    opening = Opening(
                        kind,
                        run.actor,
                        f"{reason}: {note}".rstrip(": "),
                        ticket,
                        f"run {flow_run.id or run.run_id}",
                        may_page,
                    )
                    rows = rotate_all(desk, dict.fromkeys(chosen, opening))
                world = World.REHEARSAL if desk.context(environment).is_rehearsal else World.REAL
            keep_journals(run, rows)
            judgement = judge_rotations(rows, world)
            report = rotation_report(rows, judgement)
            show_rotations(f"rotations-{environment}", rows, str(judgement))
            show_report(f"rotation-report-{environment}", report, str(judgement))
            run.conclude(judgement, report)
            return concluded(run, headline(rows), held_by(rows))
    except OpsError as error:
        return refused(error)


def _occasion(reason: Reason, *, contain_first: bool) -> Occasion:
    if reason is not Reason.COMPROMISE:
        return Occasion.ORDERLY
    return Occasion.CONTAIN_FIRST if contain_first else Occasion.EMERGENCY


def _planned(
    run: AuditedRun, desk: RotationDesk, chosen: list[Credential], environment: str, occasion: Occasion
) -> State[None]:
    plans = plan_all(desk, chosen, occasion)
    show_rotation_plan(f"rotation-plan-{environment}", plans)
    run.conclude(Judgement(Verdict.PLANNED, World.NONE), plan_document(plans))
    hindered = [row for row in plans if row.problems]
    return concluded(
        run, f"{len(plans)} credentials planned, something stands in the way of {len(hindered)}; nothing was changed."
    )
