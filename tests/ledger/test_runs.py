"""A run is seen from its opening to its seal; one that was killed in between is seen too."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import BadInput, Rejected
from domain.verdicts import Verdict, World
from ledger.auditing import verify_audit
from ledger.opening import Ledger
from ledger.runs import (
    ABANDONED,
    RUN_LEASE,
    abandon_dead_runs,
    beat,
    find_run,
    holds_more_than,
    kept_alive,
    runs,
    seal_run,
)
from tests.ledger.recording import complete_run, opened

_ROOT = Path(__file__).parents[2]
_OPEN_AND_WAIT = """
import sys, time
from ledger.opening import open_ledger
from tests.ledger.recording import opened
opened(open_ledger(sys.argv[1]), "killed")
print("open", flush=True)
sys.stdin.read()
"""


def test_a_run_is_told_as_it_was_opened_and_sealed(ledger: Ledger) -> None:
    opened(ledger, "run-1")

    sealed = seal_run(ledger, "run-1", Verdict.HOLD, World.REHEARSAL, "a" * 64)

    assert find_run(ledger, "run-1") == sealed
    assert (sealed.verdict, sealed.world, sealed.bundle_digest) == ("HOLD", "rehearsal", "a" * 64)
    assert sealed.parameters == {"integrations": ["slack"], "limit": 3}
    assert (sealed.actor, sealed.ticket, sealed.mode) == ("ada", "OPS-1", "real_all")
    assert sealed.sealed_at is not None
    assert sealed.sealed_at >= sealed.opened_at


def test_a_runs_id_is_used_once(ledger: Ledger) -> None:
    opened(ledger, "run-1")

    with pytest.raises(Rejected, match="recorded already"):
        opened(ledger, "run-1")


def test_a_run_is_sealed_once(ledger: Ledger) -> None:
    opened(ledger, "run-1")
    seal_run(ledger, "run-1", Verdict.HOLD, World.REAL, "a" * 64)

    with pytest.raises(Rejected, match="sealed already, as HOLD"):
        seal_run(ledger, "run-1", Verdict.GREEN, World.REAL, "b" * 64)

    assert find_run(ledger, "run-1").verdict == "HOLD"


def test_an_unknown_run_is_not_sealed(ledger: Ledger) -> None:
    with pytest.raises(BadInput, match="No run nobody"):
        seal_run(ledger, "nobody", Verdict.GREEN, World.REAL, "")


def test_runs_are_listed_newest_first(ledger: Ledger) -> None:
    opened(ledger, "run-1")
    opened(ledger, "run-2", flow="verify-due")
    opened(ledger, "run-3")

    assert [run.run_id for run in runs(ledger)] == ["run-3", "run-2", "run-1"]
    assert [run.run_id for run in runs(ledger, flow="day1-wiring", limit=1)] == ["run-3"]
    assert runs(ledger, environment="prod") == []


def test_a_ledger_with_runs_of_another_environment_holds_more(ledger: Ledger) -> None:
    before = holds_more_than(ledger, "rehearsal")

    run = opened(ledger, "run-1")

    assert (before, run.environment) == (False, "staging")
    assert (holds_more_than(ledger, "rehearsal"), holds_more_than(ledger, "staging")) == (True, False)


def test_a_run_killed_between_open_and_seal_is_sealed_abandoned(
    url: str, ledger: Ledger, later: Callable[[timedelta], Ledger]
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _OPEN_AND_WAIT, url],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    too_early = abandon_dead_runs(ledger)

    abandoned = abandon_dead_runs(later(RUN_LEASE + timedelta(seconds=1)))

    assert too_early == []
    assert [(run.run_id, run.verdict, run.world) for run in abandoned] == [
        ("killed", ABANDONED, "nothing answered"),
    ]
    assert abandon_dead_runs(later(timedelta(days=1))) == []


def test_a_run_that_beats_is_not_abandoned(ledger: Ledger, later: Callable[[timedelta], Ledger]) -> None:
    opened(ledger, "run-1", lease=timedelta(minutes=1))

    alive = beat(later(timedelta(seconds=50)), "run-1", timedelta(minutes=1))

    assert alive
    assert abandon_dead_runs(later(timedelta(seconds=80))) == []


def test_a_sealed_run_beats_no_more(ledger: Ledger) -> None:
    opened(ledger, "run-1")
    seal_run(ledger, "run-1", Verdict.GREEN, World.REAL, "")

    assert beat(ledger, "run-1") is False


def test_a_run_is_kept_alive_for_as_long_as_it_takes(ledger: Ledger) -> None:
    first = opened(ledger, "run-1", lease=timedelta(seconds=0.2))

    deadline = time.monotonic() + 20
    with kept_alive(ledger, "run-1", timedelta(seconds=0.2)):
        while find_run(ledger, "run-1").lease_until == first.lease_until and time.monotonic() < deadline:
            time.sleep(0.01)

    assert find_run(ledger, "run-1").lease_until > first.lease_until


def test_a_result_that_comes_after_the_run_was_abandoned_does_not_count_but_is_kept(
    ledger: Ledger, later: Callable[[timedelta], Ledger], tmp_path: Path
) -> None:
    opened(ledger, "run-1")
    abandon_dead_runs(later(timedelta(hours=1)))

    with pytest.raises(Rejected, match="sealed ABANDONED"):
        seal_run(ledger, "run-1", Verdict.GREEN, World.REAL, "c" * 64)
    with pytest.raises(Rejected, match="sealed ABANDONED"):
        seal_run(ledger, "run-1", Verdict.GREEN, World.REAL, "d" * 64)

    run = find_run(ledger, "run-1")
    assert (run.verdict, run.bundle_digest) == (ABANDONED, "c" * 64)
    assert [found.differs for found in verify_audit(ledger, tmp_path).breaks] == [
        f"its bundle is missing (audit/day1-wiring/{run.opened_at:%Y/%m/%d}/run-1)"
    ]


def test_a_bundle_and_its_run_fit(ledger: Ledger, tmp_path: Path) -> None:
    bundle = complete_run(ledger, tmp_path, "run-1")

    report = verify_audit(ledger, tmp_path)

    assert report.is_intact
    assert (report.entries, report.bundles, report.unsealed) == (2, 1, ())
    assert bundle.folder.is_dir()
