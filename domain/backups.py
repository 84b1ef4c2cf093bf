"""What a backup says of itself, how its parts are named, and what may be put where."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from domain.errors import BadInput

FORMAT = 1
ABOUT, BLOCKS, CONFIG, MANIFEST = "about.json", "blocks.json", "opsflows.toml", "manifest.json"
KEYS, LEDGER, STATE, AUDIT = "keys/", "ledger/", "state/", "audit/"
# Any of these in front of a name says what the member is.
_FOLDERS = (KEYS, LEDGER, STATE, AUDIT)
_WHOLE = frozenset({ABOUT, BLOCKS, CONFIG, MANIFEST})
_RECIPIENT = re.compile(r"age1[0-9a-z]{58}")
_SECRET = re.compile(r"AGE-SECRET-KEY-", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class About:
    """What a backup is of. Moments are ISO 8601, UTC.

    `ledger_at` is the moment of the ledger's snapshot, to which a restore goes back; `seq` and `hash` are its chain's head.
    """

    format: int
    ledger_id: str
    schema: str
    opsflows: str
    database: str
    home: str
    begun_at: str
    ledger_at: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """One member as the manifest vouches for it."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The last member: what the backup is of, when its parts were read, and a digest of every other member.

    `moved` are the rotations that went on between the ledger's snapshot and the reading of the blocks, by id.
    """

    about: About
    blocks_at: str
    finished_at: str
    moved: tuple[str, ...]
    members: Mapping[str, Sealed]

    def bytes(self) -> bytes:
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()


def read_manifest(told: bytes) -> Manifest:
    """Return the manifest.

    Raises:
        BadInput: it was not written by this opsflows or an earlier one.
    """
    try:
        said = json.loads(told)
        if said["about"]["format"] > FORMAT:
            raise _newer(f"format {said['about']['format']}", f"format {FORMAT}")
        members = {name: Sealed(**one) for name, one in said["members"].items()}
        about = About(**said["about"])
        return Manifest(about, said["blocks_at"], said["finished_at"], tuple(said["moved"]), members)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadInput(
            "The backup's manifest cannot be read.",
            "It was not made by opsflows backup, or by a version that wrote it in another way. Nothing was put back.",
            "Use the opsflows that made it.",
        ) from None


def check_schema(about: About, known: str) -> None:
    """See that this code knows the backup's schema. Raises BadInput for a newer one."""
    if about.schema > known:
        raise _newer(f"a ledger of schema {about.schema}", f"schema {known}")


def _newer(holds: str, known: str) -> BadInput:
    return BadInput(
        f"The backup holds {holds}, and this code knows {known}.",
        "A newer opsflows made it; an older one could misread it. Nothing was put back.",
        "Restore it with that version or a later one.",
    )


def recipients_in(text: str) -> list[str]:
    """Return the age recipients in a text of lines; empty lines and comments are left out.

    Raises:
        BadInput: a line is a secret key, or no recipient of age. The line itself is never shown.
    """
    lines = [line.strip() for line in text.splitlines()]
    return [_recipient(line) for line in lines if line and not line.startswith("#")]


def _recipient(text: str) -> str:
    if _SECRET.match(text):
        raise BadInput(
            "An identity (AGE-SECRET-KEY-...) was given as the recipient.",
            "It is the secret that opens backups; it does not belong on this machine or in a command line. Nothing was written.",
            "Give the recipient that age-keygen printed beside it (age1...), and treat that identity as seen: make a new one.",
        )
    if not _RECIPIENT.fullmatch(text):
        raise BadInput(
            "What was given as the recipient is no recipient of age.",
            "A backup is encrypted to a public key that begins with age1 and has 62 characters. Nothing was written.",
            "Make a pair where backups will be opened (age-keygen -o identity.txt), and give the public key that it prints.",
        )
    return text


def checked_name(name: str) -> str:
    """Return the member's name.

    Raises:
        BadInput: it could lead out of its folder, or belongs to no part of a backup.
    """
    plain = name.isprintable() and not {"", ".", ".."} & set(name.split("/"))
    if not plain or not (name in _WHOLE or name.startswith(_FOLDERS)):
        raise BadInput(
            f"The backup has a member {name!r}, which no backup of ours has.",
            "It was not made by opsflows backup, or by a newer one. Nothing was put back.",
            "Compare the file's sha256 with the one that the backup printed, and use the opsflows that made it.",
        )
    return name
