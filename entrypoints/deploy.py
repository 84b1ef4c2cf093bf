"""`opsflows deploy`: the Prefect server holds what the catalog says; --check only looks."""

import sys

import click

from entrypoints.day_one import quiet_prefect
from entrypoints.prefect_api import require_server


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 where something differs.")
def deploy(check: bool) -> None:  # noqa: FBT001 (click passes a flag)
    """Make the Prefect server hold what the catalog says: by name, never deleting, ours alone."""
    server = require_server()
    quiet_prefect()
    from blocks.registering import register_block_types, unregistered_block_types  # noqa: PLC0415 (as below)
    from deployments.apply import converge, differences, left_alone  # noqa: PLC0415 (Prefect costs a second)

    found = differences() if check else converge()
    for one in found:
        click.echo(f"{one.what}: {one.how}{'' if check or one.is_for_a_person else '; converged'}")
    for sentence in left_alone():
        click.echo(sentence)
    # So that their forms are in the UI before the first credential is entered.
    types = unregistered_block_types() if check else register_block_types()
    for slug in types:
        click.echo(f"block type {slug}: not registered{'' if check else '; converged'}")
    if not found and not types:
        click.echo(f"Nothing differs at {server}.")
    sys.exit(1 if check and (found or types) else 0)
