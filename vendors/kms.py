"""What a cloud's key management service is to a smoke check: one key that encrypts, decrypts, and tells of its versions.

One method makes one request (an inventory may take several pages) and repeats nothing. A provider's own errors become the four of
domain/errors.py, whose `symptom` says which row of domain/kms_faults.py they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from vendors.http import Conduct


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


class KmsKey(Protocol):
    """One key of one provider, spoken to with the check's own identity.

    Raises:
        BadInput: the worker has no identity there, or the host is not allowed; nothing was sent.
        Rejected, Unavailable, NotYet: as the provider's rows say; `symptom` names the row.
    """

    def encrypt(self, plaintext: bytes, context: Mapping[str, str], version: str = "") -> Sealed:
        """Encrypt with the key's primary version; `context` is bound to the ciphertext (AAD, encryption context).

        With that `version` and no other where one is named, which only a provider with `names_versions` can do.
        """
        ...

    def decrypt(self, ciphertext: bytes, context: Mapping[str, str]) -> Unsealed:
        """Decrypt with this key and no other. What the key refuses to open is a Rejected with the symptom `kms.not_opened`."""
        ...

    def inventory(self) -> Inventory: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class KmsProvider:
    """How one provider's keys are reached; a row of KEY_PROVIDERS.

    `connect(key, values, address, conduct)`: `key` is the name that opsflows.toml gives (for AWS an ARN, id or alias), `values` the
    credentials of a target of `integration` by variable field (empty: the worker's own identity), `address` None for the provider
    itself. `faults` maps the symptoms that this provider's rows and the network's may raise to ids of domain/kms_faults.py.
    `default_key(values)` is the key that those credentials speak of, empty where they name none. `names_versions` says that an
    older version than the primary one can be named to encrypt with.
    """

    name: str
    title: str
    integration: str
    connect: Callable[[str, Mapping[str, str], str | None, Conduct], KmsKey]
    default_key: Callable[[Mapping[str, str]], str]
    faults: Mapping[str, str]
    names_versions: bool = False
