"""`opsflows rotations` and `opsflows rotation`: where each rotation stands, its journal, and what operators order of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from domain.errors import BadInput
from domain.names import Credential
from domain.rotation import RotationRecord
from domain.rotation_config import policy_of
from entrypoints import configuration
from entrypoints.connect import ask
from entrypoints.day_one import quiet_prefect
from entrypoints.person import logged_in_user
from entrypoints.prefect_api import require_server
from entrypoints.stepping import step_now
from ledger.opening import Ledger
from ledger.rotation_journal import entries
from ledger.rotation_rows import find_rotation
from ledger.rotation_rows import rotations as all_rotations
from steps import rotation_orders
from steps.audited_run import open_own_ledger
from steps.entering import awaiting_value, enter_value
from steps.rotation_reports import journal_lines, rotation_lines
from vendors.capabilities import Variable
from vendors.registry import EVERY, ROTATIONS
from vendors.rotation import Rotation

_BY = click.option("--by", default=logged_in_user, show_default="the logged-in user", help="Who does this (claimed).")
_ID = click.argument("rotation_id", metavar="ID")
_WHY = click.option("--reason", required=True, help="Why; kept in the rotation's journal.")


@click.command()
@click.option("--environment", default="", help="Only those of this environment.")
@click.option("--open", "open_only", is_flag=True, help="Only those that are not over.")
@click.option("--credential", default="", metavar="NAME", help="Only those of this credential.")
def rotations(environment: str, open_only: bool, credential: str) -> None:  # noqa: FBT001 (click passes a flag)
    """List rotations, the open ones first: state in words, due moment, next action. Needs the ledger alone."""
    of = Credential.parse(credential) if credential else None
    with _ledger() as ledger:
        found = all_rotations(ledger, environment=environment, credential=of, open_only=open_only)
    for line in rotation_lines(found):
        click.echo(line)
    if not found:
        click.echo("No rotation is open." if open_only else "There is no rotation yet.")


@click.group()
def rotation() -> None:
    """One rotation: show, resume, rollback, waive, ack, enter. ID is what `opsflows rotations` lists."""


@rotation.command()
@_ID
def show(rotation_id: str) -> None:
    """Print where the rotation stands, and its journal: every intent, outcome, decision and word, in order."""
    with _ledger() as ledger:
        record, journal = find_rotation(ledger, rotation_id), entries(ledger, rotation_id)
    for line in [*rotation_lines([record]), f"    {_about(record)}", "", *journal_lines(journal)]:
        click.echo(line)


@rotation.command()
@_ID
@_WHY
@_BY
def resume(rotation_id: str, reason: str, by: str) -> None:
    """Let a halted rotation go on; at a conflict, put the ledger's value back."""
    _order(rotation_id, "Resumed", lambda ledger: rotation_orders.resume(ledger, rotation_id, by, reason))


@rotation.command()
@_ID
@_WHY
@_BY
def rollback(rotation_id: str, reason: str, by: str) -> None:
    """Go back to the old credential; possible until it is being deleted."""
    _order(rotation_id, "Rolls back", lambda ledger: rotation_orders.order_roll_back(ledger, rotation_id, by, reason))


@rotation.command()
@_ID
@_WHY
@_BY
def waive(rotation_id: str, reason: str, by: str) -> None:
    """Let the old credential go although it is used, or nobody acknowledged the new one; overlap and proof stay."""
    _order(rotation_id, "Waived", lambda ledger: rotation_orders.waive(ledger, rotation_id, by, reason))


@rotation.command()
@_ID
@click.option("--consumer", required=True, metavar="NAME", help="Who uses the new value, as the policy names it.")
@click.option(
    "--proof", default="", metavar="HEX", help="Its proof of possession: HMAC-SHA256 of ID under the new value."
)
@_BY
def ack(rotation_id: str, consumer: str, proof: str, by: str) -> None:
    """Record that a consumer uses the new value: by its proof of possession, else by your word."""

    def acknowledge(ledger: Ledger) -> RotationRecord:
        _check_consumer(find_rotation(ledger, rotation_id), consumer)
        if not proof:
            return rotation_orders.take_word(ledger, rotation_id, consumer, by)
        return _acknowledged(ledger, rotation_id, consumer, by, proof)

    _order(rotation_id, f"Acknowledged for {consumer}", acknowledge)


@rotation.command()
@_ID
@_BY
def enter(rotation_id: str, by: str) -> None:
    """Enter the new value of a credential that is made by hand, at a hidden prompt; it is proven before anything reads it."""
    with _ledger() as ledger:
        record = awaiting_value(ledger, rotation_id, lambda one: _row(one.credential).manifest)
        row, variable = _row(record.credential), _variable(record.credential)
        require_server()
        click.echo(f"{record.credential}, attempt {record.attempt}. {row.by_hand.create}")
        value = ask(variable)
        if not value:
            raise BadInput(
                "No value was entered.", "Nothing was stored.", "Enter it when you have it; nothing is lost."
            )
        _enter(ledger, record, value, by)
        click.echo(f"Kept for rotation {rotation_id}; it is proven before anything reads it.")
        click.echo(step_now(ledger, rotation_id, f"enter:{record.attempt}"))


def _order(rotation_id: str, done: str, act: Callable[[Ledger], RotationRecord]) -> None:
    """Carry the order out, say where the rotation stands, and step it."""
    with _ledger() as ledger:
        record = act(ledger)
        click.echo(f"{done}: rotation {rotation_id} of {record.credential}.")
        click.echo(step_now(ledger, rotation_id, f"order:{record.head_seq}"))


def _acknowledged(ledger: Ledger, rotation_id: str, consumer: str, by: str, proof: str) -> RotationRecord:
    require_server()
    quiet_prefect()
    from blocks.connection import prefect_client  # noqa: PLC0415 (as above)
    from blocks.ledger_identity import claim  # noqa: PLC0415 (Prefect costs a second, an operator's word none)
    from blocks.versions import BlockStore  # noqa: PLC0415 (as above)

    claim(ledger.id)
    credential = find_rotation(ledger, rotation_id).credential
    with prefect_client() as client:
        store = BlockStore(client, EVERY[credential.target.integration], _row(credential), credential)
        return rotation_orders.acknowledge(ledger, rotation_id, consumer, operator=by, proof=proof, store=store)


def _enter(ledger: Ledger, record: RotationRecord, value: str, by: str) -> None:
    quiet_prefect()
    from blocks.connection import prefect_client  # noqa: PLC0415 (as above)
    from blocks.ledger_identity import claim  # noqa: PLC0415 (Prefect costs a second; a wrong id should not)
    from blocks.versions import BlockStore  # noqa: PLC0415 (as above)
    from ledger.fingerprints import fingerprinter  # noqa: PLC0415 (as above)
    from tasks.preparing import fingerprint_key_file  # noqa: PLC0415 (as above)

    claim(ledger.id)
    fingerprint = fingerprinter(fingerprint_key_file())
    credential = record.credential
    with prefect_client() as client:
        store = BlockStore(client, EVERY[credential.target.integration], _row(credential), credential)
        enter_value(ledger, record, value, operator=by, store=store, fingerprint=fingerprint)


def _check_consumer(record: RotationRecord, consumer: str) -> None:
    """A name that the policy does not have would be kept and change nothing."""
    known = policy_of(configuration.read(), record.credential).consumers
    if consumer not in known:
        raise BadInput(
            f"{consumer} is no consumer of {record.credential}.",
            "An acknowledgement counts for the consumers that its policy names. Nothing was recorded.",
            f"Named there: {', '.join(known) or 'none'}; see consumers of [credentials.{record.credential}] in opsflows.toml.",
        )


def _row(credential: Credential) -> Rotation:
    return ROTATIONS[credential.target.integration, credential.purpose]


def _variable(credential: Credential) -> Variable:
    """Return the variable whose value the rotation replaces."""
    field = _row(credential).field
    return next(
        one
        for one in EVERY[credential.target.integration].variables
        if one.field == field and one.purpose is credential.purpose
    )


def _about(record: RotationRecord) -> str:
    """Return who opened it, why, and what it is beside that."""
    kind = f"{record.kind.value}{', emergency' if record.emergency else ''}{', rolls back' if record.back else ''}"
    return f"opened {record.opened_at:%Y-%m-%d %H:%M} UTC by {record.operator} ({kind}), ticket {record.ticket}: {record.reason}"


@contextmanager
def _ledger() -> Iterator[Ledger]:
    ledger = open_own_ledger()
    try:
        yield ledger
    finally:
        ledger.close()
