"""What is recorded of reconciliation is recomputed: a row that was edited, deleted or slipped in is named."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from domain.event_counts import Count, Fate
from domain.reconciliation import Finding, PastMonth
from domain.verdicts import Verdict
from domain.windows import HOUR, Month, day_window
from ledger.auditing import Where, verify_audit
from ledger.collected_counts import keep_counts
from ledger.investigations import close_investigation, note_investigation, open_investigation
from ledger.opening import Ledger
from ledger.reconciliations import record_revision
from ledger.sign_offs import sign_off
from ledger.waivers import waive, withdraw_waiver
from tests.ledger.tampering import tamper

OCTOBER = Month(2026, 10)
# Table -> its text columns, all of which the chain vouches for.
COLUMNS = {
    "collected_counts": ("environment", "target", "section", "counts", "run_id"),
    "reconciliations": ("environment", "month", "digest", "document", "targets", "verdict", "standing", "run_id"),
    "waivers": ("environment", "subject", "who", "reason", "until", "ticket", "run_id"),
    "waiver_withdrawals": ("environment", "subject", "who", "reason", "run_id"),
    "investigations": ("environment", "month", "target", "run_id"),
    "investigation_notes": ("owner", "due", "note", "who", "run_id"),
    "sign_offs": ("environment", "month", "digest", "who", "note", "run_id"),
}
TEXTS = [(table, column) for table, columns in COLUMNS.items() for column in columns]
OTHERS = [
    ("collected_counts", "window_start = window_end"),
    ("collected_counts", "window_end = at"),
    ("reconciliations", "number = 7"),
    ("reconciliations", "seq = 99"),
    ("sign_offs", "number = 7"),
    ("waivers", "ended_seq = NULL"),
    ("waivers", "ended_seq = 1"),
    ("investigations", "ended_seq = NULL"),
    ("investigation_notes", "investigation = 1"),
]


@pytest.fixture
def recorded(ledger: Ledger) -> Ledger:
    """One fact of each kind, and one that was replaced."""
    today = ledger.now().date()
    window = day_window(date(2026, 10, 1))
    for events in (1, 2):
        counts = [Count(window.start, HOUR, "", Fate.ACCEPTED, events)]
        keep_counts(ledger, "run", "prod", "slack", window, "s1", counts)
    rows = {"slack": PastMonth("2026-10", Finding.BREACH, 100, 9)}
    record_revision(ledger, "run", "prod", OCTOBER, "d1", "{}", rows, Verdict.HOLD, is_final=True)
    waive(ledger, "prod", "reconciliation slack", "ada", "known", today + timedelta(days=9), "OPS-1", run_id="run")
    withdraw_waiver(ledger, "prod", "reconciliation slack", "ada", "repaired", run_id="run")
    open_investigation(ledger, "prod", OCTOBER, "slack", "ada", today, "why?", run_id="run")
    note_investigation(ledger, "prod", OCTOBER, "slack", who="bob", note="a queue", run_id="run")
    close_investigation(ledger, "prod", OCTOBER, "slack", who="ada", outcome="longer now", run_id="run")
    sign_off(ledger, "prod", OCTOBER, 1, "ada", "read", run_id="run")
    return ledger


def test_facts_that_nobody_touched_are_intact(recorded: Ledger, tmp_path: Path) -> None:
    report = verify_audit(recorded, tmp_path)

    assert (report.breaks, report.facts, report.entries) == ((), 10, 10)


def test_facts_that_stand_are_intact(ledger: Ledger, later: Callable[[timedelta], Ledger], tmp_path: Path) -> None:
    day = ledger.now().date() + timedelta(days=3)
    for offset in (0, 1):
        then = later(timedelta(days=offset))
        waive(then, "prod", "reconciliation slack", "ada", "2026-10-01 00:00:00.000000", day)
    open_investigation(ledger, "prod", OCTOBER, "slack", "ada", day)

    assert verify_audit(ledger, tmp_path).breaks == ()


@pytest.mark.parametrize(("table", "column"), TEXTS)
def test_an_edited_fact_is_named(recorded: Ledger, tmp_path: Path, table: str, column: str) -> None:
    tamper(recorded, f"UPDATE {table} SET {column} = {column} || 'x'")  # noqa: S608 (the test's own names)

    report = verify_audit(recorded, tmp_path)

    assert {(found.where, found.differs) for found in report.breaks} == {(Where.FACT, f"its row was edited: {column}")}


@pytest.mark.parametrize(("table", "change"), OTHERS)
def test_a_moved_or_reopened_fact_is_named(recorded: Ledger, tmp_path: Path, table: str, change: str) -> None:
    tamper(recorded, f"UPDATE {table} SET {change}")  # noqa: S608 (the test's own names)

    report = verify_audit(recorded, tmp_path)

    assert {found.where for found in report.breaks} == {Where.FACT}


@pytest.mark.parametrize("table", COLUMNS)
def test_a_deleted_fact_is_named(recorded: Ledger, tmp_path: Path, table: str) -> None:
    deleted = tamper(recorded, f"DELETE FROM {table}")  # noqa: S608 (the test's own names)

    report = verify_audit(recorded, tmp_path)

    assert [found.differs for found in report.breaks] == ["its row was deleted"] * deleted


def test_a_break_says_what_it_is_about(recorded: Ledger, tmp_path: Path) -> None:
    tamper(recorded, "UPDATE waivers SET until = '2099-12-31'")

    report = verify_audit(recorded, tmp_path)

    assert str(report.first) == "entry 4 (recorded waiver prod reconciliation slack): its row was edited: until"


def test_a_fact_that_was_slipped_in_is_named(recorded: Ledger, tmp_path: Path) -> None:
    tamper(
        recorded,
        "INSERT INTO sign_offs SELECT 3, environment, '2026-11', number, digest, who, note, run_id, at FROM sign_offs",
    )

    report = verify_audit(recorded, tmp_path)

    assert [str(found) for found in report.breaks] == [
        "entry 3 (recorded sign_offs 3): its row has no entry in the chain"
    ]


def test_an_entry_that_ends_nothing_does_not_follow(recorded: Ledger, tmp_path: Path) -> None:
    tamper(recorded, "UPDATE chain SET payload = replace(payload, '\"ends\":[4]', '\"ends\":[3]') WHERE seq = 5")

    report = verify_audit(recorded, tmp_path)

    assert "it does not follow from the entries before it" in [found.differs for found in report.breaks]
