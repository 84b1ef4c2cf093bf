"""`opsflows up`: everything a team needs on one machine, until Ctrl-C; starting again finds it as it was."""

import os
import signal
import threading
from contextlib import ExitStack, nullcontext
from types import FrameType

import click

from entrypoints import project
from entrypoints.day_one import quiet_prefect
from entrypoints.servers import log_file, prefect_server, prefect_worker
from steps.conduct import STAND_INS_URL
from steps.stand_ins_process import started_stand_ins


@click.command()
@click.option(
    "--no-stand-ins", is_flag=True, help="Leave the stand-ins out, as day 1 asks for once everything is real."
)
def up(no_stand_ins: bool) -> None:  # noqa: FBT001 (click passes a flag)
    """Prefect server and UI, stand-ins, worker and deployments, on loopback, until Ctrl-C."""
    folder = project.set_up()
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    click.echo("Starting stand-ins, Prefect server and worker ...")
    with (
        prefect_server(services=True) as server,
        nullcontext()
        if no_stand_ins
        else started_stand_ins(_stand_ins_port(), folder / project.STAND_INS_STATE) as stand_ins,
    ):
        if stand_ins:
            os.environ[STAND_INS_URL] = stand_ins.url
        quiet_prefect()
        from deployments.apply import converge  # noqa: PLC0415 (Prefect reads its settings when it is imported)
        from deployments.catalog import POOLS  # noqa: PLC0415 (as above)

        for difference in converge():
            click.echo(f"  deployed {difference.what}")
        with ExitStack() as workers:
            for pool in POOLS:
                workers.enter_context(prefect_worker(pool))
            click.echo(
                f"\nPrefect UI    {server.removesuffix('/api')}\nPrefect API   {server}\nStand-ins     {stand_ins.url if stand_ins else 'left out'}\n"
                f"Logs          {log_file('prefect-server').parent}\n\nCtrl-C stops all of it; nothing is lost."
            )
            stopped.wait()
            click.echo("\nStopping worker, server and stand-ins ...")
    click.echo("Stopped.")


def _stand_ins_port() -> int:
    port = project.ports()["stand_ins"]
    return project.move_port("stand_ins") if project.is_listening(port) else port
