"""Healthchecks.io's credentials. Slugs and the order of fields are stored identity: append, never rename or reorder."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from domain.names import Purpose


class HealthchecksSend(Block):
    """The id of the check that is pinged."""

    _block_type_name: ClassVar[str] = "opsflows Healthchecks.io send"
    _block_type_slug: ClassVar[str] = "opsflows-healthchecks-send"
    _description: ClassVar[str] = "A check; whoever has its id may ping it."

    check_id: SecretStr = Field(title="Check id", description="The last part of the check's ping address. A secret.")


class HealthchecksRead(Block):
    """The key that reads a check's log."""

    _block_type_name: ClassVar[str] = "opsflows Healthchecks.io read"
    _block_type_slug: ClassVar[str] = "opsflows-healthchecks-read"
    _description: ClassVar[str] = "An API key of the check's project."

    api_key: SecretStr | None = Field(
        default=None, title="API key", description="From the project's settings, API Access."
    )


BLOCKS: dict[Purpose, type[Block]] = {Purpose.SEND: HealthchecksSend, Purpose.READ: HealthchecksRead}
