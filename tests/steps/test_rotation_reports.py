"""What a run says of a rotation that it found in another run's hands: who has it and until when, and that nothing is wrong."""

from dataclasses import replace
from datetime import timedelta

from domain.rotation import State, Wait
from domain.verdicts import Verdict, World
from steps.rotation_reports import headline, judge_rotations, row_of_stepped
from tests.domain.test_rotation import NOON, RECORD

IN_HANDS = replace(
    RECORD, state=State.CREATING, wait=Wait.NOTHING, worker="sweep-1", lease_until=NOON + timedelta(minutes=5)
)


def test_a_rotation_in_another_runs_hands_is_waited_for_and_that_run_is_named() -> None:
    row = row_of_stepped(IN_HANDS)

    said = headline([row])

    assert str(judge_rotations([row], World.REAL)) == "WAITING"
    assert said.startswith("datadog-default-prod-send: Run sweep-1 has it in its hands, and this one left it alone.")
    assert said.endswith("the sweeper takes it up after 2026-03-02 12:05 UTC. 1 CREATING (IN_OTHER_HANDS).")


def test_what_the_run_gave_back_or_brought_to_its_end_is_told_as_it_stands() -> None:
    given_back = row_of_stepped(RECORD)
    over = row_of_stepped(replace(IN_HANDS, state=State.DONE, closed_at=NOON))

    assert (given_back.wait, given_back.verdict) == ("OVERLAP", Verdict.WAITING)
    assert (over.wait, over.verdict) == ("", Verdict.GREEN)
