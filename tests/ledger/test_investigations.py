"""An investigation has an owner and a day, is open until its outcome is told, and goes along to the next month until then."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from domain.errors import BadInput
from domain.reconciliation import Investigation
from domain.windows import Month
from ledger.investigations import (
    close_investigation,
    investigations_of,
    note_investigation,
    open_investigation,
    open_investigations,
)
from ledger.opening import Ledger

OCTOBER = Month(2026, 10)


def day(ledger: Ledger, ahead: int = 0) -> date:
    return ledger.now().date() + timedelta(days=ahead)


def opened(ledger: Ledger, target: str = "slack", month: Month = OCTOBER, ahead: int = 5) -> Investigation:
    return open_investigation(ledger, "prod", month, target, "ada", day(ledger, ahead), "looks like a 429")


def test_an_opened_investigation_is_open(ledger: Ledger) -> None:
    made = opened(ledger)

    assert open_investigations(ledger, "prod") == (made,)
    assert open_investigations(ledger, "dev") == ()
    assert made == Investigation("2026-10", "slack", "ada", day(ledger, 5), "looks like a 429")


def test_one_is_open_at_a_time(ledger: Ledger) -> None:
    opened(ledger)

    with pytest.raises(BadInput, match="ada looks into slack in prod, 2026-10, already"):
        opened(ledger)

    opened(ledger, "sentry")
    opened(ledger, month=OCTOBER.next)
    assert len(open_investigations(ledger, "prod")) == 3


def test_notes_are_read_in_their_order(ledger: Ledger) -> None:
    opened(ledger)

    note_investigation(ledger, "prod", OCTOBER, "slack", who="bob", note="the queue was full")

    assert open_investigations(ledger, "prod")[0].note == "looks like a 429\nthe queue was full"


def test_it_can_be_handed_over_and_its_day_moved(ledger: Ledger) -> None:
    opened(ledger)

    moved = note_investigation(ledger, "prod", OCTOBER, "slack", who="ada", owner="bob", due=day(ledger, 9))
    noted = note_investigation(ledger, "prod", OCTOBER, "slack", who="bob", note="seen")

    assert (moved.owner, moved.due) == ("bob", day(ledger, 9))
    assert (noted.owner, noted.due) == ("bob", day(ledger, 9))


def test_a_closed_one_says_its_outcome_and_is_open_no_more(ledger: Ledger) -> None:
    opened(ledger)

    closed = close_investigation(ledger, "prod", OCTOBER, "slack", who="ada", outcome="a full queue; made longer")

    assert closed.is_closed
    assert closed.note.endswith("a full queue; made longer")
    assert open_investigations(ledger, "prod") == ()
    assert investigations_of(ledger, "prod", OCTOBER) == {"slack": closed}


def test_what_was_closed_can_be_opened_anew(ledger: Ledger) -> None:
    opened(ledger)
    close_investigation(ledger, "prod", OCTOBER, "slack", who="ada", outcome="nothing found")

    again = opened(ledger)

    assert open_investigations(ledger, "prod") == (again,)
    assert investigations_of(ledger, "prod", OCTOBER) == {"slack": again}


def test_what_is_not_open_takes_no_note_and_no_outcome(ledger: Ledger) -> None:
    with pytest.raises(BadInput, match="No investigation of slack in prod, 2026-10, is open"):
        note_investigation(ledger, "prod", OCTOBER, "slack", who="ada", note="seen")
    with pytest.raises(BadInput, match="No investigation of slack in prod, 2026-10, is open"):
        close_investigation(ledger, "prod", OCTOBER, "slack", who="ada", outcome="done")


def test_an_investigation_is_not_closed_without_an_outcome(ledger: Ledger) -> None:
    opened(ledger)

    with pytest.raises(BadInput, match="closed with its outcome"):
        close_investigation(ledger, "prod", OCTOBER, "slack", who="ada", outcome=" ")

    assert len(open_investigations(ledger, "prod")) == 1


def test_a_day_that_has_passed_is_refused(ledger: Ledger, later: Callable[[timedelta], Ledger]) -> None:
    with pytest.raises(BadInput, match="would be overdue already"):
        opened(ledger, ahead=-1)

    opened(ledger, ahead=0)
    then = later(timedelta(days=3))
    noted = note_investigation(then, "prod", OCTOBER, "slack", who="ada", note="late, and known")

    assert noted.due < day(then)


def test_an_investigation_without_an_owner_is_refused(ledger: Ledger) -> None:
    with pytest.raises(BadInput, match="without an owner"):
        open_investigation(ledger, "prod", OCTOBER, "slack", " ", day(ledger, 5), "")
