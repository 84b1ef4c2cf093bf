"""`opsflows demo`, as `make demo` runs it: green, told, kept, and gone."""

import json
import re
import sqlite3
from pathlib import Path

import pytest

from domain.checklist import CHECKLIST
from entrypoints.servers import own_server
from tests.program import Beside, Standing, needs_proc
from vendors.registry import INTEGRATIONS


def bundle_of(standing: Standing) -> Path:
    found = re.search(r"^Audit bundle: (.+)$", standing.demo.out, re.MULTILINE)
    assert found, standing.demo.out
    return Path(found[1])


def test_the_demo_ends_green_in_the_rehearsal_and_says_so(standing: Standing) -> None:
    demo = standing.demo

    assert (demo.code, demo.err) == (0, ""), demo.out
    assert "GREEN (rehearsal): 29 DONE, 1 NOT APPLICABLE" in demo.out


def test_it_shows_a_line_per_step_and_a_row_per_integration(standing: Standing) -> None:
    lines = standing.demo.out.splitlines()

    steps = [line for line in lines if line[:2].strip().isdigit()]
    rows = {line.split()[0]: line.split()[1:4] for line in lines if "PASS" in line}

    assert [step[22:] for step in steps] == [step.title for step in CHECKLIST]
    assert rows == {name: ["PASS", "yes", "yes"] for name in INTEGRATIONS}


def test_it_leaves_the_bundle_that_it_names(standing: Standing) -> None:
    bundle = bundle_of(standing)

    files = {file.name for file in bundle.iterdir()}

    assert bundle.is_relative_to(standing.home.path / "audit" / "day1-wiring")
    assert {"report.md", "evidence.jsonl", "manifest.json", "completion-record.md"} <= files
    assert json.loads((bundle / "manifest.json").read_text())["verdict"] == "GREEN (rehearsal)"


def test_it_leaves_a_ledger_in_which_nothing_but_the_rehearsal_is_proved(standing: Standing) -> None:
    with sqlite3.connect(f"file:{standing.home.path / 'ledger.db'}?mode=ro", uri=True) as connection:
        verified = connection.execute("SELECT environment FROM verifications UNION SELECT environment FROM step_states")
        environments = verified.fetchall()
        rehearsals = connection.execute("SELECT count(DISTINCT version) FROM rehearsals").fetchone()
    connection.close()

    assert (environments, rehearsals) == ([("rehearsal",)], (1,))


@needs_proc
def test_it_leaves_no_process(standing: Standing) -> None:
    assert standing.left_by_demo == []


def test_its_run_is_in_the_servers_history_with_every_step_as_a_task(standing: Standing) -> None:
    chosen = {"flow_runs": {"name": {"like_": "day 1 rehearsal"}}, "limit": 1, "sort": "START_TIME_ASC"}
    (run,) = standing.ask("POST", "/flow_runs/filter", chosen)
    tasks = standing.ask("POST", "/task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})

    assert run["state"]["type"] == "COMPLETED"
    assert len(tasks) == len(CHECKLIST)
    assert {task["state"]["type"] for task in tasks} == {"COMPLETED"}


def test_its_audit_is_intact_afterwards(beside: Beside) -> None:
    verified = beside.run("audit", "verify")

    assert verified.code == 0, verified.out + verified.err
    assert "INTACT" in verified.out


def test_a_server_that_runs_is_used_and_goes_on(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSFLOWS_HOME", str(standing.home.path))
    monkeypatch.setenv("PREFECT_API_URL", "")

    with own_server() as found:
        used = found

    assert used == standing.api
    assert standing.ask("GET", "/health") is True


@pytest.mark.prove
def test_a_demo_beside_a_running_server_uses_it_and_is_green_again(standing: Standing) -> None:
    api = standing.api
    adopted = standing.run("adopt", "splunk-default-rehearsal-send", "--by", "ada", "--ticket", "OPS-1")
    before = blocks_of_the_rehearsal(standing)

    again = standing.run("demo")

    assert adopted.code == 0, adopted.out + adopted.err
    assert again.code == 0, again.out + again.err
    assert before
    assert blocks_of_the_rehearsal(standing) == before
    assert f"{standing.ui}/runs" in again.out
    assert "GREEN (rehearsal)" in again.out
    assert standing.ask("GET", "/health") is True
    assert standing.api == api
    assert json.loads((standing.home.path / "ports.json").read_text())["prefect"] == int(
        api.split(":")[2].split("/")[0]
    )


def blocks_of_the_rehearsal(standing: Standing) -> dict[str, object]:
    """Return what they hold, by their names, but for Slack's webhook: a step of day 1 swaps it."""
    found = standing.ask("POST", "/block_documents/filter", {"include_secrets": True, "limit": 200})
    return {
        row["name"]: row["data"] for row in found if "rehearsal" in row["name"] and not row["name"].startswith("slack-")
    }
