"""A backup is put back into an empty place only: what is there already must be the very same, so that a killed restore is repeated.

The ledger comes last, in one commit that also freezes it: until then nothing can work here, and from then on nothing changes
anything at a vendor.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from domain import backups
from domain.backups import About, Manifest, check_schema
from domain.errors import BadInput
from ledger.backup_reading import members_of, sha256_of, verify_backup
from ledger.backup_rows import holds_nothing, put_rows_back, stands_at
from ledger.bundles import AUDIT
from ledger.opening import open_existing
from ledger.schema import SCHEMA_VERSION
from ledger.unfinished_restore import UNFINISHED, unfinished_restore
from steps.backup import Document

_AT_ONCE = 1 << 20
FINGERPRINT_KEY = "fingerprint.key"
ENV = "env"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a backup goes. `claim` registers the ledger's id with the Prefect server; `put_blocks` writes the blocks there."""

    home: Path
    ledger_url: str
    key_file: Path
    config: Path
    claim: Callable[[str], None]
    put_blocks: Callable[[list[Document]], int]


def checked_backup(file: Path, identities: Path) -> Manifest:
    """Return the manifest of a backup that is whole and that this code can put back.

    Raises:
        BadInput: it is not whole, not ours to open, or from a newer opsflows.
    """
    manifest = verify_backup(file, identities)
    check_schema(manifest.about, SCHEMA_VERSION)
    return manifest


def check_empty(place: Place, manifest: Manifest, file: Path) -> None:
    """See that nothing of the place would be overwritten: it is empty, or holds a part of this very backup.

    Raises:
        BadInput: it is not, or another backup was begun here and never finished.
    """
    begun = unfinished_restore(place.home)
    if begun and begun != sha256_of(file):
        raise BadInput(
            f"Another backup was begun to be put back into {place.home}, and never finished.",
            "Two would be mixed. Nothing was put back.",
            "Finish that one, or restore into a new OPSFLOWS_HOME.",
        )
    _check_ledger(place, manifest.about)
    _check_files(place, manifest)


def begin_restore(place: Place, manifest: Manifest, file: Path, identities: Path) -> list[str]:
    """Mark the home as one that is being restored and put keys and settings there, which a server needs before it starts.

    To be called after check_empty. Returns what an operator must know, a sentence each.
    """
    place.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(place.home / UNFINISHED, json.dumps({"sha256": sha256_of(file)}).encode())
    said: list[str] = []
    for name, stream in members_of(file, identities):
        if name.startswith(backups.LEDGER):
            break  # keys and settings come before
        if name.startswith(backups.KEYS):
            said.extend(_put_key(place, manifest.about, name.removeprefix(backups.KEYS), stream.read()))
        elif name == backups.CONFIG:
            said.extend(_put_config(place, stream.read()))
    return said


def put_back(place: Place, manifest: Manifest, file: Path, identities: Path) -> None:
    """Put blocks, bundles and at last the ledger back, and leave it frozen. To be called after begin_restore.

    Killed anywhere, it is repeated with the same file.

    Raises:
        BadInput: the Prefect server works with another ledger or holds other blocks.
        Unavailable, OutcomeUnknown: server or database do not answer.
    """
    place.claim(manifest.about.ledger_id)
    for name, stream in members_of(file, identities):
        if name == backups.BLOCKS:
            place.put_blocks(json.loads(stream.read()))
        elif name.startswith(backups.AUDIT):
            _write_all(place.home / name, iter(partial(stream.read, _AT_ONCE), b""))
        elif name.startswith(backups.STATE) and not (place.home / name.removeprefix(backups.STATE)).exists():
            _write(place.home / name.removeprefix(backups.STATE), stream.read())
    if not _is_back(place, manifest.about):
        put_rows_back(place.ledger_url, manifest.about.schema, _rows(file, identities), _reason(manifest.about))
    (place.home / UNFINISHED).unlink()


def merged_env(there: str, kept: str, old_home: str, new_home: str) -> str:
    """Return the settings of this home, with those of the backup that it has not; paths below the old home lead to this one."""
    known = {line.partition("=")[0] for line in there.splitlines()}
    below = re.compile(rf"{re.escape(old_home)}(?=/|$)")
    added = [
        below.sub(lambda _: new_home, line)
        for line in kept.splitlines()
        if "=" in line and line.partition("=")[0] not in known
    ]
    return "".join(f"{line}\n" for line in [*there.splitlines(), *added])


def _check_ledger(place: Place, about: About) -> None:
    try:
        ledger = open_existing(place.ledger_url)
    except BadInput:
        return  # none there, or one that put_rows_back looks at itself
    try:
        if holds_nothing(ledger) or stands_at(ledger, about.ledger_id, about.seq, about.hash):
            return
        same = ledger.id == about.ledger_id
    finally:
        ledger.close()
    raise BadInput(
        f"There is a ledger already{', the one that the backup is of' if same else f' ({ledger.id})'}, and it has gone on.",
        "What it holds would be lost, or mixed with the backup. Nothing was put back.",
        "See what it waits for with opsflows freeze and opsflows restore --agree; or restore into a new OPSFLOWS_HOME and a new database.",
    )


def _check_files(place: Place, manifest: Manifest) -> None:
    """See that every bundle file that is there is one of the backup's, letter by letter; the same of a key kept elsewhere."""
    root = place.home / AUDIT
    for folder, _, names in os.walk(root):
        for name in names:
            file = Path(folder, name)
            if name.startswith("."):
                continue  # a draft: no bundle has such a file, and a killed restore may have left one
            sealed = manifest.members.get(f"{backups.AUDIT}{file.relative_to(root).as_posix()}")
            if sealed is None or sealed.sha256 != sha256_of(file):
                raise BadInput(
                    f"{file} is there, and is not the backup's.",
                    "Bundles of two ledgers in one folder could not be told apart. Nothing was put back.",
                    "Restore into a new OPSFLOWS_HOME, or move the audit folder aside first.",
                )
    sealed = manifest.members.get(f"{backups.KEYS}{FINGERPRINT_KEY}")
    is_elsewhere = place.key_file.parent != place.home and place.key_file.exists()
    if is_elsewhere and sealed is not None and sealed.sha256 != sha256_of(place.key_file):
        raise BadInput(
            f"The fingerprint key {place.key_file} is another one than the backup's.",
            "With it no fingerprint in the ledger could be compared. Nothing was put back.",
            f"Put the backup's there first: age -d -i IDENTITY FILE | tar -xO {backups.KEYS}{FINGERPRINT_KEY} > {place.key_file}",
        )


def _put_config(place: Place, content: bytes) -> Iterator[str]:
    if place.config.exists() and place.config.read_bytes() == content:
        return
    kept = place.home / "restored" / backups.CONFIG
    _write(kept, content)
    yield f"opsflows.toml was another one then: it is at {kept}; compare it with {place.config}."


def _put_key(place: Place, about: About, name: str, content: bytes) -> Iterator[str]:
    if name == FINGERPRINT_KEY:
        if not place.key_file.exists() or place.key_file.parent == place.home:
            _write(place.key_file, content)
    elif name == ENV:
        there = (place.home / ENV).read_text() if (place.home / ENV).exists() else ""
        _write(place.home / ENV, merged_env(there, content.decode(), about.home, str(place.home)).encode())
    else:
        kept = place.home / "restored" / name
        _write(kept, content)
        yield f"Secret {name} is at {kept}: put it where docker-compose.yml mounts it from, then delete that file."


def _rows(file: Path, identities: Path) -> Iterator[bytes]:
    for name, stream in members_of(file, identities):
        if name.startswith(backups.LEDGER):
            yield stream.read()


def _is_back(place: Place, about: About) -> bool:
    try:
        ledger = open_existing(place.ledger_url)
    except BadInput:
        return False
    try:
        return stands_at(ledger, about.ledger_id, about.seq, about.hash)
    finally:
        ledger.close()


def _reason(about: About) -> str:
    moment = datetime.fromisoformat(about.ledger_at)
    return f"restored from a backup of {moment:%Y-%m-%d %H:%M} UTC; opsflows restore --agree ends it"


def _write(file: Path, content: bytes) -> None:
    _write_all(file, iter([content]))


def _write_all(file: Path, pieces: Iterator[bytes]) -> None:
    """Put a file there whole, for its owner alone, and so every folder that is missing on the way."""
    for folder in reversed([one for one in file.parents if not one.exists()]):
        folder.mkdir(mode=0o700)
    draft = file.with_name(f".{file.name}.restoring")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.writelines(pieces)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
