"""What needs someone: each fact is one line with its weight, its moment and the one command; a quiet day has no line."""

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import click
import pytest
from sqlalchemy import event

from domain.attention import Attention, Weight
from domain.checklist import StepState
from domain.rotation import Wait, needs_someone
from domain.verdicts import World
from entrypoints.cli import cli
from ledger.opening import Ledger, open_ledger
from ledger.wiring import record_step
from steps.attention_of_rotations import COMMANDS
from steps.attention_of_runs import schedule_lines
from steps.attentions import attentions
from tests.steps import attention_scenes as scenes
from tests.steps.attention_scenes import CONFIG, DATADOG, Arrange, all_is_well, stands_at
from vendors.registry import ROTATIONS

NOW, SOON, LATER = Weight.NOW, Weight.SOON, Weight.LATER
# What happened -> how the key of its only line begins, how much it matters, what its command begins with.
FACTS: dict[str, tuple[Arrange, str, Weight, str]] = {
    "an integration fails": (scenes.slack_fails, "verify:prod:slack", NOW, "opsflows verify slack --environment prod"),
    "an integration has no credentials": (scenes.slack_has_no_credentials, "verify:prod:slack", NOW, "opsflows connect slack --environment prod"),
    "several fail, told as one": (scenes.several_fail_and_are_told_as_one, "verify:prod:slack", NOW, "opsflows verify slack"),
    "day 1 holds": (scenes.day_one_holds, "day-1:prod", SOON, "opsflows wire --environment prod"),
    "a question is open": (scenes.a_question_is_open, "question:1", SOON, "opsflows confirm 1 --seen"),
    "a question is overdue, and was told": (scenes.a_question_is_overdue, "question:1", NOW, "opsflows confirm 1 --seen"),
    "a rotation is halted": (stands_at(Wait.HALTED), "rotation:", NOW, "opsflows rotation resume r"),
    "the new value fails": (stands_at(Wait.BLOCKED_NEW_FAILS), "rotation:", NOW, "opsflows rotation rollback r"),
    "a value of somebody's waits": (stands_at(Wait.BLOCKED_CONFLICT), "rotation:", NOW, f"opsflows adopt {DATADOG}"),
    "a step failed and is tried again": (stands_at(Wait.BACKOFF), "rotation:", LATER, "opsflows rotation show r"),
    "a rotation asks a person": (scenes.a_rotation_asks, "rotation:", NOW, "opsflows confirm 1 --seen"),
    "an overlap ends today": (scenes.an_overlap_ends, "overlap:", LATER, "opsflows rotation show r"),
    "nobody steps a rotation": (scenes.nobody_steps, "rotations:not-stepped", NOW, "opsflows doctor"),
    "frozen, with a rotation behind": (scenes.frozen_with_a_rotation_behind, "freeze", NOW, "opsflows freeze --lift"),
    "too old, and told": (scenes.too_old_and_told, f"age:{DATADOG}", NOW, f"opsflows rotate {DATADOG} --ticket"),
    "due, and not begun": (scenes.old_by(88), f"due:{DATADOG}", NOW, f"opsflows rotate {DATADOG} --ticket"),
    "exposed": (scenes.exposed, f"exposed:{DATADOG}", NOW, f"opsflows emergency --scope {DATADOG} --since 20"),
    "exposed, and its rotation is no emergency": (scenes.exposed_and_rotating(emergency=False), f"exposed:{DATADOG}", NOW, f"opsflows emergency --scope {DATADOG} --since 20"),
    "exposed, and its emergency goes on": (scenes.exposed_and_rotating(emergency=True), f"exposed:{DATADOG}", NOW, "opsflows rotation show r"),
    "too old, and its rotation goes on": (scenes.too_old_and_rotating, f"age:{DATADOG}", NOW, "opsflows rotation show r"),
    "a month disagrees": (scenes.a_month_disagrees, "reconciliation:prod:slack 2026-10", NOW, "opsflows investigate --month 2026-10"),
    "it is looked into": (scenes.it_is_looked_into, "reconciliation:prod:slack 2026-10", SOON, "opsflows investigate --month 2026-10"),
    "a month is not signed": (scenes.a_month_agrees, "sign-off:prod:2026-10", LATER, "opsflows sign-off --month 2026-10"),
    "KMS is down": (scenes.kms_is_down, "kms:prod:pay:canary/main", NOW, "opsflows kms check pay --environment prod"),
    "a golden of a key that is gone": (scenes.a_golden_is_left, "golden:prod:pay:gone", LATER, "opsflows kms retire-golden pay gone 3"),
    "a run is silent": (scenes.a_run_is_silent, "run:verify-2026", NOW, "opsflows verify --environment prod"),
    "a schedule is silent": (scenes.verify_is_silent, "deployment:verify-due:silent", NOW, "opsflows run verify-due"),
    "an alert that no rule here knows": (scenes.of_no_rule_here, f"drift:{DATADOG}", NOW, f"opsflows adopt {DATADOG}"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("now", "next_one"), [("03:00", "03:07"), ("03:07", "03:22"), ("03:53", "04:07"), ("23:59", "00:07")]
)
def test_where_nothing_was_looked_at_yet_the_next_sweep_is_named(now: str, next_one: str) -> None:
    at = datetime.fromisoformat(f"2026-11-26T{now}:05+00:00")

    [line] = schedule_lines([], [], at)

    assert f"next at {next_one} UTC where it is deployed." in line.means


@pytest.fixture
def ledger(made_ledger: Path, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger on a quiet day."""
    opened = open_ledger(f"sqlite:///{shutil.copy(made_ledger, tmp_path / 'ledger.db')}")
    all_is_well(opened)
    yield opened
    opened.close()


def told(ledger: Ledger) -> list[Attention]:
    return attentions(ledger, CONFIG, ROTATIONS)


def test_on_a_quiet_day_nothing_needs_anybody(ledger: Ledger) -> None:
    assert told(ledger) == []


@pytest.mark.parametrize("fact", FACTS)
def test_each_fact_is_one_line_with_its_command(ledger: Ledger, fact: str) -> None:
    arrange, key, weight, command = FACTS[fact]
    arrange(ledger)

    [line] = told(ledger)

    assert (line.key.startswith(key), line.weight, line.command.startswith(command)) == (True, weight, True), line
    assert line.what.endswith(".")
    assert line.means
    assert line.environment in {"prod", ""}


def test_an_exposed_credential_says_where_its_emergency_stands_and_what_a_person_can_do(ledger: Ledger) -> None:
    scenes.exposed_and_rotating(emergency=True)(ledger)

    [line] = told(ledger)

    assert "stands at PLANNED (SETTLING): The vendor lists it late. Nothing. If it is not over" in line.means
    assert line.means.endswith("revoke the exposed value in the vendor's console.")


def test_a_waived_month_is_quiet_until_its_waiver_nearly_ends(ledger: Ledger) -> None:
    scenes.it_is_waived_for_days(ledger)

    [waiver] = [one for one in told(ledger) if one.key.startswith("waiver:")]

    assert (waiver.weight, f"--month {scenes.OCTOBER}" in waiver.command) == (SOON, True)
    assert not [one for one in told(ledger) if one.key.startswith("reconciliation:")]


def test_a_new_ledger_says_what_was_never_seen(made_ledger: Path, tmp_path: Path) -> None:
    opened = open_ledger(f"sqlite:///{shutil.copy(made_ledger, tmp_path / 'new.db')}")

    keys = [one.key for one in told(opened)]

    assert keys == ["deployment:sweeper:never", "kms:prod:pay:unwatched", "day-1:prod"]
    opened.close()


def test_an_environment_that_is_wired_and_not_live_is_named(made_ledger: Path, tmp_path: Path) -> None:
    opened = open_ledger(f"sqlite:///{shutil.copy(made_ledger, tmp_path / 'wired.db')}")
    record_step(opened, "prod", 1, StepState.DONE, "known", world=World.REAL, run_id="run-0")

    [line] = [one for one in told(opened) if one.key.startswith("day-1:")]

    assert (line.weight, line.command) == (LATER, "opsflows go-live prod --date YYYY-MM-DD")
    opened.close()


def test_when_nobody_looked_for_hours_the_sweeper_is_named_and_nothing_is_said_of_the_others(
    made_ledger: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{shutil.copy(made_ledger, tmp_path / 'later.db')}"
    opened = open_ledger(url)
    all_is_well(opened)
    opened.close()
    days_later = open_ledger(url, offset=timedelta(days=9))

    keys = [one.key for one in told(days_later)]

    assert keys == ["deployment:sweeper:silent", "kms:prod:pay:unwatched", "verify-due:prod"]
    days_later.close()


@pytest.mark.parametrize("wait", [one for one in Wait if needs_someone(one)])
def test_every_wait_that_needs_someone_has_a_command_that_exists(wait: Wait) -> None:
    words = COMMANDS[wait].split()
    context = click.Context(cli)

    command = cli.get_command(context, words[1])

    assert words[0] == "opsflows"
    assert command is not None
    assert not isinstance(command, click.Group) or command.get_command(context, words[2]) is not None


def test_the_number_of_statements_does_not_grow_with_what_there_is(ledger: Ledger) -> None:
    asked: list[str] = []
    event.listen(ledger.engine, "before_cursor_execute", lambda *row: asked.append(str(row[2])))
    told(ledger)
    quiet = len(asked)
    for arrange in (scenes.kms_is_down, scenes.a_month_disagrees, scenes.slack_fails, scenes.a_run_is_silent):
        arrange(ledger)
    asked.clear()

    found = told(ledger)

    assert len(found) == 4
    assert len(asked) == quiet
