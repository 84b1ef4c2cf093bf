"""A Google Cloud KMS key as a smoke check uses it: the primary version encrypts, whichever version did decrypts.

What an operator reads of a refusal is the fault's row (domain/kms_faults.py); the errors here say which, and with what words.
Least privilege: roles/cloudkms.cryptoKeyEncrypterDecrypter and roles/cloudkms.viewer on the key.
Source: https://cloud.google.com/kms/docs/encrypt-decrypt, https://cloud.google.com/kms/docs/key-states
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NoReturn, TypeVar

from domain.diagnosis import NETWORK, Symptom, error_of
from domain.errors import BadInput, NotYet, Rejected, Unavailable
from domain.exchanges import Effect
from domain.kms_keys import Inventory, KeyVersionFacts, Sealed, Unsealed, VersionState
from vendors.gcpkms_payloads import corrupted, decrypted, encrypted, to_decrypt, to_encrypt
from vendors.gcpkms_signatures import SYMPTOMS
from vendors.gcpkms_versions import KEY_NAME, KeyVersion, KeyVersions, connect_versions
from vendors.http import Conduct
from vendors.kms import KmsProvider

T = TypeVar("T")

# What messages call the key: its full name stays out of them.
_THE_KEY = "the key"
_VERSION_PART = "/cryptoKeyVersions/"
_OFF = re.compile(r"(?:/cryptoKeyVersions/([0-9]+) )?is not enabled, current state is: ([A-Z_]+)")
_NO_PRIMARY = "no primary version"
_CHECKSUM_REFUSED = "checksum in field"

# Google's words for a state. One that is not here, or that is newer than Google's client, is OTHER.
_STATES: Mapping[str, VersionState] = MappingProxyType(
    {
        "ENABLED": VersionState.ENABLED,
        "DISABLED": VersionState.DISABLED,
        "DESTROY_SCHEDULED": VersionState.DESTROY_SCHEDULED,
        "DESTROYED": VersionState.DESTROYED,
        "PENDING_GENERATION": VersionState.PENDING,
        "PENDING_IMPORT": VersionState.PENDING,
        # Lost already; only the copy outside of Google is waited for, or was not confirmed as gone.
        "PENDING_EXTERNAL_DESTRUCTION": VersionState.DESTROYED,
        "EXTERNAL_DESTRUCTION_FAILED": VersionState.DESTROYED,
    }
)
_UNUSABLE: Mapping[VersionState, str] = MappingProxyType(
    {
        VersionState.DISABLED: "kms.version_disabled",
        VersionState.DESTROY_SCHEDULED: "kms.version_scheduled",
        VersionState.DESTROYED: "kms.version_destroyed",
    }
)

_SYMPTOMS = {
    row.id: row
    for row in (
        Symptom(
            "kms.version_disabled",
            "Google answers that version {number} is disabled.",
            "Nothing is encrypted or decrypted with it until it is enabled.",
            "Look at the version under Security > Key Management: enable it, or re-encrypt what needs it first.",
        ),
        Symptom(
            "kms.version_scheduled",
            "Google answers that version {number} waits to be destroyed.",
            "Once its hour has come, what it encrypted is lost for good.",
            "Restore and enable the version under Security > Key Management before that.",
        ),
        Symptom(
            "kms.version_destroyed",
            "Google answers that version {number} is destroyed.",
            "What it encrypted is lost for good.",
            "Look for copies of the data that were not encrypted with it.",
        ),
        Symptom(
            "kms.no_primary",
            "Google answers that the key has no primary version.",
            "Nothing can be encrypted with it.",
            "Make an enabled version the primary one under Security > Key Management.",
        ),
        Symptom(
            "kms.key_unusable",
            "Google refuses the key for the state that it is in ({state}).",
            "Nothing is encrypted or decrypted with it.",
            "Look at the key and its versions under Security > Key Management.",
        ),
        Symptom(
            "kms.not_opened",
            "Google does not open the ciphertext with this key and context.",
            "It was made with another key or context, or is not what it was.",
            "Compare the key and the context with those that it was made with.",
        ),
        Symptom(
            "kms.config",
            "Google takes the key for none that encrypts so.",
            "It is no symmetric key (purpose ENCRYPT_DECRYPT), or its name is of another form.",
            "Compare the key's name and purpose with Security > Key Management.",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GoogleKey:
    """One symmetric key; a KmsKey of vendors/kms.py.

    A refusal for a version's state has that state's own symptom, and names the version in its words. The context is bound as
    `bound_data` writes it.
    """

    versions: KeyVersions

    def encrypt(self, plaintext: bytes, context: Mapping[str, str], version: str = "") -> Sealed:
        """Encrypt with the primary version, or with the one that is named; which one that was, Google says.

        Raises:
            Rejected: with kms.version_disabled, kms.version_scheduled, kms.version_destroyed, kms.no_primary.
            Unavailable: with gcpkms.corrupted where a checksum does not fit, in either direction; with gcpkms.other_version where
                another one than the named one encrypted.
        """
        bound = bound_data(context)
        name = f"{self.versions.key}{_VERSION_PART}{version}" if version else self.versions.key

        def read(answer: object) -> Sealed:
            key, _, used = str(getattr(answer, "name", "")).partition(_VERSION_PART)
            ciphertext = encrypted(answer, _THE_KEY, bound)
            if version and used != version:
                raise error_of(SYMPTOMS["gcpkms.other_version"], Unavailable, key=_THE_KEY)
            return Sealed(ciphertext, key, used)

        return self._exchange("encrypt", to_encrypt(name, plaintext, bound), read, "kms.config")

    def decrypt(self, ciphertext: bytes, context: Mapping[str, str]) -> Unsealed:
        """Decrypt with whichever of the key's versions encrypted; Google tells only whether it was the primary one.

        Raises:
            Rejected: with kms.not_opened; with the symptom of its state where the version is not enabled.
            Unavailable: with gcpkms.corrupted where a checksum does not fit, in either direction.
        """

        def read(answer: object) -> Unsealed:
            by_primary = bool(getattr(answer, "used_primary", False))
            return Unsealed(decrypted(answer, _THE_KEY), by_primary=by_primary)

        request = to_decrypt(self.versions.key, ciphertext, bound_data(context))
        return self._exchange("decrypt", request, read, "kms.not_opened")

    def inventory(self) -> Inventory:
        """Return the key and all its versions: a request for the key, and one for each hundred versions.

        The primary version is named whatever its state: one that is disabled does not encrypt.
        """
        key = self.versions.look()
        every = sorted(self.versions.every(), key=lambda version: version.number)
        return Inventory(
            key.name,
            "" if key.primary is None else str(key.primary),
            tuple(_facts(version) for version in every),
            key.rotates_at,
        )

    def close(self) -> None:
        self.versions.close()

    def _exchange(
        self, verb: str, request: Mapping[str, object], read: Callable[[object], T], unfit: str
    ) -> T:  # fmt: skip
        def not_fit(message: str) -> NoReturn:
            if _CHECKSUM_REFUSED in message.lower():
                raise corrupted(_THE_KEY)
            raise error_of(_SYMPTOMS[unfit], Rejected)

        unusable: dict[str, Callable[[str], T]] = {"FAILED_PRECONDITION": _refuse, "INVALID_ARGUMENT": not_fit}
        return self.versions.line.exchange(verb, Effect.READS, verb, request, read=read, otherwise=unusable)


def bound_data(context: Mapping[str, str]) -> bytes:
    """Return a context as Google binds it (AAD): JSON with sorted names, without blanks, in ASCII; nothing for an empty one.

    So that whoever must decrypt elsewhere can write the same bytes, and so that a ciphertext that was made without
    additional data opens with an empty context.
    """
    return json.dumps(dict(context), sort_keys=True, separators=(",", ":")).encode() if context else b""


def connect_key(key: str, values: Mapping[str, str], address: str | None, conduct: Conduct) -> GoogleKey:
    """Return the key, spoken to as the manage key among the values says (none: the worker itself).

    Raises:
        BadInput: it is no name of a key, the host is not allowed in this environment, or the worker has no identity; nothing
            was sent.
    """
    if not re.fullmatch(KEY_NAME, key):
        raise BadInput(
            "The key is not named as Google Cloud KMS names a key.",
            "Nothing was sent.",
            "Copy its resource name: projects/.../locations/.../keyRings/.../cryptoKeys/NAME, without a version.",
            "kms.config",
        )
    versions = connect_versions(key, values.get("manage_key", ""), address, conduct)
    # What is measured is how long Google takes, not how long its client takes to be imported.
    versions.line.open()
    return GoogleKey(versions)


def _refuse(message: str) -> NoReturn:
    """Raise what a FAILED_PRECONDITION means: the state of a version, or of the key.

    Source: https://cloud.google.com/kms/docs/key-states
    """
    if _NO_PRIMARY in message.lower():
        raise error_of(_SYMPTOMS["kms.no_primary"], Rejected)
    off = _OFF.search(message)
    state = off[2] if off else "it says no more"
    kind = NotYet if state.startswith("PENDING_GENERATION") else Rejected
    symptom = _UNUSABLE.get(_STATES.get(state, VersionState.OTHER), "kms.key_unusable")
    number = off[1] if off and off[1] else "that it does not name"
    raise error_of(_SYMPTOMS[symptom], kind, number=number, state=state)


def _facts(version: KeyVersion) -> KeyVersionFacts:
    # Imported material does not run out at Google: there is no such field.
    state = _STATES.get(version.state, VersionState.OTHER)
    return KeyVersionFacts(str(version.number), state, version.created_at, version.destroy_at)


_FAULTS: Mapping[str, str] = MappingProxyType(
    {
        **{symptom: symptom for symptom in _SYMPTOMS},
        **dict.fromkeys(NETWORK, "kms.unreachable"),
        "network.garbage": "kms.unavailable",
        "http.server_error": "kms.unavailable",
        "http.unexpected": "kms.unavailable",
        "gcpkms.interrupted": "kms.unavailable",
        "gcpkms.quota": "kms.throttled",
        "http.rate_limited": "kms.throttled",
        "gcpkms.corrupted": "kms.corrupted",
        "gcpkms.other_version": "kms.unavailable",
        "gcpkms.forbidden": "kms.permission",
        "http.unauthorized": "kms.permission",
        # The key works, as far as this tells: only the check cannot see its versions.
        "gcpkms.look_forbidden": "kms.config",
        "gcpkms.unauthenticated": "kms.identity",
        "google.no_identity": "kms.identity",
        "gcpkms.version_pending": "kms.key_unusable",
        "gcpkms.version_off": "kms.key_unusable",
        # Only who may see the key's project is told so: the key is gone, or opsflows.toml names another one than there is.
        "gcpkms.key_unknown": "kms.key_unusable",
        "http.not_found": "kms.key_unusable",
        "http.refused": "kms.config",
    }
)

PROVIDER_GCP = KmsProvider(
    name="gcp",
    title="Google Cloud KMS",
    integration="gcpkms",
    connect=connect_key,
    default_key=lambda values: values.get("key", ""),
    faults=_FAULTS,
    names_versions=True,
)
