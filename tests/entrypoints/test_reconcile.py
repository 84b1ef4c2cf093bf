"""`opsflows sample-events` and `opsflows reconcile`: refusals before anything is read, and a month beside a running server."""

import json
import logging
from pathlib import Path

import pytest

from entrypoints.reconcile import Progress
from tests.entrypoints.conftest import Cli, Said
from tests.program import Beside

MONTH = "2026-10"
REHEARSAL = ("--month", MONTH, "--environment", "rehearsal")
CONFIG = """
[environments.prod]
kind = "prod"
in_scope = ["slack"]
"""


def refused(said: Said) -> str:
    """The first of the three sentences with which nothing was done."""
    assert (said.code, len(said.sentences), said.out) == (2, 3, "")
    return said.sentences[0]


def told(listener: Progress, name: str, **fields: object) -> None:
    record = logging.LogRecord("opsflows.progress", logging.INFO, __file__, 1, name, None, None)
    record.event, record.fields = name, fields
    listener.emit(record)


@pytest.fixture
def configured(opsflows: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line where one environment is declared, and nothing says where its events are recorded."""
    (tmp_path / "opsflows.toml").write_text(CONFIG)
    monkeypatch.setenv("OPSFLOWS_CONFIG", str(tmp_path / "opsflows.toml"))
    return opsflows


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--month", "october"), "'october' is not a month."),
        (("--month", "2026-13"), "'2026-13' is not a month."),
        (("--environment", "moon"), "'moon' is not an environment."),
        ((), "No environment but the rehearsal has an [emitted] section in opsflows.toml."),
    ],
)
def test_what_cannot_be_reconciled_is_refused_before_a_server_is_looked_for(
    configured: Cli, arguments: tuple[str, ...], sentence: str
) -> None:
    assert refused(configured("reconcile", *arguments)) == sentence


def test_a_month_needs_a_running_server(configured: Cli) -> None:
    said = configured("reconcile", "--environment", "prod")

    assert (said.code, said.out) == (2, "")
    assert "Prefect" in said.err


def test_a_sample_needs_a_month_and_stand_ins(opsflows: Cli, tmp_path: Path) -> None:
    assert refused(opsflows("sample-events", "--month", "october")) == "'october' is not a month."
    assert refused(opsflows("sample-events", "--month", MONTH)) == "No stand-ins are running."
    assert not (tmp_path / "home" / "sample-events").exists()


def test_progress_is_on_the_error_stream_and_a_machine_hears_none(capsys: pytest.CaptureFixture[str]) -> None:
    told(Progress(prints=True), "counting.file", source="gateway", file="a.jsonl", done=3, of=40, rows=1234567)
    told(Progress(prints=True), "counting.part", done=1, of=7, words="gateway: 9 events in 40 files.")
    loud = capsys.readouterr()
    told(Progress(prints=False), "counting.part", done=1, of=7, words="gateway: 9 events in 40 files.")
    told(Progress(prints=True), "step.done", number=1)
    silent = capsys.readouterr()

    assert loud.err.splitlines() == [
        "  gateway: 3 of 40 files, 1,234,567 records so far",
        "  1/7  gateway: 9 events in 40 files.",
    ]
    assert (loud.out, silent.out, silent.err) == ("", "", "")


@pytest.mark.prove
def test_a_sample_month_is_reconciled_as_the_documentation_says(beside: Beside) -> None:
    sampled = beside.run("sample-events", "--month", MONTH)
    twice = beside.run("sample-events", "--month", MONTH)
    planned = beside.run("reconcile", *REHEARSAL, "--plan")
    shown = beside.run("reconcile", *REHEARSAL)
    machine = beside.run("reconcile", *REHEARSAL, "--json")
    audited = beside.run("audit", "verify")

    assert (sampled.code, twice.code, planned.code, shown.code, machine.code, audited.code) == (0, 2, 0, 1, 1, 0), (
        sampled.err + planned.err + shown.err + machine.err
    )
    assert sampled.out.splitlines()[-1] == f"Now: opsflows reconcile --month {MONTH} --environment rehearsal"
    assert planned.out.splitlines()[-1].startswith("PLANNED")
    page = next(line.split(maxsplit=1)[1] for line in shown.out.splitlines() if line.startswith("Page  "))
    assert Path(page).read_text().startswith("<!doctype html>")
    assert shown.out.splitlines()[-1] == "HOLD (rehearsal)"
    assert "\\" not in shown.out  # no signs of Markdown that a terminal does not understand
    assert "7/7" in shown.err
    [document] = json.loads(machine.out)
    findings = {one["target"]: one["finding"] for one in document["targets"]}
    held = {name: finding for name, finding in findings.items() if finding not in {"OK", "EXPLAINED"}}
    assert held == {"opsgenie": "INCONCLUSIVE", "slack": "BREACH", "splunk": "BREACH"}
    assert machine.err == "HOLD (rehearsal)\n"
