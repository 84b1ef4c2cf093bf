"""What a golden ciphertext is: a stored ciphertext that must still open, of a key version or of a wrapped key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

MINTED, WRAPPED = "minted", "wrapped"

# As many digits of a wrapped key's SHA-256 as people are shown.
SHOWN_SIGNS = 12


@dataclass(frozen=True, slots=True)
class NewGolden:
    """What is to be kept. `key` is the key's full name or ARN.

    `slot` is empty where it was minted; of a wrapped key it is the SHA-256 of its file's content, in hex.
    """

    key: str
    version: str
    source: str
    ciphertext: bytes = field(repr=False)
    plaintext_sha256: str
    context: Mapping[str, str]
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """One wrapped key of one target's key."""

    environment: str
    target: str
    key_name: str
    slot: str


@dataclass(frozen=True, slots=True)
class Golden:
    """One golden in force. `tried_at` and `opened_at` are None where that never was; `fault` is what the last trial came to."""

    id: int
    environment: str
    target: str
    key_name: str
    key: str
    version: str
    source: str
    slot: str
    ciphertext: bytes = field(repr=False)
    plaintext_sha256: str
    context: Mapping[str, str]
    kept_at: datetime
    tried_at: datetime | None
    opened_at: datetime | None
    fault: str
