"""`opsflows adopt`: binds a credential that existed before us to its entry at the vendor, by evidence; an audited run."""

import os
import sys

import click

from domain.names import REHEARSAL, Credential
from domain.rotation import RotationRecord, State
from domain.verdicts import EXIT_CODE, Judgement, Verdict, World
from entrypoints import configuration, project
from entrypoints.day_one import quiet_prefect
from entrypoints.person import logged_in_user
from entrypoints.prefect_api import require_server
from entrypoints.stepping import step_now
from ledger.opening import Ledger
from steps.adoption_order import AdoptionOrder, bound_by
from steps.adoption_order import adopt as order_adoption
from steps.audited_run import audited_run
from steps.conduct import STAND_INS_URL, running_stand_ins
from steps.rotation_reports import row_of
from steps.rotation_scope import in_scope
from vendors.registry import ROTATIONS


@click.command()
@click.argument("credential")
@click.option("--vendor-id", default="", metavar="ID", help="Which one it is at the vendor, where it cannot be told.")
@click.option("--ticket", default="none", show_default=True, help="The ticket this belongs to.")
@click.option("--by", default=logged_in_user, show_default="the logged-in user", help="Who does this (claimed).")
def adopt(credential: str, vendor_id: str, ticket: str, by: str) -> None:
    """Bind CREDENTIAL to its entry at the vendor: recognised, proven by a probe, and only then ours to retire."""
    config = configuration.read()
    chosen = in_scope(config, credential, ROTATIONS)
    require_server()
    if chosen.environment == REHEARSAL:
        _find_stand_ins()
    quiet_prefect()
    from tasks.preparing import own_ledger  # noqa: PLC0415 (Prefect costs a second, a wrong name none)
    from tasks.preparing_rotation import rotation_desk  # noqa: PLC0415 (as above)

    with own_ledger() as ledger:
        with audited_run(
            ledger, flow="adopt", environment=chosen.environment, mode="apply", actor=by, reason=f"adoption of {chosen}",
            ticket=ticket, parameters={"credential": str(chosen), "vendor_id": vendor_id},
        ) as run, rotation_desk(run, config) as desk, desk.hands(chosen) as hands:  # fmt: skip
            record = order_adoption(hands, AdoptionOrder(by, ticket, run.run_id, vendor_id))
            world = World.REHEARSAL if chosen.environment == REHEARSAL else World.REAL
            judgement = Judgement(_verdict(ledger, record), world)
            words = _words(ledger, chosen, record)
            run.conclude(judgement, f"# {judgement}: adoption of {chosen}\n\n{words}\n")
        click.echo(words)
        if record.is_open:
            click.echo(step_now(ledger, record.id, f"order:{record.head_seq}"))
    click.echo(f"Audit bundle: {run.bundle.folder}")
    sys.exit(EXIT_CODE[judgement.verdict])


def _verdict(ledger: Ledger, record: RotationRecord) -> Verdict:
    done = record.state is State.DONE or (record.old_vendor_id and bound_by(ledger, record.id))
    return Verdict.GREEN if done else Verdict.HOLD


def _words(ledger: Ledger, credential: Credential, record: RotationRecord) -> str:
    how = bound_by(ledger, record.id)
    if how and record.old_vendor_id:
        return f"{credential} is {how} (rotation {record.id})."
    row = row_of(record)
    return f"{credential} is not bound yet (rotation {record.id}, {row.state}). {row.words}\n{row.next_step}".rstrip()


def _find_stand_ins() -> None:
    """Take over the address of the stand-ins that `opsflows up` runs, where nobody named another."""
    port = project.read_ports().get("stand_ins")
    if not running_stand_ins() and port is not None and project.is_listening(port):
        os.environ[STAND_INS_URL] = f"http://127.0.0.1:{port}"
