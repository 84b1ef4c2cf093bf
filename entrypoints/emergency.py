"""`opsflows emergency`: which values are exposed by a compromise, and their replacement without an overlap."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime

import click

from domain.drill import is_drill
from domain.names import EMERGENCY, Credential
from domain.rotation import RotationRecord
from entrypoints import configuration
from entrypoints.day_one import quiet_prefect
from entrypoints.person import logged_in_user
from entrypoints.prefect_api import require_server
from ledger.held_credentials import HeldCredential, held_credentials
from ledger.opening import Ledger
from ledger.rotation_rows import rotations
from steps.audited_run import open_own_ledger
from steps.emergency import Order, check_moment, check_second_person, exposed, order_emergency
from steps.rotation_scope import credentials_of_scope, forms_of
from vendors.registry import ROTATIONS

_FORMATS = (
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%MZ",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
)


@click.command()
@click.option(
    "--since",
    type=click.DateTime(_FORMATS),
    default=None,
    help="Until when values count as exposed, in UTC (default: now).",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="S",
    help="prod, prod/datadog, prod/pagerduty/payments, or a credential.",
)
@click.option("--reason", required=True, help="What happened.")
@click.option("--ticket", required=True, help="The incident's ticket.")
@click.option(
    "--contain-first", is_flag=True, help="Switch the exposed one off before there is another; needs --second."
)
@click.option("--second", default="", metavar="NAME", help="Who agreed to containing first; another person than you.")
@click.option("--may-page", is_flag=True, help="Agree that a probe may wake whoever is on call.")
@click.option("--by", default=logged_in_user, show_default="the logged-in user", help="Who orders it (claimed).")
@click.option("--plan/--apply", "plan", default=False, help="Look first, or act (the default).")
@click.option("--no-follow", is_flag=True, help="Start the runs and leave.")
def emergency(  # noqa: PLR0917 (one parameter per option)
    since: datetime | None, scopes: tuple[str, ...], reason: str, ticket: str, contain_first: bool, second: str,  # noqa: FBT001 (click passes flags)
    may_page: bool, by: str, plan: bool, no_follow: bool,  # noqa: FBT001 (as above)
) -> None:  # fmt: skip
    """Replace every exposed credential of the scope at once: no overlap, no quiet time, no soak; a freeze does not hold it."""
    chosen = credentials_of_scope(configuration.read(), scopes, ROTATIONS)
    ledger = open_own_ledger()
    try:
        until = _until(ledger, since)
        order = Order(until, by, reason, ticket, contain_first, second, may_page)
        check_second_person(order)
        found = _exposed(ledger, chosen, until)
        if found and not plan:
            # In the ledger before any run: the sweeper carries it out even where no run ever starts.
            order_emergency(ledger, found, order)
    finally:
        ledger.close()
    if not found:
        click.echo("Nothing of the scope is exposed; nothing was started.")
        sys.exit(0)
    require_server()
    quiet_prefect()
    from entrypoints.following import follow_all, start_all  # noqa: PLC0415 (Prefect costs a second, a wrong name none)

    runs = start_all((
        {
            "credentials": list(form.choices), "environment": form.environment, "instance": form.instance, "reason": "compromise",
            "operator": by, "ticket": ticket, "mode": "plan" if plan else "apply", "note": reason,
            "compromised_since": f"{until:%Y-%m-%dT%H:%M:%SZ}", "contain_first": contain_first, "second_person": second,
            "may_page": may_page,
        }
        for form in forms_of(found)
    ), EMERGENCY)  # fmt: skip
    code = 0 if no_follow else follow_all(runs)
    if plan and code == 0:
        click.echo("Only planned. The same command without --plan replaces them.")
    sys.exit(code)


def _until(ledger: Ledger, since: datetime | None) -> datetime:
    # To the second, as the form of the deployment writes it: both must name the same moment.
    until = ledger.now().replace(microsecond=0) if since is None else since.replace(tzinfo=UTC)
    check_moment(ledger, until)
    return until


def _exposed(ledger: Ledger, chosen: list[Credential], until: datetime) -> list[Credential]:
    """Return what is exposed, and say of each credential of the scope whether it is, and why."""
    known = {one.credential: one for one in held_credentials(ledger) if not is_drill(one.credential)}
    bad = {one.credential for one in exposed(known.values(), until)}
    found = [one for one in chosen if one not in known or one in bad]
    click.echo(
        f"Exposed are values that were in use at {until:%Y-%m-%d %H:%M:%S} UTC, or of which nobody knows since when:"
    )
    for one in chosen:
        click.echo(f"  {'EXPOSED    ' if one in found else 'not exposed'}  {one}: {_since(known.get(one))}")
    for line in _candidates(rotations(ledger, open_only=True, limit=100_000), set(chosen), until):
        click.echo(line)
    return found


def _since(held: HeldCredential | None) -> str:
    if held is None:
        return "not known to the ledger; nobody knows since when it is in use"
    if held.minted_at is None:
        return f"nobody knows since when it is in use; first seen {held.first_seen_at:%Y-%m-%d %H:%M} UTC"
    return f"minted {held.minted_at:%Y-%m-%d %H:%M} UTC"


def _candidates(records: Iterable[RotationRecord], chosen: set[Credential], until: datetime) -> list[str]:
    """Return a line for each new value under way that was minted before: it is finished forward, and replaced again."""
    return [
        f"  EXPOSED      the new value of {record.credential} under way in rotation {record.id}: minted {record.minted_at:%Y-%m-%d %H:%M} UTC; it is replaced again"
        for record in records
        if record.credential in chosen and record.minted_at is not None and record.minted_at <= until
    ]
