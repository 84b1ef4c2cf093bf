"""A month has revisions: the same result makes no new one, another result does, and the newest is what counts."""

import threading

import pytest

from domain.errors import BadInput
from domain.reconciliation import Finding, PastMonth
from domain.verdicts import Verdict
from domain.windows import Month
from ledger.opening import Ledger, open_ledger
from ledger.reconciliations import Revision, newest_revision, past_months, record_revision, revisions
from ledger.sign_offs import sign_off, sign_off_of, sign_offs

OCTOBER = Month(2026, 10)


def record(
    ledger: Ledger,
    digest: str = "d1",
    month: Month = OCTOBER,
    verdict: Verdict = Verdict.GREEN,
    *,
    is_final: bool = True,
    **residuals: int,
) -> Revision:
    rows = {
        target: PastMonth(str(month), Finding.BREACH if residual else Finding.OK, 1000, residual)
        for target, residual in (residuals or {"slack": 0}).items()
    }
    return record_revision(
        ledger, "run-1", "prod", month, digest, f'{{"of": "{digest}"}}', rows, verdict, is_final=is_final
    )


def test_a_month_without_a_reconciliation_has_no_revision(ledger: Ledger) -> None:
    assert newest_revision(ledger, "prod", OCTOBER) is None
    assert revisions(ledger, "prod", OCTOBER) == ()
    assert past_months(ledger, "prod", OCTOBER) == {}


def test_the_first_revision_is_number_one_and_is_read_as_it_was_written(ledger: Ledger) -> None:
    written = record(ledger, slack=3, sentry=0)

    assert newest_revision(ledger, "prod", OCTOBER) == written
    assert (written.number, written.document, written.is_final) == (1, '{"of": "d1"}', True)
    assert written.targets["slack"] == PastMonth("2026-10", Finding.BREACH, 1000, 3)


def test_the_same_result_gives_the_same_revision_back(ledger: Ledger) -> None:
    first = record(ledger)

    again = record(ledger)

    assert again == first
    assert revisions(ledger, "prod", OCTOBER) == (first,)


def test_another_digest_is_the_next_revision(ledger: Ledger) -> None:
    record(ledger, "d1")
    record(ledger, "d2")

    back = record(ledger, "d1")

    assert back.number == 3
    assert [one.digest for one in revisions(ledger, "prod", OCTOBER)] == ["d1", "d2", "d1"]


def test_numbers_that_settled_since_or_come_to_another_verdict_are_a_revision_of_their_own(ledger: Ledger) -> None:
    record(ledger, verdict=Verdict.WAITING, is_final=False)
    record(ledger, verdict=Verdict.HOLD)

    green = record(ledger, verdict=Verdict.GREEN)

    assert green.number == 3


def test_months_and_environments_number_their_own(ledger: Ledger) -> None:
    record(ledger)

    other = record(ledger, month=OCTOBER.next)
    elsewhere = record_revision(ledger, "run-1", "dev", OCTOBER, "d1", "", {}, Verdict.GREEN, is_final=True)

    assert (other.number, elsewhere.number) == (1, 1)


def test_two_runs_at_once_make_one_revision_of_one_result(url: str) -> None:
    numbers: list[int] = []
    start = threading.Barrier(4)

    def one_run() -> None:
        ledger = open_ledger(url)
        start.wait()
        numbers.append(record(ledger).number)
        ledger.close()

    threads = [threading.Thread(target=one_run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert numbers == [1, 1, 1, 1]


def test_two_runs_at_once_with_two_results_make_two_revisions(url: str) -> None:
    numbers: list[int] = []
    start = threading.Barrier(4)

    def one_run(digest: str) -> None:
        ledger = open_ledger(url)
        start.wait()
        numbers.append(record(ledger, digest).number)
        ledger.close()

    threads = [threading.Thread(target=one_run, args=(f"d{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(numbers) == [1, 2, 3, 4]


def test_earlier_months_are_told_by_their_newest_revision(ledger: Ledger) -> None:
    record(ledger, "a", Month(2026, 8), slack=50, sentry=0)
    record(ledger, "b", Month(2026, 9), slack=40)
    record(ledger, "c", Month(2026, 9), slack=4)
    record(ledger, "d", OCTOBER, slack=9)

    past = past_months(ledger, "prod", OCTOBER)

    assert [(one.month, one.residual) for one in past["slack"]] == [("2026-08", 50), ("2026-09", 4)]
    assert [one.month for one in past["sentry"]] == ["2026-08"]


def test_only_the_latest_of_many_months_are_told(ledger: Ledger) -> None:
    month = Month(2025, 1)
    while month < OCTOBER:
        record(ledger, str(month), month)
        month = month.next

    past = past_months(ledger, "prod", OCTOBER, limit=3)

    assert [one.month for one in past["slack"]] == ["2026-07", "2026-08", "2026-09"]


def test_the_newest_settled_revision_can_be_signed(ledger: Ledger) -> None:
    record(ledger, "d1")

    signed = sign_off(ledger, "prod", OCTOBER, 1, "ada", "read")

    assert sign_off_of(ledger, "prod", OCTOBER) == signed
    assert (signed.revision, signed.digest, signed.who, signed.note) == (1, "d1", "ada", "read")


def test_a_provisional_revision_is_not_signed(ledger: Ledger) -> None:
    record(ledger, is_final=False)

    with pytest.raises(BadInput, match="Revision 1 of 2026-10 in prod is provisional"):
        sign_off(ledger, "prod", OCTOBER, 1, "ada")

    assert sign_off_of(ledger, "prod", OCTOBER) is None


@pytest.mark.parametrize("number", [1, 3])
def test_only_the_newest_revision_is_signed(ledger: Ledger, number: int) -> None:
    record(ledger, "d1")
    record(ledger, "d2")

    with pytest.raises(BadInput, match="is not the newest; that is 2"):
        sign_off(ledger, "prod", OCTOBER, number, "ada")


def test_a_month_that_was_never_reconciled_is_not_signed(ledger: Ledger) -> None:
    with pytest.raises(BadInput, match="2026-10 was never reconciled in prod"):
        sign_off(ledger, "prod", OCTOBER, 1, "ada")


def test_the_first_sign_off_stays(ledger: Ledger) -> None:
    record(ledger)
    sign_off(ledger, "prod", OCTOBER, 1, "ada")

    with pytest.raises(BadInput, match="was signed off by ada"):
        sign_off(ledger, "prod", OCTOBER, 1, "bob")

    assert [one.who for one in sign_offs(ledger, "prod", OCTOBER)] == ["ada"]


def test_a_later_revision_is_not_signed_by_the_sign_off_of_an_earlier(ledger: Ledger) -> None:
    record(ledger, "d1")
    sign_off(ledger, "prod", OCTOBER, 1, "ada")

    record(ledger, "d2")

    assert sign_off_of(ledger, "prod", OCTOBER) is None
    assert [one.revision for one in sign_offs(ledger, "prod", OCTOBER)] == [1]
