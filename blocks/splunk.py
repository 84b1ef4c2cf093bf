"""Splunk's credentials. Slugs and the order of fields are stored identity: append, never rename or reorder."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from domain.names import Purpose


class SplunkSend(Block):
    """The HEC token that applications log with."""

    _block_type_name: ClassVar[str] = "opsflows Splunk send"
    _block_type_slug: ClassVar[str] = "opsflows-splunk-send"
    _description: ClassVar[str] = "A token of the HTTP Event Collector, and where it listens."

    hec_token: SecretStr = Field(
        title="HEC token", description="The token from Settings, Data inputs, HTTP Event Collector."
    )
    hec_url: str = Field(
        default="",
        title="HEC address",
        description="The address of the collector, e.g. https://host:8088/services/collector.",
    )
    insecure: str = Field(
        default="",
        title="Without TLS verification",
        description="1 leaves the certificate unchecked; refused outside dev environments.",
    )
    index: str = Field(
        default="",
        title="Index",
        description="The index that test events go to; empty for the default index of the token.",
    )


class SplunkRead(Block):
    """The token that searches for test events."""

    _block_type_name: ClassVar[str] = "opsflows Splunk read"
    _block_type_slug: ClassVar[str] = "opsflows-splunk-read"
    _description: ClassVar[str] = "A bearer token of the management API, and where it listens."

    token: SecretStr | None = Field(
        default=None, title="Search token", description="A token of a role that may search the index."
    )
    api_url: str = Field(
        default="", title="Management address", description="The address of the management API, e.g. https://host:8089."
    )


class SplunkManage(Block):
    """The token that makes, switches and deletes HEC tokens."""

    _block_type_name: ClassVar[str] = "opsflows Splunk manage"
    _block_type_slug: ClassVar[str] = "opsflows-splunk-manage"
    _description: ClassVar[str] = "A bearer token that may edit HEC tokens, kept for rotation alone."

    manage_token: SecretStr | None = Field(
        default=None,
        title="Manage token",
        description="A token of a role with edit_token_http and list_token_http, used for nothing but rotation.",
    )


BLOCKS: dict[Purpose, type[Block]] = {
    Purpose.SEND: SplunkSend,
    Purpose.READ: SplunkRead,
    Purpose.MANAGE: SplunkManage,
}
