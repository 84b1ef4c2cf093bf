"""Several runs that would rotate one credential at the same moment on a real server: one does, and the others say who has it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from domain.names import MARKER_PREFIX, ROTATE
from domain.rotation import RotationRecord, State, Wait
from flows.step_a_rotation import step_a_rotation
from ledger.rotation_rows import rotations
from tests.deployments.made_runs import ledger_of
from tests.deployments.rehearsed import CREDENTIAL, NO_TIME, Rehearsal, faults
from tests.flows.later import desk_at, finished
from tests.program import OPSFLOWS, ROOT, Standing, eventually, needs_proc

pytestmark = [pytest.mark.prove, needs_proc]

_FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
# How long the vendor takes to create: a sweep that waits for it has the rotation in its hands.
_TAKES_S = 8
_CREATES = r"/integrations$"


@contextmanager
def as_many_at_once(standing: Standing, full_name: str, limit: int) -> Iterator[None]:
    """Let so many runs of the deployment go on side by side, which it does not do as deployed."""
    path = f"/deployments/{standing.deployment(full_name)['id']}"
    standing.ask("PATCH", path, {"concurrency_limit": limit})
    try:
        yield
    finally:
        standing.ask("PATCH", path, {"concurrency_limit": 1})


def opened(standing: Standing) -> dict[str, RotationRecord]:
    with ledger_of(standing) as ledger:
        return {one.id: one for one in rotations(ledger, credential=CREDENTIAL)}


def ended(standing: Standing, run: str) -> dict[str, Any]:
    """Return the run's state once it has ended, until then nothing."""
    state: dict[str, Any] = standing.ask("GET", f"/flow_runs/{run}")["state"]
    return state if state["type"] in _FINAL else {}


def creations(rehearsal: Rehearsal) -> int:
    return sum(
        row["method"] == "POST" and row["path"].endswith("/integrations")
        for row in rehearsal.control("GET", "requests")
    )


def of_ours_at_the_vendor() -> list[str]:
    """Return the ids of the credentials that carry a marker of ours, as the vendor lists them."""
    with desk_at(NO_TIME) as desk, desk.hands(CREDENTIAL) as hands:
        return [one.vendor_id for one in hands.vendor.listing().credentials if one.name.startswith(MARKER_PREFIX)]


def test_of_three_rotations_ordered_at_once_one_is_opened_and_the_others_say_who_opened_it(
    rehearsal: Rehearsal,
) -> None:
    standing, before = rehearsal.standing, opened(rehearsal.standing)
    by_command = [
        OPSFLOWS, "rotate", str(CREDENTIAL), "--reason", "test", "--ticket", "OPS-2", "--by", "ben", "--apply"
    ]  # fmt: skip
    # The deployment lets one run at a time, so that they would never meet; here nothing but the ledger is between them.
    with as_many_at_once(standing, ROTATE, 3):
        command = subprocess.Popen(
            by_command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
            env=standing.home.environment(),
        )  # fmt: skip
        runs = [rehearsal.start("test"), rehearsal.start("test")]
        out, _ = command.communicate(timeout=240)
        states = [eventually(partial(ended, standing, run), within_s=240) for run in runs]

    [record] = [one for one in opened(standing).values() if one.id not in before]
    who = f"{CREDENTIAL} has an open rotation, {record.id}: {record.operator} opened it at "
    assert (record.state, record.wait, record.attempt) == (State.PUBLISHED, Wait.OVERLAP, 1)
    assert creations(rehearsal) == 1
    assert of_ours_at_the_vendor() == [record.new_vendor_id]
    said = [f"{state['name']} {state['message']}" for state in states]
    told = [*said, f"{'Waiting' if command.returncode == 0 else 'Hold'} {out}"]
    assert sorted(one.partition(" ")[0] for one in told) == ["Hold", "Hold", "Waiting"]
    assert [who in one for one in told if one.startswith("Hold")] == [True, True]
    assert finished(record.id, rehearsal.stand_ins).state is State.DONE
    assert faults(rehearsal) == []


def test_a_step_by_hand_while_a_sweep_has_the_rotation_leaves_it_alone_and_says_who_has_it(
    rehearsal: Rehearsal,
) -> None:
    rotation = rehearsal.open()
    rehearsal.control("POST", "faults", {"method": "POST", "path": _CREATES, "delay_s": _TAKES_S})
    with rehearsal.sweeper() as sweeper:
        eventually(lambda: rehearsal.was_asked("POST", _CREATES), within_s=180)
        has_it = opened(rehearsal.standing)[rotation].worker

        by_hand = step_a_rotation(rotation, return_state=True)

    record = opened(rehearsal.standing)[rotation]
    assert has_it.startswith("sweep-")
    assert (by_hand.type.value, by_hand.name) == ("COMPLETED", "Waiting")
    assert f"Run {has_it} has it in its hands, and this one left it alone." in (by_hand.message or "")
    assert sweeper.returncode == 0
    assert creations(rehearsal) == 1
    assert (record.state, record.wait, record.attempt) == (State.PUBLISHED, Wait.OVERLAP, 1)
    assert of_ours_at_the_vendor() == [record.new_vendor_id]
    assert finished(rotation, rehearsal.stand_ins).state is State.DONE
    assert faults(rehearsal) == []
