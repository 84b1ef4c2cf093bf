"""What a killed worker left: the runs of this home are ended, and nothing else is."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from entrypoints.flow_processes import kill_flow_processes

# It says when it runs, since a process has its environment only once its program is loaded.
WAITS = (sys.executable, "-c", "import time; print(flush=True); time.sleep(600)")


@pytest.fixture
def started() -> Iterator["Started"]:
    with ExitStack() as end:
        yield Started(end)


class Started:
    def __init__(self, end: ExitStack) -> None:
        self._end = end

    def __call__(self, **environment: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(WAITS, env=os.environ | environment, stdout=subprocess.PIPE, start_new_session=True)
        self._end.callback(process.wait)
        self._end.callback(process.kill)
        assert process.stdout is not None
        self._end.callback(process.stdout.close)
        process.stdout.readline()
        return process


def test_runs_of_this_home_are_ended_and_nothing_else(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSFLOWS_HOME", str(tmp_path))
    run = started(PREFECT__FLOW_RUN_ID="1")
    others = [started(), started(PREFECT__FLOW_RUN_ID="2", OPSFLOWS_HOME=str(tmp_path / "other"))]

    kill_flow_processes()

    assert not psutil.pid_exists(run.pid)
    assert [other.poll() for other in others] == [None, None]
