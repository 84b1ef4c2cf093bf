"""`opsflows metrics`: each service's health page and what KMS checks saw, served to Prometheus, or written once for node_exporter."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from prometheus_client import CollectorRegistry, make_wsgi_app, write_to_textfile

from domain.config import Config
from domain.errors import BadInput
from domain.kms_sections import AT_STAND_INS, KmsTarget, resolved_at
from domain.names import REHEARSAL
from entrypoints import configuration
from entrypoints.project import running_stand_ins
from entrypoints.serving import Answer, App, StartResponse, has_bearer, listening, serve, tls_of, token_in
from ledger.opening import Ledger, open_existing
from ledger.places import ledger_url
from steps.conduct import running_stand_ins as told_stand_ins
from steps.kms_metrics import KmsMetrics
from steps.operations_metrics import OperationsMetrics, Watched
from vendors.registry import ROTATIONS

PORT = 9477
_ABOUT = b"opsflows metrics: see /metrics\n"
_SUFFIX = ".prom"
_NEXT_STEP = "Name a file with a token, and the same as credentials_file in Prometheus' scrape configuration."


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
    """Serve the metrics of docs/operations-metrics.md and docs/kms-metrics.md under /metrics, until Ctrl-C.

    Each scrape reads the health page of every [kms.<target>] of opsflows.toml, none for longer than 3 seconds, and adds what the
    ledger knows of them and of opsflows itself; answers are kept for 10 seconds. Exit codes: 0 stopped or written, 2 the input is wrong.
    """
    registry = CollectorRegistry(auto_describe=False)
    config = configuration.read()
    targets = _watched(config, environment)
    registry.register(OperationsMetrics(Watched(config, ROTATIONS, environment), _existing_ledger, tell=_tell))
    if targets:
        registry.register(_collector(targets))
    if textfile is not None:
        _write(textfile, registry)
        return
    token = token_in(token_file, host, "the metrics", _NEXT_STEP)
    server = listening(host, port, guarded(make_wsgi_app(registry), token), tls_of(cert_file, key_file))
    serve(server, host, "Metrics", path="/metrics", over_tls=cert_file is not None)


def guarded(app: App, token: str) -> App:
    """Return the app behind the token (empty: none is asked for), with GET of / and /metrics and nothing else.

    What `/` says is no secret: whoever looks whether it listens needs no token.
    """

    def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        refusal = _refusal(environ, token)
        return app(environ, start_response) if refusal is None else refusal.send(start_response)

    return answer


def _refusal(environ: Mapping[str, Any], token: str) -> Answer | None:
    """Return what is said in place of the metrics, None where they are to be served."""
    if (environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")) == ("GET", "/"):
        return Answer("200 OK", _ABOUT)
    if not has_bearer(environ, token):
        return Answer("401 Unauthorized", b"a bearer token is needed\n", (("www-authenticate", "Bearer"),))
    if environ["REQUEST_METHOD"] != "GET":
        return Answer("405 Method Not Allowed", b"only GET\n", (("allow", "GET"),))
    return None if environ.get("PATH_INFO", "") == "/metrics" else Answer("404 Not Found", b"see /metrics\n")


def _watched(config: Config, environment: str) -> dict[str, KmsTarget]:
    """Return the environment's targets; where none is named all but the rehearsal's, whose stand-ins are broken on purpose."""
    if environment:
        config.environment(environment)
        return {name: row for name, row in config.kms.items() if row.environment == environment}
    return {name: row for name, row in config.kms.items() if row.environment != REHEARSAL}


def _collector(targets: Mapping[str, KmsTarget]) -> KmsMetrics:
    return KmsMetrics(targets, _existing_ledger, address_of=_address, tell=_tell)


def _tell(why: str) -> None:
    click.echo(f"ledger: {why}", err=True)


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


def _write(file: Path, registry: CollectorRegistry) -> None:
    if file.suffix != _SUFFIX:
        raise BadInput(f"{file} does not end in {_SUFFIX}.", "node_exporter would not read it; nothing was written.", f"Call it {file.with_suffix(_SUFFIX).name}.")  # fmt: skip
    try:
        # Written beside it and renamed, so that node_exporter never reads half of it.
        write_to_textfile(str(file), registry)
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}.", "The metrics of before are as they were, if there were any.", "Name a file in a folder that this user may write to.") from None  # fmt: skip
