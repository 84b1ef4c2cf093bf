"""`opsflows waive`, `waivers`, `sign-off`, `investigate`: what people decide about a month; the ledger alone is needed.

Every decision is an audited run of its own, also one that is refused.
"""

from dataclasses import replace
from datetime import datetime

import click

from domain.names import REHEARSAL
from domain.verdicts import Judgement, Verdict, World
from domain.windows import Month
from entrypoints import configuration
from entrypoints.person import logged_in_user
from ledger.waivers import waivers as recorded_waivers
from steps.audited_run import audited_run, open_own_ledger
from steps.deciding import WAIVABLE, Decision, Word, decide, target_in_scope, waiver_words

_DAY = click.DateTime(["%Y-%m-%d"])
_environment = click.option("--environment", required=True, help="An environment of opsflows.toml.")
_month = click.option("--month", required=True, metavar="YYYY-MM", help="The month in UTC, like 2026-10.")
_by = click.option("--by", default=logged_in_user, show_default="the logged-in user", help="Who decides (claimed).")
_ticket = click.option("--ticket", default="", help="The ticket this belongs to.")


@click.command()
@click.argument("kind", type=click.Choice(WAIVABLE))
@click.argument("integration")
@_month
@_environment
@click.option("--until", type=_DAY, help="Its last day, in UTC; at most 366 days ahead.")
@_by
@click.option("--reason", required=True, help="Why it is accepted, or withdrawn; printed in every report.")
@_ticket
@click.option("--withdraw", is_flag=True, help="End the waiver now.")
def waive(  # noqa: PLR0917 (click passes each of them by name)
    kind: str, integration: str, month: str, environment: str, until: datetime | None, by: str, reason: str, ticket: str,
    withdraw: bool,  # noqa: FBT001 (click passes a flag)
) -> None:  # fmt: skip
    """Accept a month's HOLD until a day: `waive reconciliation slack --month 2026-10`. It stays printed, and is never GREEN."""
    target = target_in_scope(configuration.read(), environment, integration)
    word = Word(
        environment, by, reason, Month.parse(month), target, kind, day=until.date() if until else None, ticket=ticket
    )  # fmt: skip
    _decide("waive", Decision.WITHDRAW if withdraw else Decision.WAIVE, word)


@click.command()
@click.option("--environment", default="", help="Only those of this environment.")
def waivers(environment: str) -> None:
    """List what is waived, the nearest end first; also what has ended and was not waived again."""
    ledger = open_own_ledger()
    try:
        found, today = recorded_waivers(ledger, environment), ledger.now().date()
    finally:
        ledger.close()
    for one in found:
        click.echo(waiver_words(one, today))
    if not found:
        click.echo("Nothing is waived.")


@click.command(name="sign-off")
@_month
@_environment
@click.option(
    "--revision", type=click.IntRange(min=1), help="The revision that you read; the newest where none is named."
)
@_by
@click.option("--note", default="", help="What the next reader should know.")
@_ticket
def sign_off(  # noqa: PLR0917 (click passes each of them by name)
    month: str, environment: str, revision: int | None, by: str, note: str, ticket: str
) -> None:
    """Stand by a month's result: its newest revision, after the settle time."""
    configuration.read().environment(environment)
    word = Word(environment, by, note, Month.parse(month), ticket=ticket, revision=revision or 0)
    _decide("sign-off", Decision.SIGN_OFF, word)


@click.command()
@_month
@_environment
@click.option("--integration", required=True, help="What is looked into: slack, or pagerduty/payments.")
@click.option("--owner", default="", help="Who looks into it; who decides, where nobody is named.")
@click.option("--due", type=_DAY, help="Until when, in UTC; needed to open one.")
@click.option("--note", default="", help="What is known so far.")
@click.option("--close", "outcome", default="", metavar="OUTCOME", help="Close it with what was found and done.")
@_by
@_ticket
def investigate(  # noqa: PLR0917 (click passes each of them by name)
    month: str, environment: str, integration: str, owner: str, due: datetime | None, note: str, outcome: str, by: str,
    ticket: str,
) -> None:  # fmt: skip
    """Look into a month's finding: opens the investigation, adds to the open one, or closes it with its outcome."""
    target = target_in_scope(configuration.read(), environment, integration)
    if outcome and (owner or due or note):
        raise click.UsageError("--close takes the whole outcome; leave --owner, --due and --note out.")
    word = Word(
        environment, by, outcome or note, Month.parse(month), target, day=due.date() if due else None, owner=owner,
        ticket=ticket,
    )  # fmt: skip
    _decide("investigate", Decision.CLOSE if outcome else Decision.INVESTIGATE, word)


def _decide(command: str, decision: Decision, word: Word) -> None:
    """Record the decision as a run of its own, and say what was recorded."""
    parameters = {
        "decision": str(decision),
        "month": str(word.month or ""),
        "target": word.target,
        "day": str(word.day or ""),
        "owner": word.owner,
        "revision": word.revision,
    }
    judgement = Judgement(Verdict.GREEN, World.REHEARSAL if word.environment == REHEARSAL else World.REAL)
    ledger = open_own_ledger()
    try:
        with audited_run(
            ledger, flow=command, environment=word.environment, mode="apply", actor=word.who, reason=word.said or str(decision),
            ticket=word.ticket, parameters=parameters,
        ) as run:  # fmt: skip
            words = decide(ledger, decision, replace(word, run_id=run.run_id))
            run.conclude(judgement, f"# {judgement}: {decision}\n\n{words}\n")
    finally:
        ledger.close()
    click.echo(words)
    click.echo(f"Audit bundle: {run.bundle.folder}")
