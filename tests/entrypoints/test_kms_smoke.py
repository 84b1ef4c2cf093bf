"""`opsflows kms-smoke` tells an operator what is wrong and what to do, a machine the same in one object, and needs nothing set up."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrypoints.log_command import last_lines
from tests.entrypoints.conftest import Cli
from tests.program import OPSFLOWS
from tests.vendors.health_answers import page
from tests.vendors.health_server import Backend, Ending, backend, told

HEAVY = ("prefect", "httpx", "pydantic", "sqlalchemy", "starlette", "rich", "ssl", "subprocess")


@pytest.fixture(scope="module")
def service() -> Iterator[Backend]:
    with backend() as running:
        yield running


def test_a_healthy_service_ends_with_0(opsflows: Cli, service: Backend) -> None:
    said = opsflows("kms-smoke", "--base-url", service.says(told()), "--logs", "false")

    assert (said.code, said.err) == (0, "")
    assert said.out == "OK    The service says that it encrypts with the KMS and is ready.\n"


def test_a_fault_ends_with_1_and_says_what_it_means_and_what_to_do(opsflows: Cli, service: Backend) -> None:
    said = opsflows("kms-smoke", "--base-url", service.says(told(page(crypto_mode="plain{text}"))), "--verbose")

    lines = said.out.splitlines()
    assert (said.code, said.err) == (1, "")
    assert lines[0] == "FAIL  The service does not encrypt with the KMS: crypto_mode is 'plain{text}'."
    assert lines[1].startswith("      It has fallen back to another mode")
    assert lines[2].startswith("      Look at the service's log")
    assert "  fault: health.mode" in lines
    assert "  status: 200" in lines


def test_the_limit_is_for_the_whole(opsflows: Cli, service: Backend) -> None:
    url = service.says(b"HTTP/1.1 200 OK\r\n", Ending.DRIP)

    said = opsflows("kms-smoke", "--base-url", url, "--timeout", "0.2", "--json")

    assert said.code == 1
    assert json.loads(said.out)["fault"] == "health.timeout"


def test_a_machine_is_told_one_object(opsflows: Cli, service: Backend) -> None:
    url = service.says(told(page(crypto_ready=False)))

    said = opsflows("kms-smoke", "--base-url", f"{url}/s3cret-path", "--json")

    document = json.loads(said.out)
    assert said.code == 1
    assert document.pop("milliseconds") > 0
    assert document.pop("at")
    assert document == {
        "ok": False, "fault": "health.not_ready", "class": "health", "severity": "page", "detail": "crypto_ready is false",
        "mode": "kms", "ready": False, "status": 200, "host": url.removeprefix("http://"),
    }  # fmt: skip


@pytest.mark.parametrize("form", ["people", "machines"])
def test_the_last_log_lines_are_shown_where_the_check_failed(opsflows: Cli, service: Backend, form: str) -> None:
    url = service.says(told(status="503 Service Unavailable"))
    log = f"{sys.executable} -c \"for at in range(30): print('line', at, chr(27), '::warning::x')\""

    said = opsflows("kms-smoke", "--base-url", url, "--logs", log, *(["--json"] if form == "machines" else []))

    shown = said.err if form == "machines" else said.out
    lines = [line for line in shown.splitlines() if line.startswith("  | ")]
    assert said.code == 1
    assert lines == [f"  | line {at}   ::warning::x" for at in range(10, 30)]
    if form == "machines":
        assert json.loads(said.out)["status"] == 503


def test_a_log_command_that_does_not_end_is_ended_with_all_it_started() -> None:
    stubborn = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE).wait()"
    )

    said = last_lines([sys.executable, "-c", stubborn], limit_seconds=0.2)

    assert said == "Last log lines (the command was ended after 0.2 s):\n  (none)"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["/no/such/program"], "The log command could not be run (No such file or directory)."),
        ([sys.executable, "-c", "raise SystemExit(3)"], "Last log lines (the command ended with 3):\n  (none)"),
    ],
)
def test_a_log_command_that_fails_is_told_and_decides_nothing(command: list[str], words: str) -> None:
    assert last_lines(command) == words


@pytest.mark.parametrize(
    "wrong",
    [("--base-url", "localhost"), ("--path", "healthz"), ("--timeout", "0"), ("--logs", "'open"), ("--logs", "")],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_asks_nobody(opsflows: Cli, service: Backend, wrong: tuple[str, str]) -> None:
    url = service.says(told())
    service.asked.clear()

    said = opsflows("kms-smoke", "--base-url", url, *wrong)

    assert (said.code, said.out, len(said.sentences)) == (2, "", 3)
    assert service.asked == []


def test_the_whole_program_works_without_a_home_and_from_another_folder(service: Backend, tmp_path: Path) -> None:
    url = service.says(told())

    ended = subprocess.run(
        [OPSFLOWS, "kms-smoke", "--base-url", url, "--json"], cwd=tmp_path, env={"OPSFLOWS_HOME": str(tmp_path / "none")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["ok"] is True
    assert list(tmp_path.iterdir()) == []


def test_it_waits_for_no_import_that_it_does_not_need(service: Backend) -> None:
    url = service.says(told())
    script = (
        "import sys; from entrypoints.cli import main\n"
        f"try: main(['kms-smoke', '--base-url', {url!r}])\n"
        f"finally: print([name for name in {HEAVY!r} if name in sys.modules])"
    )

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ended.stdout.splitlines()[-1] == "[]"
