"""What a cloud's key management service is to a smoke check: one key that encrypts, decrypts, and tells of its versions.

One method makes one request (an inventory may take several pages) and repeats nothing. A provider's own errors become the four of
domain/errors.py, whose `symptom` says which row of domain/kms_faults.py they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from domain.kms_keys import Inventory, Sealed, Unsealed
from vendors.http import Conduct


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
