"""`opsflows demo`: day 1 against the stand-ins, on a Prefect of its own; leaves its traces and no process."""

import os
import sys

import click

from domain.names import REHEARSAL
from domain.wiring import MOCK
from entrypoints import project
from entrypoints.children import is_running
from entrypoints.day_one import quiet_prefect, run_day_one
from entrypoints.person import logged_in_user
from entrypoints.servers import SERVER, own_server, own_stand_ins
from steps.conduct import STAND_INS_URL


@click.command()
def demo() -> None:
    """Rehearse day 1: every integration against stand-ins, all thirty steps. Needs no account and no Docker."""
    folder = project.set_up()
    click.echo(
        f"opsflows: day-1 wiring, rehearsed against stand-ins on this machine. Everything it keeps is in {folder}."
    )
    click.echo(
        "Starting the stand-ins and a Prefect server (the first start takes half a minute), unless make up has them running ..."
    )
    is_up = is_running(SERVER)
    with own_stand_ins() as stand_ins, own_server() as server:
        os.environ[STAND_INS_URL] = stand_ins
        click.echo(f"Stand-ins at {stand_ins}, Prefect at {server}\n")
        quiet_prefect()
        from deployments.apply import converge  # noqa: PLC0415 (Prefect reads its settings when it is imported)

        converge()
        code = run_day_one(
            {
                "operator": logged_in_user(), "ticket": "none", "reason": "make demo",
                "environment": REHEARSAL, "wiring_mode": MOCK, "mode": "apply",
            }
        )  # fmt: skip
    where = f"{server.removesuffix('/api')}/runs" if is_up else "make up"
    click.echo(
        "\nNext:\n"
        f"  {where:<47}  the Prefect UI with this run in its history\n"
        "  .venv/bin/opsflows connect slack --environment staging   go real with one integration (docs/going-real.md, 15 minutes)\n"
        "  .venv/bin/opsflows audit verify                  recompute what this run left behind"
    )
    sys.exit(code)
