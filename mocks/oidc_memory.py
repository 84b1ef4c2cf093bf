"""What Keycloak's stand-in remembers: one realm, its clients with their secrets in attributes, and its rotation policy.

Source: server-spi/src/main/java/org/keycloak/models/ClientSecretConstants.java of keycloak/keycloak,
https://www.keycloak.org/docs/latest/server_admin/#_secret_rotation
"""

import secrets
import string
import uuid
from dataclasses import dataclass, field

from mocks.stage import Desk

REALM = "rehearsal"
MASK = "**********"
# The access token's lifespan that a realm has unless it is changed.
TOKEN_LIFESPAN_S = 300

MADE_AT = "client.secret.creation.time"
ENDS_AT = "client.secret.expiration.time"
SECOND = "client.secret.rotated"
SECOND_MADE_AT = "client.secret.rotated.creation.time"
SECOND_ENDS_AT = "client.secret.rotated.expiration.time"

# The clients were made on this day, whatever the clock says.
_FIRST_DAY = "1700000000"
_DAY_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Seed:
    """The client whose secret is rotated, and the one that looks after it. `signing_key` signs access tokens."""

    client_uuid: str
    client_id: str
    client_secret: str
    admin_uuid: str
    admin_client_id: str
    admin_client_secret: str
    signing_key: str


@dataclass(slots=True)
class Client:
    """A client. Its second secret, and when each ends, stand in `attributes`; `roles` are its service account's in realm-management."""

    id: str
    client_id: str
    secret: str
    attributes: dict[str, str] = field(default_factory=lambda: {MADE_AT: _FIRST_DAY})
    enabled: bool = True
    public: bool = False
    service_accounts: bool = True
    authorization: bool = False
    description: str = ""
    redirect_uris: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Policy:
    """The realm's client policy with the executor secret-rotation, for every confidential client."""

    enabled: bool = True
    expiration_s: int = 29 * _DAY_S
    rotated_expiration_s: int = 2 * _DAY_S


@dataclass(slots=True)
class Memory:
    """`frontend_url` is what tokens say of where they come from; empty: the address that the client used."""

    clients: list[Client]
    policy: Policy = field(default_factory=Policy)
    frontend_url: str = ""


Realm = Desk[Seed, Memory]


def new_secret() -> str:
    """Return a secret as Keycloak makes them: 32 letters and digits."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(32))


def new_seed() -> Seed:
    return Seed(
        str(uuid.uuid4()), "shop-backend", new_secret(), str(uuid.uuid4()), "opsflows-rotation", new_secret(),
        secrets.token_hex(32),
    )  # fmt: skip


def new_memory(seed: Seed) -> Memory:
    return Memory(
        [
            Client(seed.client_uuid, seed.client_id, seed.client_secret, redirect_uris=["https://shop.example.com/*"]),
            Client(seed.admin_uuid, seed.admin_client_id, seed.admin_client_secret, roles=["manage-clients"]),
        ]
    )


def client_named(desk: Realm, client_id: str) -> Client | None:
    return next((row for row in desk.memory.clients if row.client_id == client_id), None)
