"""What goes to Google Cloud KMS to be encrypted or decrypted, and what comes back: checksums both ways, or it is not used.

Source: https://cloud.google.com/kms/docs/data-integrity-guidelines
"""

from typing import Any

from domain.diagnosis import error_of
from domain.errors import OpsError, Unavailable
from vendors.gcpkms_signatures import SYMPTOMS
from vendors.google import crc32c


def to_encrypt(name: str, plaintext: bytes, bound: bytes = b"") -> dict[str, object]:
    """Return the request; `bound` is data that must be given again to decrypt (AAD)."""
    return {"name": name, "plaintext": plaintext, "plaintext_crc32c": crc32c(plaintext), **_additional(bound)}


def to_decrypt(name: str, ciphertext: bytes, bound: bytes = b"") -> dict[str, object]:
    return {"name": name, "ciphertext": ciphertext, "ciphertext_crc32c": crc32c(ciphertext), **_additional(bound)}


def encrypted(answer: Any, key: str, bound: bytes = b"") -> bytes:
    """Return the ciphertext of an answer to `to_encrypt`; `key` is what a message calls the key.

    Raises:
        Unavailable: Google did not see the checksums of what it encrypted, or the ciphertext does not fit its own.
    """
    ciphertext = bytes(answer.ciphertext)
    seen = answer.verified_plaintext_crc32c and (not bound or answer.verified_additional_authenticated_data_crc32c)
    if not seen or answer.ciphertext_crc32c != crc32c(ciphertext):
        raise corrupted(key)
    return ciphertext


def decrypted(answer: Any, key: str) -> bytes:
    """Return the plaintext of an answer to `to_decrypt`.

    Raises:
        Unavailable: it does not fit its checksum.
    """
    plaintext = bytes(answer.plaintext)
    if answer.plaintext_crc32c != crc32c(plaintext):
        raise corrupted(key)
    return plaintext


def corrupted(key: str) -> OpsError:
    return error_of(SYMPTOMS["gcpkms.corrupted"], Unavailable, key=key)


def _additional(bound: bytes) -> dict[str, object]:
    # Left out where nothing is bound: Google does not say that it confirms the checksum of nothing.
    if not bound:
        return {}
    return {"additional_authenticated_data": bound, "additional_authenticated_data_crc32c": crc32c(bound)}
