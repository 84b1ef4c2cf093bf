"""Sentry's credentials. Slugs and the order of fields are stored identity: append, never rename or reorder."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from domain.names import Purpose


class SentrySend(Block):
    """The DSN that applications report to."""

    _block_type_name: ClassVar[str] = "opsflows Sentry send"
    _block_type_slug: ClassVar[str] = "opsflows-sentry-send"
    _description: ClassVar[str] = "A client key (DSN) of one Sentry project."

    dsn: SecretStr = Field(
        title="DSN", description="The whole DSN from the project settings, Client Keys. It is a secret."
    )


class SentryRead(Block):
    """The auth token that reads test events back and resolves them."""

    _block_type_name: ClassVar[str] = "opsflows Sentry read"
    _block_type_slug: ClassVar[str] = "opsflows-sentry-read"
    _description: ClassVar[str] = "An auth token, and the organisation and project that the DSN belongs to."

    auth_token: SecretStr | None = Field(
        default=None,
        title="Auth token",
        description="A token of an internal integration with project:read and event:write.",
    )
    organisation: str = Field(
        default="", title="Organisation", description="The organisation slug, as in the address of its settings."
    )
    project: str = Field(
        default="", title="Project", description="The project slug, as in the address of its settings."
    )


class SentryManage(Block):
    """The token that makes, disables and deletes client keys; rotation alone uses it."""

    _block_type_name: ClassVar[str] = "opsflows Sentry manage"
    _block_type_slug: ClassVar[str] = "opsflows-sentry-manage"
    _description: ClassVar[str] = "A token of an internal integration that manages the project's client keys."

    manage_token: SecretStr | None = Field(
        default=None,
        title="Manage token",
        description="A token of an internal integration with project:admin, for rotation alone.",
    )


BLOCKS: dict[Purpose, type[Block]] = {
    Purpose.SEND: SentrySend,
    Purpose.READ: SentryRead,
    Purpose.MANAGE: SentryManage,
}
