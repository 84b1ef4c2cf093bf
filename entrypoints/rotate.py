"""`opsflows rotate`: starts the deployment that rotates, and follows it. Without --apply it plans and changes nothing."""

import shlex
import sys

import click

from domain.names import Credential
from entrypoints import configuration
from entrypoints.day_one import quiet_prefect
from entrypoints.person import logged_in_user
from entrypoints.prefect_api import require_server
from steps.rotation_scope import forms_of, named_credentials
from vendors.registry import ROTATIONS

REASONS = ("scheduled", "compromise", "test")


@click.command()
@click.argument("credentials", nargs=-1, required=True, metavar="CREDENTIAL...")
@click.option("--environment", default="", help="Where a CREDENTIAL is an integration: its environment.")
@click.option("--reason", type=click.Choice(REASONS), default="scheduled", show_default=True, help="Why.")
@click.option("--ticket", default="none", show_default=True, help="The ticket this run belongs to.")
@click.option("--note", default="", help="Why now, in your words.")
@click.option("--plan/--apply", "plan", default=True, show_default=True, help="Look, or act. A plan changes nothing.")
@click.option("--may-page", is_flag=True, help="Agree that a probe may wake whoever is on call.")
@click.option("--by", default=logged_in_user, show_default="the logged-in user", help="Who does this (claimed).")
@click.option("--no-follow", is_flag=True, help="Start the run and leave.")
def rotate(  # noqa: PLR0917 (one parameter per option)
    credentials: tuple[str, ...], environment: str, reason: str, ticket: str, note: str,
    plan: bool, may_page: bool, by: str, no_follow: bool,  # noqa: FBT001 (click passes flags)
) -> None:  # fmt: skip
    """Rotate credentials: datadog-default-prod-send, or datadog or pagerduty/payments (all of it) with --environment.

    A run is started for each environment and instance. It goes as far as it can now; what waits goes on by itself.
    """
    chosen = named_credentials(configuration.read(), credentials, environment, ROTATIONS)
    server = require_server()
    quiet_prefect()
    from entrypoints.following import follow_all, start_all  # noqa: PLC0415 (Prefect costs a second, a wrong name none)

    mode = "plan" if plan else "apply"
    click.echo(f"{mode.capitalize()} {', '.join(str(one) for one in chosen)} at {server}.")
    runs = start_all(
        {
            "credentials": list(form.choices), "environment": form.environment, "instance": form.instance, "reason": reason,
            "operator": by, "ticket": ticket, "mode": mode, "note": note, "may_page": may_page,
        }
        for form in forms_of(chosen)
    )  # fmt: skip
    code = 0 if no_follow else follow_all(runs)
    if plan and code == 0:
        click.echo(
            f"To apply it, once nothing stands in the way: {_applying(chosen, reason, ticket, note, may_page=may_page)}"
        )
    sys.exit(code)


def _applying(chosen: list[Credential], reason: str, ticket: str, note: str, *, may_page: bool) -> str:
    """Return the command that applies what was planned."""
    words = ["opsflows", "rotate", *map(str, chosen), "--reason", reason, "--ticket", ticket]
    words += ["--note", note] if note else []
    words += ["--may-page"] if may_page else []
    return shlex.join([*words, "--apply"])
