"""What goes into a backup, and in which order: first the ledger, then what it speaks of, so that nothing it names is missing.

A value's document is written before the ledger names it, and a bundle is whole before its run is sealed; so the ledger's
moment comes first. What happens between that moment and the reading of the blocks is found again by rotations, which look
before they act: a document that the ledger does not know yet, or one of a retired value that is gone already.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO

from domain import backups
from domain.backups import About, Manifest, Sealed
from domain.drill import DRILL_STATE
from domain.errors import Unavailable
from ledger.backup_file import Member, Written, write_backup
from ledger.backup_rows import Snapshot, moved_since
from ledger.bundles import AUDIT
from ledger.opening import Ledger
from steps.version import code_version

# Small enough to be read whole; a larger file is read piece by piece.
_WHOLE_BYTES = 8 << 20
_AT_ONCE = 1 << 20
# What the stand-ins remember: to rotations of the rehearsal and the drill they are the vendor.
STATE_FILES = ("stand-ins.json", DRILL_STATE)

Document = Mapping[str, object]


@dataclass(slots=True)
class Source:
    """Where the parts of a backup come from. `keys` are files by the name that they have in it."""

    ledger: Ledger
    snapshot: Snapshot
    home: Path
    keys: Mapping[str, Path]
    config: Path
    read_blocks: Callable[[], list[Document]]
    begun_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    blocks: int = 0
    moved: tuple[str, ...] = ()
    _blocks_at: str = ""

    def write_to(self, file: Path, recipients: Iterable[str]) -> Written:
        """Write the backup, whole or not at all. Raises as ledger.backup_file.write_backup, and what its parts raise."""
        return write_backup(file, recipients, self._members(), self._manifest)

    def about(self) -> About:
        taken = self.snapshot
        return About(
            format=backups.FORMAT,
            ledger_id=self.ledger.id,
            schema=taken.schema,
            opsflows=code_version(),
            database=self.ledger.engine.dialect.name,
            home=str(self.home),
            begun_at=self.begun_at.isoformat(),
            ledger_at=taken.at.isoformat(),
            seq=taken.head.seq,
            hash=taken.head.hash,
        )

    def _members(self) -> Iterator[Member]:
        yield Member.of(backups.ABOUT, json.dumps(asdict(self.about()), indent=1).encode())
        for name, file in self.keys.items():
            yield Member.of(f"{backups.KEYS}{name}", _content(file))
        yield Member.of(backups.CONFIG, _content(self.config))
        for name, content in self.snapshot.parts():
            yield Member.of(f"{backups.LEDGER}{name}", content)
        yield self._block_member()
        yield from (member for name in STATE_FILES if (member := _file(f"{backups.STATE}{name}", self.home / name)))
        yield from _bundles(self.home)

    def _block_member(self) -> Member:
        copies = self.read_blocks()
        self.blocks, self._blocks_at = len(copies), datetime.now(UTC).isoformat()
        self.moved = tuple(moved_since(self.ledger, self.snapshot.heads))
        return Member.of(backups.BLOCKS, json.dumps(copies).encode())

    def _manifest(self, sealed: Mapping[str, Sealed]) -> bytes:
        finished = datetime.now(UTC).isoformat()
        return Manifest(self.about(), self._blocks_at, finished, self.moved, sealed).bytes()


def _bundles(home: Path) -> Iterator[Member]:
    """Yield every file below `audit`; a draft that its run is about to rename is left out, and so is what vanishes meanwhile."""
    root = home / AUDIT
    for folder, _, names in os.walk(root, onerror=_folder_unread):
        for name in sorted(names):
            file = Path(folder, name)
            if name.startswith(".") or file.is_symlink():
                continue
            member = _file(f"{backups.AUDIT}{file.relative_to(root).as_posix()}", file)
            if member:
                yield member


def _folder_unread(error: OSError) -> None:
    """Refuse a folder that cannot be listed; one that is gone has nothing in it."""
    if not isinstance(error, FileNotFoundError):
        raise _unread(Path(error.filename), error)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unread(file, error) from None


def _unread(file: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"{file} cannot be read ({error.strerror}).",
        "It belongs into the backup, which would lack it. Nothing was left behind, so there is no backup of this moment.",
        "See that it is there and that the user who runs the backup may read it, then run it again.",
        "backup.unread",
    )


def _file(name: str, file: Path) -> Member | None:
    try:
        stream = file.open("rb")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unread(file, error) from None
    size = os.fstat(stream.fileno()).st_size
    if size > _WHOLE_BYTES:
        return Member(name, size, _pieces(stream, size, file))
    with stream:
        return Member.of(name, stream.read())


def _pieces(stream: IO[bytes], size: int, file: Path) -> Iterator[bytes]:
    """Yield the file as long as it was when it was opened: evidence may still be written behind that."""
    with stream:
        left = size
        for piece in iter(partial(stream.read, _AT_ONCE), b""):
            yield piece[:left]
            left -= len(piece[:left])
            if not left:
                return
    raise Unavailable(
        f"{file} became shorter while it was read.",
        "A backup of it would not be what it was. Nothing was left behind.",
        "Run the backup again.",
        "backup.changed",
    )
