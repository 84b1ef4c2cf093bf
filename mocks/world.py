"""All stand-ins in one place: who is addressed, what each remembers, and the one clock they share."""

import email.utils
import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from typing import Any

from starlette.datastructures import Headers, QueryParams
from starlette.responses import JSONResponse, Response

from mocks.faults import Fault, FaultQueue
from mocks.journal import Entry, Journal
from mocks.keeping import Kept, StateFile
from mocks.stage import Action, Ask, Desk, Order, Refused, Route, StandIn


@dataclass(slots=True)
class Booth:
    """One stand-in at work: its record, its desk, what arrived, and what is to go wrong next."""

    stand_in: StandIn[Any, Any]
    desk: Desk[Any, Any]
    journal: Journal = field(default_factory=Journal)
    faults: FaultQueue = field(default_factory=FaultQueue)

    @property
    def name(self) -> str:
        return self.stand_in.name

    def base_url(self, origin: str) -> str:
        """Return this vendor's address below the stand-ins' (`http://127.0.0.1:1234`)."""
        return origin if self.stand_in.at_root else f"{origin}/{self.name}"

    def serves(self, path: str) -> bool:
        return any(route.pattern.match(path) for route in self.stand_in.routes)

    def reset(self) -> None:
        """Forget everything but the credentials, which work again as they did at the start."""
        self.desk.memory = self.stand_in.memory(self.desk.seed)
        self.desk.indexing_delay_s = self.stand_in.indexing_delay_s
        self.desk.listing_lag_s = 0.0
        self.journal.clear()
        self.faults.clear()


@dataclass(slots=True)
class Exchange:
    """A request being answered. `response` is None where the connection is to be cut instead."""

    response: Response | None
    fault: Fault
    entry: Entry


class StandInWorld:
    """Every stand-in, by name."""

    def __init__(
        self, stand_ins: Iterable[StandIn[Any, Any]], file: StateFile, clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._file = file
        self.offset_s = file.clock_offset_s
        self.grpc_port: int | None = None
        self.booths = {stand_in.name: self._opened(stand_in) for stand_in in stand_ins}
        self.keep()

    def now(self) -> float:
        return self._clock() + self.offset_s

    def deliver(self, vendor: str, method: str, path: str, payload: object) -> Response | None:
        """Send JSON to a vendor as another vendor would: through its routes, its journal and its faults."""
        booth = self.booths[vendor]
        headers = Headers({"content-type": "application/json", "user-agent": "stand-in"})
        body = json.dumps(payload).encode()
        base_url = booth.base_url("http://127.0.0.1")
        path, _, query = path.partition("?")
        exchange = self.answer(booth, Ask(method, path, QueryParams(query), headers, body, "", base_url, self.now()))
        exchange.entry.status = exchange.response.status_code if exchange.response is not None else None
        return exchange.response

    def act(self, vendor: str, action: str, fields: Mapping[str, Any], base_url: str) -> Any:
        """Do something at a vendor's console. `base_url` is any vendor's address, from which the origin is taken."""
        booth = self.booths[vendor]
        return known_actions(booth)[action](booth.desk, _order(booth, fields, base_url))

    def act_on_copy(self, vendor: str, action: str, fields: Mapping[str, Any], base_url: str) -> Any:
        """Return what `act` would, and change nothing."""
        booth = self.booths[vendor]
        return known_actions(booth)[action](booth.desk.throw_away_copy(), _order(booth, fields, base_url))

    def addressed(self, host: str, path: str) -> tuple[Booth, str] | None:
        """Return who is meant and the path as that vendor sees it: by its own host name, by prefix, or at the root."""
        for booth in self.booths.values():
            if any(fnmatch(host, pattern) for pattern in booth.stand_in.hosts):
                return booth, path
        name, slash, rest = path.removeprefix("/").partition("/")
        if name in self.booths:
            return self.booths[name], slash + rest or "/"
        rooted = [booth for booth in self.booths.values() if booth.stand_in.at_root]
        return next(((booth, path) for booth in rooted if booth.serves(path)), None)

    def answer(self, booth: Booth, ask: Ask) -> Exchange:
        """Let the vendor, or the fault that is due, answer."""
        if booth.stand_in.rpc is not None:
            ask = replace(ask, rpc=booth.stand_in.rpc(ask))
        entry = booth.journal.note(
            Entry(
                ask.method, ask.path, str(ask.query), ask.host, dict(ask.headers), _text(ask.body), ask.at, rpc=ask.rpc
            )
        )
        fault = booth.faults.take(ask)
        entry.fault = fault.name
        response: Response | None = None
        if fault.reaches_the_vendor:
            desk = booth.desk.throw_away_copy() if fault.swallow else booth.desk
            response = fault.spoiled(booth.stand_in, _from_vendor(booth.stand_in, desk, ask))
            self.keep()
        if fault.replaces:
            response = fault.replacement(booth.stand_in, ask)
        if fault.cuts:
            response = None
        if response is not None:
            self._stamp(booth, ask, response)
        return Exchange(response, fault, entry)

    def keep(self, *, at_once: bool = False) -> None:
        """Write the state file, where there is one; at once, or a large one when it is time again."""
        self._file.keep(
            self.offset_s,
            {
                name: Kept(booth.desk.seed, booth.desk.memory, booth.desk.indexing_delay_s)
                for name, booth in self.booths.items()
            },
            at_once=at_once,
        )

    def _opened(self, stand_in: StandIn[Any, Any]) -> Booth:
        kept = self._file.recall(stand_in.name, stand_in.seed_type, stand_in.memory_type)
        if kept is not None:
            return Booth(stand_in, Desk(kept.seed, kept.memory, self, kept.indexing_delay_s))
        seed = stand_in.seed()
        return Booth(stand_in, Desk(seed, stand_in.memory(seed), self, stand_in.indexing_delay_s))

    def _stamp(self, booth: Booth, ask: Ask, response: Response) -> None:
        stamped = {
            "date": email.utils.formatdate(self.now(), usegmt=True),
            booth.stand_in.request_id_header: secrets.token_hex(16),
        }
        if booth.stand_in.headers is not None:
            stamped |= booth.stand_in.headers(booth.desk, ask, response)
        for name, value in stamped.items():
            response.headers.setdefault(name, value)


def known_actions(booth: Booth) -> dict[str, Action]:
    """Return the vendor's console actions, with those that every vendor has."""
    return {
        "set_indexing_delay": _set_indexing_delay,
        "set_listing_lag": _set_listing_lag,
        **booth.stand_in.actions,
    }


def _order(booth: Booth, fields: Mapping[str, Any], base_url: str) -> Order:
    scheme, _, rest = base_url.partition("://")
    return Order(fields, booth.base_url(f"{scheme}://{rest.partition('/')[0]}"))


def _set_indexing_delay(desk: Desk[Any, Any], order: Order) -> Any:
    desk.indexing_delay_s = order.number("seconds")
    return {"seconds": desk.indexing_delay_s}


def _set_listing_lag(desk: Desk[Any, Any], order: Order) -> Any:
    """Let listings show what is made from now on only this many seconds later."""
    desk.listing_lag_s = order.number("seconds")
    return {"seconds": desk.listing_lag_s}


def _from_vendor(stand_in: StandIn[Any, Any], desk: Desk[Any, Any], ask: Ask) -> Response:
    fitting = [(route, found) for route in stand_in.routes if (found := route.pattern.match(ask.path))]
    if not fitting:
        return JSONResponse({"stand_in": f"{stand_in.name} is not stood in for at {ask.method} {ask.path}"}, 501)
    for route, found in fitting:
        if route.method == ask.method:
            return _from_route(route, desk, replace(ask, ids=found.groupdict()))
    return JSONResponse(
        {"stand_in": f"{ask.path} does not take {ask.method}"}, 405, {"allow": ", ".join(r.method for r, _ in fitting)}
    )


def _from_route(route: Route, desk: Desk[Any, Any], ask: Ask) -> Response:
    try:
        return route.answer(desk, ask)
    except Refused as refusal:
        return refusal.response


def _text(body: bytes) -> str:
    return body.decode("utf-8", errors="replace")
