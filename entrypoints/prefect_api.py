"""Which Prefect server a command speaks to. A command that only needs one must never start one by accident."""

import os

from domain.errors import BadInput
from entrypoints import project


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
    return os.environ["PREFECT_API_URL"]
