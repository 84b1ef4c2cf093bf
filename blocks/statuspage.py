"""Statuspage's credentials. Slugs and the order of fields are stored identity: append, never rename or reorder."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from domain.names import Purpose


class StatuspageSend(Block):
    """The API key that incidents are written with, and their page."""

    _block_type_name: ClassVar[str] = "opsflows Statuspage send"
    _block_type_slug: ClassVar[str] = "opsflows-statuspage-send"
    _description: ClassVar[str] = "An API key of the organisation, and the page that incidents are written to."

    api_key: SecretStr = Field(title="API key", description="The key from the account owner's API info page.")
    page_id: str = Field(
        default="", title="Page id", description="The id of the page, from the same API info page; best a test page."
    )


BLOCKS: dict[Purpose, type[Block]] = {Purpose.SEND: StatuspageSend}
