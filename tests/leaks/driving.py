"""A process of its own that sets up stand-ins and a Prefect server, and lives through everything against them.

Run as `python -m tests.leaks.driving FOLDER`, its output captured. What it may leave and what it must not is in world.py.
"""

import os
import secrets
import subprocess
import sys
from pathlib import Path

from entrypoints import project
from entrypoints.servers import prefect_server
from steps.conduct import STAND_INS_URL
from steps.stand_ins_process import started_stand_ins
from tests.leaks.world import PASSWORD, Place

_LIMIT_S = 800
# Prefect on SQLite can hold a request for a minute when its own services write at the same time.
_NO_OTHER_WRITERS = {
    f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false"
    for name in ("SCHEDULER", "LATE_RUNS", "CANCELLATION_CLEANUP", "PAUSE_EXPIRATIONS", "FOREMAN", "TRIGGERS")
}


def main() -> None:
    place = Place(Path(sys.argv[1]))
    project.set_up()
    login = f"admin:{PASSWORD}{secrets.token_hex(4)}"
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = os.environ["PREFECT_API_AUTH_STRING"] = login
    os.environ.update(_NO_OTHER_WRITERS)
    with started_stand_ins() as stand_ins, prefect_server(services=True):
        os.environ[STAND_INS_URL] = stand_ins.url
        # Its own process, as a worker's run is: what it has to tell the server is told when it ends.
        scenarios = [sys.executable, "-m", "tests.leaks.scenarios", str(place.root)]
        subprocess.run(scenarios, check=True, timeout=_LIMIT_S)


if __name__ == "__main__":
    main()
