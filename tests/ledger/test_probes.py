"""What may have been left at a vendor is known by its nonce, whatever became of the process that sent it."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from domain.names import Target
from domain.probes import CleanUp, Outcome
from domain.reconciliation import ProbeRatio
from domain.verdicts import Verdict, World
from domain.windows import Window
from ledger.opening import Ledger
from ledger.probes import close_intents, kept_for_people, left_open, mark_cleaned, open_intents, probe_ratios
from ledger.runs import abandon_dead_runs, seal_run
from ledger.schema import PROBE_INTENTS
from tests.ledger.recording import SLACK, SPLUNK, opened, result

_EXPIRES = timedelta(minutes=5)
_EXPIRED = timedelta(minutes=6)
Later = Callable[[timedelta], Ledger]


def open_two(ledger: Ledger, run_id: str = "run-1") -> None:
    open_intents(ledger, run_id, "staging", [("n1", SLACK, "message"), ("n2", SPLUNK, "event")], _EXPIRES)


def nonces_left(ledger: Ledger, *targets: Target) -> list[str]:
    return [left.nonce for left in left_open(ledger, "staging", targets or (SLACK, SPLUNK))]


def test_an_intent_that_nobody_closed_is_left_once_it_expired(ledger: Ledger, later: Later) -> None:
    open_two(ledger)

    assert nonces_left(ledger) == []
    assert nonces_left(later(_EXPIRED)) == ["n1", "n2"]


def test_what_is_left_says_all_that_a_clean_up_needs(ledger: Ledger, later: Later) -> None:
    before = ledger.now()
    open_two(ledger)

    (left,) = left_open(later(_EXPIRED), "staging", [SPLUNK])

    assert (left.nonce, left.target, left.probe, left.run_id) == ("n2", SPLUNK, "event", "run-1")
    assert before <= left.sent_at <= ledger.now()


def test_only_the_asked_targets_and_environment_are_looked_at(ledger: Ledger, later: Later) -> None:
    open_two(ledger)

    assert nonces_left(later(_EXPIRED), SLACK) == ["n1"]
    assert left_open(later(_EXPIRED), "prod", [SLACK, SPLUNK]) == []


def test_an_intent_closed_as_cleaned_is_not_left(ledger: Ledger, later: Later) -> None:
    open_two(ledger)

    too_late = close_intents(ledger, [result("n1"), result("n2", clean_up=CleanUp.TAGGED, target=SPLUNK)])

    assert too_late == frozenset()
    assert nonces_left(later(_EXPIRED)) == []


def test_a_clean_up_that_failed_is_left_at_once_until_it_is_cleaned(ledger: Ledger) -> None:
    open_two(ledger)
    close_intents(ledger, [result("n1", Outcome.FAIL, CleanUp.LEFT), result("n2", target=SPLUNK)])
    first = nonces_left(ledger)

    mark_cleaned(ledger, [("n1", CleanUp.LEFT)])
    still = nonces_left(ledger)
    mark_cleaned(ledger, [("n1", CleanUp.DONE)])

    assert (first, still, nonces_left(ledger)) == (["n1"], ["n1"], [])


def test_what_is_kept_for_a_person_is_left_only_after_its_time(ledger: Ledger, later: Later) -> None:
    open_two(ledger)
    close_intents(ledger, [result("n1", clean_up=CleanUp.KEPT), result("n2", target=SPLUNK)])

    kept = [left.nonce for left in kept_for_people(ledger, "staging", SLACK)]

    assert kept == ["n1"]
    assert nonces_left(ledger) == []
    assert nonces_left(later(_EXPIRED)) == ["n1"]


def test_a_late_worker_cannot_overwrite_what_was_recorded_first(ledger: Ledger) -> None:
    open_two(ledger)
    close_intents(ledger, [result("n1")])

    too_late = close_intents(ledger, [result("n1", Outcome.FAIL, CleanUp.LEFT), result("n2", target=SPLUNK)])

    assert too_late == {"n1"}
    assert nonces_left(ledger) == []


def test_a_late_worker_cannot_reopen_what_another_run_cleaned(ledger: Ledger, later: Later) -> None:
    open_two(ledger)
    mark_cleaned(later(_EXPIRED), [("n1", CleanUp.DONE)])

    too_late = close_intents(ledger, [result("n1", Outcome.FAIL, CleanUp.LEFT)])

    assert too_late == {"n1"}
    assert nonces_left(later(_EXPIRED)) == ["n2"]


def test_of_many_workers_that_close_one_intent_one_does(ledger: Ledger) -> None:
    open_two(ledger)
    start = threading.Barrier(5)
    too_late: list[frozenset[str]] = []

    def close() -> None:
        start.wait()
        too_late.append(close_intents(ledger, [result("n1"), result("n2", target=SPLUNK)]))

    threads = [threading.Thread(target=close) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(len(late) for late in too_late) == [0, 2, 2, 2, 2]


def test_a_run_that_ended_leaves_its_open_intents_at_once(ledger: Ledger) -> None:
    opened(ledger, "run-1")
    open_two(ledger)

    seal_run(ledger, "run-1", Verdict.HOLD, World.REAL, "")

    assert nonces_left(ledger) == ["n1", "n2"]


def test_a_run_that_may_only_be_paused_leaves_them_when_they_expire(ledger: Ledger, later: Later) -> None:
    opened(ledger, "run-1", lease=timedelta(minutes=1))
    open_two(ledger)

    abandon_dead_runs(later(timedelta(minutes=2)))

    assert nonces_left(later(timedelta(minutes=2))) == []
    assert nonces_left(later(_EXPIRED)) == ["n1", "n2"]


def test_intents_are_written_all_or_none(ledger: Ledger) -> None:
    open_two(ledger)

    with pytest.raises(IntegrityError):
        open_intents(ledger, "run-2", "staging", [("n3", SLACK, "message"), ("n1", SLACK, "message")])

    with ledger.reading() as connection:
        assert connection.execute(select(func.count()).select_from(PROBE_INTENTS)).scalar_one() == 2


def test_a_probe_of_a_killed_run_counts_as_sent_and_not_seen(ledger: Ledger, later: Later) -> None:
    within = Window(ledger.now() - timedelta(hours=1), ledger.now() + timedelta(hours=1))
    opened(ledger, "run-1", lease=timedelta(minutes=1))
    open_two(ledger)
    close_intents(ledger, [result("n1")])

    before = probe_ratios(ledger, "staging", within)
    abandon_dead_runs(later(timedelta(minutes=2)))
    after = probe_ratios(ledger, "staging", within)

    assert before == {SLACK: ProbeRatio(1, 1)}
    assert after == {SLACK: ProbeRatio(1, 1), SPLUNK: ProbeRatio(1, 0)}
