"""A raw server on loopback that answers a health check with bytes of the test's choice, whole, cut, dripped or never."""

import contextlib
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import Enum, auto

HEALTHY = b'{"crypto_mode": "kms", "crypto_ready": true, "status": "ok"}'


class Ending(Enum):
    """What comes after the bytes."""

    CLOSE = auto()
    RESET = auto()
    STALL = auto()
    DRIP = auto()
    DEAF = auto()  # it does not even listen: nothing is read, nothing sent


@dataclass(slots=True)
class Backend:
    """What is answered next, and what was asked."""

    url: str = ""
    answer: Callable[[], bytes] = bytes
    ending: Ending = Ending.CLOSE
    asked: list[bytes] = field(default_factory=list)

    def says(self, answer: bytes, ending: Ending = Ending.CLOSE) -> str:
        """Answer so from now on; return the address."""
        self.answer, self.ending = (lambda: answer), ending
        return self.url


def told(
    body: bytes = HEALTHY,
    status: str = "200 OK",
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> bytes:
    """Return an answer as a well-behaved service writes it; `headers` are added, or replace those of the same name."""
    fields = {
        "Date": formatdate(usegmt=True), "Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {}),
    }  # fmt: skip
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {text}" for name, text in fields.items() if text)]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def backend(context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Backend]:
    """Serve until the block ends. All its threads have ended by then, or the test would hang: nobody was kept waiting."""
    state = Backend()

    class Answering(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                _serve(self.request, state, context)

    class Server(socketserver.ThreadingTCPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        request_queue_size = 64

    with Server((host, 0), Answering) as server:
        port = server.server_address[1]
        name = "localhost" if context else f"[{host}]" if ":" in host else host
        state.url = f"{'https' if context else 'http'}://{name}:{port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def _serve(line: socket.socket, state: Backend, context: ssl.SSLContext | None) -> None:
    if state.ending is Ending.DEAF:
        _until_left(line)
        return
    if context is None:
        _answer(line, state)
        return
    with context.wrap_socket(line, server_side=True) as secured:
        _answer(secured, state)


def _answer(line: socket.socket, state: Backend) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        came = line.recv(4096)
        if not came:
            return
        request += came
    state.asked.append(request)
    answer = state.answer()
    line.sendall(answer)
    if state.ending is Ending.RESET:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.close()
    elif state.ending is Ending.STALL:
        _until_left(line)
    elif state.ending is Ending.DRIP:
        _drip(line)


def _until_left(line: socket.socket) -> None:
    while line.recv(4096):
        pass


def _drip(line: socket.socket) -> None:
    line.settimeout(0.005)
    while True:
        line.sendall(b" ")
        with contextlib.suppress(TimeoutError):
            if not line.recv(1):
                return
