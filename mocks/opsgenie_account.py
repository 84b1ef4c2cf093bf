"""An Opsgenie account lives in one region; its API keys are its integrations, and each works while it is enabled.

Source: https://docs.opsgenie.com/docs/authentication, .../docs/api-access-management, .../docs/response
"""

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.stage import Ask, Desk, Refused

REGIONS: Mapping[str, str] = {"us": "api.opsgenie.com", "eu": "api.eu.opsgenie.com"}
HOME_REGION = "us"
TEAM_NAME = "Operations"

_REFUSALS: Mapping[str, str] = {
    "read": "This API key may not read",
    "write": "This API key may not create or update",
    "remove": "This API key may not delete",
    "configure": "This API key has no configuration access",
}


@dataclass(slots=True)
class Integration:
    """An API integration: the key and what may be done with it. An empty team means the whole account."""

    id: str
    name: str
    key: str
    team_id: str = ""
    enabled: bool = True
    rights: list[str] = field(default_factory=lambda: ["read", "write", "remove"])
    created_at: float = 0.0


@dataclass(slots=True)
class Team:
    """A team that can be a responder."""

    id: str
    name: str


@dataclass(slots=True)
class Alert:
    """An alert; repeats of an open alias only raise its count. Times are epoch seconds."""

    id: str
    tiny_id: str
    alias: str
    message: str
    integration_id: str
    created_at: float
    updated_at: float
    last_occurred_at: float
    priority: str
    source: str
    description: str = ""
    entity: str = ""
    status: str = "open"
    acknowledged: bool = False
    count: int = 1
    tags: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    details: dict[str, str] = field(default_factory=dict)
    responders: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Request:
    """A change that was taken (202) and is processed when it is due; then `outcome` says how it went."""

    id: str
    action: str
    integration_id: str
    due_at: float
    identifier: str = ""
    identifier_type: str = "id"
    payload: dict[str, Any] = field(default_factory=dict)
    processed: bool = False
    success: bool = False
    outcome: str = ""
    alert_id: str = ""
    alias: str = ""


@dataclass(slots=True)
class Heartbeat:
    """A dead man's switch."""

    name: str
    description: str
    interval: int
    interval_unit: str
    enabled: bool = True
    last_ping_at: float | None = None


@dataclass(frozen=True, slots=True)
class Seed:
    """The account's first integrations (one to send, one to manage), its team and its person on call."""

    integration_id: str
    api_key: str
    manager_id: str
    manager_key: str
    team_id: str
    user: str


@dataclass(slots=True)
class Memory:
    """All that the account holds.

    `team_check` says where an unknown responder is noticed: at `acceptance` (422) or at `processing` (isSuccess
    false). `discarding` is a policy that lets no new alert through. `alerts` are in the order in which they were made.
    """

    region: str
    integrations: list[Integration]
    teams: list[Team]
    users: list[str]
    alerts: list[Alert] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    team_check: str = "processing"
    discarding: bool = False
    last_tiny_id: int = 0


Account = Desk[Seed, Memory]


def seed() -> Seed:
    return Seed(new_id(), new_id(), new_id(), new_id(), new_id(), "on-call@example.com")


def memory(seeded: Seed) -> Memory:
    return Memory(
        region=HOME_REGION,
        integrations=[
            Integration(seeded.integration_id, "first", seeded.api_key, seeded.team_id),
            Integration(seeded.manager_id, "manager", seeded.manager_key, rights=["read", "configure"]),
        ],
        teams=[Team(seeded.team_id, TEAM_NAME)],
        users=[seeded.user],
    )


def new_id() -> str:
    return str(uuid.uuid4())


def caller(desk: Account, ask: Ask, right: str) -> Integration:
    """Return the integration whose key the request carries.

    Raises:
        Refused: 401 for a key that is unknown in this region or disabled, 403 where it lacks the right.
    """
    sent = ask.authorization("GenieKey").encode()
    here = desk.memory.integrations if region_of(ask) == desk.memory.region else []
    found = next((row for row in here if secrets.compare_digest(row.key.encode(), sent)), None)
    if found is None or not found.enabled:
        raise Refused(refusal(401, "API Key is invalid or the integration is disabled"))
    if right not in found.rights:
        raise Refused(refusal(403, _REFUSALS[right]))
    return found


def region_of(ask: Ask) -> str:
    """Return the region the client asked; any address that is not one of Opsgenie's names stands for the US."""
    return next((region for region, host in REGIONS.items() if host == ask.host), HOME_REGION)


def answer(status: int, **fields: Any) -> Response:
    """Return fields in Opsgenie's envelope: each answer says how long it took and under which id."""
    request_id = new_id()
    return JSONResponse({**fields, "took": 0.021, "requestId": request_id}, status, {"x-request-id": request_id})


def refusal(status: int, message: str, errors: Mapping[str, str] | None = None) -> Response:
    """Return a refusal. Source: https://docs.opsgenie.com/docs/response."""
    return answer(status, message=message, **({"errors": dict(errors)} if errors else {}))


def not_processable(field_name: str, problem: str) -> Refused:
    message = "Request body is not processable. Please check the errors."
    return Refused(refusal(422, message, {field_name: problem}))


def millis(at: float) -> int:
    """Return epoch seconds as the milliseconds in which Opsgenie thinks; what is smaller is cut off."""
    return round(at * 1_000_000) // 1000


def iso(at: float | None) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
