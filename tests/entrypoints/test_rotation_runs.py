"""Rotations from the command line beside a running server: a run is started and followed, a value entered, a credential adopted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from click.testing import CliRunner, Result
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.store import save_values
from domain.errors import BadInput, Unavailable
from domain.names import ROTATE, STEP_ROTATION, Target
from domain.rotation import State
from entrypoints.following import follow_all, start_rotation
from entrypoints.rotations import rotation
from ledger.questions import open_questions
from ledger.rotation_rows import find_rotation
from steps.clock import Clock
from tests.deployments.made_runs import ledger_of
from tests.program import Beside, Standing, eventually
from vendors.registry import INTEGRATIONS

DATADOG = "datadog-default-rehearsal-send"
SLACK = "slack-default-rehearsal-send"
CANARY = "https://hooks.slack.com/services/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"
PARTS = (b"T0CANARY1", b"canarycanarycanary")


@pytest.fixture
def server(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standing]:
    """The running server and its home, as this process's own."""
    monkeypatch.setenv("PREFECT_API_URL", standing.api)
    monkeypatch.setenv("OPSFLOWS_HOME", str(standing.home.path))
    with temporary_settings({PREFECT_API_URL: standing.api}):
        yield standing


def store_generated(standing: Standing, name: str) -> None:
    """Put the credentials of the stand-ins that run now into the rehearsal's blocks, as its day 1 does."""
    found = re.search(r"^Stand-ins +(\S+)$", standing.output, re.MULTILINE)
    assert found
    values = httpx.get(f"{found[1]}/_control/{name}/credentials", trust_env=False).json()
    save_values(INTEGRATIONS[name], Target(name), "rehearsal", values)


@dataclass(slots=True)
class Hours:
    """A clock whose sleep passes at once."""

    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)

    def clock(self) -> Clock:
        return Clock(now=lambda: self.at, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += timedelta(seconds=max(seconds, 20))


@pytest.fixture
def waiting_run(server: Standing) -> Iterator[FlowRun]:
    """A run of the deployment that no worker takes, since its moment is far away."""
    run = run_deployment(
        ROTATE, timeout=0, as_subflow=False, scheduled_time=datetime.now(UTC) + timedelta(days=1),
        parameters={"credentials": ["datadog send"], "environment": "rehearsal", "reason": "test", "operator": "ada", "ticket": "OPS-1"},
    )  # fmt: skip
    assert isinstance(run, FlowRun)
    yield run
    server.ask("DELETE", f"/flow_runs/{run.id}")


@pytest.mark.prove
def test_a_credential_is_adopted_by_evidence_and_then_planned_without_a_problem(server: Standing) -> None:
    store_generated(server, "datadog")

    adopted = server.run("adopt", DATADOG, "--by", "ada", "--ticket", "OPS-1")
    planned = server.run("rotate", DATADOG, "--reason", "test", "--ticket", "OPS-1", "--by", "ada")

    assert (adopted.code, adopted.err) == (0, "")
    assert re.search(rf"^{DATADOG} is \S+, because .+ \(rotation r[0-9a-f]{{11}}\)\.$", adopted.out, re.MULTILINE)
    assert (planned.code, planned.err) == (0, "")
    assert f"{server.ui}/runs/flow-run/" in planned.out
    assert "bound to" in planned.out
    assert "PLANNED: 1 credentials planned" in planned.out
    assert planned.out.rstrip().endswith(f"opsflows rotate {DATADOG} --reason test --ticket OPS-1 --apply")


@pytest.mark.prove
def test_a_value_made_by_hand_goes_from_the_prompt_into_its_document_and_nowhere_else(
    server: Standing, beside: Beside
) -> None:
    applied = beside.run("rotate", SLACK, "--reason", "test", "--ticket", "OPS-1", "--apply")
    found = re.search(r"rotation: (r[0-9a-f]{11})", applied.out)
    assert found, applied.out + applied.err
    before = len(server.runs_of(STEP_ROTATION, "COMPLETED", "FAILED"))

    entered = entering(found[1], f"{CANARY}\n")

    assert applied.code == 1
    assert "AWAITING_HUMAN_CREATE" in applied.out
    assert entered.exit_code == 0, entered.output
    assert "Goes on in run" in entered.output
    eventually(lambda: len(server.runs_of(STEP_ROTATION, "COMPLETED", "FAILED")) > before)
    with ledger_of(server) as ledger:
        record = find_rotation(ledger, found[1])
        asked = [question.integration for question in open_questions(ledger, "rehearsal")]
    # The stand-in knows no such webhook, so it is not proven, and another one is asked for.
    assert record.state in {State.CREATING, State.PLANNED, State.CREATED}
    assert f"{found[1]}:create:1" not in asked
    assert CANARY not in applied.out + entered.output
    assert leaks(server) == []
    assert beside.run("rotation", "rollback", found[1], "--reason", "the test is over").code == 0


def entering(rotation_id: str, typed: str) -> Result:
    return CliRunner().invoke(rotation, ["enter", rotation_id, "--by", "ada"], input=typed)


def leaks(standing: Standing) -> list[str]:
    """Return the files of the home and the answers of the API, secrets left out, in which the canary stands."""
    found = [
        str(file) for file in standing.home.path.rglob("*")
        if file.is_file() and any(part in file.read_bytes() for part in PARTS)
    ]  # fmt: skip
    asked = {
        name: standing.ask("POST", f"/{name}/filter", {}) for name in ("flow_runs", "logs", "artifacts", "task_runs", "block_documents")
    }  # fmt: skip
    return found + [name for name, answer in asked.items() if any(part.decode() in str(answer) for part in PARTS)]


def test_a_run_that_no_worker_picks_up_is_told_within_a_minute(waiting_run: FlowRun) -> None:
    hours = Hours()

    with pytest.raises(Unavailable) as told:
        follow_all([waiting_run], hours.clock())

    assert waiting_run.name in told.value.happened
    assert "prefect worker start --pool opsflows" in told.value.next_step
    assert hours.at - Hours().at < timedelta(minutes=2)


def test_control_c_ends_the_following_and_not_the_run(
    server: Standing, waiting_run: FlowRun, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    code = follow_all([waiting_run], Clock(sleep=interrupt))

    assert code == 130
    assert f"run {waiting_run.name} goes on" in capsys.readouterr().out
    assert server.ask("GET", f"/flow_runs/{waiting_run.id}")["state"]["type"] == "SCHEDULED"


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        ("COMPLETED Waiting", 0),
        ("COMPLETED Planned", 0),
        ("FAILED Hold", 1),
        ("FAILED BadInput", 2),
        ("CRASHED Crashed", 1),
    ],
)
def test_the_exit_code_is_the_verdict_of_the_run(
    server: Standing, waiting_run: FlowRun, ended: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, name = ended.split()
    state = {"type": kind, "name": name, "message": "What it came to."}
    server.ask("POST", f"/flow_runs/{waiting_run.id}/set_state", {"state": state, "force": True})

    assert follow_all([waiting_run], Hours().clock()) == code
    assert "What it came to." in capsys.readouterr().out


def test_a_server_without_the_deployment_says_how_to_deploy(server: Standing) -> None:
    with pytest.raises(BadInput, match="opsflows deploy"):
        start_rotation({}, deployment="rotate-credentials/not-there")
