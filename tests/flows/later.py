"""A worker that lives later than everybody else: its ledger's time is moved, and so is that of the stand-ins it works with."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx

from domain.names import Credential
from domain.rotation import RotationRecord
from ledger.opening import open_ledger
from ledger.places import ledger_url
from ledger.rotation_rows import due_rotations, find_rotation
from steps.audited_run import audited_run
from steps.rotating import advance
from tasks.preparing import read_own_config
from tasks.preparing_rotation import RotationDesk, rotation_desk

_ROUNDS = 20
# The lease of a worker that was killed, and a bit.
_A_LEASE = timedelta(minutes=5, seconds=1)


@contextmanager
def desk_at(offset: timedelta) -> Iterator[RotationDesk]:
    """Give a run's desk whose ledger is that much ahead; the ledger is the one that this process's environment names."""
    ledger = open_ledger(ledger_url(os.environ), offset=offset)
    try:
        with (
            audited_run(
                ledger, flow="later", environment="-", mode="apply", actor="a test", reason="to see it later",
                parameters={},
            ) as run,
            rotation_desk(run, read_own_config()) as desk,
        ):  # fmt: skip
            yield desk
    finally:
        ledger.close()


def move_clock(stand_ins: str, offset: timedelta) -> None:
    """Let the stand-ins at this address live that much later as well, as their Date header and last uses show."""
    answer = httpx.post(
        f"{stand_ins}/_control/clock", json={"offset_s": offset.total_seconds()}, trust_env=False, timeout=30
    )
    assert answer.is_success, answer.text


def stepped_at(offset: timedelta, rotation: str, stand_ins: str = "") -> RotationRecord:
    """Step the rotation as it is then, and return it. Without an address the drill's own stand-ins are meant."""
    with desk_at(offset) as desk:
        credential = find_rotation(desk.run.ledger, rotation).credential
        move_clock(stand_ins or desk.drill_url(), offset)
        return _stepped(desk, credential, rotation)


def finished(rotation: str, stand_ins: str = "", *, begins: timedelta = _A_LEASE) -> RotationRecord:
    """Step the rotation at each of its due moments until it is over or `_ROUNDS` are, and return it."""
    offset = begins
    for _ in range(_ROUNDS):
        record = stepped_at(offset, rotation, stand_ins)
        if not record.is_open:
            return record
        with desk_at(offset) as desk:
            offset += max(record.not_before - desk.run.ledger.now(), timedelta(0)) + timedelta(seconds=1)
    return record


def _stepped(desk: RotationDesk, credential: Credential, rotation: str) -> RotationRecord:
    with desk.hands(credential) as hands:
        return advance(hands, rotation)


def step_everything(offset: timedelta) -> None:
    """Step every open rotation as the sweeper does at that time; the drill's stand-ins live then too."""
    with desk_at(offset) as desk:
        move_clock(desk.drill_url(), offset)
        for record in due_rotations(desk.run.ledger):
            _stepped(desk, record.credential, record.id)
