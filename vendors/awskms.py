"""An AWS KMS key as a smoke check uses it: encrypted with its current key material, decrypted with this key and no other.

Encrypt tells which key encrypted and not which key material; Decrypt tells both. Least privilege, on the key's ARN: kms:Encrypt,
kms:Decrypt, kms:DescribeKey, kms:GetKeyRotationStatus, kms:ListKeyRotations (docs/kms-keys.md has the policy). AWS lists no rotations
for another account's key, whatever its policy says: such a key counts as one version, of an age that is not known if AWS rotates it.
Where the right alone is missing, the inventory is refused.
Source: https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html, .../API_Decrypt.html, .../API_DescribeKey.html,
.../API_GetKeyRotationStatus.html, .../API_ListKeyRotations.html; https://docs.aws.amazon.com/general/latest/gr/kms.html
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from domain.errors import BadInput, OpsError, Rejected
from domain.exchanges import Effect
from domain.kms_keys import Inventory, Sealed, Unsealed
from vendors.aws import REGION, AwsLine, access_key
from vendors.awskms_signatures import FAULTS, INVENTORY_DENIED, ROTATIONS_UNTOLD, SIGNATURES, SYSTEM
from vendors.awskms_versions import inventory_of
from vendors.fields import NOTHING_SENT
from vendors.http import Conduct, network_failure
from vendors.kms import KmsProvider
from vendors.object_stores import conduct_towards

# AWS's most for one page. A key that is rotated every day fills one in three years.
_PAGE_ROTATIONS = 1000
_MOST_PAGES = 10
_ID = r"(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_ALIAS = r"alias/[0-9A-Za-z/_-]{1,250}"
_ARN = re.compile(
    rf"arn:aws[a-z-]{{0,20}}:kms:(?P<region>{REGION}):(?P<account>[0-9]{{12}}):(?P<resource>key/{_ID}|{_ALIAS})"
)
_NAME = re.compile(rf"{_ID}|{_ALIAS}")


class AwsKmsKey:
    """One symmetric key by ARN, id or alias; a KmsKey of vendors/kms.py.

    A multi-region key's replica is a key of its own region: connected to by its ARN, it opens what the primary encrypted.
    """

    def __init__(self, name: str, line: AwsLine, host: str) -> None:
        self._name, self._line, self._host = name, line, host
        # The ARN that AWS named last for it: an alias that is moved between two requests then breaks neither.
        self._resolved = ""

    def encrypt(self, plaintext: bytes, context: Mapping[str, str], version: str = "") -> Sealed:
        """Encrypt; the answer's key is an ARN, so an alias that was moved shows there. Its version is never told.

        Raises:
            BadInput: a version is named. AWS encrypts with the material in use alone; nothing was sent.
        """
        if version:
            raise _unfit("AWS KMS encrypts with no named key material.", "Leave the version out.")
        answer = self._asked("encrypt", KeyId=self._name, Plaintext=plaintext, EncryptionContext=dict(context))
        sealed, arn = answer.get("CiphertextBlob"), str(answer.get("KeyId", ""))
        if not sealed or not _ARN.fullmatch(arn):
            raise self._garbage("encrypt")
        self._resolved = arn
        return Sealed(bytes(sealed), arn, "")

    def decrypt(self, ciphertext: bytes, context: Mapping[str, str]) -> Unsealed:
        """Decrypt; the version is the id of the key material that did, empty where AWS does not tell.

        The key is always named: without it AWS takes whichever key the ciphertext itself names.
        """
        answer = self._asked(
            "decrypt", KeyId=self._resolved or self._name, CiphertextBlob=ciphertext, EncryptionContext=dict(context)
        )  # fmt: skip
        if "Plaintext" not in answer:
            raise self._garbage("decrypt")
        return Unsealed(bytes(answer["Plaintext"]), str(answer.get("KeyId", "")), str(answer.get("KeyMaterialId", "")))

    def inventory(self) -> Inventory:
        """Return the key with one version for each key material: three requests, and one more for each further page.

        `primary` is the current material whatever the key's state: one that is disabled does not encrypt. It is empty
        where no material was ever imported.

        Raises:
            Rejected: with awskms.inventory_denied where a right is missing.
        """
        about = self._asked("describe_key", KeyId=self._resolved or self._name).get("KeyMetadata", {})
        arn = str(about.get("Arn", ""))
        if not _ARN.fullmatch(arn):
            raise self._garbage("describe_key")
        self._resolved = arn
        return inventory_of(about, self._rotation_status(), self._rotations())

    def close(self) -> None:
        self._line.close()

    def _rotation_status(self) -> Mapping[str, Any]:
        try:
            return self._asked("get_key_rotation_status", KeyId=self._resolved)
        except Rejected as error:
            if error.symptom == ROTATIONS_UNTOLD:
                return {}
            raise

    def _rotations(self) -> list[Mapping[str, Any]] | None:
        """Return one row for each rotation or key material, None where AWS does not tell them of this key."""
        try:
            return self._listed()
        except Rejected as error:
            if error.symptom == ROTATIONS_UNTOLD or (error.symptom == INVENTORY_DENIED and self._is_anothers()):
                return None
            raise

    def _listed(self) -> list[Mapping[str, Any]]:
        rows: list[Mapping[str, Any]] = []
        cursor: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            page = self._asked(
                "list_key_rotations", KeyId=self._resolved, IncludeKeyMaterial="ALL_KEY_MATERIAL",
                Limit=_PAGE_ROTATIONS, **cursor,
            )  # fmt: skip
            rows += page.get("Rotations") or ()
            if not page.get("Truncated"):
                return rows
            if not page.get("NextMarker"):
                break
            cursor = {"Marker": str(page["NextMarker"])}
        # There is more, and no way to it: versions would be missed in silence.
        raise self._garbage("list_key_rotations")

    def _is_anothers(self) -> bool:
        """Say whether the key is of another account than whoever asks; False where AWS does not say who that is."""
        try:
            caller = str(self._line.call("sts", "get_caller_identity").get("Account", ""))
        except OpsError:
            return False
        named = _ARN.fullmatch(self._resolved)
        return bool(caller) and named is not None and named["account"] != caller

    def _asked(self, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            return self._line.call("kms", operation, **parameters)
        except (ValueError, TypeError):
            # botocore could make no bytes or no time of a field; its words may hold the field.
            raise self._garbage(operation) from None

    def _garbage(self, operation: str) -> OpsError:
        return network_failure("network.garbage", operation, Effect.READS, self._host, 0)


def connect(key: str, values: Mapping[str, str], address: str | None, conduct: Conduct) -> AwsKmsKey:
    """Return the key, spoken to with the manage key among the values, or as the worker's own role where there is none.

    An ARN names its own region; an id or alias is looked for in `values["region"]`.

    Raises:
        BadInput: the name is none of a key, no region is named, or the host is not allowed here; nothing was sent.
    """
    arn = _ARN.fullmatch(key)
    if arn is None and not _NAME.fullmatch(key):
        raise _unfit(
            "The key is not named as AWS KMS names a key.",
            "Write its ARN (arn:aws:kms:REGION:ACCOUNT:key/ID), its id, or its alias with alias/ before it.",
        )
    region = arn["region"] if arn else values.get("region", "")
    if not re.fullmatch(REGION, region):
        raise _unfit(
            "No region of AWS is named for the key.",
            "Write the key as an ARN, or give its section a region such as eu-central-1.",
        )
    hosts = _hosts(region)
    given = values.get("manage_key", "")
    line = AwsLine(
        SYSTEM, conduct_towards(address or "", conduct), region=region, address=address or None, signatures=SIGNATURES,
        key=access_key(given) if given else None, hosts=hosts,
    )  # fmt: skip
    # What is measured is how long AWS takes, not how long its client takes to be imported.
    line.open("kms")
    return AwsKmsKey(key, line, urlsplit(address or "").netloc.rpartition("@")[2] or hosts[0])


def _hosts(region: str) -> tuple[str, ...]:
    """Return AWS's own hosts for a key in the region: exact ones, since below amazonaws.com customers have hosts too."""
    below = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return tuple(f"{service}.{region}.{below}" for service in ("kms", "kms-fips", "sts"))


def _unfit(happened: str, next_step: str) -> BadInput:
    return BadInput(happened, NOTHING_SENT, next_step, "kms.config")


PROVIDER_AWS = KmsProvider(
    name="aws",
    title="AWS KMS",
    integration="awskey",
    connect=connect,
    # The credentials of awskey speak of a user, not of a key.
    default_key=lambda _: "",
    faults=FAULTS,
)
