"""The last log lines of a service that failed a check, as a command of the operator's prints them."""

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from typing import IO

from domain.errors import BadInput
from steps.kms_log_lines import shown_lines

LIMIT_SECONDS = 10.0
_BYTES = 64 * 1024


def words_of(command: str) -> list[str]:
    """Return the words of a command line as a shell would split it; no shell reads them.

    Raises:
        BadInput: a quotation is not closed, or there is no word.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise _unusable(str(error)) from None
    if not words:
        raise _unusable("it is empty")
    return words


def last_lines(command: Sequence[str], limit_seconds: float = LIMIT_SECONDS) -> str:
    """Return the last 20 lines that the command printed, each behind a bar; what goes wrong with it is said in their place."""
    # A file and not a pipe: what the command leaves running may hold a pipe open for ever.
    with tempfile.TemporaryFile() as told:
        try:
            trouble = _run(command, told, limit_seconds)
        except OSError as error:
            return f"The log command could not be run ({error.strerror})."
        told.seek(max(0, told.seek(0, os.SEEK_END) - _BYTES))
        lines = told.read().decode("utf-8", "replace").splitlines()
    # Behind a bar no line is taken for a command by the CI system.
    shown = [f"  | {line}" for line in shown_lines(lines, ())]
    return "\n".join([f"Last log lines{trouble}:", *(shown or ["  (none)"])])


def _run(command: Sequence[str], told: IO[bytes], limit_seconds: float) -> str:
    process = subprocess.Popen(  # noqa: S603 (the words are the operator's own; no shell reads them)
        command, stdin=subprocess.DEVNULL, stdout=told, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        code = process.wait(limit_seconds)
    except subprocess.TimeoutExpired:
        return f" (the command was ended after {limit_seconds:g} s)"
    finally:
        # With it goes whatever it started.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return f" (the command ended with {code})" if code else ""


def _unusable(why: str) -> BadInput:
    return BadInput(
        f"--logs cannot be read as a command ({why}).",
        "Nothing was sent and nothing was run.",
        "Write it as for a shell, every quotation closed; no shell runs it.",
    )
