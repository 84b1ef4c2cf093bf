"""Datadog's credentials. Slugs and the order of fields are stored identity: append, never rename or reorder."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from domain.names import Purpose


class DatadogSend(Block):
    """The API key that applications submit with."""

    _block_type_name: ClassVar[str] = "opsflows Datadog send"
    _block_type_slug: ClassVar[str] = "opsflows-datadog-send"
    _description: ClassVar[str] = "An API key, and the site of the organisation."

    api_key: SecretStr = Field(title="API key", description="An API key from Organization Settings, API Keys.")
    site: str = Field(
        default="", title="Site", description="The site of the organisation, as in the address of its dashboards."
    )


class DatadogRead(Block):
    """The application key that reads test events and metrics back."""

    _block_type_name: ClassVar[str] = "opsflows Datadog read"
    _block_type_slug: ClassVar[str] = "opsflows-datadog-read"
    _description: ClassVar[str] = "An application key with events_read and timeseries_query."

    app_key: SecretStr | None = Field(
        default=None,
        title="Application key",
        description="An application key from Organization Settings, Application Keys.",
    )


BLOCKS: dict[Purpose, type[Block]] = {Purpose.SEND: DatadogSend, Purpose.READ: DatadogRead}
