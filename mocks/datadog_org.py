"""A Datadog organisation lives on one site; only there are its keys known, and elsewhere they look simply wrong.

Source: https://docs.datadoghq.com/getting_started/site/, .../account_management/api-app-keys/, .../api/latest/rate-limits/
"""

import math
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.responses import JSONResponse, Response

from mocks.stage import Ask, Desk, Refused

HOME_SITE = "datadoghq.com"
SITES = (
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "uk1.datadoghq.com",
    "datadoghq.eu",
    "ddog-gov.com",
    "us2.ddog-gov.com",
)
EVENT_INTAKE = "event-management-intake"
LOG_INTAKE = "http-intake.logs"
SUBDOMAINS = ("api", EVENT_INTAKE, LOG_INTAKE)
MAX_API_KEYS = 50
MAX_APP_KEYS_PER_USER = 1000
# Older than a quarterly policy allows, as with a team that comes to opsflows: there is something to rotate.
FIRST_KEYS_ARE_OLD_S = 100 * 86_400.0

# The seeded application keys have the least scopes that their purposes need; they belong to the service account.
READ_SCOPES = ("timeseries_query", "events_read")
MANAGE_SCOPES = ("api_keys_read", "api_keys_write", "api_keys_delete", "service_account_write")

# Limit names are the organisation's; how often each may be asked per period, in calls and seconds.
# Submitting metrics and logs is not limited.
RATE_LIMITS: Mapping[str, tuple[int, int]] = {
    "event_submission": (250_000, 60),
    "events_search": (300, 3600),
    "metrics_query": (1600, 3600),
    "logs_query": (300, 3600),
    "key_management": (600, 60),
}


@dataclass(slots=True)
class ApiKey:
    """Submits; times are epoch seconds. `uses` holds the moments of use that a listing may still have to tell."""

    id: str
    name: str
    key: str
    created_at: float
    uses: list[float] = field(default_factory=list)
    deleted_at: float | None = None


@dataclass(slots=True)
class AppKey:
    """Reads and manages, on behalf of its owner; `scopes` None means all that the owner may do."""

    id: str
    name: str
    key: str
    owner: str
    created_at: float
    scopes: list[str] | None = None
    uses: list[float] = field(default_factory=list)
    deleted_at: float | None = None


@dataclass(slots=True)
class Event:
    """An event of either API. `custom` is what the sender put under attributes.custom."""

    id: str
    uid: str
    title: str
    text: str
    tags: list[str]
    at: float
    visible_at: float
    source: str
    status: str
    priority: str
    api_key_id: str
    host: str = ""
    aggregation_key: str = ""
    category: str = ""
    custom: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Point:
    """One value of one metric at one second."""

    metric: str
    kind: int
    at: float
    value: float
    tags: list[str]
    visible_at: float
    api_key_id: str


@dataclass(slots=True)
class LogLine:
    """One log event."""

    id: str
    message: str
    source: str
    service: str
    host: str
    status: str
    tags: list[str]
    at: float
    visible_at: float
    api_key_id: str


@dataclass(slots=True)
class Spent:
    """Calls against one limit in the period that began at `since`."""

    since: float
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Seed:
    """The organisation's first keys and its people."""

    api_key_id: str
    api_key: str
    app_key_id: str
    app_key: str
    manage_app_key_id: str
    manage_app_key: str
    user_id: str
    service_account_id: str


@dataclass(slots=True)
class Memory:
    """All that the organisation holds. `log_status` is what aggregations say of themselves (done, timeout).

    Deleted keys are known for `propagation_s` more; new ones are not known for as long. A use shows in listings after
    `last_used_lag_s`.
    """

    site: str
    api_keys: list[ApiKey]
    app_keys: list[AppKey]
    deleted_api_keys: list[ApiKey] = field(default_factory=list)
    deleted_app_keys: list[AppKey] = field(default_factory=list)
    propagation_s: float = 0.0
    last_used_lag_s: float = 0.0
    events: list[Event] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)
    max_api_keys: int = MAX_API_KEYS
    max_app_keys_per_user: int = MAX_APP_KEYS_PER_USER
    log_status: str = "done"
    limits: dict[str, tuple[int, int]] = field(default_factory=lambda: dict(RATE_LIMITS))
    spent: dict[str, Spent] = field(default_factory=dict)


Organisation = Desk[Seed, Memory]
_Key = TypeVar("_Key", ApiKey, AppKey)


def seed() -> Seed:
    return Seed(
        new_id(), new_api_key(), new_id(), new_app_key(), new_id(), new_app_key(), new_id(), new_id(),
    )  # fmt: skip


def memory(seeded: Seed) -> Memory:
    made_at, account = time.time() - FIRST_KEYS_ARE_OLD_S, seeded.service_account_id
    return Memory(
        HOME_SITE,
        [ApiKey(seeded.api_key_id, "first", seeded.api_key, made_at)],
        [
            AppKey(seeded.app_key_id, "first", seeded.app_key, account, made_at, list(READ_SCOPES)),
            AppKey(seeded.manage_app_key_id, "manage", seeded.manage_app_key, account, made_at, list(MANAGE_SCOPES)),
        ],
    )


def new_id() -> str:
    return str(uuid.uuid4())


def new_api_key() -> str:
    return secrets.token_hex(16)


def new_app_key() -> str:
    return secrets.token_hex(20)


def site_of(ask: Ask) -> str:
    """Return the site the client asked; any address that is not one of Datadog's names stands for US1."""
    for subdomain in SUBDOMAINS:
        site = ask.host.removeprefix(f"{subdomain}.")
        if site in SITES:
            return site
    return HOME_SITE


def served_only_by(subdomain: str, ask: Ask) -> None:
    """Intakes have hosts of their own: asking another of Datadog's names finds nothing."""
    if ask.host.endswith(SITES) and not ask.host.startswith(f"{subdomain}."):
        raise Refused(errors(404, "Not Found"))


def errors(status: int, *messages: str) -> Response:
    return JSONResponse({"errors": list(messages)}, status)


def sender(desk: Organisation, ask: Ask) -> ApiKey:
    """Return the API key of a submission, noting its use.

    Raises:
        Refused: 403 for a missing key, an unknown one and one of another site alike.
    """
    sent = ask.headers.get("dd-api-key", "")
    if not sent:
        raise Refused(errors(403, "API key required"))
    return _known_api_key(desk, ask, sent, "Forbidden")


def reader(desk: Organisation, ask: Ask, permission: str) -> AppKey:
    """Return the application key of a read or a change, noting the use of both keys.

    Raises:
        Refused: 403 when either key is unknown here or the application key's scopes lack the permission.
    """
    refusal = "Invalid API key or Application key"
    _known_api_key(desk, ask, ask.headers.get("dd-api-key", ""), refusal)
    sent = ask.headers.get("dd-application-key", "")
    found = _known(desk, [*desk.memory.app_keys, *desk.memory.deleted_app_keys], sent)
    if found is None:
        raise Refused(errors(403, refusal))
    if permission and found.scopes is not None and permission not in found.scopes:
        raise Refused(errors(403, "Forbidden", "Failed permission authorization checks"))
    note_use(desk, found)
    return found


def note_use(desk: Organisation, key: ApiKey | AppKey) -> None:
    """Keep the use, and of the older ones the latest that listings tell already."""
    key.uses = [*_untold(desk, key), desk.now()]


def told_use(desk: Organisation, key: ApiKey | AppKey) -> float | None:
    """Return the latest use that a listing tells of by now."""
    return max((at for at in key.uses if at <= desk.now() - desk.memory.last_used_lag_s), default=None)


def _untold(desk: Organisation, key: ApiKey | AppKey) -> list[float]:
    told = told_use(desk, key)
    return [at for at in key.uses if told is None or at >= told]


def spend(desk: Organisation, name: str) -> None:
    """Count one call against a limit.

    Raises:
        Refused: 429 when the limit of this period is used up.
    """
    limit, _ = desk.memory.limits[name]
    spent = desk.memory.spent[name] = _spent(desk, name)
    if spent.calls >= limit:
        raise Refused(JSONResponse({"errors": ["Too many requests"]}, 429))
    spent.calls += 1


def rate_limit_headers(desk: Organisation, name: str) -> dict[str, str]:
    """Return the limit's state as Datadog writes it; Reset is in seconds left, and there is no Retry-After."""
    limit, period = desk.memory.limits[name]
    spent = _spent(desk, name)
    left = math.ceil(period - (desk.now() - spent.since))
    return limit_headers(name, limit, period, max(0, limit - spent.calls), left)


def limit_headers(name: str, limit: int, period_s: int, remaining: int, reset_s: int) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Period": str(period_s),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": str(reset_s),
        "X-RateLimit-Name": name,
    }


def _spent(desk: Organisation, name: str) -> Spent:
    """Return what was spent in the period that runs now."""
    _, period = desk.memory.limits[name]
    now, spent = desk.now(), desk.memory.spent.get(name)
    return spent if spent is not None and spent.since <= now < spent.since + period else Spent(now)


def _known_api_key(desk: Organisation, ask: Ask, sent: str, refusal: str) -> ApiKey:
    keys = [*desk.memory.api_keys, *desk.memory.deleted_api_keys] if site_of(ask) == desk.memory.site else []
    found = _known(desk, keys, sent)
    if found is None:
        raise Refused(errors(403, refusal))
    note_use(desk, found)
    return found


def _known(desk: Organisation, keys: list[_Key], sent: str) -> _Key | None:
    """Return the key of this value, unless it is too new or was deleted too long ago."""
    now, late_s = desk.now(), desk.memory.propagation_s
    return next(
        (
            key
            for key in keys
            if secrets.compare_digest(key.key.encode(), sent.encode())
            and now >= key.created_at + late_s
            and (key.deleted_at is None or now < key.deleted_at + late_s)
        ),
        None,
    )
