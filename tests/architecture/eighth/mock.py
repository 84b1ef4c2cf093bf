"""A stand-in for Healthchecks.io: one check, its log, and a key for reading it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from starlette.responses import JSONResponse, PlainTextResponse, Response

from mocks.stage import Ask, Desk, Order, Refused, Route, StandIn

# Source: https://healthchecks.io/docs/http_api/: more than five pings of a check in a minute are answered with 429.
PINGS_PER_MINUTE = 5
_TEXT_LIMIT_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Seed:
    """What operators are given."""

    check_id: str
    api_key: str


@dataclass(slots=True)
class Ping:
    """One entry of the log."""

    n: int
    kind: str
    rid: str
    text: str
    at: float
    visible_at: float


@dataclass(slots=True)
class Memory:
    """The check's log, newest last, and how it forgets texts."""

    pings: list[Ping] = field(default_factory=list)


Check = Desk[Seed, Memory]


def _log(desk: Check, ask: Ask) -> Response:
    """Source: https://healthchecks.io/docs/http_api/."""
    if ask.ids["check"] != desk.seed.check_id:
        raise Refused(PlainTextResponse("not found", 404))
    rid = ask.query.get("rid", "")
    if rid and not _is_uuid(rid):
        raise Refused(PlainTextResponse("invalid uuid format", 400))
    now = desk.now()
    if sum(ping.at > now - 60 for ping in desk.memory.pings) >= PINGS_PER_MINUTE:
        raise Refused(PlainTextResponse("rate limit exceeded", 429))
    text = ask.body[:_TEXT_LIMIT_BYTES].decode("utf-8", errors="replace")
    desk.memory.pings.append(Ping(len(desk.memory.pings) + 1, "log", rid, text, now, desk.visible_at()))
    return PlainTextResponse("OK")


def _list(desk: Check, ask: Ask) -> Response:
    """Source: https://healthchecks.io/docs/api/, newest first."""
    _check_key(desk, ask)
    return JSONResponse({"pings": [_as_row(ping, ask) for ping in reversed(_visible(desk))]})


def _text(desk: Check, ask: Ask) -> Response:
    """Source: https://healthchecks.io/docs/api/: the text as it came; 404 where there is none."""
    _check_key(desk, ask)
    found = next((ping.text for ping in _visible(desk) if str(ping.n) == ask.ids["n"]), "")
    return PlainTextResponse(found) if found else JSONResponse({"error": "not found"}, 404)


def _check_key(desk: Check, ask: Ask) -> None:
    if ask.headers.get("x-api-key") != desk.seed.api_key:
        raise Refused(JSONResponse({"error": "wrong api key"}, 401))
    if ask.ids["check"] != desk.seed.check_id:
        raise Refused(JSONResponse({"error": "not found"}, 404))


def _visible(desk: Check) -> list[Ping]:
    return [ping for ping in desk.memory.pings if ping.visible_at <= desk.now()]


def _as_row(ping: Ping, ask: Ask) -> dict[str, Any]:
    logged = f"{ask.base_url}/api/v3/checks/{ask.ids['check']}/pings/{ping.n}/body"
    when = datetime.fromtimestamp(ping.at, UTC).isoformat()
    return {"type": ping.kind, "date": when, "n": ping.n, "method": "POST", "rid": ping.rid or None, "body_url": logged if ping.text else None}  # fmt: skip


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _credentials(desk: Check, base_url: str) -> Mapping[str, str]:
    del base_url
    return {"HEALTHCHECKS_CHECK_ID": desk.seed.check_id, "HEALTHCHECKS_API_KEY": desk.seed.api_key}


def _inbox(desk: Check) -> list[dict[str, Any]]:
    return [{"text": ping.text, "at": ping.at, "where": "the check's log", "acknowledged": False} for ping in desk.memory.pings]  # fmt: skip


def _lose_texts(desk: Check, order: Order) -> object:
    """Keep the list and lose the texts, as an object store that is away would."""
    del order
    for ping in desk.memory.pings:
        ping.text = ""
    return {"pings": len(desk.memory.pings)}


STAND_IN = StandIn(
    name="healthchecks",
    seed=lambda: Seed(str(uuid4()), secrets.token_urlsafe(24)),
    memory=lambda _: Memory(),
    seed_type=Seed,
    memory_type=Memory,
    routes=(
        Route("GET", "/api/v3/checks/{check}/pings/", _list),
        Route("GET", "/api/v3/checks/{check}/pings/{n}/body", _text),
        Route("POST", "/{check}/log", _log),
    ),
    credentials=_credentials,
    inbox=_inbox,
    actions={"lose_texts": _lose_texts},
    hosts=("hc-ping.com", "healthchecks.io"),
)
