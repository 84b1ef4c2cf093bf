"""What the stand-in of an encrypting service remembers: what it says of its encryption, what it really does, and what it counted."""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mocks.stage import Desk

KMS = "kms"
UNENCRYPTED = "plaintext"
# How plaintext leaves in the place of a ciphertext: in base64 alone, or behind the envelope as a ciphertext would.
PLAIN, PREFIXED = "plain", "prefixed"
COUNTERS = ("decryption_errors", "encryption_errors", "init_failures", "kms_unreachable")
OPERATIONS = ("encrypt", "decrypt")
BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
UP_FOR_S = 3600.0
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Seed:
    """The bearer token of the canary, and the data key in base64, as the service would have unwrapped it with the KMS."""

    token: str
    data_key: str


@dataclass(slots=True)
class Latency:
    """A histogram: how many calls fell into each of BUCKETS_S and above them, and their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    sum_s: float = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        place = next((place for place, bound in enumerate(BUCKETS_S) if seconds <= bound), len(BUCKETS_S))
        self.counts[place] += times
        self.sum_s += seconds * times


@dataclass(slots=True)
class CachedPage:
    """A health page that a cache keeps, and how old it was when the cache began to serve it."""

    body: str
    made_at: float


@dataclass(slots=True)
class Memory:
    """`fallback` is how plaintext leaves, empty where it is encrypted. `started_at` is None until somebody asks."""

    mode: str = KMS
    ready: bool = True
    status: int = 200
    fallback: str = ""
    key_is_lost: bool = False
    text_is_swapped: bool = False
    cached: CachedPage | None = None
    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    latencies: dict[str, Latency] = field(default_factory=lambda: {name: Latency() for name in OPERATIONS})
    started_at: float | None = None
    initialised_at: float | None = None


Backend = Desk[Seed, Memory]


def new_seed() -> Seed:
    return Seed(secrets.token_urlsafe(24), base64.b64encode(AESGCM.generate_key(256)).decode())


def new_memory(seed: Seed) -> Memory:
    del seed
    return Memory()


def begin(desk: Backend, at: float) -> None:
    """Let the process and its encryption have begun then, with nothing counted yet."""
    fresh = Memory()
    desk.memory.started_at = desk.memory.initialised_at = at
    desk.memory.counters, desk.memory.latencies = fresh.counters, fresh.latencies


def moments(desk: Backend) -> tuple[float, float]:
    """Return when the process started and when its encryption was initialised: an hour before anybody asked."""
    if desk.memory.started_at is None:
        desk.memory.started_at = desk.memory.initialised_at = desk.now() - UP_FOR_S
    return desk.memory.started_at or 0.0, desk.memory.initialised_at or 0.0


def envelope(desk: Backend) -> str:
    """Return how a ciphertext begins: it names the mode, so that one of another mode is told apart."""
    return f"{desk.memory.mode}:v1:"


def sealed(desk: Backend, plaintext: bytes, context: Mapping[str, str]) -> str:
    """Return the ciphertext, bound to the context; or what a service writes that has fallen back to none."""
    how = _unencrypted(desk)
    nonce = secrets.token_bytes(NONCE_BYTES)
    encrypted = plaintext if how else nonce + _cipher(desk).encrypt(nonce, plaintext, _bound(context))
    return ("" if how == PLAIN else envelope(desk)) + base64.b64encode(encrypted).decode()


def opened(desk: Backend, ciphertext: str, context: Mapping[str, str]) -> bytes:
    """Return the plaintext.

    Raises:
        InvalidTag, ValueError: it is no ciphertext of this service, or of another context.
    """
    how = _unencrypted(desk)
    begins = "" if how == PLAIN else envelope(desk)
    if not ciphertext.startswith(begins):
        raise ValueError("another envelope")
    sent = base64.b64decode(ciphertext.removeprefix(begins), validate=True)
    if how:
        return sent
    return _cipher(desk).decrypt(sent[:NONCE_BYTES], sent[NONCE_BYTES:], _bound(context))


def _unencrypted(desk: Backend) -> str:
    """Return how plaintext leaves, empty where it is encrypted."""
    return desk.memory.fallback or (PLAIN if desk.memory.mode == UNENCRYPTED else "")


def _cipher(desk: Backend) -> AESGCM:
    return AESGCM(base64.b64decode(desk.seed.data_key))


def _bound(context: Mapping[str, str]) -> bytes:
    return json.dumps(context, sort_keys=True, separators=(",", ":")).encode()
