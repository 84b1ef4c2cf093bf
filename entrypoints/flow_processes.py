"""The processes of this home's flow runs: each has a session of its own, so it outlives a worker that is killed."""

import os
from contextlib import suppress

import psutil

from entrypoints import project

_RUN_ID = "PREFECT__FLOW_RUN_ID"
_GONE_SECONDS = 20


def kill_flow_processes() -> None:
    """Kill them. A worker that stops has ended its own before; what the others were at is taken up by the sweeper."""
    running = [process for process in psutil.process_iter() if _is_a_run_of_this_home(process)]
    for process in running:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(running, timeout=_GONE_SECONDS)


def _is_a_run_of_this_home(process: psutil.Process) -> bool:
    if process.pid == os.getpid():
        return False
    try:
        environment = process.environ()
    except psutil.Error:
        # Another user's, or gone in this moment.
        return False
    return _RUN_ID in environment and environment.get("OPSFLOWS_HOME") == str(project.home())
