"""What Sentry's stand-in remembers: one organisation with projects, client keys, events grouped into issues, outcomes."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from mocks.stage import Desk

# The seeded tokens have the least scopes that their purposes need; mint_token makes others.
READ_SCOPES = ("project:read", "event:write", "org:read")
MANAGE_SCOPES = ("project:admin",)
# How long the ingest servers go on with the key settings they have cached. Minutes at Sentry, a moment here.
PROPAGATION_S = 0.2
# How often one of the endpoints for client keys may be asked. Source: project_keys.py of Sentry's own repository.
API_CALLS_PER_WINDOW = 40
WINDOW_S = 1


@dataclass(frozen=True, slots=True)
class Seed:
    """One organisation, one project with a client key, and two API tokens: one reads, one manages client keys."""

    organization: str
    organization_id: str
    project: str
    project_id: str
    key_id: str
    public_key: str
    secret_key: str
    auth_token: str
    manage_token: str


@dataclass(slots=True)
class ClientKey:
    """A DSN's key; its id is its public part, as at Sentry. `changed_at` is when `active` last changed; ingest follows after the propagation delay.

    A deleted key is inactive, and only ingest's cache still knows it.
    """

    key_id: str
    project_id: str
    public: str
    secret: str
    name: str
    created_at: float
    active: bool = True
    changed_at: float = 0.0
    deleted: bool = False


@dataclass(slots=True)
class Project:
    project_id: str
    slug: str
    enabled: bool = True


@dataclass(slots=True)
class Issue:
    issue_id: str
    short_id: str
    project_id: str
    fingerprint: list[str]
    title: str
    first_seen: float
    last_seen: float
    visible_at: float
    count: int = 1
    status: str = "unresolved"


@dataclass(slots=True)
class Event:
    event_id: str
    issue_id: str
    project_id: str
    key_id: str
    title: str
    at: float
    visible_at: float
    payload: dict[str, Any]


@dataclass(slots=True)
class Outcome:
    """What became of `quantity` things of a category; what stats_v2 counts."""

    at: float
    project_id: str
    outcome: str
    reason: str
    category: str
    quantity: int


@dataclass(slots=True)
class Memory:
    """`tokens` maps an API token to its scopes; `cold_requests` are answered 200 and dropped."""

    tokens: dict[str, list[str]]
    projects: dict[str, Project]
    keys: dict[str, ClientKey]
    region: str = "us"
    events: dict[str, Event] = field(default_factory=dict)
    issues: dict[str, Issue] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    alert_routing_keys: list[str] = field(default_factory=list)
    cold_requests: int = 0
    propagation_s: float = PROPAGATION_S
    filtered_words: list[str] = field(default_factory=list)
    issues_made: int = 0
    api_calls: dict[str, list[float]] = field(default_factory=dict)


SentryDesk = Desk[Seed, Memory]


def number(digits: int) -> str:
    return str(secrets.randbelow(9 * 10 ** (digits - 1)) + 10 ** (digits - 1))


def new_token() -> str:
    return f"sntryu_{secrets.token_hex(32)}"


def new_client_key(project_id: str, name: str, at: float) -> ClientKey:
    """Return a key that ingest learns about after the propagation delay."""
    public = secrets.token_hex(16)
    return ClientKey(public, project_id, public, secrets.token_hex(16), name, at, changed_at=at)


def new_seed() -> Seed:
    key = secrets.token_hex(16)
    return Seed(
        f"org-{secrets.token_hex(3)}", number(7), "payments", number(7), key, key, secrets.token_hex(16),
        new_token(), new_token(),
    )  # fmt: skip


def new_memory(seed: Seed) -> Memory:
    key = ClientKey(seed.key_id, seed.project_id, seed.public_key, seed.secret_key, "Default", 0.0)
    tokens = {seed.auth_token: list(READ_SCOPES), seed.manage_token: list(MANAGE_SCOPES)}
    return Memory(tokens, {seed.project_id: Project(seed.project_id, seed.project)}, {key.key_id: key})


def set_active(desk: SentryDesk, key: ClientKey, *, active: bool) -> None:
    if key.active != active:
        key.active, key.changed_at = active, desk.now()


def accepted_by_ingest(desk: SentryDesk, key: ClientKey) -> bool:
    """Tell whether ingest takes events of the key now: what changed a moment ago it does not know yet."""
    settled = desk.now() >= key.changed_at + desk.memory.propagation_s
    return key.active if settled else not key.active


def note_outcome(
    desk: SentryDesk, project_id: str, outcome: str, reason: str = "", *, category: str = "error", quantity: int = 1
) -> None:
    desk.memory.outcomes.append(Outcome(desk.now(), project_id, outcome, reason, category, quantity))
