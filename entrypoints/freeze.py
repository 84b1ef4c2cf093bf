"""`opsflows freeze`: stops every change at a vendor but those of an emergency, until it is lifted; needs the ledger alone."""

import click

from domain.errors import BadInput
from entrypoints.person import logged_in_user
from ledger.freezing import freeze as begin_freeze
from ledger.freezing import frozen, thaw
from ledger.opening import Ledger
from steps.audited_run import open_own_ledger


@click.command()
@click.argument("reason", default="")
@click.option("--lift", is_flag=True, help="End the freeze.")
@click.option("--by", default=logged_in_user, show_default="the logged-in user", help="Who does this (claimed).")
def freeze(reason: str, lift: bool, by: str) -> None:  # noqa: FBT001 (click passes a flag)
    """Freeze with a REASON, lift it with --lift, or show whether it is frozen. Emergencies go on, and so do reads and probes."""
    if lift and reason:
        raise BadInput(
            "A reason and --lift were both given.",
            "It is one or the other. Nothing was changed.",
            "Leave one of them out.",
        )
    ledger = open_own_ledger()
    try:
        click.echo(_lifted(ledger, by) if lift else _frozen(ledger, reason, by) if reason else _shown(ledger))
    finally:
        ledger.close()


def _frozen(ledger: Ledger, reason: str, by: str) -> str:
    begun = begin_freeze(ledger, reason, by)
    return f"Frozen since {begun.frozen_at:%Y-%m-%d %H:%M} UTC by {begun.who}: {begun.reason}\nLift it with opsflows freeze --lift; rotations that wait for it go on by themselves."


def _lifted(ledger: Ledger, by: str) -> str:
    there = frozen(ledger)
    if there is not None and there.is_after_restore:
        raise BadInput(
            f"This freeze is that of a restore: {there.reason}.",
            "The ledger may be behind what happened at the vendors since; what it would revoke may be in use. It stays frozen.",
            "Run opsflows restore --agree: it compares all sides, and ends the freeze once they agree.",
        )
    return (
        f"Lifted by {by}; what waited goes on within a quarter of an hour."
        if thaw(ledger, by)
        else "It was not frozen."
    )


def _shown(ledger: Ledger) -> str:
    there = frozen(ledger)
    if there is None:
        return "It is not frozen."
    how = "opsflows restore --agree" if there.is_after_restore else "opsflows freeze --lift"
    return f"Frozen since {there.frozen_at:%Y-%m-%d %H:%M} UTC by {there.who}: {there.reason}\nLift it with {how}."
