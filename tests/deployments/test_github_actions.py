"""The workflows that a service's repository takes along: audited, run when they should, and their scripts do what they say."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.program import ROOT
from tests.vendors.health_answers import page
from tests.vendors.health_server import Backend, backend, told

FOLDER = ROOT / "deployments" / "github-actions"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
HEALTHZ = ROOT / "vendors" / "healthz.py"
UNSAFE = """
on: {pull_request: }
jobs:
  a:
    runs-on: ubuntu-latest
    steps: [{uses: actions/checkout@v5}, {run: "echo ${{ github.event.pull_request.title }}"}]
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Backend]:
    with backend() as running:
        yield running


def workflow(name: str) -> dict[str, Any]:
    document: dict[Any, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    # In YAML 1.1, as PyYAML reads it, the key `on` is the word for true.
    return {"on" if key is True else key: value for key, value in document.items()}


def steps(name: str, job: str) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in workflow(name)["jobs"][job]["steps"]}


def zizmor(*files: Path) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("zizmor")
    if not program.exists():
        why = "zizmor is not installed in this environment (pip install zizmor)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{why}; CI must have it")
        pytest.skip(why)
    return subprocess.run(
        [program, "--offline", "--no-progress", "--persona=auditor", *files],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_audit_finds_nothing() -> None:
    audited = zizmor(*WORKFLOWS)

    assert audited.returncode == 0, audited.stdout


def test_the_audit_finds_what_is_unsafe(tmp_path: Path) -> None:
    file = tmp_path / "unsafe.yml"
    file.write_text(UNSAFE)

    audited = zizmor(file)

    assert audited.returncode > 0
    assert "template-injection" in audited.stdout
    assert "unpinned-uses" in audited.stdout


def test_the_smoke_check_runs_when_it_should() -> None:
    on = workflow("kms-crypto-smoke")["on"]

    assert on["schedule"] == [{"cron": "7,37 * * * *"}]
    assert on["push"] == {"branches": ["main"]}
    assert {"**/crypto/**", "**/docker-compose*.yml", "**/Dockerfile*"} <= set(on["pull_request"]["paths"])
    assert on["workflow_dispatch"]["inputs"]["base_url"]["type"] == "string"


def test_a_pull_request_asks_its_own_stack_and_anything_else_production() -> None:
    jobs = workflow("kms-crypto-smoke")["jobs"]

    assert jobs["kms-smoke-production"]["if"] == "github.event_name != 'pull_request'"
    assert jobs["kms-smoke-local"]["if"].startswith("github.event_name == 'pull_request' && ")


def test_other_pull_requests_are_warned() -> None:
    lite = workflow("smoke-lite")

    assert lite["on"] == {"pull_request": None, "push": {"branches": ["main"]}}
    assert "GITHUB_STEP_SUMMARY" in steps("smoke-lite", "kms-health")["KMS crypto health"]["run"]


def test_every_system_runs_every_python() -> None:
    matrix = workflow("kms-smoke-matrix")["jobs"]["healthz"]["strategy"]["matrix"]

    assert matrix == {
        "os": ["ubuntu-latest", "macos-latest", "windows-latest"],
        "python": ["3.11", "3.12", "3.13"],
        "include": [{"os": "ubuntu-22.04", "python": "3.9"}],
    }


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_may_read_and_no_more_and_ends_by_itself(file: Path) -> None:
    document = workflow(file.stem)

    assert document["permissions"] == {}
    assert document["concurrency"]["group"]
    for job in document["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert 0 < job["timeout-minutes"] <= 15


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_what_a_workflow_runs_is_taken_along(file: Path) -> None:
    text = file.read_text()

    assert "scripts/healthz.py" in text
    assert text.startswith("# ")
    assert "copy this file to .github/workflows/" in text


def ran(script: str, folder: Path, program: tuple[str, ...], **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a step's script as a runner does, in a repository that took healthz.py along; its waits take no time."""
    scripts = folder / "scripts"
    scripts.mkdir(exist_ok=True)
    (scripts / "healthz.py").write_bytes(HEALTHZ.read_bytes())
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for name, does in {"sleep": "exit 0", "python3": f'exec "{sys.executable}" -S "$@"'}.items():
        (tools / name).write_text(f"#!/bin/sh\n{does}\n")
        (tools / name).chmod(0o755)
    env = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", **environment}
    return subprocess.run(
        [*program, script], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120
    )


BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "set the repository variable KMS_SMOKE_URL"),
        ("http://api.example.org", "must begin with https://"),
        ("$(touch made)", "must begin with https://"),
        ('https://"; touch made; "', "the address must be like"),
        ("https://a\n::warning::x", "the address must be like"),
    ],
)
def test_an_address_that_cannot_be_is_refused_and_never_run(tmp_path: Path, url: str, words: str) -> None:
    step = steps("kms-crypto-smoke", "kms-smoke-production")["Ask the health page"]

    ended = ran(step["run"], tmp_path, BASH, BASE_URL=url)

    assert ended.returncode == 2
    assert words in ended.stdout + ended.stderr
    assert not (tmp_path / "made").exists()
    assert "::warning::" not in ended.stdout


@pytest.mark.parametrize(
    ("answers", "code", "asked"),
    [("+", 0, 1), ("-++", 0, 3), ("--", 1, 2), ("-+-", 1, 3)],
)
def test_one_failing_answer_is_no_outage_and_two_of_three_are(
    service: Backend, tmp_path: Path, answers: str, code: int, asked: int
) -> None:
    step = steps("kms-crypto-smoke", "kms-smoke-production")["Ask the health page"]
    to_come = iter(answers)
    url = service.says(b"")
    service.answer = lambda: told(page(crypto_ready=next(to_come) == "+"))
    service.asked.clear()

    ended = ran(step["run"].replace("https://*)", "http://*)"), tmp_path, BASH, BASE_URL=url)

    assert (ended.returncode, len(service.asked)) == (code, asked), ended.stdout + ended.stderr


@pytest.mark.parametrize("mode", ["kms", "plaintext", None])
def test_a_service_that_is_not_well_is_a_warning_with_its_reason_and_no_failure(
    service: Backend, tmp_path: Path, mode: str | None
) -> None:
    step = steps("smoke-lite", "kms-health")["KMS crypto health"]
    url = service.says(told(page(crypto_mode=mode))) if mode else ""
    summary = tmp_path / "summary.md"

    ended = ran(step["run"], tmp_path, BASH, BASE_URL=url, GITHUB_STEP_SUMMARY=str(summary))

    told_there = {
        "kms": "    OK ",
        "plaintext": "    FAIL health.mode: crypto_mode is 'plaintext'",
        None: "    Not checked: ",
    }
    assert ended.returncode == 0, ended.stderr
    assert told_there[mode] in summary.read_text()
    assert ("::warning title=KMS crypto health::" in ended.stdout) is (mode != "kms")


@pytest.mark.parametrize("there", [True, False])
def test_the_last_log_lines_are_told_behind_a_bar_where_a_script_has_them(tmp_path: Path, *, there: bool) -> None:
    step = steps("kms-crypto-smoke", "kms-smoke-production")["Last backend log lines"]
    if there:
        (tmp_path / "scripts").mkdir()
        logs = tmp_path / "scripts" / "backend-logs.sh"
        logs.write_text("#!/bin/sh\nseq 30\necho ::error::x\n")
        logs.chmod(0o755)

    ended = ran(step["run"], tmp_path, BASH)

    assert ended.returncode == 0
    assert step["if"] == "failure()"
    assert ended.stdout.splitlines()[-1] == (
        "| ::error::x" if there else "There is no scripts/backend-logs.sh that could print them."
    )


def test_the_matrix_script_tells_a_healthy_page_from_an_ill_one(tmp_path: Path) -> None:
    step = steps("kms-smoke-matrix", "healthz")["Read a healthy page, an ill one, and none"]

    ended = ran(step["run"], tmp_path, (sys.executable, "-c"))

    assert step["shell"] == "python"
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "{'/well': 0, '/ill': 1, 'closed': 1, 'usage': 2}" in ended.stdout
