"""`opsflows emergency`: which values are exposed by a compromise, and their replacement without an overlap."""

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime

import click

from domain.compromise import Case
from domain.config import Config
from domain.errors import OpsError, Unavailable
from domain.names import RESPOND, Credential
from domain.rotation import RotationRecord
from entrypoints import configuration
from entrypoints.day_one import quiet_prefect
from entrypoints.person import logged_in_user
from entrypoints.prefect_api import require_server
from ledger.held_credentials import held_credentials
from ledger.opening import Ledger
from ledger.rotation_rows import rotations
from steps.audited_run import open_own_ledger
from steps.compromise import Sources, Suspect, moment_of_ticket, order_replacement, rotations_of_case, suspects
from steps.emergency import Order, check_moment, check_second_person
from steps.rotation_scope import credentials_of_scope
from vendors.registry import ROTATIONS

_FORMATS = (
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%MZ",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
)


class _Moment(click.DateTime):
    """A moment in UTC; what is none is answered by an example instead of click's list of formats."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{str(value)!r} is not a moment. Write it like 2026-11-25T14:00:00Z or 2026-11-25.", param, ctx)


@click.command()
@click.option(
    "--since",
    type=_Moment(_FORMATS),
    metavar="MOMENT",
    default=None,
    help="Until when values count as exposed, in UTC (default: as the ticket's last order said, else now).",
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
    """Replace every exposed credential of the scope at once: no overlap, no quiet time, no soak; a freeze does not hold it.

    The same ticket and moment again go on with the same case: nothing is ordered twice, and the last run's bundle has all of it.
    """
    config = configuration.read()
    chosen = credentials_of_scope(config, scopes, ROTATIONS)
    with closing(open_own_ledger()) as ledger:
        until = _until(ledger, since, ticket)
        order = Order(until, by, f"compromise: {reason}", ticket, contain_first, second, may_page)
        check_second_person(order)
        found = suspects(Sources(ledger, config, ROTATIONS, lambda _: True), chosen, until)
        _tell(ledger, found, until)
        if not any(one.is_exposed for one in found) and not rotations_of_case(ledger, Case(ticket, until)):
            click.echo("Nothing of the scope is exposed; nothing was started.")
            sys.exit(0)
        form = form_of(order, scopes, reason, mode="plan" if plan else "apply")
        try:
            follow = _start(form)
        except OpsError as error:
            if plan:
                raise
            _order_what_is_known(ledger, config, found, order)
            raise Unavailable(
                error.happened,
                "The order stands in the ledger, and the sweeper carries it out as soon as a worker is there; nobody was told of it.",
                f"{error.next_step} Then the same command goes on with the case.",
            ) from error
    code = 0 if no_follow else follow()
    if plan and code == 0:
        click.echo("Only planned. The same command without --plan replaces them.")
    sys.exit(code)


def _start(form: Mapping[str, object]) -> Callable[[], int]:
    """Start the run that responds, and return what follows it to its end."""
    require_server()
    quiet_prefect()
    from entrypoints.following import follow_all, start_all  # noqa: PLC0415 (Prefect costs a second, a wrong name none)

    runs = start_all((form,), RESPOND)
    return lambda: follow_all(runs)


def form_of(order: Order, scopes: tuple[str, ...], reason: str, *, mode: str) -> dict[str, object]:
    """Return the order as the form of the deployment has it."""
    return {
        "scope": list(scopes), "compromised_since": f"{order.compromised_at:%Y-%m-%dT%H:%M:%SZ}", "operator": order.operator,
        "ticket": order.ticket, "reason": reason, "mode": mode, "isolate": "what can be" if order.contain_first else "nothing",
        "second_person": order.second, "may_page": order.may_page,
    }  # fmt: skip


def _until(ledger: Ledger, since: datetime | None, ticket: str) -> datetime:
    # To the second, as the form of the deployment writes it: both must name the same moment.
    until = since.replace(tzinfo=UTC) if since else moment_of_ticket(ledger, ticket) or ledger.now()
    check_moment(ledger, until)
    return until.replace(microsecond=0)


def _order_what_is_known(ledger: Ledger, config: Config, found: Iterable[Suspect], order: Order) -> None:
    """Put the order into the ledger, which the sweeper carries out: no run can be started that would.

    What the ledger has never seen a value of is left to a run, which looks whether there is one.
    """
    seen = {one.credential for one in held_credentials(ledger) if one.fingerprint}
    order_replacement(ledger, config, (one for one in found if one.credential in seen), order)


def _tell(ledger: Ledger, found: list[Suspect], until: datetime) -> None:
    """Say of each credential of the scope whether it is exposed, and why."""
    click.echo(
        f"Exposed are values that were in use at {until:%Y-%m-%d %H:%M:%S} UTC, or of which nobody knows since when:"
    )
    for one in found:
        last = "; alerts go out through it: replaced last" if one.is_exposed and one.is_channel else ""
        click.echo(f"  {one.exposure.value:<11}  {one.credential}: {one.why}{last}")
    under_way = rotations(ledger, open_only=True, limit=100_000)
    for line in _candidates(under_way, {one.credential for one in found}, until):
        click.echo(line)


def _candidates(records: Iterable[RotationRecord], chosen: set[Credential], until: datetime) -> list[str]:
    """Return a line for each new value under way that was minted before: it is finished forward, and replaced again."""
    return [
        f"  EXPOSED      the new value of {record.credential} under way in rotation {record.id}: minted {record.minted_at:%Y-%m-%d %H:%M} UTC; it is replaced again"
        for record in records
        if record.credential in chosen and record.minted_at is not None and record.minted_at <= until
    ]
