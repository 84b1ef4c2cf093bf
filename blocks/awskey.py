"""AWS access keys. Slugs and the order of fields are stored identity: append, never rename or reorder."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from domain.names import Purpose


class AwsIamSend(Block):
    """The access key that applications sign with, and whose it is."""

    _block_type_name: ClassVar[str] = "opsflows AWS IAM send"
    _block_type_slug: ClassVar[str] = "opsflows-awskey-send"
    _description: ClassVar[str] = "The access key of an IAM user, and the user's name."

    access_key: SecretStr = Field(
        title="Access key", description='One JSON object: {"access_key_id": "AKIA...", "secret_access_key": "..."}.'
    )
    user: str = Field(default="", title="User", description="The user's name in IAM, without its path.")
    region: str = Field(default="us-east-1", title="Region", description="The region whose STS is asked.")


class AwsIamManage(Block):
    """The access key that makes and deletes the user's keys. Used by rotation only."""

    _block_type_name: ClassVar[str] = "opsflows AWS IAM manage"
    _block_type_slug: ClassVar[str] = "opsflows-awskey-manage"
    _description: ClassVar[str] = "An access key that may look after the user's access keys. Used by rotation only."

    manage_key: SecretStr | None = Field(
        default=None,
        title="Managing access key",
        description="A key of a user made for rotation, as one JSON object; empty: the worker's own role.",
    )


BLOCKS: dict[Purpose, type[Block]] = {Purpose.SEND: AwsIamSend, Purpose.MANAGE: AwsIamManage}
