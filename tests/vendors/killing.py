"""Writers of one environment file in processes of their own: killed at a chosen line, or many at once."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

from vendors.env_file import EnvFile

# The server imports this module once; each child is a fork of it, so it starts at once and without our threads.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])
_LIMIT_S = 60
_MODULES = ("env_file.py", "whole_files.py")


def killed_at_line(file: EnvFile, entries: Mapping[str, str], line: int) -> bool:
    """Publish in a child that dies before the n-th line it executes; return whether it came that far."""
    [ended] = _ended([_FORKS.Process(target=_publish_and_die, args=(file, entries, line))])
    return ended == -signal.SIGKILL


def published_side_by_side(file: EnvFile, names: Sequence[str], values: Sequence[str]) -> list[int]:
    """Let one child per name publish all values, one after the other, all at once; return how the children ended."""
    start = _FORKS.Barrier(len(names))
    return _ended([_FORKS.Process(target=_publish_all, args=(file, name, values, start)) for name in names])


def published_as(user: int, file: EnvFile, entries: Mapping[str, str], told: Path) -> str:
    """Publish as another user and return what was said; only root can ask for that."""
    _ended([_FORKS.Process(target=_publish_as, args=(user, file, entries, told))])
    return told.read_text()


def _ended(children: Sequence[BaseProcess]) -> list[int]:
    for child in children:
        child.start()
    ends = []
    for child in children:
        child.join(_LIMIT_S)
        ends.append(child.exitcode if child.exitcode is not None else 0)
        child.kill()
        child.join()
        child.close()
    return ends


def _publish_and_die(file: EnvFile, entries: Mapping[str, str], line: int) -> None:
    passed = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal passed
        if not frame.f_code.co_filename.endswith(_MODULES):
            return None
        if event == "line":
            passed += 1
            if passed == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    file.write(entries)


def _publish_all(file: EnvFile, name: str, values: Sequence[str], start: Any) -> None:
    start.wait(_LIMIT_S)
    for value in values:
        file.write({name: value})
        assert file.holds({name: value})


def _publish_as(user: int, file: EnvFile, entries: Mapping[str, str], told: Path) -> None:
    with told.open("w") as stream:
        os.setuid(user)
        try:
            file.write(entries)
        except Exception as error:
            stream.write(str(error))
            raise
