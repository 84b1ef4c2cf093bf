"""Opsgenie's credentials. Slugs and the order of fields are stored identity: append, never rename or reorder."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from domain.names import Purpose


class OpsgenieSend(Block):
    """The key of an API integration; Opsgenie sends and reads with the same one."""

    _block_type_name: ClassVar[str] = "opsflows Opsgenie send"
    _block_type_slug: ClassVar[str] = "opsflows-opsgenie-send"
    _description: ClassVar[str] = "A team-scoped API integration. Opsgenie is switched off on 2027-04-05."

    api_key: SecretStr = Field(title="API key", description="The key of the API integration under the team.")
    region: str = Field(default="", title="Region", description="us or eu, as the account was created.")
    team: str = Field(default="", title="Team", description="The name of the team that is alerted, letter by letter.")


class OpsgenieManage(Block):
    """The key that makes, switches and deletes integrations."""

    _block_type_name: ClassVar[str] = "opsflows Opsgenie manage"
    _block_type_slug: ClassVar[str] = "opsflows-opsgenie-manage"
    _description: ClassVar[str] = "The key of an API integration with Configuration access, kept for rotation alone."

    manage_key: SecretStr | None = Field(
        default=None,
        title="Manage key",
        description="The key of an API integration with Configuration access, used for nothing but rotation.",
    )


BLOCKS: dict[Purpose, type[Block]] = {
    Purpose.SEND: OpsgenieSend,
    Purpose.MANAGE: OpsgenieManage,
}
