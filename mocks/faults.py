"""Queued misbehaviour: which of the next answers go wrong, and how each wrong answer leaves the machine."""

import asyncio
import random
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from starlette.responses import HTMLResponse, Response
from starlette.types import Message, Receive, Scope, Send

from mocks.stage import Ask, StandIn

FOR_EVER = -1
TRANSPORT = "mocks.transport"
_DRIP_TICK_S = 0.05
_GARBAGE = "<html><head><title>Sign in</title></head><body>Please sign in to the network.</body></html>"


@dataclass(slots=True)
class Fault:
    """One queued fault. It meets the next `times` requests that fit `method`, `path` and `rpc` (-1: all of them).

    `rpc` is the name of a method ("AddSecretVersion") at a vendor that has them, whether it was called over gRPC or
    over HTTP; over gRPC `path` sees the method's own path, `method` is POST, and a `status` becomes gRPC's nearest code.

    Without `deliver` a request that gets a `status`, `garbage`, `throttle_s`, `drop` or `reset` has no effect at the
    vendor; with it the vendor acts as usual and only the answer is lost. `swallow` is the opposite: answered as usual,
    without effect. `delay_s`, `drip_bytes_per_s` and `truncate_bytes` change how the answer arrives, whichever it is.
    `throttle_s` answers as the vendor does over its rate limit, naming that many seconds. `corrupt` changes the payload
    of an answer and nothing else of it: a checksum beside it no longer fits. With a `share` below 1 it meets only so
    many of the requests that fit, by the draws of `seed`: the same seed meets the same requests again.
    """

    times: int = 1
    method: str | None = None
    path: str | None = None
    rpc: str | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    delay_s: float = 0.0
    drip_bytes_per_s: float | None = None
    truncate_bytes: int | None = None
    drop: bool = False
    reset: bool = False
    swallow: bool = False
    garbage: bool = False
    throttle_s: int | None = None
    deliver: bool = False
    corrupt: bool = False
    share: float = 1.0
    seed: int = 0

    def fits(self, ask: Ask) -> bool:
        return (
            (self.method is None or self.method.upper() == ask.method)
            and (self.path is None or re.search(self.path, ask.path) is not None)
            and (self.rpc is None or self.rpc == ask.rpc)
        )

    @property
    def reaches_the_vendor(self) -> bool:
        return self.deliver or not (self.cuts or self.replaces)

    @property
    def cuts(self) -> bool:
        return self.drop or self.reset

    @property
    def replaces(self) -> bool:
        return self.status is not None or self.garbage or self.throttle_s is not None

    def replacement(self, stand_in: StandIn[Any, Any], ask: Ask) -> Response:
        """Return the answer this fault gives in the vendor's place."""
        if self.throttle_s is not None:
            limited = stand_in.limited or _too_many
            return limited(ask, self.throttle_s)
        if self.garbage:
            return HTMLResponse(_GARBAGE, headers=self.headers)
        return Response(self.body, self.status or 200, self.headers)

    def spoiled(self, stand_in: StandIn[Any, Any], response: Response) -> Response:
        """Return the vendor's answer as this fault lets it arrive."""
        if not self.corrupt or self.replaces:
            return response
        spoil = stand_in.corrupted or _other_last_byte
        headers = {name: value for name, value in response.headers.items() if name != "content-length"}
        return Response(spoil(bytes(response.body)), response.status_code, headers)

    @property
    def name(self) -> str:
        """Return what it does, in words for the journal: the fields that differ from doing nothing."""
        told = {"times", "method", "path", "rpc", "headers", "body", "share", "seed"}
        plain = Fault()
        chosen = [f.name for f in fields(self) if f.name not in told]
        return " ".join(f"{n}={getattr(self, n)}" for n in chosen if getattr(self, n) != getattr(plain, n))


NO_FAULT = Fault()


class FaultQueue:
    """The faults of one vendor, first come first served."""

    def __init__(self) -> None:
        self._queued: list[Fault] = []
        self._draws: dict[int, random.Random] = {}

    def add(self, order: dict[str, Any]) -> Fault:
        """Queue the fault that the control plane's JSON describes.

        Raises:
            ValueError: a field is unknown or does not fit; says which.
        """
        fault = _read(order)
        self._queued.append(fault)
        return fault

    def take(self, ask: Ask) -> Fault:
        """Return the first fault that fits, used up once, or NO_FAULT."""
        found = next((fault for fault in self._queued if fault.fits(ask) and self._is_drawn(fault)), NO_FAULT)
        if found is not NO_FAULT and found.times != FOR_EVER:
            found.times -= 1
            if not found.times:
                self._queued.remove(found)
        return found

    def listing(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._queued]

    def clear(self) -> None:
        self._queued.clear()
        self._draws.clear()

    def _is_drawn(self, fault: Fault) -> bool:
        if fault.share >= 1:
            return True
        draws = self._draws.setdefault(fault.seed, random.Random(fault.seed))  # noqa: S311 (to be the same again)
        return draws.random() < fault.share


async def send_as(fault: Fault, response: Response | None, scope: Scope, receive: Receive, send: Send) -> None:
    """Let the answer (None where the connection is cut) leave as the fault wants it."""
    if fault.delay_s and not await _still_there_after(fault.delay_s, receive):
        return
    if response is None or fault.cuts:
        await _cut(scope, receive, reset=fault.reset)
    elif fault.truncate_bytes is not None:
        await _send_start(response, send)
        await send(_body(bytes(response.body)[: fault.truncate_bytes], more=True))
        await _cut(scope, receive, reset=False)
    elif fault.drip_bytes_per_s:
        await _drip(response, fault.drip_bytes_per_s, receive, send)
    else:
        await response(scope, receive, send)


async def _drip(response: Response, bytes_per_s: float, receive: Receive, send: Send) -> None:
    await _send_start(response, send)
    size = max(1, int(bytes_per_s * _DRIP_TICK_S))
    body = bytes(response.body)
    for start in range(0, len(body), size):
        if not await _still_there_after(size / bytes_per_s, receive):
            return
        await send(_body(body[start : start + size], more=True))
    await send(_body(b"", more=False))


async def _cut(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """Close the connection without (the rest of) an answer; `reset` with a TCP RST instead of a proper end."""
    transport: asyncio.Transport = scope[TRANSPORT]
    if reset:
        # Lingering for 0 seconds makes the kernel throw unsent data away and send RST. Source: socket(7), SO_LINGER.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _still_there_after(seconds: float, receive: Receive) -> bool:
    """Wait; tell whether the client is still connected. Ends at once when it goes away."""
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({gone}, timeout=seconds)
        return not gone.done()
    finally:
        gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _send_start(response: Response, send: Send) -> Awaitable[None]:
    return send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})


def _body(part: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": part, "more_body": more}


def _other_last_byte(body: bytes) -> bytes:
    return body[:-1] + bytes([body[-1] ^ 1]) if body else body


def _too_many(ask: Ask, seconds: int) -> Response:
    del ask
    return Response("Too Many Requests", 429, {"retry-after": str(seconds)})


_READERS: dict[str, Callable[[Any], Any]] = {
    "times": int, "method": str, "path": re.compile, "status": int, "headers": dict, "body": str, "delay_s": float,
    "drip_bytes_per_s": float, "truncate_bytes": int, "drop": bool, "reset": bool, "swallow": bool, "garbage": bool,
    "throttle_s": int, "deliver": bool, "rpc": str, "corrupt": bool,
    "share": float, "seed": int,
}  # fmt: skip


def _read(order: dict[str, Any]) -> Fault:
    unknown = sorted(set(order) - set(_READERS))
    if unknown:
        raise ValueError(f"a fault has no field {', '.join(unknown)}; it has {', '.join(_READERS)}")
    given = {name: value for name, value in order.items() if value is not None}
    for name, value in given.items():
        try:
            _READERS[name](value)
        except (TypeError, ValueError, re.error) as error:
            raise ValueError(f"the fault's {name} cannot be {value!r}") from error
    return Fault(**given)
