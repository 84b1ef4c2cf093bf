"""A month through Prefect: what it comes to, what is left behind, who is told once, and that an interrupted run goes on."""

import gzip
import json
import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from sqlalchemy import insert

from domain.settling import settled_day
from domain.windows import Month
from flows.check_yesterday import check_yesterday
from flows.collect_counts import collect_counts
from flows.reconcile_events import reconcile_events
from ledger.alerts import open_alerts
from ledger.auditing import verify_audit
from ledger.reconciliations import revisions
from ledger.runs import runs
from ledger.schema import PROBE_INTENTS
from ledger.waivers import waive
from steps.alone import alone_in
from tests.flows.conftest import Desk

CONFIG = """
[environments.rehearsal]
kind = "rehearsal"
in_scope = ["slack"]

[environments.staging]
kind = "staging"
in_scope = ["slack", "datadog"]
allowed_hosts = ["127.0.0.1"]

[environments.staging.addresses]
slack = "{url}/slack"
datadog = "{url}/datadog"

[reconciliation]
post_to = {{ staging = "slack" }}

[emitted.gateway]
kind = "files"
environment = "staging"
place = "$OPSFLOWS_HOME/events"

[received.staging.slack]
by = "ids"
type_field = "metadata.event_type"
retention_days = 3650

[received.staging.datadog]
type_field = "event_type"
{datadog}
"""
NOTHING_FORGOTTEN = "retention_days = 3650"
_PER_DAY = 4
MONTH = Month(2026, 9)
RUNBOOK = "docs/runbooks/reconciliation-breach.md"


@dataclass(frozen=True, slots=True)
class Books:
    """Both sides of a month: what applications write down, and what the stand-ins are told that they received."""

    desk: Desk
    folder: Path

    def record(self, days: Iterable[date], name: str) -> None:
        """Write down `_PER_DAY` events of each day for Slack and for Datadog, in one file."""
        lines = [json.dumps(_record(vendor, day, n)) for day in days for vendor in ("slack", "datadog") for n in range(_PER_DAY)]  # fmt: skip
        (self.folder / name).write_text("".join(f"{line}\n" for line in lines))

    def deliver(self, days: Iterable[date], *vendors: str, per_day: int = _PER_DAY) -> None:
        """Let the vendors have received so many of each day's events."""
        listed = list(days)
        for vendor in vendors:
            events = [
                {"id": _id(vendor, day, n), "at": _at(day, n), "type": "alert", "fate": "accepted", "reason": "", "copies": 1}
                for day in listed
                for n in range(per_day)
            ]  # fmt: skip
            self.desk.stand_ins.control("POST", f"/{vendor}/actions/receive_many", {"events": events})

    def posted(self) -> list[str]:
        """Return the texts that arrived at Slack's webhook."""
        asked = self.desk.stand_ins.control("GET", "/slack/requests")
        return [json.dumps(one) for one in asked if "Event counts" in json.dumps(one)]


@pytest.fixture
def books(desk: Desk, tmp_path: Path) -> Books:
    desk.store("slack", "datadog")
    folder = desk.home / "events"
    folder.mkdir()
    configure(desk, tmp_path, NOTHING_FORGOTTEN)
    return Books(desk, folder)


def configure(desk: Desk, folder: Path, datadog: str) -> None:
    (folder / "opsflows.toml").write_text(CONFIG.format(url=desk.stand_ins.url, datadog=datadog))


def days_of(month: Month) -> list[date]:
    return list(month.window.days())


def _record(vendor: str, day: date, number: int) -> dict[str, str]:
    return {
        "event_id": _id(vendor, day, number), "timestamp": _at(day, number), "event_type": "alert", "integration": vendor,
    }  # fmt: skip


def _id(vendor: str, day: date, number: int) -> str:
    return f"{vendor}-{day}-{number}"


def _at(day: date, number: int) -> str:
    return datetime(day.year, day.month, day.day, 3 + 5 * number, 30, tzinfo=UTC).isoformat()


def _reconcile(month: str = str(MONTH), environment: str = "staging", **parameters: Any) -> State[Any]:
    required = {"operator": "ana", "ticket": "OPS-1", "reason": "test"}
    state: State[Any] = reconcile_events(
        **{**required, "mode": "apply", **parameters}, month=month, environment=environment, return_state=True
    )
    return state


def _artifacts() -> list[tuple[str, str]]:
    with get_client(sync_client=True) as client:
        return [(one.key or "", one.type or "") for one in client.read_artifacts()]


def _report(desk: Desk, runs_ago: int = 0) -> str:
    """Return the report of the newest run, or of one before it."""
    found = sorted(desk.home.glob("audit/reconcile-events/*/*/*/*/report.md"), key=lambda file: file.stat().st_mtime_ns)
    return found[-1 - runs_ago].read_text()


def _make_unreadable(file: Path) -> None:
    """Let the file hold nothing of use, and look to whoever does not read it as it did."""
    was = file.stat()
    file.write_bytes(b"x" * was.st_size)
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))


def test_a_month_that_agrees_is_green_and_leaves_every_form_of_its_report(books: Books) -> None:
    books.record(days_of(MONTH), "events-2026-09.jsonl")
    books.deliver(days_of(MONTH), "slack", "datadog")

    state = _reconcile()
    again = _reconcile()

    names = {path.name for path in books.desk.home.glob("audit/reconcile-events/*/*/*/*/*")}
    assert (state.is_completed(), state.name) == (True, "Completed"), state.message
    assert (state.message or "").startswith("GREEN: Revision 1: September 2026, staging: ")
    assert (again.message or "").startswith("GREEN: Revision 1: ")
    assert names == {
        "report.md", "evidence.jsonl", "manifest.json", "reconciliation.html", "reconciliation.json", "reconciliation.prom",
        "cells.csv", "cells.parquet", "integrations.csv", "integrations.parquet",
    }  # fmt: skip
    assert {("reconciliation-staging", "markdown"), ("reconciliation-staging-table", "table")} <= set(_artifacts())
    assert open_alerts(books.desk.ledger) == []
    assert verify_audit(books.desk.ledger, books.desk.home).breaks == ()
    assert len(books.posted()) == 1  # the second run says nothing new


def test_a_loss_is_a_hold_with_an_alert_until_it_is_waived_and_then_it_is_printed(books: Books) -> None:
    books.record(days_of(MONTH), "events-2026-09.jsonl")
    books.deliver(days_of(MONTH), "datadog")
    books.deliver(days_of(MONTH), "slack", per_day=_PER_DAY - 1)
    ledger = books.desk.ledger

    held = _reconcile()
    alerts = open_alerts(ledger, "staging")
    until = ledger.now().date() + timedelta(days=9)
    waive(ledger, "staging", f"reconciliation slack {MONTH}", "ana", "a known gap", until)
    waived = _reconcile()

    assert (held.is_failed(), held.name) == (True, "Hold")
    assert "slack lost 30 events (25 %" in (held.message or "")
    assert [(one.target, one.runbook) for one in alerts] == [("slack", RUNBOOK)]
    assert "BREACH" in alerts[0].text
    assert (waived.is_completed(), waived.name) == (True, "Waiting"), waived.message
    assert "WAIVED" in _report(books.desk)
    assert "a known gap" in _report(books.desk)
    assert open_alerts(ledger, "staging") == []


def test_a_post_that_fails_is_told_costs_the_month_nothing_and_is_made_by_the_next_run(books: Books) -> None:
    books.record(days_of(MONTH), "events-2026-09.jsonl")
    books.deliver(days_of(MONTH), "slack", "datadog")
    fault = {"times": -1, "status": 404, "body": "no_service", "method": "POST"}
    books.desk.stand_ins.control("POST", "/slack/faults", fault)

    state = _reconcile()

    assert state.is_completed(), state.message
    books.desk.stand_ins.control("DELETE", "/slack/faults")
    again = _reconcile()

    assert "Not posted to slack: " in (state.message or "")
    assert "Posted to slack." in (again.message or "")
    assert len(books.posted()) == 2  # the one that failed, and the one that did not
    assert len(revisions(books.desk.ledger, "staging", MONTH)) == 1


def test_a_vendor_that_does_not_tell_is_no_data_with_an_alert_that_another_month_does_not_touch(books: Books) -> None:
    books.record([*days_of(MONTH.previous), *days_of(MONTH)], "events-2026-08-to-2026-09.jsonl")
    books.deliver([*days_of(MONTH.previous), *days_of(MONTH)], "slack", "datadog")
    books.desk.stand_ins.control("POST", "/datadog/faults", {"times": -1, "status": 403, "body": "{}"})

    refused = _reconcile()
    books.desk.stand_ins.control("DELETE", "/datadog/faults")
    older = _reconcile(str(MONTH.previous))
    after_the_older = [one.target for one in open_alerts(books.desk.ledger, "staging")]
    mended = _reconcile()

    assert refused.name == "Hold"
    assert "datadog" in (refused.message or "")
    assert older.is_completed(), older.message
    assert after_the_older == ["datadog"]
    assert mended.is_completed(), mended.message
    assert open_alerts(books.desk.ledger, "staging") == []
    assert [one.number for one in revisions(books.desk.ledger, "staging", MONTH)] == [1, 2]


def test_a_month_that_is_not_over_is_waiting_and_alerts_nobody(books: Books) -> None:
    state = _reconcile(str(Month.of(books.desk.ledger.now())))

    assert (state.is_completed(), state.name) == (True, "Waiting"), state.message
    assert "nothing is decided before" in (state.message or "")
    assert open_alerts(books.desk.ledger) == []


def test_a_file_that_was_counted_is_not_read_again_after_a_run_in_which_another_one_broke_off(books: Books) -> None:
    days = days_of(MONTH)
    whole, broken = (
        books.folder / "events-2026-09-01-to-2026-09-15.jsonl",
        books.folder / "events-2026-09-16-to-2026-09-30.jsonl.gz",
    )
    books.record(days[:15], whole.name)
    books.record(days[15:], "second.jsonl")
    second = gzip.compress((books.folder / "second.jsonl").read_bytes())
    (books.folder / "second.jsonl").unlink()
    broken.write_bytes(second[:-20])
    books.deliver(days, "slack", "datadog")

    held = _reconcile()
    _make_unreadable(whole)
    broken.write_bytes(second)
    resumed = _reconcile()

    assert held.name == "Hold"
    assert "16" in (_report(books.desk, 1) + (held.message or ""))
    assert resumed.is_completed(), resumed.message


def test_a_run_beside_one_that_counts_the_same_month_ends_and_records_nothing(books: Books) -> None:
    books.record(days_of(MONTH), "events-2026-09.jsonl")
    books.deliver(days_of(MONTH), "slack", "datadog")
    _reconcile()
    locks = list((books.desk.home / "reconciliation" / "staging").rglob(".lock"))

    with ExitStack() as other_run:
        for lock in locks:
            other_run.enter_context(alone_in(lock.parent))
        second = _reconcile()

    assert locks
    assert (second.is_failed(), second.name) == (True, "Hold")
    assert (second.message or "").startswith("Another run is counting in ")
    assert len(revisions(books.desk.ledger, "staging", MONTH)) == 1
    assert open_alerts(books.desk.ledger) == []


def test_a_plan_reads_nothing_and_what_is_not_there_is_refused_in_words(desk: Desk, tmp_path: Path) -> None:
    configure(desk, tmp_path, NOTHING_FORGOTTEN)

    planned = _reconcile(mode="plan")
    refused = [_reconcile("9999-12"), _reconcile(environment="moon")]

    assert (planned.is_completed(), planned.name) == (True, "Planned")
    assert [desk.sent_to(name) for name in ("slack", "datadog")] == [0, 0]
    assert ("reconciliation-plan-staging", "markdown") in _artifacts()
    assert {(state.is_failed(), state.name) for state in refused} == {(True, "BadInput")}
    assert [(state.message or "").partition(". ")[0] for state in refused] == [
        "'9999-12' is not a month", "'moon' is not an environment",
    ]  # fmt: skip


def test_yesterday_is_waiting_and_a_difference_on_the_settled_day_is_a_hold(books: Books) -> None:
    today = books.desk.ledger.now().date()
    recent = [today - timedelta(days=back) for back in range(8, 0, -1)]
    books.record(recent, "events.jsonl")
    books.deliver(recent, "slack", "datadog")

    agreed = check_yesterday(return_state=True)
    books.desk.stand_ins.control("POST", "/slack/faults", {"times": -1, "status": 403, "body": "{}"})
    differs = check_yesterday(return_state=True)

    assert (agreed.is_completed(), agreed.name) == (True, "Waiting"), agreed.message
    assert (differs.is_failed(), differs.name) == (True, "Hold")
    assert "slack NO DATA" in (differs.message or "")
    assert ("day-staging", "markdown") in _artifacts()
    assert verify_audit(books.desk.ledger, books.desk.home).breaks == ()


def test_a_settled_day_that_could_not_be_compared_is_a_hold(books: Books) -> None:
    ledger = books.desk.ledger
    settled = settled_day(ledger.now(), timedelta(hours=96))
    recent = [ledger.now().date() - timedelta(days=back) for back in range(8, 0, -1)]
    books.record(recent, "events.jsonl")
    books.deliver(recent, "slack", "datadog")
    # No target has such a name: whoever counts the probes of that day breaks off.
    values = {
        "nonce": "n1", "run_id": "r1", "environment": "staging", "target": "NO NAME", "probe": "message", "outcome": "PASS",
        "clean_up": "done", "opened_at": settled.start, "closed_at": settled.start, "expires_at": settled.end,
    }  # fmt: skip
    with ledger.writing() as connection:
        connection.execute(insert(PROBE_INTENTS).values(**values))

    state = check_yesterday(return_state=True)

    assert (state.is_failed(), state.name) == (True, "Hold"), state.message
    assert [run.verdict for run in runs(ledger)] == ["HOLD"]
    report = next(books.desk.home.glob("audit/check-yesterday/*/*/*/*/report.md")).read_text()
    assert "WAITING" in report  # what yesterday alone would have made of the run
    assert "A day was not compared" in report


def test_an_environment_that_cannot_be_compared_does_not_end_the_others(books: Books, tmp_path: Path) -> None:
    configured = (tmp_path / "opsflows.toml").read_text()
    nothing = '[environments.dev]\nkind = "dev"\nin_scope = []\n\n[emitted.dev]\nkind = "files"\nenvironment = "dev"\nplace = "$OPSFLOWS_HOME/events"\n'
    (tmp_path / "opsflows.toml").write_text(nothing + configured)
    books.record(days_of(MONTH), "events-2026-09.jsonl")
    books.deliver(days_of(MONTH), "slack", "datadog")

    state = _reconcile(environment="all")
    checked = check_yesterday(return_state=True)

    assert (state.is_failed(), state.name) == (True, "Hold")
    assert "dev: Nothing in scope of environment dev can be counted" in (state.message or "")
    assert "staging: GREEN: Revision 1" in (state.message or "")
    assert "staging: " in (checked.message or "")


def test_counts_that_a_vendor_forgets_are_kept_and_a_vendor_that_refuses_is_named(books: Books, tmp_path: Path) -> None:
    configure(books.desk, tmp_path, "retention_days = 15")
    day = books.desk.ledger.now().date() - timedelta(days=2)
    books.deliver([day], "datadog")

    kept = collect_counts(return_state=True)
    books.desk.stand_ins.control("POST", "/datadog/faults", {"times": -1, "status": 403, "body": "{}"})
    refused = collect_counts(return_state=True)

    assert (kept.is_completed(), kept.name) == (True, "Completed"), kept.message
    assert "1 integrations collected" in (kept.message or "")
    assert (refused.is_failed(), refused.name) == (True, "Hold")
    assert "datadog" in (refused.message or "")
