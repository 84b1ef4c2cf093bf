"""Whatever happens to workers, vendor, ledger and people, at any point and in any order: the invariants of a rotation hold.

What is searched is in rotation_machine.py, what must hold in rotation_invariants.py; that the search can fail is shown by
test_rotation_mutants.py.
"""

import pytest

from domain.rotation import State, Wait
from tests.steps.rotation_machine import reached
from tests.steps.rotation_search import Search, search

_ORDINARY = {Search.GATE: 10, Search.WIDE: 18, Search.POINTED: 5}
# About three minutes on two cores that have nothing else to do.
_EXHAUSTIVE = {Search.GATE: 150, Search.WIDE: 250, Search.POINTED: 150}

# Not of this world: an adoption of its own, agreement before people are woken, three rotations at one vendor within an hour, an
# empty block, and a credential that the vendor breaks, loses, or goes on accepting, by itself. test_rotation_stands.py has them.
# A clock that is wrong exactly at the gate is of this world, but a search seldom comes there: test_rotation_converges.py does.
_ELSEWHERE = frozenset(
    {
        State.ADOPTING, Wait.AWAITING_AGREEMENT, Wait.CAP, Wait.BLOCKED_PREFLIGHT, Wait.BLOCKED_NEW_FAILS, Wait.STILL_ACCEPTED,
        Wait.BLOCKED_OLD_FAILS, Wait.BLOCKED_CLOCKS, Wait.NOTHING,
    }
)  # fmt: skip


@pytest.mark.parametrize("what", Search)
def test_the_invariants_hold_in_a_short_search(what: Search) -> None:
    search(what, _ORDINARY[what])


@pytest.mark.prove
@pytest.mark.parametrize("what", Search)
def test_the_invariants_hold_in_a_long_search(what: Search) -> None:
    search(what, _EXHAUSTIVE[what], seeded_with=13)


@pytest.mark.prove
def test_the_long_search_came_to_every_state_and_stood_at_every_wait() -> None:
    if not reached:
        pytest.skip("the searches ran in another process; run this file as a whole")

    assert {str(one) for one in (*State, *Wait) if one not in _ELSEWHERE} - set(reached) == set()
