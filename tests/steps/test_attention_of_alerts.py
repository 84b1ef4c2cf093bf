"""Every alert that the code can raise has a command of its own in the list of what needs someone."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.alerts import Alert
from steps.attention_of_alerts import DOCTOR, line_of_alert

ROOT = Path(__file__).parents[2]
RAISING = {"raise_alert", "keep_raised", "Escalation"}
# Where keys are made for others that raise them.
MAKING = ("steps/unresolved_months.py", "domain/run_watch.py")
FOLDERS = ("domain", "ledger", "steps", "tasks", "flows", "entrypoints")
# What follows the kind, where it decides about the command.
REST = {"run": "verify-due-20261126T030000Z-0123abcd", "deployment": "verify-due:ended:prod"}


def alert(key: str) -> Alert:
    at = datetime(2026, 11, 26, 3, tzinfo=UTC)
    return Alert(key, "prod", "the operator", "It broke. See.", "docs/runbooks/run-failed.md", at, None, 0, "page")


def raises(tree: ast.Module) -> bool:
    called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(isinstance(one, ast.Name) and one.id in RAISING for one in called)


def kinds() -> Iterator[str]:
    """Yield `verify` of `"verify:"` and of `f"verify:{...}"`, in each module that raises alerts or makes their keys."""
    for file in sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")):
        tree = ast.parse(file.read_text())
        if str(file.relative_to(ROOT)) in MAKING or raises(tree):
            texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
            yield from (text[:-1] for text in texts if isinstance(text, str) and text[:-1].isalpha() and text[-1] == ":" and text.islower())  # fmt: skip


KINDS = sorted(set(kinds()))


def test_the_kinds_are_found_in_the_code() -> None:
    assert {"compromise", "deployment", "drift", "foreign", "kms", "question", "reconciliation", "rotation", "run", "verify"} <= set(KINDS)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_alert_has_a_command_of_its_own(kind: str) -> None:
    found = line_of_alert(alert(f"{kind}:{REST.get(kind, 'prod:slack 2026-10:x')}"))

    assert found.command != DOCTOR


def test_a_run_of_the_sweeper_is_started_by_its_deployments_name() -> None:
    found = line_of_alert(alert("run:sweep-due-moments-20261126T030000Z-0123abcd"))

    assert found.command == "prefect deployment run sweep-due-moments/sweeper"


def test_what_looks_like_ours_and_is_foreign_leads_to_the_rotations_of_its_credential() -> None:
    found = line_of_alert(alert("foreign:slack-default-prod-send"))

    assert found.command == "opsflows rotations --credential slack-default-prod-send"
