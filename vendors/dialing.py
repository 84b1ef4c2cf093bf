"""How a connection is made: within a deadline, at the address we were told, with failures that say which step failed.

httpx's timeouts hold per read, so an answer that drips a byte a second never ends, and a name look-up has no timeout
at all. Here every network step of an exchange ends at one deadline.
"""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

import httpcore
import httpx

# In a hosts table: every host, for a cut.
EVERY_HOST = "*"

_SCOPE = threading.local()


class NameUnknown(httpcore.ConnectError):
    """The name did not resolve."""


class TlsFailed(httpcore.ConnectError):
    """The TLS handshake failed."""


@contextmanager
def finish_by(deadline_s: float) -> Iterator[None]:
    """End every exchange of this thread by `deadline_s` (time.monotonic seconds), whatever its own limit is."""
    before: float | None = getattr(_SCOPE, "finish_by", None)
    _SCOPE.finish_by = deadline_s if before is None else min(before, deadline_s)
    try:
        yield
    finally:
        _SCOPE.finish_by = before


@contextmanager
def exchange_limit(limit_s: float) -> Iterator[float]:
    """Bound one exchange of this thread; give the seconds it really has."""
    now = time.monotonic()
    outer: float | None = getattr(_SCOPE, "finish_by", None)
    _SCOPE.deadline = min(now + limit_s, outer if outer is not None else now + limit_s)
    try:
        yield max(0.0, _SCOPE.deadline - now)
    finally:
        _SCOPE.deadline = None


def _remaining(timeout: float | None, error: type[Exception]) -> float | None:
    deadline: float | None = getattr(_SCOPE, "deadline", None)
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise error("the exchange's deadline has passed")
    return left if timeout is None else min(timeout, left)


@contextmanager
def closed_port() -> Iterator[int]:
    """Give a loopback port that is bound, so that nobody else can take it, and listens to nobody."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@contextmanager
def silent_port() -> Iterator[int]:
    """Give a loopback port whose connections the kernel accepts and nobody ever answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield int(listening.getsockname()[1])


class Transport(httpx.BaseTransport):
    """An httpx transport over httpcore's pool, given our network backend (httpx itself has no place for one)."""

    def __init__(
        self,
        *,
        context: ssl.SSLContext | None,
        dial: Mapping[str, tuple[str, int]] = MappingProxyType({}),
        proxy: str | None = None,
    ) -> None:
        backend = _Backend(dial)
        self._pool = (
            _through(proxy, context, backend)
            if proxy
            else httpcore.ConnectionPool(
                ssl_context=context, network_backend=backend, max_connections=8, keepalive_expiry=30
            )
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions
        )

    def close(self) -> None:
        self._pool.close()


def _through(proxy: str, context: ssl.SSLContext | None, backend: "_Backend") -> httpcore.HTTPProxy:
    """Return a pool through the proxy, with the login that its address may hold: httpcore does not take it from there."""
    parts = urlsplit(proxy)
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return httpcore.HTTPProxy(address, proxy_auth=login, ssl_context=context, network_backend=backend)


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _Backend(httpcore.NetworkBackend):
    def __init__(self, dial: Mapping[str, tuple[str, int]]) -> None:
        self._dial = dial
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        dialled, dialled_port = self._dial.get(host) or self._dial.get(EVERY_HOST) or (host, port)
        failure: httpcore.ConnectError | httpcore.ConnectTimeout = NameUnknown(dialled)
        for address in _addresses(dialled, dialled_port, timeout):
            try:
                stream = self._sockets.connect_tcp(
                    address, dialled_port, _remaining(timeout, httpcore.ConnectTimeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream)
        raise failure


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _remaining(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _remaining(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            limit = _remaining(timeout, httpcore.ConnectTimeout)
            return _Stream(self._inner.start_tls(ssl_context, server_hostname, limit))
        except httpcore.ConnectError as error:
            raise TlsFailed(server_hostname or "") from error

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _addresses(host: str, port: int, timeout: float | None) -> list[str]:
    """Resolve in a thread that nobody waits for longer than the deadline: getaddrinfo itself cannot be bounded."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    found: SimpleQueue[list[str] | OSError] = SimpleQueue()

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.put(list(dict.fromkeys(str(row[4][0]) for row in rows)))
        except OSError as error:
            found.put(error)

    threading.Thread(target=look_up, daemon=True, name=f"resolve {host}").start()
    try:
        answer = found.get(timeout=_remaining(timeout, httpcore.ConnectTimeout))
    except Empty:
        raise NameUnknown(host) from None
    if isinstance(answer, OSError):
        raise NameUnknown(host) from answer
    return answer
