"""A restore that is killed by SIGKILL, at any call that changes something, is seen; repeated, it is whole."""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

import pytest

from ledger.auditing import verify_audit
from ledger.freezing import frozen
from ledger.unfinished_restore import unfinished_restore
from tests.steps.rotation_killing import forked
from tests.steps.test_backup_restoring import Stage, stage

__all__ = ["stage"]

# What the system or SQLite is asked for on the way, by the names of the calls.
_CALLS = frozenset(
    {"open", "mkdir", "write", "writelines", "fsync", "replace", "unlink", "execute", "executemany", "commit"}
)


@pytest.mark.parametrize("every", [pytest.param(5, marks=pytest.mark.prove), 61])
def test_a_restore_that_is_killed_at_any_call_is_seen_and_repeated(stage: Stage, every: int) -> None:
    at = every
    while _is_killed(there := _elsewhere(stage, at), at):
        home = there.place.home
        left = [file.name for file in home.rglob("*") if file.is_file() and not file.name.endswith(".restoring")]
        is_seen = unfinished_restore(home)

        there.restore()

        ledger = there.reopened()
        report, freeze = verify_audit(ledger, home), frozen(ledger)
        ledger.close()
        assert is_seen or not left, f"killed at call {at}: {left}"
        assert (report.is_intact, report.bundles) == (True, 1), f"killed at call {at}"
        assert freeze is not None
        assert unfinished_restore(home) == ""
        at += every
    assert at > 3 * every


def _elsewhere(stage: Stage, at: int) -> Stage:
    """Return the same backup with a new place to put it back."""
    home = stage.place.home.with_name(f"new-{at}")
    place = replace(
        stage.place, home=home, ledger_url=f"sqlite:///{home / 'ledger.db'}", key_file=home / "fingerprint.key"
    )
    return replace(stage, place=place)


def _is_killed(stage: Stage, at: int) -> bool:
    """Restore in a process that kills itself before its call of this number; say whether it came so far."""

    def restored() -> None:
        sys.setprofile(_killing(at))
        stage.restore()

    code = forked(restored).ended()
    assert code in {0, -signal.SIGKILL}
    return code != 0


def _killing(at: int) -> Callable[[FrameType, str, object], None]:
    left = at

    def count(_frame: FrameType, what: str, called: object) -> None:
        nonlocal left
        if what == "c_call" and getattr(called, "__name__", "") in _CALLS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return count
