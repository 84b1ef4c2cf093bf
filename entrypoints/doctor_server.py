"""What the Prefect server says of itself, asked without Prefect's client: whether it lets us in, its version, settings, clock."""

import base64
import json
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from domain.doctor import Finding, advice, broken, fine, not_checked, not_used, version_of
from domain.errors import OpsError, Rejected, Unavailable
from entrypoints.prefect_api import is_there
from steps.doctor_machine import ClockSeen

_LIMIT_S = 10
_LOGIN = "PREFECT_API_AUTH_STRING"
_KEY = "PREFECT_SERVER_ENCRYPTION_KEY"
_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_IN_MEMORY = "prefect.server.concurrency.lease_storage.memory"
_LEAVE_IT = "Set it for every process of the server, and restart them."


@dataclass(frozen=True, slots=True)
class ServerSeen:
    """A server that let us in."""

    api: str
    version: str
    clock: ClockSeen | None
    settings: dict[str, Any]


def look_at_server() -> ServerSeen:
    """Ask the server that a command would speak to.

    Raises:
        Unavailable: there is none, or it does not answer.
        Rejected: it asks for a login that we do not have, or refuses ours.
    """
    if not is_there():
        raise Unavailable(
            "There is no Prefect server: PREFECT_API_URL is not set, and none of this home runs.",
            "Nothing scheduled runs, and credentials cannot be read.",
            "Start one with make up, or set PREFECT_API_URL.",
        )
    api = os.environ["PREFECT_API_URL"].rstrip("/")
    body, told_at = _asked(api, "/admin/version")
    here = datetime.now(UTC)
    settings, _ = _asked(api, "/admin/settings")
    clock = ClockSeen("server", parsedate_to_datetime(told_at), here) if told_at else None
    return ServerSeen(api, str(body), clock, settings if isinstance(settings, dict) else {})


def server_answers(seen: ServerSeen) -> Finding:
    login = "with our login" if os.environ.get(_LOGIN) else "and asks for no login"
    where = urlsplit(seen.api).netloc
    if not os.environ.get(_LOGIN) and not _is_loopback(seen.api):
        return broken(
            f"The server at {where} lets everyone in.",
            "Whoever reaches its address holds every credential.",
            "Set PREFECT_SERVER_API_AUTH_STRING for the server and PREFECT_API_AUTH_STRING for everyone who works with it.",
        )
    return fine(f"{where} answers {login}.")


def versions_agree(seen: ServerSeen) -> Finding:
    """A client that is newer than its server is refused (422); a server that is newer is how an upgrade begins."""
    ours = version("prefect")
    if seen.version == ours:
        return fine(f"Client and server are Prefect {ours}.")
    told = f"The server is Prefect {seen.version}, and this client {ours}."
    if version_of(seen.version) < version_of(ours):
        return broken(
            told, "A newer client is refused by an older server.", "Upgrade the server first; docs/upgrading.md."
        )
    return advice(
        told, "That works for the time of an upgrade.", "Upgrade clients and workers to the server's version."
    )


def settings_are_safe(seen: ServerSeen) -> Finding:
    """Look for settings that are known to lose, leak or stop something. The encryption key is seen only where the server is ours."""
    server = seen.settings.get("server")
    if not isinstance(server, dict):
        return not_checked("The server told no settings.", "See its version and /api/admin/settings.")
    faults = [words for path, bad, words in _DANGEROUS if _at(server, path) == bad]
    if _is_loopback(seen.api) and not os.environ.get(_KEY):
        faults.append(
            f"{_KEY} is not set here: the server keeps the key to all blocks in the same database as the blocks"
        )
    if faults:
        return broken(f"{'; '.join(faults)}.", "It shows when something breaks, and then it is too late.", _LEAVE_IT)
    shown = "" if os.environ.get(_KEY) else "; where its encryption key is cannot be seen from here"
    return fine(f"Lease storage, scheduling, analytics{shown}.")


def clock_of(seen: ServerSeen) -> list[ClockSeen]:
    return [seen.clock] if seen.clock else []


def refused(error: OpsError) -> Finding:
    """Return the finding for a server that does not answer or let us in: that is what is broken."""
    return broken(error.happened, error.means, error.next_step)


def stand_ins_answer(address: str, *, is_declared: bool) -> Finding:
    """Look for the stand-ins, which only the rehearsal uses."""
    if not is_declared:
        return not_used("No rehearsal is declared in opsflows.toml.")
    if address:
        return fine(f"The stand-ins answer at {urlsplit(address).netloc}.")
    return not_used("The stand-ins do not run; only the rehearsal and its drills need them (make up starts them).")


# Where in the server's settings -> what must not stand there -> what it means.
_DANGEROUS: tuple[tuple[tuple[str, ...], object, str], ...] = (
    (("concurrency", "lease_storage"), _IN_MEMORY, "concurrency leases are kept in memory: a restarted server never frees a taken place again (PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE)"),
    (("analytics_enabled",), True, "the server tells its maker of its use (PREFECT_SERVER_ANALYTICS_ENABLED)"),
    (("services", "scheduler", "enabled"), False, "the scheduler is switched off, so no schedule makes a run (PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED)"),
    (("services", "late_runs", "enabled"), False, "nothing marks runs that do not start (PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED)"),
)  # fmt: skip


def _at(settings: dict[str, Any], path: tuple[str, ...]) -> object:
    found: Any = settings
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _asked(api: str, path: str) -> tuple[Any, str]:
    """Return the answer and the server's date."""
    where = urlsplit(api).netloc
    login = os.environ.get(_LOGIN, "")
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    try:
        with urlopen(Request(f"{api}{path}", headers=headers), timeout=_LIMIT_S, context=_tls(api)) as answer:  # noqa: S310 (the server the operator named)
            return json.loads(answer.read()), str(answer.headers.get("Date") or "")
    except HTTPError as error:
        # It is the answer too, and keeps its connection.
        error.close()
        if error.code in _REFUSED:
            raise _not_let_in(where, login) from None
        raise Unavailable(
            f"The Prefect server at {where} answers {error.code}.",
            "Something before it, or its database, is not well.",
            "Read the server's log (logs/prefect-server.log in the home), and that of a proxy.",
        ) from None
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"No Prefect server answers at {where} ({type(error).__name__}).",
            "Nothing scheduled runs, and credentials cannot be read.",
            "Start it (make up), or correct PREFECT_API_URL.",
        ) from None


def _not_let_in(where: str, login: str) -> Rejected:
    happened = f"The server at {where} refuses the login of {_LOGIN}." if login else f"The server at {where} asks for a login, and {_LOGIN} is not set."  # fmt: skip
    return Rejected(
        happened,
        "Nothing that needs blocks, deployments or runs works from here.",
        f"Set {_LOGIN} to the server's own, written user:password; compose keeps it as the secret prefect_auth.",
    )


def _tls(api: str) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=os.environ.get("PREFECT_API_SSL_CERT_FILE") or None) if api.startswith("https:") else None  # fmt: skip


def _is_loopback(api: str) -> bool:
    host = urlsplit(api).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
