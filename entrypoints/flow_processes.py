"""The processes of this home's flow runs: each has a session of its own, so it outlives a worker that is killed."""

import os
from contextlib import suppress

import psutil

from entrypoints import project

_RUN_ID = "PREFECT__FLOW_RUN_ID"
_STOP_SECONDS = 20


def stop_flow_processes() -> None:
    """End them; kill those that take longer than twenty seconds. What they were at is taken up by the sweeper."""
    running = [process for process in psutil.process_iter() if _is_a_run_of_this_home(process)]
    for process in running:
        with suppress(psutil.Error):
            process.terminate()
    _, left = psutil.wait_procs(running, timeout=_STOP_SECONDS)
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=_STOP_SECONDS)


def _is_a_run_of_this_home(process: psutil.Process) -> bool:
    if process.pid == os.getpid():
        return False
    try:
        environment = process.environ()
    except psutil.Error:
        # Another user's, or gone in this moment.
        return False
    return _RUN_ID in environment and environment.get("OPSFLOWS_HOME") == str(project.home())
