"""`opsflows setup`: the first thing every make target runs."""

import click

from entrypoints import project


@click.command()
def setup() -> None:
    """Make .opsflows (0700) with keys, settings and free ports; keeps what is there."""
    click.echo(f"Project home: {project.set_up()}")
