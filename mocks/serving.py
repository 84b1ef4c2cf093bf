"""How the stand-ins are served: one event loop, a port each for http, https and gRPC, chosen by the kernel."""

import asyncio
import contextlib
import os
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from mocks.app import App
from mocks.faults import TRANSPORT
from mocks.grpc_port import GrpcPort

# A fault may hold an answer back for ever; the process ends in two seconds all the same.
_GRACE_S = 1
_START_LIMIT_S = 20.0


class OpenProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, with the transport in the scope, so that a fault can cut or reset the connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        app = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            scope[TRANSPORT] = self.transport
            await app(scope, receive, send)

        self.app = with_transport


class Server(uvicorn.Server):
    """uvicorn's server with an encrypted listener and one for gRPC in the same loop.

    `ready` is called once all accept.
    """

    def __init__(
        self,
        app: App,
        *,
        grpc_port: GrpcPort,
        tls_socket: socket.socket | None = None,
        tls_context: ssl.SSLContext | None = None,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                _reporting_faults_of_ours(app), http=OpenProtocol, ws="none", lifespan="off", loop="asyncio",
                log_config=None, log_level="critical", access_log=False, server_header=False, date_header=False,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )  # fmt: skip
        self._grpc_port = grpc_port
        self._tls_socket = tls_socket
        self._tls_context = tls_context
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._tls_socket is not None:
            loop = asyncio.get_running_loop()
            self.servers.append(await loop.create_server(self._protocol, sock=self._tls_socket, ssl=self._tls_context))
        await self._grpc_port.open()
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._grpc_port.close()
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        return OpenProtocol(config=self.config, server_state=self.server_state, app_state={})


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 lets the kernel choose a free one.

    Raises:
        OSError: the port is taken or the host is not one of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, because asyncio switches Nagle's algorithm off only then; with it each answer takes 40 ms longer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


@contextlib.contextmanager
def served_in_thread(app: App, tls_context: ssl.SSLContext | None = None) -> Iterator[tuple[int, int | None]]:
    """Serve the app on loopback in a thread; give the http port and, with a context, the https port.

    The port for gRPC is in the control plane's /_control/addresses.
    """
    plain, for_grpc = listening_socket("127.0.0.1", 0), listening_socket("127.0.0.1", 0)
    encrypted = listening_socket("127.0.0.1", 0) if tls_context is not None else None
    started = threading.Event()
    grpc_port = GrpcPort(app.world, for_grpc, f"http://127.0.0.1:{port_of(plain)}")
    server = Server(app, grpc_port=grpc_port, tls_socket=encrypted, tls_context=tls_context, ready=started.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [plain]}, name="stand-ins", daemon=True)
    ports = port_of(plain), port_of(encrypted) if encrypted is not None else None
    thread.start()
    try:
        if not started.wait(_START_LIMIT_S):
            raise RuntimeError(f"The stand-ins did not start within {_START_LIMIT_S:.0f} s.")
        yield ports
    finally:
        server.should_exit = True
        thread.join()
        for listener in (plain, for_grpc, encrypted):
            if listener is not None:
                listener.close()


def _reporting_faults_of_ours(app: ASGIApp) -> ASGIApp:
    """Print what went wrong in a stand-in; a shutdown that interrupts a held-back answer is no such thing."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            return
        except Exception:
            traceback.print_exc()
            raise

    return serve
