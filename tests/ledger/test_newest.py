"""The newest of each is read for every environment at once, and an older one is never taken for it."""

from collections.abc import Callable
from datetime import date, timedelta

from domain.kms_checks import Checked, faulty, passed
from domain.kms_standing import Standing
from domain.reconciliation import Finding, PastMonth
from domain.verdicts import Verdict
from domain.windows import Month
from ledger.kms_checks import record_check
from ledger.newest import RunSeen, go_live_days, newest_months, parts_seen, runs_seen
from ledger.opening import Ledger
from ledger.reconciliations import record_revision
from ledger.runs import open_run
from ledger.wiring import go_live

_DOWN = faulty("canary/main", "kms.version_destroyed", "it said so", "3")


def reconciled(  # noqa: PLR0917 (the parts of one row)
    ledger: Ledger, environment: str, month: Month, digest: str, finding: Finding, verdict: Verdict
) -> None:
    rows = {"slack": PastMonth(str(month), finding, 1000, 0)}
    record_revision(ledger, "run-1", environment, month, digest, "{}", rows, verdict, is_final=True)


def test_an_empty_ledger_has_no_newest_of_anything(ledger: Ledger) -> None:
    assert (newest_months(ledger), parts_seen(ledger), go_live_days(ledger), runs_seen(ledger, [])) == ({}, [], {}, {})


def test_of_each_environment_the_newest_revision_of_the_newest_month_counts(ledger: Ledger) -> None:
    reconciled(ledger, "prod", Month(2026, 10), "d1", Finding.BREACH, Verdict.HOLD)
    reconciled(ledger, "prod", Month(2026, 10), "d2", Finding.OK, Verdict.GREEN)
    reconciled(ledger, "prod", Month(2026, 9), "d3", Finding.BREACH, Verdict.HOLD)
    reconciled(ledger, "staging", Month(2026, 9), "d4", Finding.BREACH, Verdict.HOLD)

    found = newest_months(ledger)

    assert {name: (one.month, one.number, one.verdict, one.findings) for name, one in found.items()} == {
        "prod": (Month(2026, 10), 2, Verdict.GREEN, {"slack": Finding.OK}),
        "staging": (Month(2026, 9), 1, Verdict.HOLD, {"slack": Finding.BREACH}),
    }


def test_a_part_that_is_down_says_what_put_it_there_and_one_that_is_up_again_does_not(
    ledger: Ledger, later: Callable[[timedelta], Ledger]
) -> None:
    record_check(ledger, "run-1", Checked("prod", "pay", (_DOWN, passed("health"))))
    record_check(ledger, "run-1", Checked("prod", "ship", (_DOWN,)))
    for minutes in (1, 2):
        after = later(timedelta(minutes=minutes))
        record_check(after, "run-2", Checked("prod", "ship", (passed("canary/main"),)))

    found = {(one.target, one.part): (one.standing, one.passed, one.fault, one.run_id) for one in parts_seen(ledger)}

    assert found == {
        ("pay", "canary/main"): (Standing.DOWN, False, "kms.version_destroyed", "run-1"),
        ("pay", "health"): (Standing.UP, True, "", ""),
        ("ship", "canary/main"): (Standing.UP, True, "", ""),
    }


def test_the_last_word_about_going_live_counts(ledger: Ledger) -> None:
    for day in (1, 9):
        go_live(ledger, "prod", date(2026, 11, day), "ada")

    assert go_live_days(ledger) == {"prod": date(2026, 11, 9)}


def test_runs_are_found_by_their_ids_and_unknown_ones_left_out(ledger: Ledger) -> None:
    open_run(
        ledger, run_id="run-1", flow="verify-due", environment="prod", mode="-", actor="schedule", reason="-", ticket="",
        prefect_run_id="p1", parameters={},
    )  # fmt: skip

    assert runs_seen(ledger, ["run-1", "run-0"]) == {"run-1": RunSeen("run-1", "verify-due", "schedule", "p1")}
