"""A look at the ledger itself: who holds its write lock is told soon, and an edit among the newest entries is seen."""

from datetime import timedelta

import pytest

from domain.errors import Unavailable
from ledger import chain
from ledger.looking import newest_faults, take_turn
from ledger.opening import Ledger
from tests.ledger.recording import opened
from tests.ledger.tampering import tamper

SOON = timedelta(milliseconds=200)


def test_a_ledger_that_nobody_holds_can_be_written_to(ledger: Ledger) -> None:
    take_turn(ledger, SOON)

    assert opened(ledger, "run-1").opened_seq == 1


def test_a_ledger_whose_lock_is_held_says_so_soon(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        chain.hold(connection)
        with pytest.raises(Unavailable) as refused:
            take_turn(ledger, SOON)

    assert "could not be written to within 0.2 s" in refused.value.happened


@pytest.mark.parametrize("most", [2, 100])
@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE chain SET payload = '{}' WHERE seq = 4",
        "UPDATE chain_head SET seq = 9",
        "DELETE FROM chain WHERE seq = 4",
    ],
)
def test_an_edit_among_the_newest_entries_is_seen(ledger: Ledger, edit: str, most: int) -> None:
    for number in range(4):
        opened(ledger, f"run-{number}")
    before = newest_faults(ledger, most)

    tamper(ledger, edit)

    assert before == (min(most, 4), [])
    assert newest_faults(ledger, most)[1] != []
