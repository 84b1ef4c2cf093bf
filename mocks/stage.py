"""What a stand-in is made of: its record (StandIn), what it remembers (Desk), what it is asked (Ask, Order).

Handlers are plain functions without await, so that one request is answered wholly before the next is looked at.
"""

import copy
import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response
from starlette.routing import compile_path

S = TypeVar("S")
M = TypeVar("M")

LOOPBACK_NAMES = frozenset({"", "localhost", "127.0.0.1", "::1", "[::1]"})


class Refused(Exception):
    """Raised anywhere below a handler or an action: answer with this response and stop."""

    def __init__(self, response: Response) -> None:
        super().__init__(response)
        self.response = response


@dataclass(frozen=True, slots=True)
class Ask:
    """One request as the vendor sees it. `path` is the vendor's own, without the stand-ins' prefix.

    `base_url` is the vendor's address as the client wrote it, for links in answers. `body` is already unpacked (gzip,
    deflate). `host` is the name the client meant, lower case, without its port.
    `at` is when it arrived, in the stand-ins' time. `ids` holds what the route's {names} matched. `rpc` is the name of
    the vendor's method, for a vendor that names them.
    """

    method: str
    path: str
    query: QueryParams
    headers: Headers
    body: bytes
    host: str
    base_url: str
    at: float
    ids: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    rpc: str = ""

    @property
    def on_loopback(self) -> bool:
        """Tell whether the client used a plain loopback address rather than one of the vendor's names."""
        return self.host in LOOPBACK_NAMES

    def json(self) -> Any:
        """Return what the JSON body says, or None where it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def fields(self) -> dict[str, Any]:
        """Return the JSON object or the form in the body, else an empty dictionary."""
        if "x-www-form-urlencoded" in self.headers.get("content-type", ""):
            return dict(parse_qsl(self.body.decode("utf-8", errors="replace"), keep_blank_values=True))
        said = self.json()
        return said if isinstance(said, dict) else {}

    def authorization(self, scheme: str) -> str:
        """Return the credential of `Authorization: <scheme> <credential>`, empty where that is not what was sent."""
        sent_scheme, _, credential = self.headers.get("authorization", "").partition(" ")
        return credential.strip() if sent_scheme.lower() == scheme.lower() else ""


@dataclass(frozen=True, slots=True)
class Order:
    """One control action: its JSON fields, and the address under which the client reaches this vendor."""

    fields: Mapping[str, Any]
    base_url: str

    def text(self, name: str, default: str = "") -> str:
        return str(self.fields.get(name, default))

    def number(self, name: str, default: float = 0.0) -> float:
        return float(self.fields.get(name, default))


class World(Protocol):
    """What a vendor may know of everything outside itself."""

    def now(self) -> float: ...

    def deliver(self, vendor: str, method: str, path: str, payload: object) -> Response | None:
        """Send JSON to another vendor as its client would; None where a fault there cut the connection."""

    def act(self, vendor: str, action: str, fields: Mapping[str, Any], base_url: str) -> Any:
        """Do something at another vendor's console; `base_url` is any address of the stand-ins."""

    def act_on_copy(self, vendor: str, action: str, fields: Mapping[str, Any], base_url: str) -> Any:
        """Return what `act` would, and change nothing."""


@dataclass(slots=True)
class Desk(Generic[S, M]):
    """One vendor at work: `seed` stays for ever, `memory` goes with a reset."""

    seed: S
    memory: M
    world: World
    indexing_delay_s: float
    listing_lag_s: float = 0.0

    def now(self) -> float:
        """Return the stand-ins' time in epoch seconds, with the offset that the control plane set."""
        return self.world.now()

    def visible_at(self) -> float:
        """Return when something stored now shows in read-backs."""
        return self.now() + self.indexing_delay_s

    def listed(self, created_at: float) -> bool:
        """Tell whether a listing shows by now what was made then."""
        return self.now() >= created_at + self.listing_lag_s

    def throw_away_copy(self) -> "Desk[S, M]":
        """Return a desk whose memory nobody will look at and which reaches nobody: answers, and delivers nothing."""
        return Desk(
            self.seed, copy.deepcopy(self.memory), _Muted(self.world), self.indexing_delay_s, self.listing_lag_s
        )


class Route:
    """One row: a method, the vendor's path with {names}, and who answers. Names match one step; {name:path} more."""

    __slots__ = ("answer", "method", "path", "pattern")

    def __init__(self, method: str, path: str, answer: Callable[[Desk[Any, Any], Ask], Response]) -> None:
        self.method = method
        self.path = path
        self.answer = answer
        self.pattern = compile_path(path)[0]


Action = Callable[[Desk[Any, Any], Order], Any]


@dataclass(frozen=True, slots=True)
class Grpc:
    """How a vendor is spoken to over gRPC. A call arrives as POST of its message, as JSON, to the method's own path.

    `read` makes JSON of a message that came for that path, `write` makes the message of the JSON that answers it; both
    raise ValueError where that cannot be done. A refusal is the JSON in which google.rpc.Status goes over HTTP.
    """

    service: str
    read: Callable[[str, bytes], bytes]
    write: Callable[[str, bytes], bytes]


@dataclass(frozen=True, slots=True)
class StandIn(Generic[S, M]):
    """One vendor's entry. See the docstring of mocks/app.py for how a vendor's file looks."""

    name: str
    seed: Callable[[], S]
    memory: Callable[[S], M]
    seed_type: type[S]
    memory_type: type[M]
    routes: tuple[Route, ...]
    credentials: Callable[[Desk[S, M], str], Mapping[str, str]]
    inbox: Callable[[Desk[S, M]], list[dict[str, Any]]]
    actions: Mapping[str, Action] = field(default_factory=lambda: MappingProxyType({}))
    hosts: tuple[str, ...] = ()
    at_root: bool = False
    request_id_header: str = "x-request-id"
    limited: Callable[[Ask, int], Response] | None = None
    corrupted: Callable[[bytes], bytes] | None = None
    rpc: Callable[[Ask], str] | None = None
    grpc: Grpc | None = None
    headers: Callable[[Desk[S, M], Ask, Response], Mapping[str, str]] | None = None
    indexing_delay_s: float = 0.1


def unpacked(body: bytes, encoding: str) -> bytes:
    """Return the body without its content encoding; as it came where that is unknown or broken."""
    opened: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "deflate": _inflate}
    if encoding not in opened:
        return body
    try:
        return opened[encoding](body)
    except (OSError, EOFError, zlib.error):
        return body


def _inflate(body: bytes) -> bytes:
    try:
        return zlib.decompress(body)
    except zlib.error:
        return zlib.decompress(body, -zlib.MAX_WBITS)


@dataclass(frozen=True, slots=True)
class _Muted:
    """A world in which nothing arrives anywhere."""

    world: World

    def now(self) -> float:
        return self.world.now()

    def deliver(self, vendor: str, method: str, path: str, payload: object) -> Response | None:
        del vendor, method, path, payload
        return None

    def act(self, vendor: str, action: str, fields: Mapping[str, Any], base_url: str) -> Any:
        return self.world.act_on_copy(vendor, action, fields, base_url)

    def act_on_copy(self, vendor: str, action: str, fields: Mapping[str, Any], base_url: str) -> Any:
        return self.world.act_on_copy(vendor, action, fields, base_url)
