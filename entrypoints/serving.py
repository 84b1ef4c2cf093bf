"""What every page that a command of ours serves has in common: one thread per connection, a token, TLS, and silence in the log.

Whoever connects and says nothing is cut off. On every address but loopback a token is asked for, and nothing is served without a
file that holds it. That file is refused where everybody on the machine can read it; its owner's group may.
"""

import base64
import binascii
import hmac
import os
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import click

from domain.errors import BadInput
from vendors.hosts import is_loopback

# Who connects and says nothing is cut off, so that its thread ends.
_SILENT_SECONDS = 10
_READABLE_BY_OTHERS = 0o007

StartResponse = Callable[..., Any]
App = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole."""

    status: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    kind: str = "text/plain"

    def send(self, start_response: StartResponse, *, with_body: bool = True) -> Iterable[bytes]:
        """Send it, a HEAD's without its body."""
        start_response(
            self.status,
            [("content-type", self.kind), ("content-length", str(len(self.body))), *self.headers],
        )
        return [self.body] if with_body else []


def has_bearer(environ: Mapping[str, Any], token: str) -> bool:
    """Say whether the request carries the token as machines send it; an empty token is carried by everybody."""
    return not token or hmac.compare_digest(_authorization(environ), f"Bearer {token}".encode())


def has_password(environ: Mapping[str, Any], token: str) -> bool:
    """Say whether the request carries the token as browsers send it: as the password of any user."""
    scheme, _, told = _authorization(environ).partition(b" ")
    try:
        password = base64.b64decode(told.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        password = b""
    return hmac.compare_digest(password, token.encode()) and scheme.lower() == b"basic"


def is_for_this_machine(environ: Mapping[str, Any]) -> bool:
    """Say whether the request names loopback as its host.

    A page on the internet can have its own name resolve to 127.0.0.1 and so read what a browser here may read; the name
    that the browser sends along is still the other one.
    """
    host = str(environ.get("HTTP_HOST", ""))
    name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    return is_loopback(name)


def token_in(file: Path | None, host: str, what: str, next_step: str) -> str:
    """Return the token of the file, empty on loopback where no file is given.

    Raises:
        BadInput: no file for an address that others reach; it cannot be read, can be read by others, or holds no token.
    """
    if file is None:
        if is_loopback(host):
            return ""
        raise BadInput(
            f"{host} is reached from other machines, and no --token-file is given.", f"Anybody could read {what}. Nothing was started.", next_step,
        )  # fmt: skip
    try:
        with file.open() as stream:
            is_open = os.fstat(stream.fileno()).st_mode & _READABLE_BY_OTHERS
            token = stream.read().strip()
    except (OSError, UnicodeDecodeError):
        raise BadInput(
            f"{file} cannot be read.", "Nothing was started.", "Name a file with a token, with --token-file."
        ) from None
    if is_open:
        raise BadInput(f"{file} can be read by others on this machine.", "Its token is no secret. Nothing was started.", f"Make a new token and chmod 600 {file}.")  # fmt: skip
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise BadInput(f"{file} holds no token of one line.", "Nothing was started.", "Write one into it, such as openssl rand -hex 32 prints.")  # fmt: skip
    return token


def tls_of(cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext | None:
    """Return how https is spoken, None where no certificate is given.

    Raises:
        BadInput: one of the two is missing, cannot be read, or does not belong to the other.
    """
    if cert_file is None and key_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        if cert_file is None:
            raise BadInput("--key-file is given without --cert-file.", "Nothing was started.", "Name both, or neither.")
        context.load_cert_chain(cert_file, key_file)
    except OSError:  # ssl.SSLError is one
        raise BadInput(
            "The certificate and its key cannot be used.", "One of the files cannot be read, or they do not belong together. Nothing was started.",
            "Compare --cert-file and --key-file: PEM, the certificate first in its chain.",
        ) from None  # fmt: skip
    return context


def listening(host: str, port: int, app: App, tls: ssl.SSLContext | None) -> WSGIServer:
    """Return a server that listens and answers nothing yet.

    Raises:
        BadInput: the address is not this machine's, or the port is taken.
    """
    try:
        server = make_server(host, port, app, _IPv6Server if ":" in host else _Server, _Request)
    except OSError as error:
        raise BadInput(
            f"Nothing can listen at {host}, port {port}: {error.strerror}.", "Nothing was started.",
            "Name an address of this machine with --host, and a free port with --port.",
        ) from None  # fmt: skip
    if tls is not None:
        # The handshake is made in the connection's own thread: a client that never finishes it holds up nobody.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


def serve(server: WSGIServer, host: str, what: str, *, path: str, over_tls: bool) -> None:
    """Say where it is, and serve until Ctrl-C."""
    named = f"[{host}]" if ":" in host else host
    click.echo(f"{what} at {'https' if over_tls else 'http'}://{named}:{server.server_port}{path}. Stop with Ctrl-C.")
    if not over_tls and not is_loopback(host):
        click.echo("Without --cert-file the token goes over the network in the clear.", err=True)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("Stopped.")


def _authorization(environ: Mapping[str, Any]) -> bytes:
    # WSGI hands header bytes over as Latin-1. Source: PEP 3333, "Unicode Issues"
    return str(environ.get("HTTP_AUTHORIZATION", "")).encode("latin-1")


class _Server(ThreadingMixIn, WSGIServer):
    """One thread per connection, which ends with the process."""

    daemon_threads = True

    def server_bind(self) -> None:
        # Not WSGIServer's, which asks DNS for this machine's name.
        super(WSGIServer, self).server_bind()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away half-way, or speaks no TLS, is its own trouble."""


class _IPv6Server(_Server):
    address_family = socket.AF_INET6


class _Request(WSGIRequestHandler):
    timeout = _SILENT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        """Say nothing: machines and open pages ask several times a minute."""
