"""A revision is posted by one run at a time, and by none once it is out."""

from domain.verdicts import Verdict, World
from domain.windows import Month
from ledger.month_posts import mark_posted, may_post
from ledger.opening import Ledger
from ledger.runs import seal_run
from tests.ledger.recording import opened

OCTOBER = Month(2026, 10)


def asks(ledger: Ledger, run: str, number: int = 1) -> bool:
    return may_post(ledger, run, "prod", OCTOBER, number)


def test_of_two_runs_at_once_one_posts(ledger: Ledger) -> None:
    opened(ledger, "run-1")
    opened(ledger, "run-2")

    told = [asks(ledger, "run-1"), asks(ledger, "run-2"), asks(ledger, "run-2")]

    assert told == [True, False, False]


def test_a_post_that_failed_is_tried_again_by_the_next_run(ledger: Ledger) -> None:
    opened(ledger, "run-1")
    asks(ledger, "run-1")
    seal_run(ledger, "run-1", Verdict.GREEN, World.REAL, "")

    assert asks(ledger, "run-2")


def test_what_was_posted_is_not_posted_again(ledger: Ledger) -> None:
    opened(ledger, "run-1")
    asks(ledger, "run-1")
    mark_posted(ledger, "prod", OCTOBER, 1)
    seal_run(ledger, "run-1", Verdict.GREEN, World.REAL, "")

    assert (asks(ledger, "run-2"), asks(ledger, "run-1")) == (False, False)


def test_the_next_revision_is_posted_on_its_own(ledger: Ledger) -> None:
    asks(ledger, "run-1")
    mark_posted(ledger, "prod", OCTOBER, 1)

    assert asks(ledger, "run-2", number=2)
