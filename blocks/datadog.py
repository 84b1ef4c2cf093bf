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


class DatadogManage(Block):
    """The application key that makes and deletes keys; rotation alone uses it."""

    _block_type_name: ClassVar[str] = "opsflows Datadog manage"
    _block_type_slug: ClassVar[str] = "opsflows-datadog-manage"
    _description: ClassVar[str] = "An application key that manages keys, and the service account it makes them for."

    manage_app_key: SecretStr | None = Field(
        default=None,
        title="Manage application key",
        description="An application key with api_keys_read, api_keys_write, api_keys_delete and service_account_write.",
    )
    service_account_id: str = Field(
        default="",
        title="Service account id",
        description="Where application keys are made; empty for keys of the manage key's own user.",
    )


BLOCKS: dict[Purpose, type[Block]] = {
    Purpose.SEND: DatadogSend,
    Purpose.READ: DatadogRead,
    Purpose.MANAGE: DatadogManage,
}
