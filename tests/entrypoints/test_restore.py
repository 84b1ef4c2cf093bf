"""What `opsflows restore --agree` does once all sides were looked at; and what a restore that was never finished keeps from working."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.errors import BadInput
from domain.names import Credential, Purpose, Target
from domain.restored import Block, Sides
from domain.verdicts import EXIT_CODE, Verdict
from entrypoints.restore import Answer, agree_on
from ledger.freezing import RESTORED, freeze, frozen
from ledger.opening import open_ledger
from ledger.places import HOME
from ledger.unfinished_restore import UNFINISHED
from ledger.waivers import waivers
from steps.audited_run import AuditedRun, audited_run
from tests.entrypoints.conftest import Cli

CREDENTIAL = Credential(Target("datadog"), "prod", Purpose.SEND)
AGREEING = Sides(CREDENTIAL, "key-1", has_document=True, block=Block.CURRENT)
UNREAD = Sides(CREDENTIAL, "key-1", has_document=True, block=Block.CURRENT, unread=("actions",))
KEY = f"unread:actions:{CREDENTIAL}"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AuditedRun]:
    """A run in a ledger that came back from a backup."""
    monkeypatch.setenv(HOME, str(tmp_path))
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    freeze(ledger, "restored from a backup", RESTORED)
    with audited_run(
        ledger, flow="restore-agree", environment="-", mode="apply", actor="ada", reason="after", ticket="none", parameters={}
    ) as begun:  # fmt: skip
        yield begun
    ledger.close()


def answer(run: AuditedRun, *keys: str) -> Answer:
    there = frozen(run.ledger)
    assert there is not None
    return Answer(set(keys), "seen in the console", "ada", there.frozen_at)


def test_where_all_sides_agree_the_freeze_ends_green(run: AuditedRun) -> None:
    judgement, words = agree_on(run, [AGREEING], answer(run))

    assert (judgement.verdict, frozen(run.ledger)) == (Verdict.GREEN, None)
    assert "agree" in words


def test_a_difference_keeps_it_frozen_and_is_named_with_its_key(run: AuditedRun) -> None:
    judgement, words = agree_on(run, [UNREAD], answer(run))

    assert EXIT_CODE[judgement.verdict] == 1
    assert frozen(run.ledger) is not None
    assert f"key: {KEY}" in words
    assert "Sink actions could not be read" in words


def test_what_was_accepted_ends_the_freeze_and_is_not_green(run: AuditedRun) -> None:
    judgement, words = agree_on(run, [UNREAD], answer(run, KEY))

    [kept] = waivers(run.ledger)
    assert (EXIT_CODE[judgement.verdict], frozen(run.ledger)) == (1, None)
    assert kept.name.startswith(f"{KEY} of 20")
    assert "Accepted: Sink actions could not be read" in words
    assert "were not seen to agree" in words
    assert "vendors and sinks agree" not in words


def test_a_difference_that_is_not_there_is_not_accepted(run: AuditedRun) -> None:
    with pytest.raises(BadInput, match="There is no difference"):
        agree_on(run, [UNREAD], answer(run, f"gone:{CREDENTIAL}"))

    assert (waivers(run.ledger), frozen(run.ledger) is not None) == ((), True)


@pytest.mark.parametrize("command", [("up",), ("freeze",), ("credentials",)], ids=lambda told: told[0])
def test_nothing_works_in_a_home_whose_restore_was_never_finished(
    opsflows: Cli, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "home" / UNFINISHED).write_text('{"sha256": "ab12"}')

    said = opsflows(*command)

    assert (said.code, len(said.sentences)) == (2, 3)
    assert "never finished" in said.err
    assert sorted(one.name for one in (tmp_path / "home").iterdir()) == [UNFINISHED]
