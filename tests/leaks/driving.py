"""A process of its own that lives through everything: set-up, stand-ins, server, every flow, every failure.

Run as `python -m tests.leaks.driving FOLDER`, its output captured. What it may leave and what it must not is in world.py.
"""

import os
import secrets
import sys
from pathlib import Path

from entrypoints import mocks, project
from entrypoints.servers import prefect_server
from steps.conduct import STAND_INS_URL
from tests.leaks.world import PASSWORD, Place


def main() -> None:
    place = Place(Path(sys.argv[1]))
    project.set_up()
    login = f"admin:{PASSWORD}{secrets.token_hex(4)}"
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = os.environ["PREFECT_API_AUTH_STRING"] = login
    with mocks.running() as stand_ins, prefect_server(services=True):
        os.environ[STAND_INS_URL] = stand_ins.url
        from tests.leaks.scenarios import live_through  # noqa: PLC0415 (Prefect reads its settings when it is imported)

        live_through(place, stand_ins.url)


if __name__ == "__main__":
    main()
