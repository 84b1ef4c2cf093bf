"""`opsflows sample-events`: a month of events with planted faults, and the stand-ins' side of it."""

import os
from contextlib import closing
from pathlib import Path

import click

from domain.errors import BadInput
from domain.names import REHEARSAL
from domain.windows import Month
from entrypoints import configuration
from entrypoints.project import running_stand_ins
from ledger.places import resolve_home
from steps.conduct import STAND_INS_URL, conduct_for
from steps.sample_events import write_sample
from vendors.stand_ins import connect

_FOLDER = "sample-events"


@click.command("sample-events")
@click.option("--month", required=True, metavar="YYYY-MM", help="The month to make, in UTC.")
@click.option("--seed", default=1, show_default=True, help="Another number makes other events.")
def sample_events(month: str, seed: int) -> None:
    """Write a month of sample events into .opsflows/sample-events, and load what the vendors got into the running stand-ins."""
    chosen = Month.parse(month)
    url = os.environ.get(STAND_INS_URL, "") or running_stand_ins()
    if not url:
        raise BadInput(
            "No stand-ins are running.",
            "The sample has two sides, and theirs has to be told to them. Nothing was written.",
            "Start them with make up, and call this in a second terminal.",
        )
    folder = resolve_home(os.environ) / _FOLDER
    with closing(connect(url, conduct_for(configuration.read(), REHEARSAL, lambda _: None))) as stand_ins:
        sample = write_sample(chosen, seed, folder, stand_ins)
    click.echo(f"{sample.records:,} records in {sample.files} files: {_shown(sample.folder)}")
    for integration, events in sample.received.items():
        planted = "; ".join(f"{count:,} {fault}" for fault, count in sample.planted.get(integration, {}).items())
        click.echo(f"  {integration:<10} {events:>7,} events told to the stand-in. Planted: {planted or 'nothing'}")
    click.echo(f"\nNow: opsflows reconcile --month {chosen} --environment {REHEARSAL}")


def _shown(folder: Path) -> str:
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)
