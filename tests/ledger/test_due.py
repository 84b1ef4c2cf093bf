"""A due moment is stepped by one worker at a time, whoever else is awake and whatever became of the one before."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from domain.errors import Rejected
from ledger.due import claim_due, finish, postpone, renew, schedule, upcoming
from ledger.opening import Ledger

_LEASE = timedelta(minutes=5)
_PAST_LEASE = timedelta(minutes=6)
Later = Callable[[timedelta], Ledger]


def plan(ledger: Ledger, key: str = "confirm:1:1", due_in: timedelta = timedelta(0)) -> bool:
    return schedule(ledger, "confirm", key, ledger.now() + due_in, key)


def test_a_key_is_scheduled_once(ledger: Ledger) -> None:
    first, again = plan(ledger), plan(ledger, due_in=timedelta(days=1))

    assert (first, again) == (True, False)
    assert len(upcoming(ledger)) == 1
    assert upcoming(ledger)[0].due_at <= ledger.now()


def test_nothing_is_claimed_before_it_is_due(ledger: Ledger, later: Later) -> None:
    plan(ledger, due_in=timedelta(hours=24))

    early, on_time = claim_due(ledger, "w1", _LEASE), claim_due(later(timedelta(hours=25)), "w1", _LEASE)

    assert early == []
    assert [(claim.kind, claim.subject, claim.worker) for claim in on_time] == [("confirm", "confirm:1:1", "w1")]


def test_the_longest_due_comes_first_up_to_the_limit(ledger: Ledger, later: Later) -> None:
    for key, minutes in (("c", 3), ("a", 1), ("b", 2)):
        plan(ledger, key, timedelta(minutes=minutes))

    claims = claim_due(later(timedelta(hours=1)), "w1", _LEASE, limit=2)

    assert [claim.subject for claim in claims] == ["a", "b"]


def test_only_the_asked_kinds_are_claimed(ledger: Ledger) -> None:
    plan(ledger)

    assert claim_due(ledger, "w1", _LEASE, kinds=["retire"]) == []
    assert len(claim_due(ledger, "w1", _LEASE, kinds=["retire", "confirm"])) == 1


def test_what_one_worker_holds_no_other_claims(ledger: Ledger) -> None:
    plan(ledger)
    claim_due(ledger, "w1", _LEASE)

    assert claim_due(ledger, "w2", _LEASE) == []


def test_an_expired_lease_is_claimable_again_and_the_first_worker_can_do_nothing_more(
    ledger: Ledger, later: Later
) -> None:
    plan(ledger)
    (first,) = claim_due(ledger, "w1", _LEASE)
    after = later(_PAST_LEASE)

    (second,) = claim_due(after, "w2", _LEASE)

    assert second.token > first.token
    with pytest.raises(Rejected, match="not in the hands of w1"):
        finish(after, first, "done")
    with pytest.raises(Rejected, match="not in the hands of w1"):
        renew(after, first, _LEASE)
    with pytest.raises(Rejected, match="not in the hands of w1"):
        postpone(after, first, after.now(), "later")
    finish(after, second, "done")
    assert upcoming(after) == []


def test_the_same_worker_paused_past_its_lease_does_not_pass_for_itself(ledger: Ledger, later: Later) -> None:
    plan(ledger)
    (first,) = claim_due(ledger, "w1", _LEASE)
    (second,) = claim_due(later(_PAST_LEASE), "w1", _LEASE)

    with pytest.raises(Rejected):
        finish(ledger, first, "done")

    finish(later(_PAST_LEASE), second, "done")


def test_a_lease_that_nobody_took_over_can_still_be_finished_but_not_renewed(ledger: Ledger, later: Later) -> None:
    plan(ledger)
    (claim,) = claim_due(ledger, "w1", _LEASE)

    with pytest.raises(Rejected):
        renew(later(_PAST_LEASE), claim, _LEASE)
    finish(later(_PAST_LEASE), claim, "done")

    assert upcoming(ledger) == []


def test_a_renewed_lease_holds_longer(ledger: Ledger, later: Later) -> None:
    plan(ledger)
    (claim,) = claim_due(ledger, "w1", _LEASE)

    renew(later(timedelta(minutes=4)), claim, _LEASE)

    assert claim_due(later(timedelta(minutes=6)), "w2", _LEASE) == []
    assert len(claim_due(later(timedelta(minutes=10)), "w2", _LEASE)) == 1


def test_what_is_postponed_is_due_again_at_its_time(ledger: Ledger, later: Later) -> None:
    plan(ledger)
    (claim,) = claim_due(ledger, "w1", _LEASE)

    postpone(ledger, claim, ledger.now() + timedelta(hours=1), "the vendor was away")

    assert claim_due(ledger, "w1", _LEASE) == []
    assert [again.token for again in claim_due(later(timedelta(hours=2)), "w1", _LEASE)] == [claim.token + 1]
    with pytest.raises(Rejected):
        finish(ledger, claim, "done")


def test_what_is_finished_is_finished_once_and_never_claimed(ledger: Ledger, later: Later) -> None:
    plan(ledger)
    (claim,) = claim_due(ledger, "w1", _LEASE)
    finish(ledger, claim, "done")

    with pytest.raises(Rejected):
        finish(ledger, claim, "done again")

    assert claim_due(later(timedelta(days=1)), "w2", _LEASE) == []
    assert plan(ledger) is False


def test_two_sweepers_at_once_never_step_one_twice(ledger: Ledger) -> None:
    for number in range(40):
        plan(ledger, f"key-{number}")
    start = threading.Barrier(4)
    stepped: list[str] = []

    def sweep(worker: str) -> None:
        start.wait()
        while claims := claim_due(ledger, worker, _LEASE, limit=3):
            for claim in claims:
                stepped.append(claim.subject)
                finish(ledger, claim, "done")

    threads = [threading.Thread(target=sweep, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Counter(stepped) == {f"key-{number}": 1 for number in range(40)}
    assert upcoming(ledger) == []
