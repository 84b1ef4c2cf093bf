"""PagerDuty's credentials. Slugs and the order of fields are stored identity: append, never rename or reorder."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from domain.names import Purpose


class PagerDutySend(Block):
    """The routing key that applications page with."""

    _block_type_name: ClassVar[str] = "opsflows PagerDuty send"
    _block_type_slug: ClassVar[str] = "opsflows-pagerduty-send"
    _description: ClassVar[str] = "An Events API v2 integration key of one service."

    routing_key: SecretStr = Field(
        title="Routing key", description="The integration key (32 characters), not an API token."
    )
    region: str = Field(default="", title="Region", description="us or eu, as the account was created.")


class PagerDutyRead(Block):
    """The API key that reads test incidents back."""

    _block_type_name: ClassVar[str] = "opsflows PagerDuty read"
    _block_type_slug: ClassVar[str] = "opsflows-pagerduty-read"
    _description: ClassVar[str] = "A read-only REST API key, and the service that the routing key belongs to."

    api_key: SecretStr | None = Field(
        default=None, title="API key", description="A read-only key from Integrations, API Access Keys."
    )
    service_id: str = Field(
        default="", title="Service id", description="The id (P...) at the end of the address of the service page."
    )


class PagerDutyManage(Block):
    """The key that makes and deletes integrations."""

    _block_type_name: ClassVar[str] = "opsflows PagerDuty manage"
    _block_type_slug: ClassVar[str] = "opsflows-pagerduty-manage"
    _description: ClassVar[str] = "A REST API key with full access, kept for rotation alone."

    manage_key: SecretStr | None = Field(
        default=None,
        title="Manage key",
        description="A full-access key from Integrations, API Access Keys, used for nothing but rotation.",
    )


BLOCKS: dict[Purpose, type[Block]] = {
    Purpose.SEND: PagerDutySend,
    Purpose.READ: PagerDutyRead,
    Purpose.MANAGE: PagerDutyManage,
}
