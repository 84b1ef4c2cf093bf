"""Slack's credentials. Slugs and the order of fields are stored identity: append, never rename or reorder."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from domain.names import Purpose


class SlackSend(Block):
    """The incoming webhook that applications post with."""

    _block_type_name: ClassVar[str] = "opsflows Slack send"
    _block_type_slug: ClassVar[str] = "opsflows-slack-send"
    _description: ClassVar[str] = "An incoming webhook of a Slack app; posts to one channel."

    webhook_url: SecretStr = Field(
        title="Webhook URL", description="The whole URL from the app's settings, Incoming Webhooks. It is a secret."
    )


class SlackRead(Block):
    """The bot token that reads messages back and deletes test messages."""

    _block_type_name: ClassVar[str] = "opsflows Slack read"
    _block_type_slug: ClassVar[str] = "opsflows-slack-read"
    _description: ClassVar[str] = "A bot token of the same Slack app, and the webhook's channel."

    bot_token: SecretStr | None = Field(
        default=None,
        title="Bot token",
        description="The Bot User OAuth Token (xoxb-) with channels:history and chat:write.",
    )
    channel: str = Field(
        default="", title="Channel id", description="The id (C...) of the channel the webhook posts to."
    )


BLOCKS: dict[Purpose, type[Block]] = {Purpose.SEND: SlackSend, Purpose.READ: SlackRead}
