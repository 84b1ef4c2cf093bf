"""Google Cloud KMS's credentials. Slugs and the order of fields are stored identity: append, never rename or reorder."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from domain.names import Purpose


class GoogleKmsSend(Block):
    """The key version that applications encrypt with."""

    _block_type_name: ClassVar[str] = "opsflows Google KMS send"
    _block_type_slug: ClassVar[str] = "opsflows-gcpkms-send"
    _description: ClassVar[str] = "The primary version of a symmetric key, and what must still be decrypted."

    key_version: SecretStr = Field(
        title="Key version", description="The version's resource name, ending in /cryptoKeyVersions/ and a number."
    )
    key: str = Field(default="", title="Key", description="The key's resource name, without a version.")
    ciphertexts: str = Field(
        default="",
        title="Ciphertexts",
        description="An absolute folder (its *.enc files) or pattern of files that must still be decrypted.",
    )


class GoogleKmsManage(Block):
    """The key of the account that makes and ends versions; rotation alone uses it."""

    _block_type_name: ClassVar[str] = "opsflows Google KMS manage"
    _block_type_slug: ClassVar[str] = "opsflows-gcpkms-manage"
    _description: ClassVar[str] = "A key of an account with Cloud KMS Admin; empty: the worker's own identity."

    manage_key: SecretStr | None = Field(
        default=None,
        title="Manage key",
        description="The JSON file of a key of the account that rotates the key's versions, for rotation alone.",
    )


BLOCKS: dict[Purpose, type[Block]] = {Purpose.SEND: GoogleKmsSend, Purpose.MANAGE: GoogleKmsManage}
