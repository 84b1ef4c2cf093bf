"""An OpenID client's credentials. Slugs and the order of fields are stored identity: append, never rename or reorder."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from domain.names import Purpose


class OidcSend(Block):
    """The secret that an application gets tokens with, and whose it is."""

    _block_type_name: ClassVar[str] = "opsflows OIDC send"
    _block_type_slug: ClassVar[str] = "opsflows-oidc-send"
    _description: ClassVar[str] = "The secret of a client of a Keycloak realm."

    client_secret: SecretStr = Field(
        title="Client secret", description="The secret from the Credentials of the client, in the realm's console."
    )
    issuer: str = Field(
        default="", title="Issuer", description="The address of the realm, e.g. https://sso.example.com/realms/shop."
    )
    client_id: str = Field(default="", title="Client id", description="The Client ID, as the list of clients shows it.")


class OidcManage(Block):
    """The client that looks after the other one's secrets."""

    _block_type_name: ClassVar[str] = "opsflows OIDC manage"
    _block_type_slug: ClassVar[str] = "opsflows-oidc-manage"
    _description: ClassVar[str] = "A client of the same realm that may manage clients, kept for rotation alone."

    admin_client_secret: SecretStr | None = Field(
        default=None,
        title="Admin client secret",
        description="The secret of a client whose service account has manage-clients, used for nothing but rotation.",
    )
    admin_client_id: str = Field(
        default="", title="Admin client id", description="The Client ID of that client, of the same realm."
    )


BLOCKS: dict[Purpose, type[Block]] = {Purpose.SEND: OidcSend, Purpose.MANAGE: OidcManage}
