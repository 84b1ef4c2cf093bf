"""`opsflows restore`: puts a backup back into an empty home; it starts frozen until ledger, blocks and vendors agree."""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from domain.attention import Attention
from domain.backups import Manifest
from domain.errors import BadInput, OpsError
from domain.names import REHEARSAL
from domain.restored import WAIVED_KIND, Sides, accepted_as
from domain.verdicts import EXIT_CODE, Judgement, Verdict, World
from entrypoints import configuration, project
from entrypoints.backup import fingerprint_key_file, server_at_hand, world_of
from entrypoints.day_one import quiet_prefect
from entrypoints.person import logged_in_user
from ledger.backup_reading import sha256_of
from ledger.config_file import config_path
from ledger.freezing import frozen
from ledger.held_credentials import held_credentials
from ledger.places import ledger_url
from ledger.waivers import waive
from steps.audited_run import AuditedRun, audited_run, open_own_ledger
from steps.backup_restoring import Place, begin_restore, check_empty, checked_backup, put_back
from steps.backup_sides import lift_after_restore, look_at, not_looked_at, still_open
from steps.conduct import STAND_INS_URL, running_stand_ins

if TYPE_CHECKING:
    from steps.backup import Document
    from tasks.preparing_rotation import RotationDesk

# How long an accepted difference counts: until the freeze is lifted, which somebody is at.
_ACCEPTED_DAYS = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """Which differences somebody answers for, why, and in which freeze."""

    keys: set[str]
    reason: str
    by: str
    frozen_at: datetime


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--identity", type=click.Path(path_type=Path), help="The file of the identity that opens it.")
@click.option("--check", is_flag=True, help="Only read the whole file and see that it can be put back.")
@click.option("--agree", is_flag=True, help="After a restore: compare all sides, and end the freeze once they agree.")
@click.option("--accept", multiple=True, metavar="KEY", help="With --agree: a difference that you answer for.")
@click.option("--reason", default="", help="Why it is accepted.")
@click.option("--by", default=logged_in_user, show_default="the logged-in user", help="Who does this (claimed).")
def restore(  # noqa: PLR0917 (click passes each of them by name)
    file: Path | None, identity: Path | None, check: bool, agree: bool, accept: tuple[str, ...], reason: str, by: str  # noqa: FBT001 (click passes flags)
) -> None:  # fmt: skip
    """Put FILE back into an empty home, an empty ledger and an empty Prefect server; or --check it; or --agree afterwards."""
    if agree and file is None:
        _agree(accept, reason, by)
        return
    if file is None or identity is None or agree or accept:
        raise BadInput(
            "A restore takes a FILE and --identity; --agree, with --accept and --reason, takes neither.",
            "Nothing was done.",
            "Write opsflows restore FILE --identity IDENTITY, and afterwards opsflows restore --agree.",
        )
    manifest = checked_backup(file, identity)
    click.echo(_told(manifest))
    if check:
        click.echo("It is whole and can be put back. Nothing was changed.")
        return
    _restore(file.absolute(), identity.absolute(), manifest, by)


def _restore(file: Path, identity: Path, manifest: Manifest, by: str) -> None:
    check_empty(_place(), manifest, file)
    said = begin_restore(_place(), manifest, file, identity)
    project.set_up()
    # The backup's settings are in force from here on, and may name another database.
    check_empty(_place(), manifest, file)
    with server_at_hand():
        quiet_prefect()
        put_back(_place(), manifest, file, identity)
        ledger = open_own_ledger()
        try:
            told = "\n".join([_told(manifest), *said])
            with audited_run(
                ledger, flow="restore", environment="-", mode="apply", actor=by, reason="restore", ticket="none",
                parameters={"sha256": sha256_of(file), "ledger_at": manifest.about.ledger_at},
            ) as run:  # fmt: skip
                judgement = Judgement(Verdict.GREEN, world_of(ledger))
                run.conclude(judgement, f"# {judgement}: restore\n\n{told}\n")
        finally:
            ledger.close()
    for line in said:
        click.echo(line)
    click.echo(
        "Put back, and frozen: nothing is changed at any vendor.\n"
        "Next: start it (make up, or docker compose up -d), then opsflows restore --agree."
    )


def _place() -> Place:
    return Place(project.home(), ledger_url(os.environ), fingerprint_key_file(), config_path(), _claim, _put_blocks)


def _claim(ledger_id: str) -> None:
    from blocks.ledger_identity import claim  # noqa: PLC0415 (Prefect costs a second, a wrong file none)

    claim(ledger_id)


def _put_blocks(documents: "list[Document]") -> int:
    from blocks.backup_documents import BlockCopy, put_blocks_back  # noqa: PLC0415 (as above)

    return put_blocks_back(BlockCopy(**one) for one in documents)  # type: ignore[arg-type]  # as read_blocks gave them


def _told(manifest: Manifest) -> str:
    about = manifest.about
    moment = datetime.fromisoformat(about.ledger_at)
    lines = [
        f"A backup by opsflows {about.opsflows}: ledger {about.ledger_id} (schema {about.schema}) as of {moment:%Y-%m-%d %H:%M:%S} UTC, entry {about.seq}; {len(manifest.members)} members.",
        *(f"Rotation {one} went on while it was written; it looks before it acts." for one in manifest.moved),
    ]
    return "\n".join(lines)


def _agree(accept: Iterable[str], reason: str, by: str) -> None:
    config = configuration.read()
    with server_at_hand():
        quiet_prefect()
        stand_ins = project.running_stand_ins()
        if stand_ins and not running_stand_ins():
            os.environ[STAND_INS_URL] = stand_ins
        from tasks.preparing import own_ledger  # noqa: PLC0415 (Prefect costs a second, a wrong option none)
        from tasks.preparing_rotation import rotation_desk  # noqa: PLC0415 (as above)

        with own_ledger() as ledger:
            there = frozen(ledger)
            if there is None or not there.is_after_restore:
                raise BadInput(
                    "Nothing here waits for an agreement after a restore.",
                    "It is not frozen, or somebody froze it for another reason. Nothing was done.",
                    "opsflows freeze shows whether it is frozen, and why.",
                )
            with audited_run(
                ledger, flow="restore-agree", environment="-", mode="apply", actor=by, reason=reason or "after a restore",
                ticket="none", parameters={"accept": list(accept)},
            ) as run, rotation_desk(run, config) as desk:  # fmt: skip
                judgement, words = agree_on(run, _looked_at(desk), Answer(set(accept), reason, by, there.frozen_at))
                run.conclude(judgement, f"# {judgement}: agreement after a restore\n\n{words}\n")
    click.echo(words)
    sys.exit(EXIT_CODE[judgement.verdict])


def agree_on(run: AuditedRun, sides: list[Sides], answer: Answer) -> tuple[Judgement, str]:
    """Accept what somebody answers for, end the freeze where nothing else is left, and return how that went, and in which words.

    What was accepted was not seen to agree: it ends the freeze, and is not GREEN.

    Raises:
        BadInput: there is no such difference; or nobody or no reason is named.
    """
    still, accepted = _without_accepted(run, sides, answer)
    if not still:
        lift_after_restore(run.ledger, answer.by)
    judgement = Judgement(Verdict.HOLD if still or accepted else Verdict.GREEN, _world(sides))
    return judgement, _compared(len(sides), still, accepted)


def _looked_at(desk: "RotationDesk") -> list[Sides]:
    """Look at every credential that the ledger knows; one that cannot be looked at hides no other."""
    found: list[Sides] = []
    for held in held_credentials(desk.run.ledger):
        try:
            with desk.hands(held.credential) as hands:
                found.append(look_at(hands, held))
        except OpsError as error:
            found.append(not_looked_at(held, error))
    return found


def _without_accepted(run: AuditedRun, sides: list[Sides], answer: Answer) -> tuple[list[Attention], list[Attention]]:
    still, _ = still_open(run.ledger, sides)
    environments = {one.key: one.environment for one in still}
    unknown = sorted(answer.keys - set(environments))
    if unknown:
        raise BadInput(
            f"There is no difference {', '.join(unknown)}.",
            "It may be settled by now. Nothing was accepted.",
            "opsflows restore --agree lists them, each with its key.",
        )
    until = run.ledger.now().date() + timedelta(days=_ACCEPTED_DAYS)
    for key in sorted(answer.keys):
        subject = f"{WAIVED_KIND} {accepted_as(key, answer.frozen_at)}"
        waive(run.ledger, environments[key], subject, answer.by, answer.reason, until, run_id=run.run_id)
    return still_open(run.ledger, sides)


def _world(sides: Iterable[Sides]) -> World:
    real = any(one.credential.environment != REHEARSAL for one in sides)
    return World.REAL if real else World.REHEARSAL


def _compared(looked_at: int, still: list[Attention], accepted: list[Attention]) -> str:
    blocks = [f"{one.environment}: {one.what}\n  {one.means}\n  {one.command}\n  key: {one.key}" for one in still]
    agreed = [f"Accepted: {one.what} {one.means}\n  key: {one.key}" for one in accepted]
    if still:
        end = f"{len(still)} differences among {looked_at} credentials: it stays frozen. See to each, then run opsflows restore --agree again; or accept one with --accept KEY --reason WHY."
    elif not looked_at:
        end = "The ledger knows no credential, so there was nothing to compare. The freeze is over."
    elif accepted:
        end = f"HOLD: {len(accepted)} differences among {looked_at} credentials are accepted, and were not seen to agree; all else agrees. The freeze is over; what waited goes on within a quarter of an hour."
    else:
        end = f"{looked_at} credentials: ledger, blocks, vendors and sinks agree. The freeze is over; what waited goes on within a quarter of an hour."
    return "\n".join([*blocks, *agreed, end])
