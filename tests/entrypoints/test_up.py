"""`opsflows up`, as `make up` runs it: it answers, there is one of it, what dies comes back, and Ctrl-C leaves nothing behind."""

import os
import re
import signal
from pathlib import Path

import httpx
import pytest

from deployments.catalog import POOLS
from tests.program import Home, Standing, eventually, needs_proc
from vendors.registry import EVERY


def address(output: str, what: str) -> str:
    found = re.search(rf"^{what} +(\S+)$", output, re.MULTILINE)
    assert found, output
    return found[1]


def process_of(home: Home, name: str) -> int:
    return int((home.path / f"{name}.lock").read_text() or 0)


def test_everything_answers_where_it_says(standing: Standing) -> None:
    page = httpx.get(standing.ui, trust_env=False, follow_redirects=True)
    board = httpx.get(f"{address(standing.output, 'Board')}/health", trust_env=False)
    credentials = httpx.get(f"{address(standing.output, 'Stand-ins')}/_control/credentials", trust_env=False)

    assert (page.status_code, "<title>" in page.text) == (200, True)
    assert board.status_code == 200
    assert set(credentials.json()) == {*EVERY, "kubernetes", "backend"}


def test_both_pools_have_a_worker_when_it_says_that_it_is_ready(standing: Standing) -> None:
    assert standing.api

    workers = {pool: standing.ask("POST", f"/work_pools/{pool}/workers/filter", {}) for pool in POOLS}

    assert {pool: [row["status"] for row in rows] for pool, rows in workers.items()} == {
        pool: ["ONLINE"] for pool in POOLS
    }


def test_the_rehearsals_credentials_are_there_for_the_forms(standing: Standing) -> None:
    assert standing.api

    named = {"block_documents": {"name": {"like_": "-default-rehearsal-"}}, "limit": 200}
    held = {row["name"].partition("-")[0] for row in standing.ask("POST", "/block_documents/filter", named)}

    assert set(EVERY) <= held


def test_a_home_that_has_runs_gets_no_first_run(standing: Standing) -> None:
    assert standing.api

    assert "First run" not in standing.output


def test_a_second_one_is_refused_and_changes_nothing(standing: Standing) -> None:
    ports = standing.home.path / "ports.json"
    assert standing.api
    before = ports.read_text()

    second = standing.run("up")

    assert second.code == 2
    assert "is running already" in second.err
    assert len(second.err.splitlines()) == 3
    assert ports.read_text() == before
    assert standing.ask("GET", "/health") is True


def test_a_worker_that_is_killed_is_told_and_started_again(standing: Standing) -> None:
    assert standing.api
    name = "prefect-worker-opsflows"
    first = process_of(standing.home, name)

    os.kill(first, signal.SIGKILL)

    eventually(lambda: f"{name} ended by SIGKILL" in standing.output)
    eventually(lambda: process_of(standing.home, name) not in {0, first})


@needs_proc
def test_control_c_stops_all_of_it_within_a_minute(standing: Standing) -> None:
    assert standing.api
    assert len(standing.home.processes()) >= 5

    code = standing.stop(within_s=60)

    assert code == 0, standing.output
    assert standing.output.splitlines()[-1] == "Stopped."
    assert standing.home.processes() == []


@pytest.mark.prove
@needs_proc
def test_a_fresh_home_has_a_first_run_and_after_a_kill_everything_is_as_it_was(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.path.mkdir(mode=0o700)
    up = Standing(home, home.run("setup"), [])
    first = address(up.api and up.output, "First run").rpartition("/")[2]
    ended = eventually(lambda: run if (run := up.ask("GET", f"/flow_runs/{first}"))["end_time"] else None, within_s=240)
    ports = (home.path / "ports.json").read_text()

    up.stop_at_once()
    left = home.processes()
    again = up.api and up.output

    assert ended["state"]["message"].startswith("GREEN (rehearsal)")
    assert len(left) >= 4
    assert again.count("Left running by an opsflows up that was killed") == 5
    assert "First run" not in again
    assert (home.path / "ports.json").read_text() == ports
    assert up.ask("GET", f"/flow_runs/{first}")["state"]["type"] == "COMPLETED"
    assert up.stop() == 0
    assert home.processes() == []
