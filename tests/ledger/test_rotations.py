"""A rotation is changed by whoever holds its lease, entry by entry; whoever lost it, or finds it changed, writes nothing."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from domain.errors import BadInput, Rejected
from domain.rotation import State, Wait
from ledger.alerts import open_alerts
from ledger.freezing import freeze, thaw
from ledger.opening import Ledger
from ledger.rotation_journal import entries
from ledger.rotation_rows import due_rotations, find_rotation, open_rotation_of, rotations
from ledger.rotations import (
    CALL_TAKES,
    LEASE,
    claim,
    hold_groups,
    intend,
    note,
    open_rotation,
    seize,
    stand,
    still_held,
    write,
)
from tests.ledger.rotating import DATADOG, SPLUNK, closed, held, opened, published

Later = Callable[[timedelta], Ledger]
PAST_LEASE = LEASE + timedelta(seconds=1)
FOR_NOW = timedelta(hours=24)


def test_every_trigger_of_one_window_finds_the_same_rotation(ledger: Ledger) -> None:
    first, again = opened(ledger), opened(ledger)

    assert first == again
    assert [entry.kind for entry in entries(ledger, first.id)] == ["opened"]


def test_a_credential_has_one_open_rotation_at_most(ledger: Ledger) -> None:
    first = opened(ledger)

    with pytest.raises(Rejected) as refused:
        opened(ledger, window="2026-Q2")

    assert opened(ledger, SPLUNK).is_open
    assert refused.value.happened.startswith(f"{DATADOG} has an open rotation, {first.id}: ada opened it at ")


def test_a_late_trigger_of_a_window_that_is_over_opens_nothing(ledger: Ledger) -> None:
    hands = held(ledger)
    closed(hands)

    assert opened(ledger).state is State.DONE
    assert open_rotation_of(ledger, DATADOG) is None
    assert opened(ledger, window="2026-Q2").is_open


def test_of_many_triggers_at_once_one_opens_and_the_others_find_it_or_are_refused(ledger: Ledger) -> None:
    start, told = threading.Barrier(6), []

    def trigger(window: str) -> None:
        start.wait()
        try:
            told.append(opened(ledger, window=window).id)
        except Rejected:
            told.append("")

    threads = [threading.Thread(target=trigger, args=(f"w{number % 2}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(rotations(ledger)) == 1
    assert sorted(told) == [""] * 3 + [rotations(ledger)[0].id] * 3


def test_of_two_workers_one_has_it(ledger: Ledger) -> None:
    hands = held(ledger)

    assert claim(ledger, hands.record.id, "w2") is None
    assert due_rotations(ledger) == []


def test_many_workers_at_once_never_have_it_together(ledger: Ledger) -> None:
    rotation = opened(ledger).id
    start, taken = threading.Barrier(4), []

    def work(worker: str) -> None:
        start.wait()
        if claim(ledger, rotation, worker) is not None:
            taken.append(worker)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(taken) == 1
    assert find_rotation(ledger, rotation).worker == taken[0]


def test_a_worker_stopped_past_its_lease_writes_nothing_once_another_has_taken_over(
    ledger: Ledger, later: Later
) -> None:
    first = held(ledger)
    after = later(PAST_LEASE)
    second = claim(after, first.record.id, "w2")
    assert second is not None

    first.ledger = after
    attempts: tuple[Callable[[], object], ...] = (
        lambda: write(first, "outcome", {}, state=State.CREATING),
        lambda: intend(first, "create", {}, state=State.CREATING),
        lambda: stand(first, Wait.BACKOFF, "", "", after.now()),
        lambda: still_held(first),
    )
    for attempt in attempts:
        with pytest.raises(Rejected, match="not in the hands of w1"):
            attempt()

    write(second, "decision", {}, state=State.CREATING)
    assert [entry.kind for entry in entries(ledger, first.record.id)] == ["opened", "decision"]


def test_a_lease_that_ran_out_is_lost_even_where_nobody_took_over(ledger: Ledger, later: Later) -> None:
    hands = held(ledger)
    hands.ledger = later(PAST_LEASE)

    with pytest.raises(Rejected):
        write(hands, "outcome", {}, state=State.CREATING)

    assert find_rotation(ledger, hands.record.id).state is State.PLANNED


def test_no_call_is_begun_that_could_outlast_the_lease(ledger: Ledger, later: Later) -> None:
    hands = held(ledger)
    still_held(hands)

    hands.ledger = later(LEASE - CALL_TAKES + timedelta(seconds=1))

    with pytest.raises(Rejected):
        still_held(hands)


def test_every_write_extends_the_lease(ledger: Ledger, later: Later) -> None:
    hands = held(ledger)
    hands.ledger = later(LEASE - timedelta(seconds=30))

    write(hands, "decision", {"looked": True})

    assert claim(later(LEASE + timedelta(minutes=3)), hands.record.id, "w2") is None


def test_what_an_operator_seizes_is_lost_to_the_worker_that_had_it(ledger: Ledger) -> None:
    hands = held(ledger)

    assert seize(ledger, hands.record.id, "operator ada") is not None

    with pytest.raises(Rejected):
        write(hands, "outcome", {}, state=State.CREATING)


def test_an_edge_that_is_not_in_the_table_cannot_be_written(ledger: Ledger) -> None:
    hands = held(ledger)

    with pytest.raises(AssertionError, match="no edge"):
        write(hands, "outcome", {}, state=State.PUBLISHED)

    assert find_rotation(ledger, hands.record.id).state is State.PLANNED


def test_a_standing_rotation_is_free_and_due_at_its_moment(ledger: Ledger, later: Later) -> None:
    hands = held(ledger)
    stand(hands, Wait.OVERLAP, "until tomorrow", "nothing", ledger.now() + FOR_NOW)

    assert due_rotations(ledger) == []
    assert [one.id for one in due_rotations(later(FOR_NOW + timedelta(seconds=1)))] == [hands.record.id]
    assert claim(ledger, hands.record.id, "w2") is not None


def test_standing_at_the_same_thing_again_adds_nothing_to_the_journal(ledger: Ledger) -> None:
    hands = held(ledger)
    stand(hands, Wait.OVERLAP, "until tomorrow", "nothing", ledger.now())
    written = len(entries(ledger, hands.record.id))

    again = claim(ledger, hands.record.id, "w2")
    assert again is not None
    stand(again, Wait.OVERLAP, "until tomorrow", "nothing", ledger.now() + FOR_NOW)

    assert len(entries(ledger, hands.record.id)) == written
    assert find_rotation(ledger, hands.record.id).lease_until is None


def test_a_wait_for_somebody_has_its_alert_in_the_same_commit_and_whoever_moves_on_has_cleared_it(
    ledger: Ledger,
) -> None:
    hands = held(ledger)
    stand(hands, Wait.BLOCKED_NO_SLOT, "full", "delete one", ledger.now())
    raised = [alert.key for alert in open_alerts(ledger)]

    again = claim(ledger, hands.record.id, "w2")
    assert again is not None
    stand(again, Wait.HALTED, "5 failures", "resume", ledger.now())
    halted = [alert.key for alert in open_alerts(ledger)]
    note(ledger, hands.record.id, {"verb": "resume"}, columns={"wait": ""})

    assert raised == [f"rotation:{hands.record.id}:BLOCKED_NO_SLOT"]
    assert halted == [f"rotation:{hands.record.id}:HALTED"]
    assert open_alerts(ledger) == []


def test_a_word_of_an_operator_is_kept_beside_the_worker_that_holds_it_and_makes_it_due(ledger: Ledger) -> None:
    hands = held(ledger)

    note(ledger, hands.record.id, {"verb": "waive"}, {"waived": {"operator": "ada"}})
    write(hands, "decision", {}, facts={"own": 1})

    assert hands.record.facts == {"waived": {"operator": "ada"}, "own": 1}
    assert [entry.kind for entry in entries(ledger, hands.record.id)] == ["opened", "word", "decision"]


def test_there_is_no_word_about_a_rotation_that_is_over(ledger: Ledger) -> None:
    hands = held(ledger)
    closed(hands)

    with pytest.raises(BadInput, match="is over"):
        note(ledger, hands.record.id, {"verb": "waive"})
    with pytest.raises(BadInput, match="no rotation"):
        note(ledger, "r0", {"verb": "waive"})


def test_a_freeze_keeps_every_intent_back_until_it_is_lifted_but_an_emergencys(ledger: Ledger) -> None:
    hands = held(ledger)
    urgent = claim(ledger, opened(ledger, SPLUNK, emergency=True).id, "w2")
    assert urgent is not None
    freeze(ledger, "the audit", "ada")

    kept = intend(hands, "create", {"marker": "m"}, state=State.CREATING)
    allowed = intend(urgent, "create", {"marker": "n"}, state=State.CREATING)

    assert kept is not None
    assert (kept.wait, kept.until) == (Wait.FROZEN, None)
    assert "the audit" in kept.words
    assert allowed is None
    assert hands.record.state is State.PLANNED
    thaw(ledger, "ada")
    assert intend(hands, "create", {"marker": "m"}, state=State.CREATING) is None


def test_a_vendors_cap_keeps_the_next_one_back_until_an_hour_after_the_first(ledger: Ledger, later: Later) -> None:
    first = held(ledger)
    began = ledger.now()
    intend(first, "create", {}, state=State.CREATING, columns={"creating_at": began}, cap=1)
    other = open_rotation(
        ledger, "r2", type(DATADOG).parse("datadog-payments-prod-send"), first.record.kind, operator="ada", reason="due",
        ticket="-", due_window="w",
    )  # fmt: skip
    second = claim(ledger, other.id, "w2")
    assert second is not None

    kept = intend(second, "create", {}, state=State.CREATING, cap=1)

    assert kept is not None
    assert (kept.wait, kept.until) == (Wait.CAP, began + timedelta(hours=1))
    an_hour_later = later(timedelta(hours=1, seconds=1))
    again = claim(an_hour_later, other.id, "w2")
    assert again is not None
    assert intend(again, "create", {}, state=State.CREATING, cap=1) is None


def test_of_a_group_one_rotation_at_a_time_until_it_is_closed(ledger: Ledger) -> None:
    first, second = held(ledger), held(ledger, "w2", SPLUNK)

    assert hold_groups(first, ("pair", "eu")) == ""
    assert hold_groups(second, ("pair",)) == first.record.id
    assert hold_groups(second, ("us", "pair")) == first.record.id
    assert hold_groups(first, ("pair",)) == ""
    closed(first)
    assert hold_groups(second, ("us", "pair")) == ""


def test_a_worker_that_lost_its_rotation_takes_no_group_for_it(ledger: Ledger) -> None:
    late, other = held(ledger), held(ledger, "w2", SPLUNK)
    taken = seize(ledger, late.record.id, "operator")
    assert taken is not None
    closed(taken)

    with pytest.raises(Rejected):
        hold_groups(late, ("pair",))

    assert hold_groups(other, ("pair",)) == ""


def test_progress_ends_a_row_of_failures_and_a_new_attempt_does_not(ledger: Ledger) -> None:
    hands = held(ledger)
    stand(hands, Wait.BACKOFF, "refused", "", ledger.now(), failures=3)
    again = claim(ledger, hands.record.id, "w1")
    assert again is not None

    write(again, "outcome", {}, state=State.CREATING)
    while_creating = again.record.failures
    write(again, "outcome", {}, state=State.CREATED)
    write(again, "outcome", {}, state=State.VERIFIED)

    assert while_creating == 3
    assert again.record.failures == 0


def test_open_rotations_are_listed_first_and_those_of_one_environment_or_credential_alone(ledger: Ledger) -> None:
    done = held(ledger)
    closed(done)
    there = opened(ledger, SPLUNK)

    assert [one.id for one in rotations(ledger)] == [there.id, done.record.id]
    assert [one.id for one in rotations(ledger, credential=DATADOG)] == [done.record.id]
    assert rotations(ledger, environment="staging") == []
    assert [one.id for one in rotations(ledger, open_only=True)] == [there.id]


def test_a_closed_rotation_is_in_nobodys_hands_and_cannot_be_claimed(ledger: Ledger, later: Later) -> None:
    hands = held(ledger)
    closed(hands)

    assert find_rotation(ledger, hands.record.id).worker == ""
    assert claim(later(PAST_LEASE), hands.record.id, "w2") is None
    assert seize(ledger, hands.record.id, "operator ada") is None


def test_a_published_rotation_does_not_close_without_its_retire_half(ledger: Ledger) -> None:
    hands = held(ledger)
    published(hands)

    with pytest.raises(AssertionError):
        write(hands, "outcome", {}, state=State.DONE)
