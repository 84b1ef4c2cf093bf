"""What Statuspage's stand-in remembers: one organisation with its API keys, one page, who subscribed, what was mailed.

Source: https://developer.statuspage.io, https://support.atlassian.com/statuspage/docs/create-and-manage-api-keys
"""

import secrets
from dataclasses import dataclass, field

from mocks.stage import Desk

# Published: one request a second for each token, measured over a rolling window of 60 seconds.
WINDOW_S = 60
PUBLISHED_CALLS = 60
OVER_LIMIT = 420


@dataclass(frozen=True, slots=True)
class Seed:
    """The first key, and the page that is written to."""

    api_key: str
    key_id: str
    page_id: str
    component_id: str
    subscriber: str


@dataclass(slots=True)
class ApiKey:
    """A key of the organisation; any number may exist. `allowed` is false where it may not touch the page.

    `expires_at` is None for a key from before keys expired. `calls` are the moments of the requests that still count against its limit.
    """

    id: str
    name: str
    key: str
    allowed: bool = True
    expires_at: float | None = None
    calls: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Component:
    id: str
    name: str
    status: str = "operational"


@dataclass(slots=True)
class Update:
    """One entry of an incident's history."""

    id: str
    status: str
    body: str
    at: float
    deliver_notifications: bool


@dataclass(slots=True)
class Incident:
    id: str
    name: str
    status: str
    impact: str
    created_at: float
    updated_at: float
    resolved_at: float | None = None
    components: list[str] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)


@dataclass(slots=True)
class Mail:
    """What a subscriber got."""

    to: str
    subject: str
    text: str
    at: float


@dataclass(slots=True)
class Memory:
    """`calls_per_window` of 0 switches the limit off; `over_limit` is 420 or 429. `keeps_incidents` refuses to delete."""

    keys: list[ApiKey]
    components: list[Component]
    subscribers: list[str]
    incidents: list[Incident] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    calls_per_window: int = PUBLISHED_CALLS
    over_limit: int = OVER_LIMIT
    keeps_incidents: bool = False


Page = Desk[Seed, Memory]


def new_id() -> str:
    """Return an id as Statuspage's are: twelve lower-case letters and digits."""
    return "".join(secrets.choice("abcdefghjkmnpqrstvwxyz0123456789") for _ in range(12))


def new_key() -> str:
    return secrets.token_hex(32)


def new_seed() -> Seed:
    return Seed(new_key(), new_id(), new_id(), new_id(), "customer@example.com")


def new_memory(seed: Seed) -> Memory:
    return Memory(
        keys=[ApiKey(seed.key_id, "first", seed.api_key)],
        components=[Component(seed.component_id, "API")],
        subscribers=[seed.subscriber],
    )
