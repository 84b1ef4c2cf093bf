"""A month's breach stays, with its alert, until it agrees, someone closed it, or while someone accepts it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain.reconciliation import Finding, PastMonth, Unresolved
from domain.verdicts import Verdict
from domain.windows import Month
from ledger.alerts import open_alerts, raise_alert
from ledger.investigations import open_investigation
from ledger.opening import Ledger, open_ledger
from ledger.reconciliations import record_revision
from steps.deciding import Decision, Word, decide
from steps.unresolved_months import alert_key, clear_answered, unresolved

JUNE, JULY = Month(2024, 6), Month(2024, 7)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


def reconciled(ledger: Ledger, month: Month, finding: Finding, digest: str = "d1") -> None:
    past = {"slack": PastMonth(str(month), finding, 1000, 30)}
    record_revision(ledger, "run", "prod", month, digest, "{}", past, Verdict.HOLD, is_final=True)


def breached(ledger: Ledger, *months: Month) -> None:
    """Reconcile the months to a breach each, and raise their alerts."""
    for month in months:
        reconciled(ledger, month, Finding.BREACH)
        raise_alert(
            ledger, alert_key("prod", "slack", month), environment="prod", target="slack", text="BREACH", runbook="docs"
        )


def left(ledger: Ledger, ahead: int = 0) -> list[str]:
    return [one.month for one in unresolved(ledger, "prod", ledger.now().date() + timedelta(days=ahead))]


def alerts(ledger: Ledger) -> list[str]:
    return [one.key for one in open_alerts(ledger, "prod")]


def word(ledger: Ledger, month: Month, ahead: int = 9) -> Word:
    return Word("prod", "ada", "known", month, "slack", day=ledger.now().date() + timedelta(days=ahead))


def test_a_breach_is_left_whatever_later_months_say(ledger: Ledger) -> None:
    breached(ledger, JUNE)
    reconciled(ledger, JULY, Finding.OK)

    clear_answered(ledger, "prod")

    assert unresolved(ledger, "prod", ledger.now().date()) == (Unresolved("2024-06", "slack", Finding.BREACH),)
    assert alerts(ledger) == ["reconciliation:prod:slack 2024-06"]


def test_a_month_is_not_left_over_from_itself(ledger: Ledger) -> None:
    breached(ledger, JUNE, JULY)

    assert [one.month for one in unresolved(ledger, "prod", ledger.now().date(), JULY)] == ["2024-06"]


def test_a_month_that_agrees_again_is_left_no_more(ledger: Ledger) -> None:
    breached(ledger, JUNE)
    reconciled(ledger, JUNE, Finding.OK, "d2")

    clear_answered(ledger, "prod")

    assert (left(ledger), alerts(ledger)) == ([], [])


def test_a_closed_investigation_answers_for_its_month_alone(ledger: Ledger) -> None:
    breached(ledger, JUNE, JULY)
    open_investigation(ledger, "prod", JUNE, "slack", "bob", ledger.now().date())
    looked_into = left(ledger)

    decide(ledger, Decision.CLOSE, word(ledger, JUNE))

    assert looked_into == ["2024-06", "2024-07"]
    assert (left(ledger), alerts(ledger)) == (["2024-07"], ["reconciliation:prod:slack 2024-07"])


def test_a_waiver_answers_for_its_month_until_its_end(ledger: Ledger) -> None:
    breached(ledger, JUNE, JULY)

    decide(ledger, Decision.WAIVE, word(ledger, JULY))

    assert (left(ledger), left(ledger, ahead=10)) == (["2024-06"], ["2024-06", "2024-07"])
    assert alerts(ledger) == ["reconciliation:prod:slack 2024-06"]
