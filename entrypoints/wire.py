"""`opsflows wire`: day 1 from the command line, and what belongs to it: blockers, notes, where it stands."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from domain.checklist import CHECKLIST
from domain.names import REHEARSAL, Target
from domain.wiring import MOCK, MODE_VARIABLE, check_environment, parse_mode
from entrypoints import configuration
from entrypoints.day_one import run_day_one
from entrypoints.person import logged_in_user
from entrypoints.prefect_api import require_server
from entrypoints.servers import own_stand_ins
from ledger import credentials, wiring
from steps.audited_run import open_own_ledger
from steps.conduct import STAND_INS_URL, running_stand_ins
from vendors.registry import integration_named

_BY = click.option("--by", default=logged_in_user, show_default="the logged-in user", help="Who does this (claimed).")


def _own_or_group(context: click.Context, _: click.Parameter, value: str | None) -> str:
    """Return the subcommand's own environment, or the one given to `opsflows wire` before it."""
    chosen: str = value or (context.parent.params["environment"] if context.parent else REHEARSAL)
    return chosen


_ENVIRONMENT = click.option(
    "--environment", callback=_own_or_group, help="An environment of opsflows.toml; the one given to wire by default."
)


@click.group(invoke_without_command=True)
@click.option("--environment", default=REHEARSAL, show_default=True, help="An environment of opsflows.toml.")
@click.option("--mode", envvar=MODE_VARIABLE, default=None, help="mock, real_all, or real_<name>[,<name>].")
@click.option("--plan", is_flag=True, help="Show what would be done and who would be woken; change nothing.")
@click.option("--ticket", default="none", show_default=True, help="The ticket this run belongs to.")
@click.option("--reason", default="day-1 wiring", show_default=True, help="Why it is run now.")
@click.option(
    "--may-page", multiple=True, metavar="INTEGRATION", help="Agree that this probe may wake whoever is on call."
)
@click.option(
    "--skip-rehearsal",
    default="",
    metavar="REASON",
    help="Start a real mode without a passed rehearsal; kept in the bundle.",
)
@_BY
@click.pass_context
def wire(  # noqa: PLR0917 (one parameter per option)
    context: click.Context, environment: str, mode: str | None, plan: bool, ticket: str, reason: str,  # noqa: FBT001 (click passes a flag)
    may_page: tuple[str, ...], skip_rehearsal: str, by: str,
) -> None:  # fmt: skip
    """Day-1 wiring of one environment: the thirty steps in order; the next run picks up where this one stood."""
    if context.invoked_subcommand:
        return
    chosen = mode or (MOCK if environment == REHEARSAL else "real_all")
    check_environment(parse_mode(chosen, configuration.read().environment(environment).targets), environment)
    for name in may_page:
        integration_named(name)
    require_server()
    with _stand_ins(chosen):
        code = run_day_one(
            {
                "operator": by, "ticket": ticket, "reason": reason, "environment": environment, "wiring_mode": chosen,
                "mode": "plan" if plan else "apply", "may_page": list(may_page), "skip_rehearsal": skip_rehearsal,
            }
        )  # fmt: skip
    sys.exit(code)


@wire.command()
@click.argument("name")
@_ENVIRONMENT
@click.option("--ticket", required=True, help="The ticket that the credentials wait for.")
@click.option("--note", default="", help="What is waited for, and from whom.")
@_BY
def block(name: str, environment: str, ticket: str, note: str, by: str) -> None:
    """Record that an integration's credentials are waited for; the others go on."""
    target = _in_scope(name, environment)
    ledger = open_own_ledger()
    try:
        credentials.block(ledger, environment, target, ticket=ticket, who=by, note=note)
    finally:
        ledger.close()
    click.echo(
        f"{target} in {environment} is BLOCKED under {ticket}. When it arrives: opsflows wire unblock {target} --environment {environment}."
    )


@wire.command()
@click.argument("name")
@_ENVIRONMENT
def unblock(name: str, environment: str) -> None:
    """End the wait for an integration's credentials."""
    target = _in_scope(name, environment)
    ledger = open_own_ledger()
    try:
        was_blocked = credentials.unblock(ledger, environment, target)
    finally:
        ledger.close()
    click.echo(f"{target} in {environment} {'is not blocked any more' if was_blocked else 'was not blocked'}.")


@wire.command()
@click.argument("text")
@_ENVIRONMENT
@_BY
def note(text: str, environment: str, by: str) -> None:
    """Note a deviation from the checklist for the next operator; it goes into every later bundle."""
    configuration.read().environment(environment)
    ledger = open_own_ledger()
    try:
        wiring.note(ledger, environment, text, by)
    finally:
        ledger.close()
    click.echo("Noted.")


@wire.command()
@_ENVIRONMENT
def status(environment: str) -> None:
    """Show where each step stands, when and by which run."""
    configuration.read().environment(environment)
    ledger = open_own_ledger()
    try:
        states = wiring.step_states(ledger, environment)
        waiting = credentials.blockers(ledger, environment)
    finally:
        ledger.close()
    for step in CHECKLIST:
        recorded = states.get(step.number)
        where = (
            f"{recorded.state.value}, {recorded.at:%Y-%m-%d %H:%M} UTC, {recorded.run_id}"
            if recorded
            else "never reached"
        )
        click.echo(f"{step.number:>2}  {step.title}: {where}")
    for target, blocker in waiting.items():
        click.echo(f"BLOCKED: {target} under {blocker.ticket}, since {blocker.blocked_at:%Y-%m-%d} by {blocker.who}")


def _in_scope(name: str, environment: str) -> Target:
    target = Target.parse(name)
    declared = configuration.read().environment(environment)
    if target not in declared.targets:
        raise click.UsageError(f"{name} is not in scope in {environment}: {', '.join(declared.in_scope)}.")
    return target


@contextmanager
def _stand_ins(mode: str) -> Iterator[None]:
    """In mock mode use the running stand-ins, or start some for this run."""
    if mode != MOCK or running_stand_ins():
        yield
        return
    with own_stand_ins() as url:
        os.environ[STAND_INS_URL] = url
        yield
