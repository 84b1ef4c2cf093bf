"""`opsflows run`: starts a deployment with the defaults of its form, at the server that the other commands speak to, and follows it."""

import sys

import click

from domain.errors import BadInput
from domain.run_bounds import TAKES_AT_MOST
from entrypoints.day_one import quiet_prefect
from entrypoints.person import logged_in_user
from entrypoints.prefect_api import require_server

_AFTERWARDS = "opsflows next says what still needs someone."
_FULL_NAMES = {full.partition("/")[2]: full for full in TAKES_AT_MOST}


@click.command()
@click.argument("deployment")
@click.option("--reason", default="asked for by opsflows next", show_default=True, help="Why now, in your words.")
@click.option("--apply", is_flag=True, help="Act, where the form has a mode: untouched it may only plan.")
@click.option("--by", default=logged_in_user, show_default="the logged-in user", help="Who does this (claimed).")
@click.option("--no-follow", is_flag=True, help="Start the run and leave.")
def run(deployment: str, reason: str, apply: bool, by: str, no_follow: bool) -> None:  # noqa: FBT001 (click passes flags)
    """Run a deployment now, e.g. sweeper or verify-due, and follow it to its end.

    Its form is filled with its defaults; one that asks for more than who and why is for Prefect's UI, and its address is shown.
    """
    full_name = _named(deployment)
    server = require_server()
    quiet_prefect()
    from entrypoints.following import (  # noqa: PLC0415 (Prefect costs a second, a wrong name none)
        follow_all,
        require_no_more_than,
        start_all,
    )

    given = {"operator": by, "reason": reason, **({"mode": "apply"} if apply else {})}
    require_no_more_than(given, full_name)
    click.echo(f"Run {deployment} at {server}.")
    runs = start_all([given], full_name)
    sys.exit(0 if no_follow else follow_all(runs, afterwards=_AFTERWARDS))


def _named(deployment: str) -> str:
    """Return "flow/deployment" of a deployment's name.

    Raises:
        BadInput: there is none of this name.
    """
    if deployment not in _FULL_NAMES:
        raise BadInput(
            f"There is no deployment {deployment!r}.",
            f"There are {', '.join(sorted(_FULL_NAMES))}. Nothing was started.",
            "Name one of them: opsflows run sweeper.",
        )
    return _FULL_NAMES[deployment]
