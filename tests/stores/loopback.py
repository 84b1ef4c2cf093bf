"""A server on loopback whose next answers a test can spoil: what all stand-ins of stores and counters are made of."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived. Header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Told:
    """One answer. `sent_bytes` is how much of the body really leaves, although its whole length is announced."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    sent_bytes: int | None = None


@dataclass(slots=True)
class Loopback:
    """What a server was asked, and what it is to answer next in place of its own answer; None: its own."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    spoiled: deque[Callable[[Asked, Told], Told] | None] = field(default_factory=deque)

    def spoil(self, *answers: Told | Callable[[Asked, Told], Told] | None) -> None:
        self.spoiled.extend(_always(answer) if isinstance(answer, Told) else answer for answer in answers)

    def targets(self) -> list[str]:
        return [asked.target for asked in self.asked]


def _always(told: Told) -> Callable[[Asked, Told], Told]:
    return lambda _asked, _own: told


@contextmanager
def serving(answer: Callable[[Asked], Told]) -> Iterator[Loopback]:
    """Serve what `answer` gives, each request in a thread of its own, at a port that the kernel chose."""
    loopback = Loopback()

    class _Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): text for name, text in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            asked = Asked(self.command, self.path, headers, body)
            loopback.asked.append(asked)
            told = answer(asked)
            spoil = loopback.spoiled.popleft() if loopback.spoiled else None
            told = spoil(asked, told) if spoil is not None else told
            self.send_response(told.status)
            for name, text in told.headers.items():
                self.send_header(name, text)
            self.send_header("content-length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body[: told.sent_bytes])
            self.close_connection = told.sent_bytes is not None

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
    loopback.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield loopback
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
