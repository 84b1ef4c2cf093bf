"""`opsflows metrics`: each service's health page and what KMS checks saw, served to Prometheus, or written once for node_exporter."""

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
from prometheus_client import CollectorRegistry, make_wsgi_app, write_to_textfile

from domain.config import Config
from domain.errors import BadInput
from domain.kms_sections import AT_STAND_INS, KmsTarget, resolved_at
from domain.names import REHEARSAL
from entrypoints import configuration
from entrypoints.project import running_stand_ins
from ledger.opening import Ledger, open_existing
from ledger.places import ledger_url
from steps.conduct import running_stand_ins as told_stand_ins
from steps.kms_metrics import KmsMetrics
from vendors.hosts import is_loopback

PORT = 9477
_ABOUT = b"opsflows metrics: see /metrics\n"
# Who connects and says nothing is cut off, so that its thread ends.
_SILENT_SECONDS = 10
_READABLE_BY_OTHERS = 0o007
_SUFFIX = ".prom"

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where to listen; any but loopback needs --token-file."
)
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), help="0: any free port.")
@click.option(
    "--token-file", type=click.Path(path_type=Path), help="A file with the bearer token that Prometheus sends."
)
@click.option("--cert-file", type=click.Path(path_type=Path), help="A certificate (PEM), to serve https.")
@click.option("--key-file", type=click.Path(path_type=Path), help="Its private key (PEM).")
@click.option("--environment", default="", help="Its targets alone; by default all but the rehearsal's.")
@click.option("--textfile", type=click.Path(path_type=Path), help="Write the metrics there once (*.prom), and end.")
def metrics(  # noqa: PLR0917 (one parameter per option)
    host: str, port: int, token_file: Path | None, cert_file: Path | None, key_file: Path | None, environment: str, textfile: Path | None
) -> None:  # fmt: skip
    """Serve the metrics of docs/kms-metrics.md under /metrics, until Ctrl-C.

    Each scrape reads the health page of every [kms.<target>] of opsflows.toml, none for longer than 3 seconds, and adds what the
    ledger knows; answers are kept for 10 seconds. Exit codes: 0 stopped or written, 2 the input is wrong.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_collector(_watched(configuration.read(), environment)))
    if textfile is not None:
        _write(textfile, registry)
        return
    token = _token(host, token_file)
    server = _listening(host, port, guarded(make_wsgi_app(registry), token), _tls(cert_file, key_file))
    scheme = "http" if cert_file is None else "https"
    named = f"[{host}]" if ":" in host else host
    click.echo(f"Metrics at {scheme}://{named}:{server.server_port}/metrics. Stop with Ctrl-C.")
    if cert_file is None and not is_loopback(host):
        click.echo("Without --cert-file the token goes over the network in the clear.", err=True)
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("Stopped.")


def guarded(app: App, token: str) -> App:
    """Return the app behind the token (empty: none is asked for), with GET of / and /metrics and nothing else.

    What `/` says is no secret: whoever looks whether it listens needs no token.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        refusal = _refusal(environ, token)
        if refusal is not None:
            start_response(refusal.status, [("content-type", "text/plain"), *refusal.headers])
            return [refusal.body]
        return app(environ, start_response)

    return answer


@dataclass(frozen=True, slots=True)
class _Plain:
    status: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def _refusal(environ: dict[str, Any], token: str) -> _Plain | None:
    """Return what is said in place of the metrics, None where they are to be served."""
    if (environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")) == ("GET", "/"):
        return _Plain("200 OK", _ABOUT)
    # WSGI hands header bytes over as Latin-1. Source: PEP 3333, "Unicode Issues"
    sent = str(environ.get("HTTP_AUTHORIZATION", "")).encode("latin-1")
    if token and not hmac.compare_digest(sent, f"Bearer {token}".encode()):
        return _Plain("401 Unauthorized", b"a bearer token is needed\n", (("www-authenticate", "Bearer"),))
    if environ["REQUEST_METHOD"] != "GET":
        return _Plain("405 Method Not Allowed", b"only GET\n", (("allow", "GET"),))
    return None if environ.get("PATH_INFO", "") == "/metrics" else _Plain("404 Not Found", b"see /metrics\n")


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
        """Say nothing: Prometheus asks several times a minute."""


def _listening(host: str, port: int, app: App, tls: ssl.SSLContext | None) -> WSGIServer:
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


def _watched(config: Config, environment: str) -> dict[str, KmsTarget]:
    """Return the environment's targets; where none is named all but the rehearsal's, whose stand-ins are broken on purpose."""
    found = {name: row for name, row in config.kms.items() if row.environment == (environment or row.environment)}
    if not environment:
        found = {name: row for name, row in found.items() if row.environment != REHEARSAL}
    if found:
        return found
    where = f"for {environment}" if environment else "outside the rehearsal"
    raise BadInput(
        f"opsflows.toml declares no [kms.<target>] {where}.", "There is nothing to serve.",
        f"Declare one, as docs/configuration.md says, or name another --environment ({REHEARSAL}: the stand-ins').",
    )  # fmt: skip


def _collector(targets: Mapping[str, KmsTarget]) -> KmsMetrics:
    return KmsMetrics(
        targets, _existing_ledger, address_of=_address, tell=lambda why: click.echo(f"ledger: {why}", err=True)
    )


def _existing_ledger() -> Ledger:
    return open_existing(ledger_url(os.environ))


def _address(base_url: str) -> str:
    """Return where to ask; the stand-ins of `make up` may have come up at another port since."""
    if not base_url.startswith(AT_STAND_INS):
        return base_url
    url = told_stand_ins() or running_stand_ins()
    if not url:
        raise BadInput("The stand-ins do not run.", "Nothing was asked.", "Start them with opsflows up.")
    return resolved_at(url, base_url)


def _token(host: str, file: Path | None) -> str:
    if file is None:
        if is_loopback(host):
            return ""
        raise BadInput(
            f"{host} is reached from other machines, and no --token-file is given.", "Anybody could read the metrics. Nothing was started.",
            "Name a file with a token, and the same as credentials_file in Prometheus' scrape configuration.",
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


def _tls(cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext | None:
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


def _write(file: Path, registry: CollectorRegistry) -> None:
    if file.suffix != _SUFFIX:
        raise BadInput(f"{file} does not end in {_SUFFIX}.", "node_exporter would not read it; nothing was written.", f"Call it {file.with_suffix(_SUFFIX).name}.")  # fmt: skip
    try:
        # Written beside it and renamed, so that node_exporter never reads half of it.
        write_to_textfile(str(file), registry)
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}.", "The metrics of before are as they were, if there were any.", "Name a file in a folder that this user may write to.") from None  # fmt: skip
