"""Every alert that the code can raise has a command of its own in the list of what needs someone."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime

from domain.names import ROTATE_DUE, VERIFY_DUE
from ledger.alerts import Alert
from steps.attention_of_alerts import DOCTOR, line_of_alert, start_of
from tests.architecture.sources import Source, sources

RAISING = {"raise_alert", "keep_raised", "Escalation"}
# Where keys are made for others that raise them.
MAKING = ("steps/unresolved_months.py", "domain/run_watch.py")
FOLDERS = ("domain", "ledger", "steps", "tasks", "flows", "entrypoints")
# What follows the kind, where it decides about the command.
REST = {"run": "verify-due-20261126T030000Z-0123abcd", "deployment": "verify-due:ended:prod"}


def alert(key: str) -> Alert:
    at = datetime(2026, 11, 26, 3, tzinfo=UTC)
    return Alert(key, "prod", "the operator", "It broke. See.", "docs/runbooks/run-failed.md", at, None, 0, "page")


def raises(source: Source) -> bool:
    called = (node.func for node in source.nodes if isinstance(node, ast.Call))
    return any(isinstance(one, ast.Name) and one.id in RAISING for one in called)


def kinds() -> Iterator[str]:
    """Yield `verify` of `"verify:"` and of `f"verify:{...}"`, in each module that raises alerts or makes their keys."""
    for source in sources(*FOLDERS):
        if source.where in MAKING or raises(source):
            texts = (node.value for node in source.nodes if isinstance(node, ast.Constant))
            yield from (text[:-1] for text in texts if isinstance(text, str) and text[:-1].isalpha() and text[-1] == ":" and text.islower())  # fmt: skip


def test_each_kind_of_alert_that_the_code_raises_has_a_command_of_its_own() -> None:
    found = set(kinds())

    without = [kind for kind in sorted(found) if line_of_alert(alert(f"{kind}:{REST.get(kind, 'prod:slack 2026-10:x')}")).command == DOCTOR]  # fmt: skip
    assert {"compromise", "deployment", "drift", "foreign", "kms", "question", "reconciliation", "rotation", "run", "verify"} <= found  # fmt: skip
    assert without == []


def test_a_run_of_the_sweeper_is_started_by_its_deployments_name() -> None:
    found = line_of_alert(alert("run:sweep-due-moments-20261126T030000Z-0123abcd"))

    assert found.command == "opsflows run sweeper"


def test_a_schedule_that_acts_is_made_up_for_by_a_run_that_acts() -> None:
    assert [start_of(name) for name in (ROTATE_DUE, VERIFY_DUE)] == [
        "opsflows run rotate-due --apply",
        "opsflows run verify-due",
    ]


def test_what_looks_like_ours_and_is_foreign_leads_to_the_rotations_of_its_credential() -> None:
    found = line_of_alert(alert("foreign:slack-default-prod-send"))

    assert found.command == "opsflows rotations --credential slack-default-prod-send"
