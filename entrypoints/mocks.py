"""`opsflows mocks`: the stand-ins as a process of their own, until Ctrl-C."""

import os
import sys

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def mocks(arguments: tuple[str, ...]) -> None:
    """Run the stand-ins on loopback until Ctrl-C; prints their ports as one JSON line. Arguments go to them as they are."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "mocks", *arguments])  # noqa: S606 (our own interpreter and module)
