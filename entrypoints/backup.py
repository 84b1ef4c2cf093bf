"""`opsflows backup`: ledger, keys, blocks and audit in one file that only the recipient's identity opens; an audited run."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import click

from domain.backups import recipients_in
from domain.errors import BadInput
from domain.names import REHEARSAL
from domain.verdicts import Judgement, Verdict, World
from entrypoints import project
from entrypoints.container import SECRETS
from entrypoints.day_one import quiet_prefect
from entrypoints.person import logged_in_user
from entrypoints.prefect_api import is_there, require_server
from entrypoints.setup import COMPOSE
from ledger.backup_file import Written, age_keys, check_place
from ledger.backup_rows import take_snapshot
from ledger.config_file import config_path
from ledger.fingerprints import KEY_FILE
from ledger.opening import Ledger, open_existing
from ledger.places import ledger_url
from ledger.runs import holds_more_than
from steps.audited_run import audited_run
from steps.backup import Source
from steps.backup_restoring import ENV, FINGERPRINT_KEY


@click.command()
@click.option("--to", "to", type=click.Path(path_type=Path), help="The new file (needed); nothing is overwritten.")
@click.option(
    "--recipient", "recipients", multiple=True, metavar="age1...", help="Whose identity may open it (needed)."
)
@click.option("--recipient-file", type=click.Path(path_type=Path), help="Recipients, one a line.")
@click.option("--ticket", default="none", show_default=True, help="The ticket this belongs to.")
@click.option("--by", default=logged_in_user, show_default="the logged-in user", help="Who does this (claimed).")
def backup(to: Path | None, recipients: tuple[str, ...], recipient_file: Path | None, ticket: str, by: str) -> None:
    """Write a backup while everything goes on. Keep the identity that opens it away from this machine."""
    keys = _recipients(recipients, recipient_file)
    if to is None or not keys:
        raise _incomplete(to, keys)
    age_keys(keys)
    file = to.absolute()
    check_place(file)
    with closing(open_existing(ledger_url(os.environ))) as ledger, server_at_hand():
        quiet_prefect()
        from blocks.backup_documents import read_blocks  # noqa: PLC0415 (Prefect costs a second, a wrong option none)
        from blocks.ledger_identity import claim  # noqa: PLC0415 (as above)

        claim(ledger.id)
        snapshot = take_snapshot(ledger)
        source = Source(
            ledger, snapshot, project.home(), _keys(), config_path(),
            lambda: [{"name": one.name, "slug": one.slug, "data": one.data} for one in read_blocks()],
        )  # fmt: skip
        try:
            with audited_run(
                ledger, flow="backup", environment="-", mode="apply", actor=by, reason="backup", ticket=ticket,
                parameters={"to": str(file), "recipients": keys},
            ) as run:  # fmt: skip
                words = _words(source, source.write_to(file, keys))
                judgement = Judgement(Verdict.GREEN, world_of(ledger))
                run.conclude(judgement, f"# {judgement}: backup\n\n{words}\n")
        finally:
            snapshot.close()
    click.echo(words)


@contextmanager
def server_at_hand() -> Iterator[None]:
    """Give the Prefect server that PREFECT_API_URL names or that runs in this home; else one of its own for the block."""
    if is_there():
        require_server()
        yield
        return
    from entrypoints.servers import own_server  # noqa: PLC0415 (most often a server runs)

    project.set_up()
    with own_server():
        yield


def world_of(ledger: Ledger) -> World:
    """Return the rehearsal for a ledger in which no run was of another environment."""
    return World.REAL if holds_more_than(ledger, REHEARSAL) else World.REHEARSAL


def fingerprint_key_file() -> Path:
    return Path(os.environ.get(KEY_FILE) or project.home() / project.FINGERPRINT_KEY_FILE)


def _recipients(given: tuple[str, ...], file: Path | None) -> list[str]:
    try:
        lines = [*given, file.read_text() if file else ""]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{file} cannot be read ({getattr(error, 'strerror', None) or 'not text'}).",
            "Nothing was written.",
            "Name a file of lines that begin with age1.",
        ) from error
    return recipients_in("\n".join(lines))


def _incomplete(to: Path | None, keys: list[str]) -> BadInput:
    """Return what is said where the file or the recipient is missing: both in one answer where both are."""
    where = "" if to else "No file was named for the backup. "
    whom = "" if keys else "Nobody was named who may open the backup. "
    name_it = "" if to else "Name a new file in a folder of your own with --to (mkdir -m 700 ~/backups). "
    name_them = (
        "" if keys else "Name a recipient with --recipient age1...; age-keygen makes one, best on another machine. "
    )
    return BadInput(
        f"{where}{whom}".strip(),
        "It holds every credential, so it is never written in the clear. Nothing was written.",
        f"{name_it}{name_them}".strip(),
    )


def _keys() -> Mapping[str, Path]:
    """Return the files of keys and settings that are there, by the names that they have in a backup."""
    own = {ENV: project.home() / project.ENV_FILE, FINGERPRINT_KEY: fingerprint_key_file()}
    mounted = {
        f"compose/{file.name}": file
        for folder in (COMPOSE, SECRETS)
        if folder.is_dir()
        for file in sorted(folder.iterdir())
        if file.is_file()
    }
    return {name: file for name, file in {**own, **mounted}.items() if file.is_file()}


def _words(source: Source, written: Written) -> str:
    about = source.about()
    bundles = sum(name.startswith("audit/") for name in written.members)
    lines = [
        f"Backup {written.file}, {written.size / 1e6:.1f} MB, sha256 {written.sha256}.",
        f"The ledger as of {source.snapshot.at:%Y-%m-%d %H:%M:%S} UTC (entry {about.seq}), {source.blocks} blocks, {bundles} files of audit bundles.",
        *(
            f"Rotation {one} went on while this was written; after a restore it looks before it acts."
            for one in source.moved
        ),
        "Check it where the identity is kept: opsflows restore --check FILE --identity IDENTITY.",
    ]
    return "\n".join(lines)
