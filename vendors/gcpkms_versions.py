"""The versions of one symmetric key in Google Cloud KMS: what they are, and what is encrypted with them.

Every answer is checked as Google asks for: checksums both ways, and the name of the version that was really used, since a
key's primary version may be another one for a while after it was moved.
Source: https://cloud.google.com/kms/docs/data-integrity-guidelines, https://cloud.google.com/kms/docs/consistency
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.diagnosis import error_of
from domain.errors import OutcomeUnknown, Unavailable
from domain.exchanges import Effect
from vendors.gcpkms_payloads import decrypted, encrypted, to_decrypt, to_encrypt
from vendors.gcpkms_signatures import SIGNATURES, SYMPTOMS
from vendors.google import GoogleLine, Service, moment
from vendors.http import Conduct

# A key's resource name.
KEY_NAME = (
    r"projects/[a-z0-9.:-]{1,64}/locations/[a-z0-9-]{1,40}/keyRings/[A-Za-z0-9_-]{1,63}/cryptoKeys/[A-Za-z0-9_-]{1,63}"
)
PAGE_VERSIONS = 100
ENABLED, DISABLED = "ENABLED", "DISABLED"
_ENDING = frozenset({"DESTROYED", "DESTROY_SCHEDULED"})
_NAMED = re.compile(r"/cryptoKeyVersions/([0-9]+) is not enabled")


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One version as Google describes it. `ends` says that it is destroyed, or waits for its hour to be.

    `destroy_at` is that hour, which may be over; None where none is set.
    """

    number: int
    state: str
    created_at: datetime | None
    destroy_at: datetime | None = None

    @property
    def ends(self) -> bool:
        return self.state in _ENDING


@dataclass(frozen=True, slots=True)
class CryptoKey:
    """The key's labels, and the number of its primary version, None where it has none.

    `name` is as Google writes it: a request may name the project by its number. `rotates_at` is when Google itself makes the
    next version, None where it does not.
    """

    labels: Mapping[str, str]
    primary: int | None
    name: str = ""
    rotates_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """What came of decrypting. `needs` is the version that Google says is missing, None where it names none.

    Where it was decrypted Google tells only whether the primary version did it (`by_primary`).
    """

    decrypted: bool
    by_primary: bool = False
    needs: int | None = None
    plaintext: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class KeyVersions:
    """One key; one request per method unless it says why not."""

    key: str
    line: GoogleLine

    def name(self, number: int) -> str:
        return f"{self.key}/cryptoKeyVersions/{number}"

    def number(self, name: str) -> int | None:
        """Return the number in the name of a version of this key, None where it is another key's."""
        key, _, number = name.partition("/cryptoKeyVersions/")
        return int(number) if key == self.key and number.isdecimal() else None

    def every(self) -> tuple[KeyVersion, ...]:
        """Return all versions, page after page: which one a marker is about shows only among all of them."""
        return tuple(self._walked())

    def described(self, number: int) -> KeyVersion:
        request = {"name": self.name(number)}
        return self.line.exchange("get_version", Effect.READS, "get_crypto_key_version", request, read=_version)

    def look(self) -> CryptoKey:
        return self.line.exchange("get_crypto_key", Effect.READS, "get_crypto_key", {"name": self.key}, read=_key)

    def create(self) -> int:
        """Make a version and return its number. It does not become the primary one by that."""
        request = {"parent": self.key, "crypto_key_version": {}}
        return self.line.exchange(
            "create_version", Effect.CHANGES, "create_crypto_key_version", request, read=lambda row: _number(row.name)
        )

    def set_state(self, verb: str, number: int, state: str) -> None:
        request = {
            "crypto_key_version": {"name": self.name(number), "state": state}, "update_mask": {"paths": ["state"]},
        }  # fmt: skip
        self.line.exchange(verb, Effect.CHANGES, "update_crypto_key_version", request, read=lambda _: None)

    def destroy(self, number: int) -> None:
        """Let the version be destroyed once the key's delay is over (30 days where nobody chose another)."""
        request = {"name": self.name(number)}
        self.line.exchange(
            "destroy_version", Effect.CHANGES, "destroy_crypto_key_version", request, read=self._destroyed
        )

    def set_primary(self, number: int) -> None:
        request = {"name": self.key, "crypto_key_version_id": str(number)}
        moved = self.line.exchange(
            "set_primary", Effect.CHANGES, "update_crypto_key_primary_version", request, read=_key
        )
        if moved.primary != number:
            raise error_of(SYMPTOMS["gcpkms.other_version"], OutcomeUnknown, key=self.key)

    def label(self, labels: Mapping[str, str]) -> None:
        """Write all labels of the key. KMS has no etag: what somebody else wrote since our look is lost."""
        request = {"crypto_key": {"name": self.key, "labels": dict(labels)}, "update_mask": {"paths": ["labels"]}}
        self.line.exchange("label_key", Effect.CHANGES, "update_crypto_key", request, read=lambda _: None)

    def encrypt(self, number: int, plaintext: bytes) -> bytes:
        """Return what this very version makes of the text.

        Raises:
            Rejected: with gcpkms.version_off where the version is disabled, destroyed or waits to be.
            Unavailable: the answer is of another version, or does not fit its checksums.
        """
        request = to_encrypt(self.name(number), plaintext)

        def read(answer: Any) -> bytes:
            ciphertext = encrypted(answer, self.key)
            if _number(answer.name) != number:
                raise error_of(SYMPTOMS["gcpkms.other_version"], Unavailable, key=self.key)
            return ciphertext

        return self.line.exchange("encrypt", Effect.READS, "encrypt", request, read=read)

    def decrypt(self, ciphertext: bytes) -> Opened:
        """Return the text, or which version is missing for it; a ciphertext that is none of this key's opens with nothing.

        Raises:
            Unavailable: the answer does not fit its checksum.
        """
        request = to_decrypt(self.key, ciphertext)

        def read(answer: Any) -> Opened:
            plaintext = decrypted(answer, self.key)
            return Opened(decrypted=True, by_primary=bool(answer.used_primary), plaintext=plaintext)

        unopened = {"FAILED_PRECONDITION": _missing, "INVALID_ARGUMENT": _missing}
        return self.line.exchange("decrypt", Effect.READS, "decrypt", request, read=read, otherwise=unopened)

    def close(self) -> None:
        self.line.close()

    def _walked(self) -> Iterator[KeyVersion]:
        cursor, first = "", True
        while first or cursor:
            first = False
            request = {"parent": self.key, "page_size": PAGE_VERSIONS, "page_token": cursor}
            rows, cursor = self.line.exchange(
                "list_versions", Effect.READS, "list_crypto_key_versions", request, read=_page
            )
            yield from rows

    def _destroyed(self, answer: Any) -> None:
        if not _version(answer).ends:
            raise error_of(SYMPTOMS["gcpkms.not_destroyed"], OutcomeUnknown, key=self.key)


def connect_versions(key: str, manager: str, address: str | None, conduct: Conduct) -> KeyVersions:
    """Return the versions of a key, for whom the manager's key says (empty: the worker itself).

    Raises:
        BadInput: the host is not allowed in this environment.
    """
    return KeyVersions(key, GoogleLine("gcpkms", _KMS, conduct, signatures=SIGNATURES, key=manager, address=address))


def _client() -> Any:
    from google.cloud import kms_v1  # noqa: PLC0415 (heavy, and the registry is imported by everything)

    return kms_v1.KeyManagementServiceClient


_KMS = Service("cloudkms.googleapis.com", _client)


def _page(pager: Any) -> tuple[tuple[KeyVersion, ...], str]:
    answer = next(iter(pager.pages))
    return tuple(_version(row) for row in answer.crypto_key_versions), str(answer.next_page_token)


def _version(row: Any) -> KeyVersion:
    state = getattr(row.state, "name", "")  # a plain number where Google's client does not know it yet
    ends_at = row.destroy_time or row.destroy_event_time  # the one while it waits, the other once it is destroyed
    return KeyVersion(_number(row.name), str(state), moment(row.create_time), moment(ends_at))


def _key(row: Any) -> CryptoKey:
    named = str(row.primary.name)
    return CryptoKey(
        {str(k): str(v) for k, v in row.labels.items()},
        _number(named) if named else None,
        str(row.name),
        moment(row.next_rotation_time),
    )


def _number(name: str) -> int:
    return int(name.rpartition("/")[2])


def _missing(message: str) -> Opened:
    named = _NAMED.search(message)
    return Opened(decrypted=False, needs=int(named[1]) if named else None)
