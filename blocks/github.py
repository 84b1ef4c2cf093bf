"""A GitHub App's credentials. Slugs and the order of fields are stored identity: append, never rename or reorder."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from domain.names import Purpose


class GithubSend(Block):
    """The private key that the app signs with, and which app it is."""

    _block_type_name: ClassVar[str] = "opsflows GitHub App send"
    _block_type_slug: ClassVar[str] = "opsflows-github-send"
    _description: ClassVar[str] = "A private key of a GitHub App, the app's id, and where it is installed."

    private_key: SecretStr = Field(
        title="Private key", description="The whole .pem file from the app's settings page, Private keys."
    )
    app_id: str = Field(default="", title="App ID", description="From the top of the app's settings page.")
    api_url: str = Field(
        default="", title="API address", description="Of GitHub Enterprise alone; empty for api.github.com."
    )
    installation_id: str = Field(
        default="", title="Installation id", description="The number at the end of the installation's address."
    )


class GithubReceive(Block):
    """The secret that GitHub signs the app's webhook with."""

    _block_type_name: ClassVar[str] = "opsflows GitHub App receive"
    _block_type_slug: ClassVar[str] = "opsflows-github-receive"
    _description: ClassVar[str] = "The secret of a GitHub App's webhook, which receivers verify deliveries with."

    webhook_secret: SecretStr | None = Field(
        default=None, title="Webhook secret", description="What receivers know; GitHub never shows it."
    )


BLOCKS: dict[Purpose, type[Block]] = {Purpose.SEND: GithubSend, Purpose.RECEIVE: GithubReceive}
