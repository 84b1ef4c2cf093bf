"""A Google service account's keys. Slugs and the order of fields are stored identity: append, never rename or reorder."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from domain.names import Purpose


class GoogleAccountSend(Block):
    """The key that an application calls Google with."""

    _block_type_name: ClassVar[str] = "opsflows Google account send"
    _block_type_slug: ClassVar[str] = "opsflows-gcpkey-send"
    _description: ClassVar[str] = "A service account's key, as an application uses it."

    key: SecretStr = Field(title="Key", description="The whole JSON file of the key, from the first brace to the last.")


class GoogleAccountManage(Block):
    """The key of the account that makes, disables and deletes keys; rotation alone uses it."""

    _block_type_name: ClassVar[str] = "opsflows Google account manage"
    _block_type_slug: ClassVar[str] = "opsflows-gcpkey-manage"
    _description: ClassVar[str] = (
        "A key of an account with Service Account Key Admin; empty: the worker's own identity."
    )

    manage_key: SecretStr | None = Field(
        default=None,
        title="Manage key",
        description="The JSON file of a key of the account that manages keys, for rotation alone.",
    )


BLOCKS: dict[Purpose, type[Block]] = {Purpose.SEND: GoogleAccountSend, Purpose.MANAGE: GoogleAccountManage}
