"""Day 1 picks up where it stood, in each environment by itself."""

from datetime import date, timedelta

from domain.checklist import StepState
from domain.verdicts import World
from ledger import wiring
from ledger.opening import Ledger
from tests.ledger.recording import SLACK


def record(ledger: Ledger, number: int, state: StepState, environment: str = "staging") -> None:
    wiring.record_step(
        ledger, environment, number, state, f"{state.value}.", world=World.REAL, run_id="run-1", next_step="Go on."
    )


def test_a_step_stands_where_it_was_recorded_last(ledger: Ledger) -> None:
    record(ledger, 7, StepState.BLOCKED)
    record(ledger, 3, StepState.DONE)
    record(ledger, 7, StepState.DONE)

    states = wiring.step_states(ledger, "staging")

    assert [(number, step.state) for number, step in states.items()] == [(3, StepState.DONE), (7, StepState.DONE)]
    assert (states[7].detail, states[7].next_step, states[7].run_id) == ("DONE.", "Go on.", "run-1")
    assert states[7].world is World.REAL


def test_environments_do_not_mix(ledger: Ledger) -> None:
    record(ledger, 3, StepState.DONE, "rehearsal")

    assert wiring.step_states(ledger, "staging") == {}


def test_a_rehearsal_proves_one_version(ledger: Ledger) -> None:
    wiring.record_rehearsal(ledger, "0.1.0", "run-1", ["splunk", "slack"])

    assert wiring.rehearsal_for(ledger, "0.1.0") is not None
    assert wiring.rehearsal_for(ledger, "0.2.0") is None


def test_a_later_rehearsal_of_one_does_not_hide_an_earlier_one_of_several(ledger: Ledger) -> None:
    wiring.record_rehearsal(ledger, "0.1.0", "run-1", ["splunk", "slack"])
    wiring.record_rehearsal(ledger, "0.1.0", "run-2", ["slack"])
    wiring.record_rehearsal(ledger, "0.2.0", "run-3", ["sentry"])

    proof = wiring.rehearsal_for(ledger, "0.1.0")

    assert proof is not None
    assert (proof.run_id, proof.integrations) == ("run-2", ("slack", "splunk"))


def test_the_newest_go_live_counts(ledger: Ledger) -> None:
    wiring.go_live(ledger, "prod", date(2026, 5, 11), "ada")
    wiring.go_live(ledger, "prod", date(2026, 5, 18), "grace")

    live = wiring.go_live_of(ledger, "prod")

    assert live is not None
    assert (live.date, live.who) == (date(2026, 5, 18), "grace")
    assert wiring.go_live_of(ledger, "staging") is None


def test_notes_are_kept_in_order(ledger: Ledger) -> None:
    wiring.note(ledger, "staging", "The channel was renamed.", "ada")
    wiring.note(ledger, "staging", "Splunk came a day later.", "grace", "run-2")

    kept = wiring.notes(ledger, "staging")

    assert [(note.text, note.who, note.run_id) for note in kept] == [
        ("The channel was renamed.", "ada", ""),
        ("Splunk came a day later.", "grace", "run-2"),
    ]


def test_observed_timeouts_keep_the_time_and_its_bound(ledger: Ledger) -> None:
    took, bound = timedelta(milliseconds=6_213), timedelta(seconds=30)

    wiring.record_timeout(ledger, "staging", SLACK, "no answer", took=took, bound=bound, run_id="run-1")

    (seen,) = wiring.timeouts(ledger, "staging")
    assert (seen.target, seen.circumstance, seen.took, seen.bound) == (SLACK, "no answer", took, bound)
