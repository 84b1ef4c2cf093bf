"""A way to a server on which one request can be held back, so that whoever sent it can be killed while it is under way."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_CHUNK = 65_536
_PATIENCE_S = 120


@dataclass(slots=True)
class Way:
    """A port that leads to another one. A request that begins with `hold` does not get through; `held` says that it came."""

    port: int
    hold: bytes
    held: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def carry(self, from_client: socket.socket, to_server: socket.socket) -> None:
        """Carry bytes until either end is closed. A request begins a chunk: its sender waits for the answer to the one before."""
        with suppress(OSError), to_server:
            while chunk := from_client.recv(_CHUNK):
                if chunk.startswith(self.hold):
                    self.held.set()
                    self.over.wait(_PATIENCE_S)
                    return
                to_server.sendall(chunk)


@contextmanager
def way_to(port: int, hold: bytes) -> Iterator[Way]:
    """Give a way to the port on which what begins with `hold` is held back until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        way = Way(listener.getsockname()[1], hold)
        threading.Thread(target=_accept, args=(listener, port, way), daemon=True).start()
        try:
            yield way
        finally:
            way.over.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, port: int, way: Way) -> None:
    with suppress(OSError):
        while not way.over.is_set():
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=way.carry, args=(client, server), daemon=True).start()
            threading.Thread(target=_answer, args=(server, client), daemon=True).start()


def _answer(server: socket.socket, client: socket.socket) -> None:
    with suppress(OSError), client:
        while chunk := server.recv(_CHUNK):
            client.sendall(chunk)
