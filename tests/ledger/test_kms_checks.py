"""A check and what it says of each part are kept at once: nothing is lost or doubled by a second run, a restart or an odd text."""

import threading
from collections.abc import Callable
from datetime import timedelta

from domain.kms_checks import Checked, Part, PartOutcome, faulty, not_run, passed
from domain.kms_history import Change
from domain.kms_standing import Standing
from ledger.kms_checks import (
    KEPT_FOR,
    answers_due,
    checks_since,
    fault_counts,
    forget_all_but,
    last_check,
    record_check,
    spells_since,
    standings,
)
from ledger.opening import Ledger

_MINUTE = timedelta(minutes=1)
_FAILS = faulty("canary/main", "kms.unavailable", "it said 503")
_LOST = faulty("golden/main", "kms.golden_lost", "not opened", "3")
_PASSES = passed("canary/main")
# What a service's log line or a proxy may put into a text that is kept.
_HOSTILE = "'; DROP TABLE kms_checks; -- \x00 \ud83d \u202e {part} \U0001f511"


def checked(*parts: Part, environment: str = "prod", target: str = "pay") -> Checked:
    return Checked(environment, target, parts)


def record(ledger: Ledger, *parts: Part) -> list[Change]:
    return record_check(ledger, "run-1", checked(*parts))


def test_a_check_is_read_back_as_it_was_kept(ledger: Ledger) -> None:
    part = Part("canary/main", PartOutcome.WARN, "kms.slow", "1.2 s", "3", {"encrypt": 1200.5}, 2, {"primary": "3"})
    whole = checked(part, not_run("negative/main", "not due"))

    record_check(ledger, "run-1", whole)

    kept = last_check(ledger, "prod", "pay")
    assert kept is not None
    assert (kept.run_id, kept.checked, kept.checked.operations) == ("run-1", whole, 2)
    assert [one.checked for one in checks_since(ledger, "prod", "pay", kept.at)] == [whole]
    assert last_check(ledger, "prod", "other") is None


def test_a_part_that_was_not_run_gives_no_answer(ledger: Ledger) -> None:
    changes = record(ledger, not_run("negative/main", "not due"))

    assert (changes, standings(ledger, "prod", "pay")) == ([], {})


def test_a_standing_goes_on_where_the_last_run_left_it(url: str, later: Callable[[timedelta], Ledger]) -> None:
    first, second, third = (record(later(_MINUTE * at), _FAILS)[0] for at in range(3))

    known = standings(later(_MINUTE * 3), "prod", "pay")["canary/main"]
    assert [first.before, first.went_down, second.went_down, third.went_down] == [None, False, True, False]
    assert (known.standing, known.since, len(known.recent)) == (Standing.DOWN, second.now.since, 3)
    assert known.last_passed_at is None


def test_a_spell_opens_once_and_closes_once(later: Callable[[timedelta], Ledger]) -> None:
    answers = [_FAILS, _FAILS, _FAILS, _PASSES, _PASSES, _PASSES, _FAILS, _FAILS]

    changes = [record(later(_MINUTE * at), answer)[0] for at, answer in enumerate(answers)]

    ledger = later(_MINUTE * len(answers))
    first, second = spells_since(ledger, "prod", changes[0].now.since - _MINUTE)
    assert [change.went_down for change in changes] == [False, True, *[False] * 5, True]
    assert [change.came_up for change in changes] == [*[False] * 4, True, *[False] * 3]
    assert (first.began_at, first.ended_at) == (changes[1].now.since, changes[4].now.since)
    assert (first.fault, second.ended_at) == ("kms.unavailable", None)


def test_a_spell_is_found_from_the_moment_on_at_which_it_had_not_ended(later: Callable[[timedelta], Ledger]) -> None:
    for at, part in enumerate((_LOST, passed("golden/main"), passed("golden/main"))):
        record(later(_MINUTE * at), part)
    ledger = later(_MINUTE * 3)
    [spell] = spells_since(ledger, "prod", ledger.now() - timedelta(hours=1))

    assert spell.ended_at is not None
    assert spells_since(ledger, "prod", spell.ended_at) == [spell]
    assert spells_since(ledger, "prod", spell.ended_at + _MINUTE) == []
    assert spells_since(ledger, "staging", spell.began_at) == []


def test_failures_are_counted_by_part_and_class_of_one_target(ledger: Ledger) -> None:
    for part in (_FAILS, _FAILS, _PASSES, _LOST, faulty("canary/main", "kms.slow", "2 s")):
        record(ledger, part)
    record_check(ledger, "run-1", checked(_FAILS, target="other"))

    counted = fault_counts(ledger, "prod", "pay")

    assert counted == {("canary/main", "transient"): 2, ("golden/main", "golden"): 1}


def test_of_two_checks_at_once_both_answers_are_taken_in(ledger: Ledger) -> None:
    threads = [threading.Thread(target=record, args=(ledger, _FAILS)) for _ in range(2)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    known = standings(ledger, "prod", "pay")["canary/main"]
    assert (known.standing, len(known.recent)) == (Standing.DOWN, 2)
    assert fault_counts(ledger, "prod", "pay") == {("canary/main", "transient"): 2}
    assert len(spells_since(ledger, "prod", known.since)) == 1


def test_checks_older_than_a_review_looks_back_go_and_their_standing_stays(
    ledger: Ledger, later: Callable[[timedelta], Ledger]
) -> None:
    record(ledger, _LOST)
    record_check(ledger, "run-1", checked(_LOST, environment="staging"))
    began = ledger.now() - _MINUTE
    then = later(KEPT_FOR + timedelta(days=1))

    record(then, _PASSES, not_run("golden/main", "not due"))

    assert len(list(checks_since(then, "prod", "pay", began))) == 1
    assert len(list(checks_since(then, "staging", "pay", began))) == 1
    assert standings(then, "prod", "pay")["golden/main"].standing is Standing.DOWN


def test_a_hostile_text_is_kept_as_it_is(ledger: Ledger) -> None:
    part = Part("canary/main", PartOutcome.FAIL, "kms.unavailable", _HOSTILE, facts={"seen": _HOSTILE})

    record(ledger, part)

    kept = last_check(ledger, "prod", "pay")
    assert kept is not None
    assert kept.checked.parts == (part,)


def test_a_part_that_is_declared_no_more_stands_nowhere_and_its_spell_is_over(
    ledger: Ledger, later: Callable[[timedelta], Ledger]
) -> None:
    record(ledger, _LOST, _PASSES)
    record(ledger, not_run("golden/main", "not due"), _PASSES)
    kept = standings(ledger, "prod", "pay")["golden/main"].standing
    record(later(_MINUTE), _PASSES)

    [spell] = spells_since(ledger, "prod", ledger.now() - _MINUTE)
    assert (kept, set(standings(ledger, "prod", "pay"))) == (Standing.DOWN, {"canary/main"})
    newest = last_check(ledger, "prod", "pay")
    assert newest is not None
    assert spell.ended_at == newest.at


def test_a_target_that_is_declared_no_more_stands_nowhere_and_its_spells_are_over(ledger: Ledger) -> None:
    for environment, target in (("prod", "pay"), ("prod", "gone"), ("staging", "pay")):
        record_check(ledger, "run-1", checked(_LOST, environment=environment, target=target))

    forget_all_but(ledger, [("prod", "pay"), ("prod", "new")])

    spells = [one for where in ("prod", "staging") for one in spells_since(ledger, where, ledger.now() - _MINUTE)]
    assert [bool(standings(ledger, *whose)) for whose in (("prod", "pay"), ("prod", "gone"), ("staging", "pay"))] == [True, False, False]  # fmt: skip
    assert {(one.environment, one.target): one.ended_at is None for one in spells} == {
        ("prod", "pay"): True, ("prod", "gone"): False, ("staging", "pay"): False,
    }  # fmt: skip


def test_where_no_target_is_declared_any_more_nothing_stands_anywhere(ledger: Ledger) -> None:
    record(ledger, _LOST)

    forget_all_but(ledger, [])

    assert standings(ledger, "prod", "pay") == {}
    assert [one.ended_at is None for one in spells_since(ledger, "prod", ledger.now() - _MINUTE)] == [False]


def test_a_target_that_waits_for_another_answer_is_known_with_the_moment_of_its_last(
    later: Callable[[timedelta], Ledger],
) -> None:
    [first, _] = record(later(_MINUTE), _FAILS, passed("health"))
    record_check(later(_MINUTE), "run-1", checked(_PASSES, target="well"))
    record(later(3 * _MINUTE), not_run("canary/main", "not due"), passed("health"))
    ledger, at = later(4 * _MINUTE), first.now.recent[-1].at

    assert answers_due(ledger, at, at + _MINUTE) == {("prod", "pay"): at}
    assert answers_due(ledger, at - _MINUTE, at) == answers_due(ledger, at + _MINUTE, at + 2 * _MINUTE) == {}
