"""Google Secret Manager's credentials. Slugs and the order of fields are stored identity: append, never rename or reorder."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from domain.names import Purpose


class GoogleSecretSend(Block):
    """The value that applications read from a secret."""

    _block_type_name: ClassVar[str] = "opsflows Google secret send"
    _block_type_slug: ClassVar[str] = "opsflows-gcpsecret-send"
    _description: ClassVar[str] = "The value of a secret's version in use, and the secret's name."

    value: SecretStr = Field(title="Value", description="The value of the version in use, without a line end.")
    secret_name: str = Field(
        default="", title="Secret", description="The secret's resource name, such as projects/P/secrets/S."
    )


class GoogleSecretManage(Block):
    """The key of the account that adds and ends versions; rotation alone uses it."""

    _block_type_name: ClassVar[str] = "opsflows Google secret manage"
    _block_type_slug: ClassVar[str] = "opsflows-gcpsecret-manage"
    _description: ClassVar[str] = "A key of an account with Secret Manager Admin; empty: the worker's own identity."

    manage_key: SecretStr | None = Field(
        default=None,
        title="Manage key",
        description="The JSON file of a key of the account that rotates the secret, for rotation alone.",
    )


BLOCKS: dict[Purpose, type[Block]] = {Purpose.SEND: GoogleSecretSend, Purpose.MANAGE: GoogleSecretManage}
