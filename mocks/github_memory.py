"""What GitHub's stand-in remembers: one app with its private keys and its webhook, one installation, one repository.

The app's webhook is received inside the stand-in, by a receiver that knows some secrets; so a delivery is really signed,
really judged, and its status is what the receiver answered.
Source: https://docs.github.com/en/rest/apps/webhooks, https://docs.github.com/en/rest/actions/secrets
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from nacl.public import PrivateKey

from mocks.stage import Desk

OWNER = "stand-in"
REPOSITORY = "application"
# "up to 25 private keys at once"; the last one cannot be deleted. Source: managing-private-keys-for-github-apps
MOST_KEYS = 25
# Deliveries are kept, and can be sent again, for three days. Source: redelivering-webhooks
RETENTION_S = 3 * 24 * 3600
TOKEN_LIFE_S = 3600
_KEY_BITS = 2048


@dataclass(frozen=True, slots=True)
class Seed:
    """The first private key, the first webhook secret, and the ids; the box that Actions secrets are sealed for."""

    app_id: str
    client_id: str
    private_key: str
    webhook_secret: str
    installation_id: str
    hook_id: str
    repository_id: int
    box_key: str
    box_key_id: str


@dataclass(slots=True)
class AppKey:
    """The public half alone, as GitHub keeps it. `fingerprint` is what the settings page shows."""

    fingerprint: str
    public_key: str
    created_at: float


@dataclass(slots=True)
class Hook:
    """The app's one webhook with its one secret; without a secret nothing is signed."""

    url: str
    secret: str
    content_type: str = "json"
    insecure_ssl: str = "0"


@dataclass(slots=True)
class Delivery:
    """One attempt. A redelivery has an id of its own and the guid of the first. `payload` is the JSON that was sent."""

    id: int
    guid: str
    event: str
    action: str
    at: float
    visible_at: float
    redelivery: bool
    headers: dict[str, str]
    payload: str
    status: str
    status_code: int


@dataclass(slots=True)
class Received:
    """What the receiver got, byte for byte, and what it answered."""

    headers: dict[str, str]
    body: str
    status_code: int


@dataclass(slots=True)
class Receiver:
    """Accepts what is signed with one of these secrets (200) and refuses the rest (401); `answers` overrides both."""

    accepts: list[str]
    answers: int = 0
    received: list[Received] = field(default_factory=list)


@dataclass(slots=True)
class Token:
    """An installation's token: what it may do, in which repositories (empty: all of the installation)."""

    token: str
    expires_at: float
    permissions: dict[str, str]
    repositories: list[str]


@dataclass(slots=True)
class ActionsSecret:
    """An opened secret. GitHub keeps it sealed; only the console of the stand-in shows it."""

    value: str
    created_at: float
    updated_at: float


@dataclass(slots=True)
class Memory:
    keys: list[AppKey]
    hook: Hook
    receiver: Receiver
    deliveries: list[Delivery] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    secrets: dict[str, ActionsSecret] = field(default_factory=dict)
    granted: dict[str, str] = field(default_factory=lambda: {"metadata": "read", "issues": "read", "secrets": "write"})
    suspended: bool = False


GitHub = Desk[Seed, Memory]


def new_private_key() -> str:
    """Return an RSA key as GitHub's .pem files hold it (PKCS#1)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


def app_key(private_key: str, created_at: float) -> AppKey:
    """Return what GitHub keeps of a private key that it just handed out."""
    # Our own key of a moment ago; looking for its primes again would take fifty times as long.
    key = serialization.load_pem_private_key(private_key.encode(), None, unsafe_skip_rsa_key_validation=True)
    public = key.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return AppKey(f"SHA256:{base64.b64encode(hashlib.sha256(der).digest()).decode()}", pem, created_at)


def new_seed() -> Seed:
    return Seed(
        app_id=str(1_000_000 + secrets.randbelow(9_000_000)),
        client_id=f"Iv23{secrets.token_hex(8)}",
        private_key=new_private_key(),
        webhook_secret=secrets.token_hex(32),
        installation_id=str(10_000_000 + secrets.randbelow(90_000_000)),
        hook_id=str(100_000_000 + secrets.randbelow(900_000_000)),
        repository_id=500_000_000 + secrets.randbelow(100_000_000),
        box_key=base64.b64encode(bytes(PrivateKey.generate())).decode(),
        box_key_id=str(10**17 + secrets.randbelow(9 * 10**17)),
    )


def new_memory(seed: Seed) -> Memory:
    return Memory(
        keys=[app_key(seed.private_key, 0.0)],
        hook=Hook("https://receiver.example.com/github", seed.webhook_secret),
        receiver=Receiver([seed.webhook_secret]),
    )
