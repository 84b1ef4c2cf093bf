"""The command line: what it offers, how it ends, and what it says to input that cannot be."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from steps.conduct import STAND_INS_URL
from tests.conftest import StandIns
from tests.entrypoints.conftest import Cli
from vendors.registry import INTEGRATIONS

COMMANDS = (
    "demo", "up", "setup", "verify", "wire", "connect", "blocks", "confirm", "questions", "rotate", "credentials", "rotations", "rotation",
    "adopt", "emergency", "freeze", "reconcile", "waive", "waivers", "sign-off", "investigate", "sample-events", "kms", "go-live", "deploy", "kms-smoke",
    "next", "run", "doctor", "board", "backup", "restore", "audit", "metrics", "mocks",
)  # fmt: skip
SKIP = ("--skip-rehearsal", "a test of what is refused")


def env_file(text: str, mode: int = 0o600) -> Path:
    file = Path("given.env")
    file.touch()
    file.chmod(0o600)
    file.write_text(text)
    file.chmod(mode)
    return file


def exchanged(home: Path) -> str:
    """Return every exchange with a vendor that any run of this home has recorded."""
    return "".join(file.read_text() for file in home.glob("home/audit/**/evidence.jsonl"))


def test_help_names_every_command_with_a_line_each(opsflows: Cli) -> None:
    said = opsflows("--help")

    listed = dict(
        line.split(maxsplit=1) for line in said.out.partition("Commands:\n")[2].splitlines() if line[2] != " "
    )
    assert said.code == 0
    assert tuple(listed) == COMMANDS
    assert all(listed.values())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(opsflows: Cli, command: str) -> None:
    said = opsflows(*(["mocks", "--", "--help"] if command == "mocks" else [command, "--help"])[:1], "--help")

    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"Usage: opsflows {command}")


@pytest.mark.parametrize("arguments", [("nonsense",), ("verify", "--nonsense"), ("go-live", "staging")])
def test_a_wrong_command_line_ends_with_2(opsflows: Cli, arguments: tuple[str, ...]) -> None:
    said = opsflows(*arguments)

    assert said.code == 2
    assert "Error:" in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "nonsense", "--mode", "mock"),
        ("verify", "--mode", "real_nonsense"),
        ("verify", "--mode", "mock", "--environment", "staging"),
        ("verify", "--environment", "nowhere"),
        ("verify", "--env-file", "x.env", "--environment", "staging"),
        ("wire", "--environment", "nowhere"),
        ("wire", "--environment", "staging"),
        ("connect", "nonsense", "--environment", "staging"),
        ("connect", "slack", "--environment", "rehearsal"),
        ("connect", "slack", "--environment", "staging"),
        ("connect", "slack", "--environment", "staging", "--only", "NONSENSE"),
        ("blocks", "import", "absent.env", "--environment", "staging"),
        ("deploy",),
        ("go-live", "nowhere", "--date", "2026-01-01"),
    ],
    ids=" ".join,
)
def test_input_that_cannot_be_is_answered_in_three_sentences(opsflows: Cli, arguments: tuple[str, ...]) -> None:
    said = opsflows(*arguments)

    assert said.code == 2
    assert len(said.sentences) == 3
    assert all(sentence.endswith((".", "?")) for sentence in said.sentences)
    assert "Traceback" not in said.err


def test_the_whole_program_shows_no_traceback_either(tmp_path: Path) -> None:
    program = Path(shutil.which("opsflows") or Path(__import__("sys").executable).with_name("opsflows"))

    ended = subprocess.run(
        [program, "verify", "--env-file", "absent.env"],
        env={"OPSFLOWS_HOME": str(tmp_path / "home")}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines()[0] == "absent.env cannot be read (No such file or directory)."
    assert len(ended.stderr.splitlines()) == 3


def test_verifying_on_stand_ins_ends_with_0_and_says_so(
    opsflows: Cli, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STAND_INS_URL, stand_ins.url)

    said = opsflows("verify", "--mode", "mock")

    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"Credentials: generated, for the stand-ins at {stand_ins.url}. Environment: rehearsal.")
    assert "\nGREEN (rehearsal)\nAudit bundle: " in said.out
    assert {line.split()[1] for line in said.out.splitlines() if line.startswith("PASS")} == set(INTEGRATIONS)


def test_verifying_for_machines_prints_one_document(
    opsflows: Cli, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STAND_INS_URL, stand_ins.url)

    said = opsflows("verify", "slack", "--mode", "mock", "--json")

    document = json.loads(said.out)
    assert said.code == 0
    assert (document["verdict"], document["world"]) == ("GREEN", "rehearsal")
    assert document["integrations"] == {"slack": "PASS"} | dict.fromkeys(set(INTEGRATIONS) - {"slack"}, "NOT RUN")
    (probe,) = [probe for probe in document["probes"] if probe["target"] == "slack"]
    assert probe["confirmed_ms"] >= 0
    assert Path(document["bundle"]).is_dir()


def test_a_failure_ends_with_1_and_with_what_to_do(
    opsflows: Cli, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STAND_INS_URL, stand_ins.url)
    stand_ins.control("POST", "/slack/actions/revoke_webhook", {})

    said = opsflows("verify", "--mode", "mock")

    assert said.code == 1
    assert "The webhook was revoked" in said.out
    assert "\nHOLD (rehearsal)\n" in said.out


def test_the_mode_is_taken_from_the_environment(opsflows: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR_WIRING_MODE", "real_nonsense")

    said = opsflows("verify")

    assert (said.code, said.sentences[0]) == (2, "OPERATOR_WIRING_MODE: 'nonsense' cannot be used.")


def test_a_real_mode_waits_for_a_rehearsal(opsflows: Cli, tmp_path: Path) -> None:
    file = env_file("SLACK_WEBHOOK_URL=https://hooks.slack.com/services/T0AAAAAAA/B0AAAAAAA/abcdefghijklmnopqrstuvwx\n")

    said = opsflows("verify", "slack", "--env-file", str(file), "--mode", "real_slack")

    assert said.code == 2
    assert said.sentences[0].startswith("The rehearsal has not passed for slack")
    assert "--skip-rehearsal" in said.sentences[2]
    assert exchanged(tmp_path) == ""


MALFORMED = {
    "a DSN that is none": ("real_sentry", "SENTRY_DSN=https//abc@o1.ingest.us.sentry.io/1", "SENTRY_DSN"),
    "a routing key of 31 characters": ("real_pagerduty", f"PAGERDUTY_ROUTING_KEY={'a1' * 15}b", "PAGERDUTY_ROUTING_KEY"),
    "an unknown site": (
        "real_datadog", f"DD_API_KEY={'c0' * 16}\nDD_APP_KEY={'c0' * 20}\nDD_SITE=datadoghq.xx", "DD_SITE",
    ),
    "http in a DSN": ("real_sentry", f"SENTRY_DSN=http://{'c0' * 16}@o1.ingest.us.sentry.io/1", "SENTRY_DSN"),
    "http for a webhook": ("real_slack", "SLACK_WEBHOOK_URL=http://hooks.slack.com/services/T0/B0/x", "SLACK_WEBHOOK_URL"),
    "an incomplete set": (
        "real_splunk", "SPLUNK_HEC_URL=https://http-inputs-acme.splunkcloud.com\nSPLUNK_INDEX=main", "SPLUNK_HEC_TOKEN",
    ),
    "half of a pair": ("real_datadog", f"DD_API_KEY={'c0' * 16}", "DD_APP_KEY"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_a_value_that_cannot_be_is_named_and_nothing_is_sent(opsflows: Cli, tmp_path: Path, case: str) -> None:
    mode, text, variable = MALFORMED[case]

    said = opsflows("verify", "--env-file", str(env_file(f"{text}\n")), "--mode", mode, *SKIP)

    assert said.code == 2
    assert len(said.sentences) == 3
    assert variable in said.sentences[0]
    assert "Nothing was sent" in said.sentences[1] or "nothing was sent" in said.sentences[1]
    assert not any(line.partition("=")[2] in said.err for line in text.splitlines() if "KEY" in line or "DSN" in line)
    assert exchanged(tmp_path) == ""


def test_every_fault_of_every_integration_is_named_at_once(opsflows: Cli) -> None:
    file = env_file("SENTRY_DSN=nonsense\nSPLUNK_INDEX=main\nPAGERDUTY_ROUTING_KEY=short\n")

    said = opsflows("verify", "--env-file", str(file), *SKIP)

    assert said.code == 2
    for variable in ("SENTRY_DSN", "SPLUNK_HEC_TOKEN", "SPLUNK_HEC_URL", "PAGERDUTY_ROUTING_KEY"):
        assert variable in said.sentences[0]


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_file_that_others_can_read_is_refused(opsflows: Cli, mode: int) -> None:
    file = env_file("SENTRY_DSN=nonsense\n", mode)

    said = opsflows("verify", "--env-file", str(file), *SKIP)

    assert said.code == 2
    assert f"mode {mode:04o}" in said.sentences[0]
    assert "chmod 600" in said.sentences[2]


def test_a_file_that_git_tracks_is_refused(opsflows: Cli, tmp_path: Path) -> None:
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    file = env_file("SENTRY_DSN=nonsense\n")
    for arguments in (["init", "-q"], ["add", str(file)]):
        subprocess.run([git, "-C", str(tmp_path), *arguments], check=True)

    said = opsflows("verify", "--env-file", str(file), *SKIP)

    assert said.code == 2
    assert "tracked by git" in said.sentences[0]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00SLACK", b""], ids=["not text", "nothing in it"])
def test_a_file_that_says_nothing_verifies_nothing(opsflows: Cli, tmp_path: Path, content: bytes) -> None:
    file = env_file("")
    file.write_bytes(content)

    said = opsflows("verify", "slack", "--env-file", str(file), "--mode", "real_slack", *SKIP)

    assert said.code in {1, 2}
    assert "GREEN" not in said.out
    assert exchanged(tmp_path) == ""


def test_the_exit_codes_are_told(opsflows: Cli) -> None:
    said: Any = opsflows("--help")

    assert "0 green, waiting or planned; 1 HOLD; 2 bad input" in " ".join(said.out.split())
