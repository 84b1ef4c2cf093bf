"""What a provider tells of a key: its versions, what encrypted, what was opened; the same words for both clouds."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class VersionState(StrEnum):
    """What can be done with a key version, in the words that both clouds share."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    DESTROY_SCHEDULED = "destroy scheduled"
    DESTROYED = "destroyed"
    PENDING = "pending"  # being made, imported or replicated
    OTHER = "other"  # a state that this code does not know: not usable until somebody looked


@dataclass(frozen=True, slots=True)
class Sealed:
    """What an encryption came to: the ciphertext, and which key and version the provider says really encrypted.

    `key` is the full name or ARN in the answer, never the name that was asked for. `version` is the version's id (Google: its
    number as text; AWS: the id of the key material), empty where the answer does not tell.
    """

    ciphertext: bytes = field(repr=False)
    key: str
    version: str


@dataclass(frozen=True, slots=True)
class Unsealed:
    """What a decryption came to. `key` and `version` as in Sealed; Google tells neither, but whether the primary version did it."""

    plaintext: bytes = field(repr=False)
    key: str = ""
    version: str = ""
    by_primary: bool | None = None


@dataclass(frozen=True, slots=True)
class KeyVersionFacts:
    """One version of a key. `destroy_at` is the moment from which on it is lost, None where none is set.

    `expires_at` is when imported key material runs out, None where it does not.
    """

    id: str
    state: VersionState
    created_at: datetime | None
    destroy_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """A key and all its versions, oldest first. `primary` is the id of the version that encrypts, empty where none does.

    `key` is the key's full name or ARN as the provider writes it. `rotates_at` is when the provider itself makes the next version,
    None where it does not rotate.
    """

    key: str
    primary: str
    versions: tuple[KeyVersionFacts, ...]
    rotates_at: datetime | None = None
