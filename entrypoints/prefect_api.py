"""Which Prefect server a command speaks to. A command that only needs one must never start one by accident."""

import os
from http import HTTPStatus
from urllib.parse import urlsplit
from urllib.request import urlopen

from domain.errors import BadInput
from entrypoints import project

_LIMIT_S = 10


def is_there() -> bool:
    """Say whether there is a server to speak to, and take its address over."""
    if os.environ.get("PREFECT_API_URL", ""):
        return True
    port = project.read_ports().get("prefect")
    if port is None or not project.is_listening(port):
        return False
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    return True


def require_server() -> str:
    """Return PREFECT_API_URL; that of `make up` where none is set and one answers.

    Raises:
        BadInput: there is no server to speak to.
    """
    if not is_there():
        raise BadInput(
            "No Prefect server: PREFECT_API_URL is not set, and none of ours is running.",
            "Credentials, deployments and questions are kept there. Nothing was done.",
            "Start one with make up, or set PREFECT_API_URL.",
        )
    server = os.environ["PREFECT_API_URL"]
    if not _answers(server):
        raise BadInput(
            f"No Prefect server answers at {urlsplit(server).netloc}.",
            "PREFECT_API_URL points there; credentials, deployments and questions are kept there. Nothing was done.",
            "Start it (make up), or correct PREFECT_API_URL.",
        )
    return server


def _answers(server: str) -> bool:
    try:
        with urlopen(f"{server.rstrip('/')}/health", timeout=_LIMIT_S) as answer:  # noqa: S310 (the server the operator named)
            return bool(answer.status == HTTPStatus.OK)
    except (OSError, ValueError):
        return False
