"""What people said of a spell is kept word by word; the last word is the one in force."""

from pathlib import Path

import pytest

from domain.errors import BadInput
from domain.kms_checks import Checked, faulty
from domain.kms_history import Judged
from ledger.auditing import verify_audit
from ledger.kms_checks import record_check, spells_since
from ledger.kms_judgements import judge_spell, judgements
from ledger.opening import Ledger
from tests.ledger.tampering import tamper


@pytest.fixture
def spell(ledger: Ledger) -> int:
    began = ledger.now()
    record_check(ledger, "run-1", Checked("prod", "pay", (faulty("golden/main", "kms.golden_lost"),)))
    return spells_since(ledger, "prod", began)[0].id


def test_a_spell_that_nobody_judged_has_no_judgement(ledger: Ledger, spell: int) -> None:
    assert spell not in judgements(ledger)


def test_of_two_judgements_both_are_in_the_chain_and_the_last_is_in_force(
    ledger: Ledger, spell: int, tmp_path: Path
) -> None:
    judge_spell(ledger, "run-2", spell, Judged.FALSE_ALARM, who="ada", note="a deploy")
    judge_spell(ledger, "run-3", spell, Judged.REAL, who="bob", note="the deploy destroyed it")

    [stands] = judgements(ledger).values()
    report = verify_audit(ledger, tmp_path)
    assert (stands.spell, stands.judged, stands.who, stands.note) == (
        spell,
        Judged.REAL,
        "bob",
        "the deploy destroyed it",
    )
    assert (report.breaks, report.facts) == ((), 2)


def test_what_was_no_spell_cannot_be_judged(ledger: Ledger, spell: int) -> None:
    with pytest.raises(BadInput, match=f"no spell {spell + 1}"):
        judge_spell(ledger, "run-2", spell + 1, Judged.REAL, who="ada", note="")

    assert judgements(ledger) == {}


@pytest.mark.parametrize("change", ["UPDATE kms_judgements SET judged = 'real'", "DELETE FROM kms_judgements"])
def test_a_judgement_that_was_changed_afterwards_is_named_by_the_audit(
    ledger: Ledger, spell: int, tmp_path: Path, change: str
) -> None:
    judge_spell(ledger, "run-2", spell, Judged.FALSE_ALARM, who="ada", note="'; DROP TABLE kms_judgements; --")

    tamper(ledger, change)

    assert len(verify_audit(ledger, tmp_path).breaks) == 1
