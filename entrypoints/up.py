"""`opsflows up`: everything a team needs on one machine, until Ctrl-C; starting again finds it as it was."""

import os

import click

from domain.names import ROTATION_POOL, WORK_POOL
from entrypoints import project
from entrypoints.children import StoppedEarly, sole_owner, stop_left_over
from entrypoints.day_one import quiet_prefect
from entrypoints.person import logged_in_user
from entrypoints.servers import (
    BOARD,
    SERVER,
    STAND_INS,
    board_child,
    server_child,
    stand_ins_child,
    worker_child,
    worker_name,
)
from entrypoints.supervising import Household, household
from ledger.unfinished_restore import refuse_unfinished
from steps.conduct import STAND_INS_URL

_POOLS = (WORK_POOL, ROTATION_POOL)
# As they are stopped: a worker waits for a server that is gone for ever.
_IN_STOPPING_ORDER = (BOARD, *(worker_name(pool) for pool in _POOLS), SERVER, STAND_INS)


@click.command()
@click.option(
    "--no-stand-ins", is_flag=True, help="Leave the stand-ins out, as day 1 asks for once everything is real."
)
def up(no_stand_ins: bool) -> None:  # noqa: FBT001 (click passes a flag)
    """Prefect server and UI, stand-ins, workers, deployments and the board, on loopback, until Ctrl-C.

    Whatever of it dies is started again, which is told; what dies four times within ten minutes stops everything. Exit codes:
    0 stopped by you, 1 something did not start or did not stay up, 2 it runs already, or the input is wrong.
    """
    refuse_unfinished(project.home())
    project.set_up()
    with sole_owner():
        for left in stop_left_over(_IN_STOPPING_ORDER):
            click.echo(f"Left running by an opsflows up that was killed, and stopped now: {left}.")
        with household(click.echo) as house:
            try:
                _start(house, with_stand_ins=not no_stand_ins)
                house.watch()
            except StoppedEarly:
                pass
            click.echo("\nStopping workers, server and stand-ins ... (Ctrl-C again kills them)")
    click.echo("Stopped.")


def _start(house: Household, *, with_stand_ins: bool) -> None:
    """Start everything and say where it is; what can be done while something else starts is done then."""
    click.echo("Starting stand-ins, Prefect server and workers ...")
    stand_ins, stand_ins_url = stand_ins_child()
    server, api = server_child(services=True)
    house.start(*([stand_ins] if with_stand_ins else []))
    house.start(server)
    os.environ["PREFECT_API_URL"] = api
    if with_stand_ins:
        os.environ[STAND_INS_URL] = stand_ins_url
    quiet_prefect()
    # Prefect reads its settings when it is imported. That takes seconds, in which the server starts.
    from blocks.registering import register_block_types  # noqa: PLC0415 (as above)
    from deployments.apply import converge  # noqa: PLC0415 (as above)

    house.wait_until_ready(server)
    changed = converge()
    workers = [worker_child(pool) for pool in _POOLS]
    board, board_url = board_child()
    house.start(board)
    registered = register_block_types()
    click.echo(_put(len(changed), len(registered)))
    first_run = ""
    if with_stand_ins:
        house.wait_until_ready(stand_ins)
        first_run = _rehearse()
    # Not beside what writes the blocks: on SQLite they would wait for each other's lock, up to a minute.
    house.start(*workers)
    house.wait_until_ready(*workers, board)
    click.echo(_words(api, board_url, stand_ins_url if with_stand_ins else "", first_run))


def _rehearse() -> str:
    """Make the rehearsal ready to be tried, and return the id of the run that was started, empty where there were runs."""
    from tasks.first_run import start_first_run  # noqa: PLC0415 (Prefect reads its settings when it is imported)
    from tasks.preparing import own_ledger, read_own_config  # noqa: PLC0415 (as above)
    from tasks.rehearsal_blocks import store_stand_ins_credentials  # noqa: PLC0415 (as above)

    with own_ledger() as ledger:
        stored = store_stand_ins_credentials(read_own_config(), ledger)
        if stored:
            click.echo(f"Written to blocks of the rehearsal: {', '.join(stored)}; all others hold what they should.")
        return start_first_run(ledger, logged_in_user())


def _put(changed: int, registered: int) -> str:
    """Return in words what was put on the server; nothing is what a start that finds all as it was says."""
    types = f" Block types registered: {registered}." if registered else ""
    if not changed:
        return f"The server's deployments, pools and automations are as the catalog says; nothing was changed.{types}"
    return f"Put on the server: {_counted(changed, 'deployment, pool or automation')}.{types}"


def _words(api: str, board: str, stand_ins: str, first_run: str) -> str:
    ui = api.removesuffix("/api")
    lines = [
        "", f"Prefect UI    {ui}", f"Prefect API   {api}", f"Board         {board}", f"Stand-ins     {stand_ins or 'left out'}",
        f"Logs          {project.home() / 'logs'}", "",
    ]  # fmt: skip
    if first_run:
        lines += [
            f"First run     {ui}/runs/flow-run/{first_run}",
            "              day 1 rehearsed; it takes a minute, and its artifacts say how it ended",
            "",
        ]
    return "\n".join([*lines, *_to_try(ui, stand_ins), "", "Ctrl-C stops all of it; nothing is lost."])


def _to_try(ui: str, stand_ins: str) -> list[str]:
    if not stand_ins:
        return [
            "Next: .venv/bin/opsflows next says what needs someone; opsflows doctor whether opsflows itself is well."
        ]
    return [
        "Try, in a second terminal (opsflows is .venv/bin/opsflows):",
        "  opsflows adopt datadog-default-rehearsal-send     which of the vendor's keys it is; then rotate it from the form:",
        f"                                                    {ui}/deployments, rotate-credentials, Run",
        "  opsflows sample-events --month 2026-10            a month with planted faults, for opsflows reconcile",
        "  opsflows next                                     what needs someone, by when, and the one command",
    ]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
