"""Secrets in AWS Secrets Manager. Slugs and the order of fields are stored identity: append, never rename or reorder."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from domain.names import Purpose


class AwsSecretSend(Block):
    """The value of a secret, and where the secret is."""

    _block_type_name: ClassVar[str] = "opsflows AWS Secrets Manager send"
    _block_type_slug: ClassVar[str] = "opsflows-awssecret-send"
    _description: ClassVar[str] = "The value that a secret in AWS Secrets Manager hands out, and the secret's name."

    secret_value: SecretStr = Field(title="Value", description="What the secret's current version holds.")
    secret_id: str = Field(default="", title="Secret", description="The secret's name, or its whole ARN.")
    region: str = Field(default="", title="Region", description="The secret's region, like eu-central-1.")


class AwsSecretManage(Block):
    """The access key that puts values and moves labels. Used by rotation only."""

    _block_type_name: ClassVar[str] = "opsflows AWS Secrets Manager manage"
    _block_type_slug: ClassVar[str] = "opsflows-awssecret-manage"
    _description: ClassVar[str] = "An access key that may look after the secret's versions. Used by rotation only."

    manage_key: SecretStr | None = Field(
        default=None,
        title="Managing access key",
        description="A key of a user made for rotation, as one JSON object; empty: the worker's own role.",
    )


BLOCKS: dict[Purpose, type[Block]] = {Purpose.SEND: AwsSecretSend, Purpose.MANAGE: AwsSecretManage}
