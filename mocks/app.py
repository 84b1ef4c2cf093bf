"""The stand-ins' app: every vendor's file in this folder is found and served under /<vendor>/, the rest is /_control.

How a vendor's file looks. It imports from `mocks.stage` and Starlette, nothing of ours, and ends with its record,
`STAND_IN`, by which it is found. Two dataclasses (with plain, typed fields that pydantic can write as JSON and read
back: str, int, float, bool, None, list, dict, dataclasses) hold everything it knows:

    @dataclass(frozen=True, slots=True)
    class Seed:                       # the credentials and ids of this vendor: random, made once, kept for ever
        api_key: str

    @dataclass(slots=True)
    class Memory:                     # everything else, including which keys exist and whether they are enabled
        keys: dict[str, Key]          # "reset" makes it anew from the seed, so that the first credentials work again
        alerts: list[Alert]

    def _seed() -> Seed: ...                       # secrets.token_hex(16) and the like
    def _memory(seed: Seed) -> Memory: ...
    def _create(desk: Desk[Seed, Memory], ask: Ask) -> Response:
        # Source: the vendor's page
        key = _checked(desk, ask)                  # raise Refused(JSONResponse({...}, 403)) to answer at once
        desk.memory.alerts.append(Alert(..., visible_at=desk.visible_at()))
        return JSONResponse({"status": "ok"}, 202)
    def _pause(desk: Desk[Seed, Memory], order: Order) -> object: ...         # returns what is shown, as JSON

    STAND_IN = StandIn(
        name="vendor", seed=_seed, memory=_memory, seed_type=Seed, memory_type=Memory,
        routes=(Route("POST", "/api/v1/alerts", _create), Route("GET", "/api/v1/alerts/{id}", _show)),
        credentials=_credentials,     # (desk, base_url) -> {"VENDOR_API_KEY": ...}: the variables of its table row
        inbox=_inbox,                 # (desk) -> [{"text", "at", "where", "acknowledged"}]: what a person would see
        actions={"pause": _pause},    # POST /_control/vendor/actions/pause
        hosts=("api.vendor.com",),    # also answers requests whose Host is one of these (patterns), without prefix
        at_root=False,                # True: its routes also answer without prefix, and base_url has none
        request_id_header="x-request-id",          # every answer gets a random one, and a Date
        limited=_limited,             # (ask, seconds) -> the vendor's own 429, for the fault {"throttle_s": 30}
        headers=_rate_headers,        # (desk, ask, response) -> headers that go on every answer
        corrupted=_corrupted,         # body -> body with another payload, for the fault {"corrupt": true}
        rpc=_rpc,                     # ask -> the name of the vendor's method, for faults' and the journal's "rpc"
        grpc=Grpc(...),               # where the vendor also speaks gRPC: the service, and its messages from and to JSON
        indexing_delay_s=0.1,         # what desk.visible_at() adds; action set_indexing_delay changes it
    )

Rules. Handlers are plain functions (no async): each request is answered wholly before the next, so memory needs no
lock. Asynchrony is pulled, not pushed: store `visible_at=desk.visible_at()` and let reads skip what is not visible at
`desk.now()`. Never read another clock than `desk.now()`. `ask.path` is the vendor's own path, `ask.ids` what the
route's {names} matched, `ask.body` is unpacked, `ask.authorization("GenieKey")` the credential or "". `ask.host` names
the host the client meant: with it tell regions apart; `ask.on_loopback` is true for a plain loopback address. What is
not in `routes` is answered with 501 by the framework, a wrong method with 405. `desk.world.deliver("slack", "POST",
"/services/...", {...})` speaks to another vendor as its client would. The fault `swallow` runs the handler on a copy
of memory that is thrown away: a handler that keeps state anywhere but in `desk.memory` breaks it. A gRPC call comes as
the POST of its message, as JSON, to `/<service>/<method>`: with the same journal, faults and handlers as over http.
"""

import pkgutil
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

import mocks
from mocks import control
from mocks.faults import send_as
from mocks.keeping import StateFile
from mocks.stage import Ask, StandIn, unpacked
from mocks.world import Booth, StandInWorld


class App:
    """The ASGI app over one world."""

    def __init__(self, world: StandInWorld) -> None:
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        if request.url.path.startswith(control.PREFIX):
            command = control.Command(request.method, request.url.path, body, _origin(request))
            await control.obey(self.world, command)(scope, receive, send)
            return
        addressed = self.world.addressed(_host(request.headers), scope["path"])
        if addressed is None:
            known = {"error": "no stand-in answers here", "known": [f"/{name}/" for name in self.world.booths]}
            await JSONResponse(known, 404)(scope, receive, send)
            return
        exchange = self.world.answer(addressed[0], _ask(request, body, *addressed, self.world.now()))
        if exchange.response is not None:
            exchange.entry.status = exchange.response.status_code
        await send_as(exchange.fault, exchange.response, scope, receive, send)


def build(state: Path | None = None, clock: Callable[[], float] = time.time) -> App:
    """Return the app with every stand-in of this folder, as `state` remembers them where it is given.

    Raises:
        UnreadableStateFile: the file is not one that this version wrote.
    """
    return App(StandInWorld(found_stand_ins(), StateFile(state), clock))


def found_stand_ins() -> list[StandIn[Any, Any]]:
    """Return the record of every vendor's file in this folder."""
    names = sorted(module.name for module in pkgutil.iter_modules(mocks.__path__) if not module.name.startswith("_"))
    modules = [import_module(f"mocks.{name}") for name in names]
    return [module.STAND_IN for module in modules if hasattr(module, "STAND_IN")]


def _ask(request: Request, body: bytes, booth: Booth, path: str, at: float) -> Ask:
    return Ask(
        method=request.method,
        path=path,
        query=QueryParams(request.url.query),
        headers=request.headers,
        body=unpacked(body, request.headers.get("content-encoding", "")),
        host=_host(request.headers),
        # As the client wrote it: with the prefix, or without it at a vendor's own host name and at the root.
        base_url=_origin(request) + ("" if path == request.scope["path"] else f"/{booth.name}"),
        at=at,
    )


def _host(headers: Headers) -> str:
    """Return the Host header's name without its port. An IPv6 address keeps its brackets."""
    host = headers.get("host", "").lower()
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', '')}"
