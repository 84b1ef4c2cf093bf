"""The port on which the stand-ins speak gRPC, in the event loop of the rest: each call is answered wholly before the next.

gRPC itself starts behind this port when the first client comes, and not before: its import takes 0.1 s, the official
clients it leads to half a second, and most runs of the stand-ins need neither. Until then the port is a plain listener
that the kernel chose, like the others; afterwards it hands bytes on, and so can cut a client's connection for a fault.

What clients may use, all tried: an insecure channel with the token as metadata of each call; local channel credentials
(grpc.local_channel_credentials()), alone or composed with call credentials that fetch the token.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response

from mocks.stage import Ask, Grpc
from mocks.world import Booth, Exchange, StandInWorld

_CHUNK_BYTES = 65_536
_OK = 200
# Which code is nearest to a status that came without one. Source: google/rpc/code.proto, "HTTP Mapping".
_CODES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED",
    429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}  # fmt: skip


@dataclass(slots=True)
class GrpcPort:
    """The port over one world. `origin` is where the same stand-ins speak HTTP, for addresses in answers."""

    world: StandInWorld
    listener: socket.socket
    origin: str
    _outside: asyncio.Server | None = None
    _inside: Any = None
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _inside_port: int = 0
    _relays: set["asyncio.Task[None]"] = field(default_factory=set)
    # The clients' connections, by the port from which each is handed on.
    _clients: dict[int, asyncio.StreamWriter] = field(default_factory=dict)

    async def open(self) -> None:
        self._outside = await asyncio.start_server(self._accept, sock=self.listener)
        self.world.grpc_port = int(self.listener.getsockname()[1])

    async def close(self) -> None:
        """Stop at once: a call that a fault holds back does not hold the process."""
        if self._outside is not None:
            self._outside.close()
        for relay in self._relays:
            relay.cancel()
        if self._inside is not None:
            await self._inside.stop(None)
        await asyncio.gather(*self._relays, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay = asyncio.ensure_future(self._relay(reader, writer))
        self._relays.add(relay)
        relay.add_done_callback(self._relays.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", await self._started())
            handed_on_from = int(there_writer.get_extra_info("sockname")[1])
            self._clients[handed_on_from] = writer
            try:
                await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
            finally:
                del self._clients[handed_on_from]
                there_writer.close()

    async def _started(self) -> int:
        """Return the port on which gRPC answers, having started it where this is the first client."""
        async with self._starting:
            if self._inside is None:
                grpc = import_module("grpc")
                server = grpc.aio.server()
                server.add_generic_rpc_handlers((_Calls(self._handler_of),))
                self._inside_port = server.add_secure_port("127.0.0.1:0", grpc.local_server_credentials())
                await server.start()
                self._inside = server
            return self._inside_port

    def _handler_of(self, path: str) -> Callable[[bytes, Any], Awaitable[bytes]] | None:
        """Return who answers a method, None where no stand-in has its service."""
        service = path.removeprefix("/").partition("/")[0]
        for booth in self.world.booths.values():
            spoken = booth.stand_in.grpc
            if spoken is not None and spoken.service == service:
                return _Line(self, booth, spoken, path).answer
        return None

    def ask(self, booth: Booth, path: str, metadata: Any, body: bytes) -> Exchange:
        headers = Headers({name: value for name, value in metadata if isinstance(value, str)})
        base_url = booth.base_url(self.origin)
        return self.world.answer(
            booth, Ask("POST", path, QueryParams(""), headers, body, "", base_url, self.world.now())
        )

    def cut(self, peer: str) -> None:
        """Close the connection of the client that gRPC knows as `ipv4:127.0.0.1:<port>`."""
        client = self._clients.get(int(peer.rpartition(":")[2]))
        if client is not None:
            client.transport.abort()


@dataclass(frozen=True, slots=True)
class _Calls:
    """gRPC's table of methods, asked anew for every call."""

    handler_of: Callable[[str], Callable[[bytes, Any], Awaitable[bytes]] | None]

    def service(self, details: Any) -> Any:
        found = self.handler_of(details.method)
        return import_module("grpc").unary_unary_rpc_method_handler(found) if found is not None else None


@dataclass(frozen=True, slots=True)
class _Line:
    """One method of one vendor. Messages come and go as bytes."""

    port: GrpcPort
    booth: Booth
    spoken: Grpc
    path: str

    async def answer(self, message: bytes, context: Any) -> bytes:
        try:
            body = self.spoken.read(self.path, message)
        except ValueError:
            await _abort(context, "INTERNAL", "The request is no message of this method.")
        exchange = self.port.ask(self.booth, self.path, context.invocation_metadata(), body)
        fault, response = exchange.fault, exchange.response
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if response is None or fault.truncate_bytes is not None:
            self.port.cut(context.peer())
            await _abort(context, "UNAVAILABLE", "The connection was cut.")
        exchange.entry.status = response.status_code if response is not None else None
        return await self._sent(response, context) if response is not None else b""

    async def _sent(self, response: Response, context: Any) -> bytes:
        body = bytes(response.body)
        if response.status_code != _OK:
            await _abort(context, *_refusal(response.status_code, body))
        try:
            return self.spoken.write(self.path, body)
        except ValueError:
            # As where something between client and vendor answers that does not speak gRPC.
            await _abort(context, "UNKNOWN", "Stream removed")
            return b""


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()


def _refusal(status: int, body: bytes) -> tuple[str, str, list[Any]]:
    """Return the code, the words and the details of a refusal, from the vendor's own JSON where it is that."""
    try:
        error = json.loads(body)["error"]
        return str(error["status"]), str(error["message"]), list(error.get("details", ()))
    except (ValueError, LookupError, TypeError):
        return _CODES.get(status, "UNKNOWN"), f"Received http2 header with status: {status}", []


async def _abort(context: Any, code: str, words: str, details: list[Any] | None = None) -> None:
    codes = import_module("grpc").StatusCode
    found = getattr(codes, code, codes.UNKNOWN)
    trailing = (("grpc-status-details-bin", _status(found.value[0], words, details)),) if details else ()
    await context.abort(found, words, trailing)


def _status(number: int, words: str, details: list[Any]) -> bytes:
    """Return google.rpc.Status, as gRPC carries the details of a refusal."""
    import_module("google.rpc.error_details_pb2")  # the details can then be written by their names
    status = import_module("google.rpc.status_pb2").Status()
    said = {"code": number, "message": words, "details": details}
    message: bytes = import_module("google.protobuf.json_format").ParseDict(said, status).SerializeToString()
    return message
