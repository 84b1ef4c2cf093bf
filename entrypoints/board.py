"""`opsflows board`: one page with the state of everything, and the same as JSON; read only, never a secret, never an old green."""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import click

from domain.board import Board, alone
from domain.errors import BadInput, OpsError, Unavailable
from entrypoints import configuration
from entrypoints.board_documents import DOCS, document_at
from entrypoints.day_one import quiet_prefect
from entrypoints.prefect_api import is_there
from entrypoints.serving import (
    Answer,
    App,
    StartResponse,
    has_bearer,
    has_password,
    is_for_this_machine,
    listening,
    serve,
    tls_of,
    token_in,
)
from ledger.opening import Ledger, open_existing
from ledger.places import ledger_url
from steps.attentions import attentions_among
from steps.board import board as read_board
from steps.board_document import away_document, document
from steps.board_page import REFRESH_SECONDS, away_page, page, style_digest
from steps.board_schedules import PrefectSeen
from steps.document_page import document_style_digest
from steps.kept_looks import KeptLooks
from vendors.registry import ROTATIONS

PORT = 9478
# Twenty phones that ask at once are given one look.
_LEDGER_KEPT_SECONDS = 10.0
_PREFECT_KEPT_SECONDS = 15.0
_LEDGER_LIMIT_SECONDS = 10.0
_PREFECT_LIMIT_SECONDS = 3.0
# A busy server is slow to answer; what it said so lately is shown meanwhile, with its age.
_PREFECT_SERVES_FOR = timedelta(minutes=2)
_HERE = "."
_HTML, _JSON, _TEXT = "text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8"
_LINKS = ("https://", "http://")
# What a page that is never right a minute later, and never a part of another page, says of itself.
_HEADERS = (
    ("cache-control", "no-store"),
    ("content-security-policy", f"default-src 'none'; style-src '{style_digest()}' '{document_style_digest()}'; img-src data: 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("vary", "accept, authorization"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
)  # fmt: skip
# A browser asks its user, a machine reads that it may send either.
_WHO = (("www-authenticate", 'Basic realm="opsflows board", charset="UTF-8"'), ("www-authenticate", "Bearer"))

Seen = Board | OpsError


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where to listen; any but loopback needs --token-file."
)
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), help="0: any free port.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="A file with the token: a browser's password, a machine's bearer.",
)
@click.option("--cert-file", type=click.Path(path_type=Path), help="A certificate (PEM), to serve https.")
@click.option("--key-file", type=click.Path(path_type=Path), help="Its private key (PEM).")
@click.option(
    "--prefect-ui", default="", help="Where people open Prefect, for links; else PREFECT_UI_URL, else beside its API."
)
@click.option(
    "--docs-url", default="", help="Where people open the folder above docs/, for links; else the board shows them."
)
def board(  # noqa: PLR0917 (one parameter per option)
    host: str, port: int, token_file: Path | None, cert_file: Path | None, key_file: Path | None, prefect_ui: str, docs_url: str
) -> None:  # fmt: skip
    """Serve the wiring board of docs/board.md, until Ctrl-C: what is wrong, where, and what to do.

    It reads ledger, opsflows.toml and Prefect, and changes nothing. Exit codes: 0 stopped, 2 the input is wrong.
    """
    configuration.read()
    links = Links(_link("--prefect-ui", prefect_ui), _link("--docs-url", docs_url) or (_HERE if DOCS.is_dir() else ""))
    token = token_in(
        token_file, host, "the board", "Name a file with a token; a browser's user gives it as the password."
    )
    server = listening(host, port, board_app(looking(), token, links), tls_of(cert_file, key_file))
    serve(server, host, "The board", path="/", over_tls=cert_file is not None)


@dataclass(frozen=True, slots=True)
class Links:
    """What links begin with. `docs` is empty where there are none, and `.` where the board serves the pages itself."""

    prefect: str = ""
    docs: str = ""

    @property
    def prefect_ui(self) -> str:
        """Return where people open Prefect: as it was said, or beside the API once that is known."""
        beside = os.environ.get("PREFECT_API_URL", "").rstrip("/").removesuffix("/api")
        return (self.prefect or os.environ.get("PREFECT_UI_URL", "") or beside).rstrip("/")


def board_app(look: Callable[[], Seen], token: str, links: Links) -> App:
    """Return the app: GET and HEAD of `/`, of `/docs/`, and of `/health`, which says only that it listens and needs no token."""

    def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        found = _refusal(environ, token) or _page(environ, look, links)
        whole = Answer(found.status, found.body, (*found.headers, *_HEADERS), found.kind)
        return whole.send(start_response, with_body=environ["REQUEST_METHOD"] != "HEAD")

    return answer


def looking() -> Callable[[], Seen]:
    """Return what reads the board: kept for seconds, and no longer waited for than a person waits."""
    _be_brief_with_prefect()
    last = _PrefectLook()
    prefect = KeptLooks(last, _PREFECT_KEPT_SECONDS, time.monotonic)
    # Importing Prefect takes seconds, for which whoever asks first need not wait.
    prefect.begin()
    ledger = KeptLooks(_LedgerLook(lambda: _within_limit(prefect, last)), _LEDGER_KEPT_SECONDS, time.monotonic)

    def look() -> Seen:
        return ledger.begin().within(_LEDGER_LIMIT_SECONDS) or Unavailable(
            f"The ledger was not read within {_LEDGER_LIMIT_SECONDS:g} seconds.", "Its database hangs, is locked, or holds what this version cannot read.",
            "See that the database runs; opsflows doctor says what is broken, and the board's own terminal may say more.", "board.ledger_hangs",
        )  # fmt: skip

    return look


@dataclass(slots=True)
class _LedgerLook:
    """How the ledger is asked: opened once, anew after something went wrong. opsflows.toml is read each time, as runs do."""

    prefect: Callable[[], PrefectSeen]
    _ledger: Ledger | None = None

    def __call__(self) -> Seen:
        try:
            self._ledger = self._ledger or open_existing(ledger_url(os.environ))
            return read_board(
                self._ledger, configuration.read(), ROTATIONS, self.prefect(), attentions=attentions_among
            )
        except OpsError as error:
            if self._ledger is not None:
                self._ledger.close()
                self._ledger = None
            return error


@dataclass(slots=True)
class _PrefectLook:
    """How Prefect is asked; `last` is what it said last."""

    last: PrefectSeen | None = None

    def __call__(self) -> PrefectSeen:
        self.last = _prefect_seen()
        return self.last


def _within_limit(looks: KeptLooks[PrefectSeen], look: _PrefectLook) -> PrefectSeen:
    """Return what Prefect says within the time that a person waits, else what it said a moment ago, else that it is not known."""
    seen, last = looks.begin().within(_PREFECT_LIMIT_SECONDS), look.last
    if seen is not None:
        return seen
    if last is not None and last.at is not None and datetime.now(UTC) - last.at < _PREFECT_SERVES_FOR:
        return last
    return PrefectSeen(wrong=f"it did not answer within {_PREFECT_LIMIT_SECONDS:g} seconds")


def _prefect_seen() -> PrefectSeen:
    if not is_there():
        return PrefectSeen(wrong="no Prefect server: PREFECT_API_URL is not set, and none of ours is running")
    from blocks.connection import prefect_client  # noqa: PLC0415 (Prefect costs two seconds, and may not be there)
    from deployments.run_history import run_history  # noqa: PLC0415 (as above)

    try:
        with prefect_client() as client:
            return PrefectSeen(tuple(run_history(client)), datetime.now(UTC))
    except OpsError as error:
        return PrefectSeen(wrong=error.happened)
    except (LookupError, TypeError, ValueError) as error:
        return PrefectSeen(wrong=f"it answered what this version does not understand ({type(error).__name__})")


def _be_brief_with_prefect() -> None:
    """Let Prefect's client give up soon: somebody waits, and the page is read anew in a minute."""
    quiet_prefect()
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "0")
    os.environ.setdefault("PREFECT_API_REQUEST_TIMEOUT", "5")


def _refusal(environ: Mapping[str, Any], token: str) -> Answer | None:
    """Return what is said in place of a page, None where one is to be served."""
    if not token and not is_for_this_machine(environ):
        return Answer("421 Misdirected Request", b"this board is for this machine alone; open it as 127.0.0.1\n")
    if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
        return Answer("405 Method Not Allowed", b"only GET and HEAD\n", (("allow", "GET, HEAD"),))
    if environ.get("PATH_INFO", "") == "/health":
        return Answer("200 OK", b"opsflows board\n")
    if has_bearer(environ, token) or has_password(environ, token):
        return None
    return Answer("401 Unauthorized", b"the token is needed: as the password, or as a bearer token\n", _WHO)


def _page(environ: Mapping[str, Any], look: Callable[[], Seen], links: Links) -> Answer:
    path = str(environ.get("PATH_INFO", "")) or "/"
    if path.startswith("/docs/"):
        return document_at(path)
    if path != "/":
        return Answer("404 Not Found", b"the board is at /\n")
    asked = {name: values[-1] for name, values in parse_qs(str(environ.get("QUERY_STRING", ""))).items()}
    for_machines = _is_for_machines(environ, asked)
    seen, only = look(), asked.get("environment", "")
    if isinstance(seen, OpsError):
        return _away(seen, for_machines=for_machines)
    shown = alone(seen, only) if only else seen
    if shown is None:
        known = ", ".join(one.name for one in seen.environments)
        return Answer("404 Not Found", f"no environment of this name; there are {known}\n".encode(), kind=_TEXT)
    if for_machines:
        return Answer("200 OK", _as_json(document(shown)), kind=_JSON)
    refresh = 0 if asked.get("refresh") == "no" else REFRESH_SECONDS
    text = page(shown, prefect_ui=links.prefect_ui, docs=links.docs, only=only, refresh=refresh)
    return Answer("200 OK", text.encode(), kind=_HTML)


def _is_for_machines(environ: Mapping[str, Any], asked: Mapping[str, str]) -> bool:
    if "format" in asked:
        return asked["format"] == "json"
    accepted = str(environ.get("HTTP_ACCEPT", ""))
    return _JSON in accepted and "text/html" not in accepted


def _away(error: OpsError, *, for_machines: bool) -> Answer:
    """Return that nothing is known: what was true before is not shown."""
    at = datetime.now(UTC)
    if for_machines:
        return Answer("503 Service Unavailable", _as_json(away_document(error, at)), kind=_JSON)
    return Answer("503 Service Unavailable", away_page(error, at).encode(), kind=_HTML)


def _as_json(told: Mapping[str, object]) -> bytes:
    return json.dumps(told, indent=1).encode() + b"\n"


def _link(option: str, address: str) -> str:
    if address and not address.startswith(_LINKS):
        raise BadInput(
            f"{option} {address} is no address.", "Nothing was started.", "Write one that begins with https://."
        )
    return address.rstrip("/")
