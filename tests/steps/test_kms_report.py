"""The report of a check says first whether it is well and what is worst, and tells nothing that may not be told."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain.kms_judging import judge_check
from domain.kms_keys import VersionState
from domain.verdicts import World
from ledger.opening import Ledger, open_ledger
from steps.kms_report import kms_report
from tests.steps.kms_bench import Bench
from tests.steps.kms_doubles import MAIN, Cloud, reading


@pytest.fixture
def bench(tmp_path: Path, made_ledger: Path) -> Iterator[Bench]:
    ledger: Ledger = open_ledger(f"sqlite:///{shutil.copy(made_ledger, tmp_path / 'ledger.db')}")
    made = Bench(ledger, Cloud())
    made.cloud.add(MAIN, created_at=ledger.now())
    made.check()
    yield made
    ledger.close()


def report_of(bench: Bench, *log_lines: str) -> str:
    checked = bench.check()
    judgement = judge_check(checked, bench.changes, World.REAL, bench.known())
    return kms_report(bench.context().ledger, checked, bench.changes, judgement, log_lines=log_lines)


def test_a_healthy_check_says_so_first_and_counts_its_operations(bench: Bench) -> None:
    report = report_of(bench)

    assert report.startswith("# GREEN: KMS of api (prod)\n\nNothing that was looked at is wrong.\n")
    assert "| canary/main | PASS | UP since " in report
    assert "- main: 9 of 202" in report
    assert "| main | main | 1 | minted | " in report


def test_the_worst_part_stands_first_with_its_three_sentences(bench: Bench) -> None:
    ends = bench.ledger.now() + timedelta(days=9, minutes=90)
    bench.cloud.change(MAIN, "1", VersionState.DESTROY_SCHEDULED, ends)

    report = report_of(bench)

    head, meaning = report.splitlines()[2], report.splitlines()[4]
    assert report.startswith("# HOLD: KMS of api (prod)\n")
    assert head.startswith("**versions/main**: Version 1 of the key waits to be destroyed: in 9 days 0 h (")
    assert meaning.endswith(
        "**Restore and enable the version before that moment, unless everything it encrypted was re-encrypted.**"
    )
    assert "| main | 1 | 0.04 | 365 | version 1 in 9 days 0 h (" in report


def test_what_is_down_and_passes_again_is_no_silence(bench: Bench) -> None:
    bench.service.says = lambda: reading("health.mode", "its mode is 'plain'")
    for _ in range(3):
        bench.check()
    bench.service.says = reading

    report = report_of(bench)

    assert "health: DOWN still, though nothing failed this time" in report


def test_log_lines_end_no_block_and_cells_hold_no_markup(bench: Bench) -> None:
    bench.service.says = lambda: reading("health.mode", "its mode is '<b>|</b>'")

    report = report_of(bench, "```", "# not a heading\rnor this")

    assert "    ```\n    # not a heading nor this\n" in report
    assert "<b>" not in report


def test_a_report_holds_no_full_key_name_and_no_ciphertext(bench: Bench) -> None:
    bench.cloud.aliases[MAIN] = MAIN + "/moved"
    bench.cloud.add(MAIN + "/moved")

    report = report_of(bench)

    assert "projects/" not in report
