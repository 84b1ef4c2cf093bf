"""Encryption with the stand-in's keys, for the API and for an application that is only told of.

Source: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/encrypt and /decrypt,
https://cloud.google.com/kms/docs/data-integrity-guidelines
"""

import secrets
import struct
from collections.abc import Mapping
from typing import Any

import google_crc32c
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mocks.gcpkms_memory import (
    DISABLED,
    Key,
    Kms,
    Version,
    key_named,
    primary_in_use,
    settled,
    usable,
    version_name,
    version_named,
)
from mocks.google_calls import Call, decoded, encoded, refused
from mocks.stage import Order

LARGEST_PLAINTEXT_BYTES = 65_536
_HEAD = struct.Struct(">I")  # which version encrypted
_NONCE_BYTES = 12
_AAD = "additionalAuthenticatedData"


def encrypt(desk: Kms, call: Call) -> dict[str, Any]:
    """Encrypt with the key's primary version, or with the version that is named."""
    plaintext, verified = _checked(desk, call, "plaintext")
    aad, aad_verified = _checked(desk, call, _AAD)
    if len(plaintext) > LARGEST_PLAINTEXT_BYTES:
        raise refused("INVALID_ARGUMENT", f"The plaintext must be at most {LARGEST_PLAINTEXT_BYTES} bytes.")
    key, version = _encrypting(desk, call.text("name"))
    ciphertext = _sealed(version, plaintext, aad)
    return {
        "name": version_name(key, version), "ciphertext": encoded(ciphertext),
        "ciphertextCrc32c": str(google_crc32c.value(ciphertext)), "verifiedPlaintextCrc32c": verified,
        "verifiedAdditionalAuthenticatedDataCrc32c": aad_verified, "protectionLevel": "SOFTWARE",
    }  # fmt: skip


def decrypt(desk: Kms, call: Call) -> dict[str, Any]:
    """Decrypt with whichever of the key's versions the ciphertext names."""
    ciphertext, _ = _checked(desk, call, "ciphertext")
    aad, _ = _checked(desk, call, _AAD)
    key = key_named(desk, call.text("name"))
    version, plaintext = _opened(desk, key, ciphertext, aad)
    return {
        "plaintext": encoded(plaintext), "plaintextCrc32c": str(google_crc32c.value(plaintext)),
        "usedPrimary": version is primary_in_use(desk, key), "protectionLevel": "SOFTWARE",
    }  # fmt: skip


def encrypt_for_application(desk: Kms, order: Order) -> object:
    """Encrypt a `text` with the primary of the first key (or `key`), as an application would."""
    key, version = _encrypting(desk, order.text("key", desk.seed.key))
    return {
        "name": version_name(key, version),
        "ciphertext": encoded(_sealed(version, order.text("text").encode(), b"")),
    }


def decrypt_for_application(desk: Kms, order: Order) -> object:
    """Decrypt a `ciphertext` with the first key (or `key`), as an application would."""
    key = key_named(desk, order.text("key", desk.seed.key))
    version, plaintext = _opened(desk, key, decoded(order.text("ciphertext")), b"")
    return {"name": version_name(key, version), "text": plaintext.decode(errors="replace")}


def _encrypting(desk: Kms, name: str) -> tuple[Key, Version]:
    if "/cryptoKeyVersions/" in name:
        key, version = version_named(desk, name)
    else:
        key = key_named(desk, name)
        primary = primary_in_use(desk, key)
        if primary is None:
            raise refused("FAILED_PRECONDITION", f"CryptoKey {key.name} has no primary version.")
        version = primary
    _require_usable(desk, key, version)
    return key, version


def _sealed(version: Version, plaintext: bytes, aad: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _HEAD.pack(version.number) + nonce + AESGCM(decoded(version.material)).encrypt(nonce, plaintext, aad)


def _opened(desk: Kms, key: Key, ciphertext: bytes, aad: bytes) -> tuple[Version, bytes]:
    head, rest = ciphertext[: _HEAD.size], ciphertext[_HEAD.size :]
    number = _HEAD.unpack(head)[0] if len(head) == _HEAD.size else 0
    version = next((row for row in settled(desk, key) if row.number == number), None)
    if version is None:
        raise _undecipherable()
    _require_usable(desk, key, version)
    try:
        opened = AESGCM(decoded(version.material)).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], aad)
    except (InvalidTag, ValueError) as error:
        raise _undecipherable() from error
    return version, opened


def _undecipherable() -> Exception:
    return refused("INVALID_ARGUMENT", "Decryption failed: verify that 'name' refers to the correct CryptoKey.")


def _require_usable(desk: Kms, key: Key, version: Version) -> None:
    if not usable(desk, version):
        raise not_enabled(key, version)


def not_enabled(key: Key, version: Version) -> Exception:
    name = version_name(key, version)
    violation = {"type": "KEY_DISABLED", "subject": name}
    details: Mapping[str, Any] = {
        "@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": [violation]
    }  # fmt: skip
    return refused(
        "FAILED_PRECONDITION",
        f"{name} is not enabled, current state is: {version.state}.",
        *([details] if version.state == DISABLED else []),
    )


def _checked(desk: Kms, call: Call, name: str) -> tuple[bytes, bool]:
    """Return a payload of the request, and whether its checksum was looked at and right."""
    payload, sent = decoded(call.text(name)), call.text(f"{name}Crc32c")
    if not sent or desk.memory.checksums_ignored:
        return payload, False
    if int(sent) != google_crc32c.value(payload):
        raise refused(
            "INVALID_ARGUMENT", f"The checksum in field {name}_crc32c did not match the data in field {name}."
        )
    return payload, True
