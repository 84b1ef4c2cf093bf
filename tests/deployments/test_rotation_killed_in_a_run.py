"""A deployed rotation whose run is killed, by a worker's process being ended at a named point: what is left converges."""

import os
import signal
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from domain.rotation import State, Wait
from tests.deployments.holding import way_to
from tests.deployments.rehearsed import Rehearsal, faults
from tests.flows.later import finished
from tests.program import eventually, needs_proc

pytestmark = [pytest.mark.prove, needs_proc]


def test_killed_after_the_vendor_created_and_before_the_value_was_kept(rehearsal: Rehearsal) -> None:
    rehearsal.hold_answers_to("POST", "/integrations$")
    run = rehearsal.start("test")
    eventually(lambda: rehearsal.was_asked("POST", "/integrations$"), within_s=180)
    rehearsal.kill(run)
    left = rehearsal.rotation()

    record = finished(left.id, rehearsal.stand_ins)

    assert (left.state, left.new_vendor_id, left.attempt) == (State.CREATING, "", 1)
    assert (record.state, record.attempt) == (State.DONE, 2)
    assert faults(rehearsal) == []


def test_killed_after_the_flip_and_before_the_projection(rehearsal: Rehearsal) -> None:
    port = urlsplit(rehearsal.standing.api).port
    assert port
    with way_to(port, b"PATCH /api/block_documents/") as way:
        run = rehearsal.start("test", PREFECT_API_URL=f"{way.url}/api")
        eventually(way.held.is_set)
        rehearsal.kill(run)
    left = rehearsal.rotation()

    record = finished(left.id, rehearsal.stand_ins)

    assert (left.state, left.served_at) == (State.PUBLISHED, None)
    assert left.flipped_at is not None
    assert record.state is State.DONE
    assert record.served_at is not None
    assert record.served_at - left.flipped_at >= timedelta(minutes=5)
    assert faults(rehearsal) == []


def test_killed_after_the_delete_and_before_its_outcome_was_written(rehearsal: Rehearsal) -> None:
    rehearsal.hold_answers_to("DELETE", "/integrations/")
    run = rehearsal.start("compromise")
    eventually(lambda: rehearsal.was_asked("DELETE", "/integrations/"))
    rehearsal.kill(run)
    left = rehearsal.rotation()

    record = finished(left.id, rehearsal.stand_ins)

    assert left.state is State.REVOKING
    assert "revoked_at" not in left.facts
    assert record.state is State.DONE
    assert faults(rehearsal) == []


def test_of_two_sweepers_at_once_one_steps_the_rotation(rehearsal: Rehearsal) -> None:
    rotation = rehearsal.open()
    # Long enough that both are at it at the same time.
    rehearsal.control("POST", "faults", {"method": "POST", "path": "/integrations$", "delay_s": 6})
    sweepers = [rehearsal.sweeper() for _ in range(2)]

    codes = [sweeper.wait(timeout=120) for sweeper in sweepers]

    record = rehearsal.rotation()
    created = [
        row
        for row in rehearsal.control("GET", "requests")
        if (row["method"], row["path"][-13:]) == ("POST", "/integrations")
    ]
    assert codes == [0, 0]
    assert len(created) == 1
    assert (record.id, record.state, record.attempt) == (rotation, State.PUBLISHED, 1)
    assert finished(rotation, rehearsal.stand_ins).state is State.DONE
    assert faults(rehearsal) == []


def test_a_prefect_server_that_is_killed_after_the_vendor_created_and_comes_back_loses_nothing(
    rehearsal: Rehearsal,
) -> None:
    # The server is gone when the answer comes, so that the value cannot be kept.
    rehearsal.control("POST", "faults", {"method": "POST", "path": "/integrations$", "delay_s": 5})
    run = rehearsal.start("test")
    eventually(lambda: rehearsal.was_asked("POST", "/integrations$"), within_s=180)
    # Whoever would start the server again goes first.
    rehearsal.standing.stop_at_once()
    os.kill(int((rehearsal.standing.home.path / "prefect-server.lock").read_text()), signal.SIGKILL)
    # Prefect's client asks again for about a minute before it gives up.
    left = eventually(lambda: record if (record := rehearsal.rotation()).wait is Wait.BACKOFF else None, within_s=180)
    assert rehearsal.standing.api
    # Nobody could tell the server how the run ended; as long as it does not know, the run keeps the deployment's place.
    crashed = {"state": {"type": "CRASHED"}, "force": True}
    rehearsal.standing.ask("POST", f"/flow_runs/{run}/set_state", crashed)

    record = finished(left.id, rehearsal.stand_ins)

    assert (left.state, left.new_version) == (State.CREATING, "")
    assert "Prefect server" in left.words
    assert (record.state, record.attempt) == (State.DONE, 2)
    assert faults(rehearsal) == []
