"""Google Cloud KMS: a symmetric key, of whose versions one encrypts and the others still decrypt what they encrypted.

Source: https://cloud.google.com/kms/docs/key-rotation
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.diagnosis import error_of
from domain.errors import BadInput, NotYet, Unavailable
from domain.names import Purpose
from domain.probes import Receipt
from vendors import fields
from vendors.capabilities import Integration, Probe, Variable
from vendors.gcpkms_signatures import SIGNATURES, SYMPTOMS
from vendors.gcpkms_versions import KEY_NAME, KeyVersions, connect_versions
from vendors.google import PUBLISHED_HOSTS
from vendors.google_keys import checked_key
from vendors.http import Conduct

__all__ = ["INTEGRATION", "SIGNATURES", "SYMPTOMS", "GoogleKms", "connect", "key_and_number"]

# How long a text may take to come back; it is there at once.
DECRYPT_BOUND = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class GoogleKms:
    """One version of one key."""

    number: int
    versions: KeyVersions

    @property
    def probes(self) -> tuple[Probe, ...]:
        """A text of ours goes there and back. Nothing is kept, so there is nothing to clean up."""
        return (Probe("text", send=self.encrypt, confirm=(self.decrypt,), clean_up=(), indexing_bound=DECRYPT_BOUND),)

    def encrypt(self, nonce: str, at: datetime) -> Receipt:
        """Encrypt the nonce with this very version."""
        return Receipt(nonce, at).with_ids(ciphertext=self._encrypted(nonce))

    def decrypt(self, receipt: Receipt) -> Receipt:
        """Return the receipt with the version's number as what encrypted it; a lost ciphertext is made again."""
        ciphertext = receipt.ids.get("ciphertext") or self._encrypted(receipt.nonce)
        opened = self.versions.decrypt(base64.b64decode(ciphertext))
        if not opened.decrypted:
            raise error_of(SYMPTOMS["gcpkms.not_decrypted"], NotYet, key=self.versions.key)
        if opened.plaintext != receipt.nonce.encode():
            raise error_of(SYMPTOMS["gcpkms.other_text"], Unavailable, key=self.versions.key)
        return receipt.with_ids(integration_id=str(self.number))

    def close(self) -> None:
        self.versions.close()

    def _encrypted(self, nonce: str) -> str:
        return base64.b64encode(self.versions.encrypt(self.number, nonce.encode())).decode()


def connect(values: Mapping[str, str], address: str | None, conduct: Conduct) -> GoogleKms:
    """Return a client for the checked values.

    Raises:
        BadInput: the version is not one of the key's, or the host is not allowed in this environment.
    """
    key, number = key_and_number(values)
    return GoogleKms(number, connect_versions(key, values.get("manage_key", ""), address, conduct))


def key_and_number(values: Mapping[str, str]) -> tuple[str, int]:
    """Return the key and the number of its version in use."""
    key, _, number = values["key_version"].partition("/cryptoKeyVersions/")
    if key != values["key"]:
        raise BadInput(
            "GOOGLE_KMS_KEY_VERSION is not a version of GOOGLE_KMS_KEY.",
            fields.NOTHING_SENT,
            "Copy both from the same key: the version's name is the key's, then /cryptoKeyVersions/ and a number.",
        )
    return key, int(number)


INTEGRATION = Integration(
    name="gcpkms",
    title="Google Cloud KMS",
    setup_minutes=15,
    variables=(
        Variable("GOOGLE_KMS_KEY_VERSION", "key_version", Purpose.SEND, secret=True, required=True,
                 where="Security > Key Management > the key > Versions > Copy resource name, of the primary version",
                 scopes="Cloud KMS CryptoKey Encrypter/Decrypter for the applications, on this key",
                 rotated="by API: a new version, primary, re-encrypt, disable, destroy the old one after its delay",
                 check=fields.matching(rf"{KEY_NAME}/cryptoKeyVersions/[0-9]{{1,9}}", "the resource name of a key version", "Copy the version's resource name, ending in /cryptoKeyVersions/ and a number.")),
        Variable("GOOGLE_KMS_KEY", "key", Purpose.SEND, secret=False, required=True,
                 where="Security > Key Management > the key > Copy resource name", scopes="-", rotated="-",
                 check=fields.matching(KEY_NAME, "the resource name of a key", "Copy the key's resource name, without /cryptoKeyVersions/ and a number.")),
        Variable("GOOGLE_KMS_CIPHERTEXTS", "ciphertexts", Purpose.SEND, secret=False, required=True,
                 where="an absolute folder (its *.enc files) or pattern of files that must still be decrypted, as the worker sees it; or none",
                 scopes="-", rotated="-",
                 check=fields.matching(r"none|/[ -~]{1,1000}", "an absolute path, nor the word none", "Write the folder or pattern from the root, such as /srv/encrypted or /srv/encrypted/*.enc; none, where nothing is kept that must be decrypted.")),
        Variable("GOOGLE_KMS_MANAGE_KEY", "manage_key", Purpose.MANAGE, secret=True, required=False,
                 where="the JSON file of a key of the account that rotates; leave it out where the worker has an identity of its own",
                 scopes="Cloud KMS Admin and CryptoKey Encrypter/Decrypter on the key, and Service Account Key Admin on its own account",
                 rotated="by API, with itself",
                 check=checked_key),
    ),
    published_hosts=PUBLISHED_HOSTS,
    connect=connect,
    wakes_people="",
    person_sees="the application encrypts with the new version, and still decrypts what it encrypted before",
    clicks=(
        "Open Security > Key Management, choose the key (symmetric encrypt/decrypt), and copy its resource name and its primary version's.",
        "Give the worker's own account, or one for rotation, Cloud KMS Admin and CryptoKey Encrypter/Decrypter on this key alone.",
        "Put a sample of what is encrypted with each version into a folder that the worker can read, and name it in GOOGLE_KMS_CIPHERTEXTS.",
    ),
    after_set_up="See that what is stored encrypted is re-encrypted after a rotation: an old version cannot end before that.",
)  # fmt: skip
