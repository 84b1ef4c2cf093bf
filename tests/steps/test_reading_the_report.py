"""What docs/reading-the-report.md shows to its readers works as it stands there, and explains all that the report says."""

import re
import runpy
from pathlib import Path

import pytest

from domain.reconciliation import Finding, Why
from steps.reconciliation_metrics import metrics
from steps.reconciliation_page import page
from steps.reconciliation_tables import cells_frame, write_tables
from steps.reconciliation_wording import SIGN
from tests.program import ROOT
from tests.steps.reconciliations import edition_of, sample
from tests.steps.report_reading import events, read

GUIDE = (ROOT / "docs" / "reading-the-report.md").read_text(encoding="utf-8")


def test_three_lines_of_pandas_give_the_totals_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    month = sample()
    [block] = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    write_tables(month, tmp_path)
    (tmp_path / "three_lines.py").write_text(block)
    monkeypatch.chdir(tmp_path)

    totals = runpy.run_path("three_lines.py")["totals"]

    rows = {row[0]: row for row in read(page(month, edition_of(month))).one("section", id="integrations").rows()}
    assert len([*filter(None, block.splitlines())]) == 3
    assert set(totals.index) == set(rows)
    for target, row in rows.items():
        shown = [events(number) for number in (row[2], row[3].partition("without")[0], *_bounds(row[4]))]
        assert list(totals.loc[target]) == shown, target


@pytest.mark.parametrize("finding", list(Finding), ids=lambda one: one.value)
def test_every_finding_is_explained_with_its_sign(finding: Finding) -> None:
    assert f"\n| {SIGN[finding]} | {finding.value} |" in GUIDE


def test_every_column_of_numbers_is_explained() -> None:
    explained = set(re.findall(r"`([a-z_]+?)(?:_?\.\.\.)?`", GUIDE))
    stems = ("loss_explained", "excess_explained", "loss_residual", "excess_residual")

    columns = {next((stem for stem in stems if name.startswith(stem)), name) for name in cells_frame(sample())}

    known_to_all = {"environment", "month", "day", "target", "received", "duplicates"}
    assert columns - explained - known_to_all == set()
    assert {why.name.lower() for why in Why} <= explained


def test_every_metric_is_explained() -> None:
    month = sample()

    written = set(re.findall(r"^# TYPE (\w+)", metrics(month, edition_of(month)), re.MULTILINE))

    assert written == set(re.findall(r"`(opsflows_reconciliation_\w+)`", GUIDE))


def _bounds(text: str) -> tuple[str, str]:
    low, _, high = text.partition(" to ")
    return low, high or low
