"""`opsflows audit`: recompute the chain and every bundle, and say where it breaks."""

import json
import os
import sys
from dataclasses import asdict

import click

from ledger.auditing import AuditReport, verify_audit
from ledger.chain import checkpoint as take_checkpoint
from ledger.places import AUDIT_URL, resolve_home
from steps.audited_run import open_own_ledger


@click.group()
def audit() -> None:
    """The audit chain: what was recorded, and whether it was changed since."""


@audit.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def verify(as_json: bool) -> None:  # noqa: FBT001 (click passes a flag)
    """Recompute the chain, every bundle's digests, every rotation's journal and every recorded fact; exit 1 at the first thing that was changed."""
    ledger = open_own_ledger()
    try:
        report = verify_audit(ledger, resolve_home(os.environ), audit_url=os.environ.get(AUDIT_URL, ""))
    finally:
        ledger.close()
    click.echo(json.dumps(asdict(report), default=str, indent=2) if as_json else _words(report))
    sys.exit(0 if report.is_intact else 1)


@audit.command()
def checkpoint() -> None:
    """Print the chain's head, to be kept outside; `audit verify` then proves that nothing before it was rewritten."""
    ledger = open_own_ledger()
    try:
        taken = take_checkpoint(ledger)
    finally:
        ledger.close()
    click.echo(f"{taken.seq} {taken.hash}")


def _words(report: AuditReport) -> str:
    head = (
        f"{report.entries} entries, {report.bundles} bundles, {report.rotations} rotations' journals and "
        f"{report.facts} recorded facts recomputed."
    )
    if report.unsealed:
        head += f" Not sealed, so they vouch for nothing: {', '.join(report.unsealed)}."
    first = report.first
    if first is None:
        return f"{head}\nINTACT: nothing was changed since it was written."
    since = report.intact_since
    after = f"Intact again since checkpoint {since.seq}." if since else "No checkpoint lies after it."
    return (
        f"{head}\nBROKEN at entry {first.seq}: {first}\nIntact until entry {report.intact_until}. {after}\n"
        f"{len(report.breaks)} breaks in all. Keep the folder as it is and compare with a backup or the copy at OPSFLOWS_AUDIT_URL."
    )
