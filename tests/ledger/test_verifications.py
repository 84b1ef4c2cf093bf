"""The ledger knows when a target last passed, and since when it fails."""

from domain.probes import CleanUp, Outcome
from domain.verdicts import World
from ledger.opening import Ledger
from ledger.verifications import last_verified, record_verifications
from tests.ledger.recording import SLACK, SPLUNK, result


def record(ledger: Ledger, *outcomes: Outcome, world: World = World.REAL) -> None:
    results = [result(f"n{number}", outcome) for number, outcome in enumerate(outcomes)]
    record_verifications(ledger, "run-1", "staging", results, world)


def test_a_target_is_as_good_as_its_worst_probe(ledger: Ledger) -> None:
    results = [result("n1"), result("n2", Outcome.FAIL), result("n3", target=SPLUNK)]

    record_verifications(ledger, "run-1", "staging", results, World.REAL)

    last = last_verified(ledger, "staging")
    assert {target: row.outcome for target, row in last.items()} == {SLACK: Outcome.FAIL, SPLUNK: Outcome.PASS}
    assert last[SLACK].symptom == "slack.no_service"


def test_failures_count_from_the_last_pass(ledger: Ledger) -> None:
    for outcome in (Outcome.FAIL, Outcome.PASS, Outcome.FAIL, Outcome.MISSING, Outcome.FAIL):
        record(ledger, outcome)

    last = last_verified(ledger, "staging")[SLACK]

    assert (last.outcome, last.failures) == (Outcome.FAIL, 3)
    assert last.last_pass_at is not None
    assert last.failing_since is not None
    assert last.last_pass_at <= last.failing_since <= last.at


def test_after_a_pass_nothing_fails(ledger: Ledger) -> None:
    record(ledger, Outcome.FAIL)
    record(ledger, Outcome.PASS, world=World.REHEARSAL)

    last = last_verified(ledger, "staging")[SLACK]

    assert (last.failures, last.failing_since, last.last_pass_at) == (0, None, last.at)
    assert last.world is World.REHEARSAL


def test_what_never_passed_has_no_last_pass(ledger: Ledger) -> None:
    record(ledger, Outcome.SENT_NOT_CONFIRMED)

    last = last_verified(ledger, "staging")[SLACK]

    assert (last.last_pass_at, last.failures) == (None, 1)


def test_a_pass_in_a_mixed_world_is_none(ledger: Ledger) -> None:
    record(ledger, Outcome.PASS, world=World.NONE)

    assert last_verified(ledger, "staging")[SLACK].last_pass_at is None


def test_what_was_not_run_is_not_kept(ledger: Ledger) -> None:
    record(ledger, Outcome.PASS)
    results = [result("", Outcome.NOT_RUN, CleanUp.NOTHING_SENT), result("", Outcome.NOT_IN_SCOPE, target=SPLUNK)]

    record_verifications(ledger, "run-2", "staging", results, World.REAL)

    assert {target: row.outcome for target, row in last_verified(ledger, "staging").items()} == {SLACK: Outcome.PASS}


def test_environments_do_not_mix(ledger: Ledger) -> None:
    record(ledger, Outcome.FAIL)

    assert last_verified(ledger, "prod") == {}
