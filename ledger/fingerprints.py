"""A value is known by a keyed fingerprint: the same value gives the same one, and none can be turned back or guessed."""

import hashlib
import hmac
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from domain.errors import BadInput

KEY_FILE = "OPSFLOWS_FINGERPRINT_KEY_FILE"
_LEAST_KEY_CHARACTERS = 32
_KEY_ID_CHARACTERS = 6
_SHOWN_CHARACTERS = 20


@dataclass(frozen=True, slots=True)
class FingerprintKey:
    """The key, and its id: fingerprints of two keys cannot be compared, and say so."""

    id: str
    _key: bytes = field(repr=False)

    def fingerprint(self, value: str) -> str:
        """Return e.g. `k3f9a01:4be1...`: the key's id and the start of the value's HMAC-SHA256."""
        digest = hmac.new(self._key, value.encode(), hashlib.sha256).hexdigest()
        return f"{self.id}:{digest[:_SHOWN_CHARACTERS]}"


def read_key(path: Path) -> FingerprintKey:
    """Read the key that `make demo` or `make up` created.

    Raises:
        BadInput: the file is missing, can be read by others, or holds too short a key.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        key = path.read_bytes().strip()
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise _unusable(path, f"can be read by others (mode {mode:04o})")
    if len(key) < _LEAST_KEY_CHARACTERS:
        raise _unusable(path, f"holds less than {_LEAST_KEY_CHARACTERS} characters")
    key_id = hmac.new(key, b"opsflows fingerprint key id", hashlib.sha256).hexdigest()[:_KEY_ID_CHARACTERS]
    return FingerprintKey(f"k{key_id}", key)


def fingerprinter(path: Path) -> Callable[[str], str]:
    """Return what turns a value into its fingerprint, with the key at `path`. Raises BadInput as read_key."""
    return read_key(path).fingerprint


def _unusable(path: Path, why: str) -> BadInput:
    return BadInput(
        f"{KEY_FILE}: {path} {why}.",
        "Without its key no fingerprint of a credential can be made. Nothing was sent.",
        "Restore the file with mode 0600; a new key makes every value look new once.",
    )
