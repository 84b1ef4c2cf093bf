"""A freeze is in force from one moment to another, says who and why, and there is one at a time."""

import pytest

from domain.errors import BadInput
from ledger.freezing import freeze, frozen, thaw
from ledger.opening import Ledger


def test_nothing_is_frozen_until_somebody_freezes_it(ledger: Ledger) -> None:
    assert frozen(ledger) is None

    made = freeze(ledger, "the audit", "ada")

    there = frozen(ledger)
    assert there == made
    assert (made.reason, made.who) == ("the audit", "ada")


def test_the_first_reason_stays(ledger: Ledger) -> None:
    freeze(ledger, "the audit", "ada")

    with pytest.raises(BadInput, match="by ada: the audit"):
        freeze(ledger, "the release", "bob")

    there = frozen(ledger)
    assert there is not None
    assert there.who == "ada"


def test_what_is_lifted_can_be_frozen_again(ledger: Ledger) -> None:
    freeze(ledger, "the audit", "ada")

    assert thaw(ledger, "bob")
    assert frozen(ledger) is None
    assert not thaw(ledger, "bob")
    freeze(ledger, "the release", "bob")

    there = frozen(ledger)
    assert there is not None
    assert there.reason == "the release"
