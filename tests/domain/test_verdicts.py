"""Green means green: only when something counted, everything that counted passed, and one world answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.probes import Outcome
from domain.verdicts import EXIT_CODE, Judgement, Verdict, World, judge

UNCOUNTED = {Outcome.NOT_RUN, Outcome.NOT_IN_SCOPE}
CLEAR = {World.REAL, World.REHEARSAL}


@given(st.lists(st.sampled_from(Outcome)), st.sampled_from(World))
def test_a_verdict_is_green_only_if_every_counted_outcome_is_pass(outcomes: list[Outcome], world: World) -> None:
    verdict = judge(outcomes, world).verdict

    counted = set(outcomes) - UNCOUNTED
    assert (verdict is Verdict.GREEN) == (counted == {Outcome.PASS} and world in CLEAR)
    assert verdict in {Verdict.GREEN, Verdict.HOLD}


@given(st.lists(st.sampled_from(Outcome)), st.sampled_from(World), st.integers(0, 20))
def test_an_accepted_event_that_nobody_could_read_back_never_makes_green(
    others: list[Outcome], world: World, at: int
) -> None:
    outcomes = [*others[:at], Outcome.SENT_NOT_CONFIRMED, *others[at:]]

    assert judge(outcomes, world).verdict is Verdict.HOLD


@pytest.mark.parametrize("outcomes", [[], [Outcome.NOT_RUN], [Outcome.NOT_IN_SCOPE, Outcome.NOT_RUN]])
def test_nothing_that_counts_is_not_green(outcomes: list[Outcome]) -> None:
    assert judge(outcomes, World.REAL).verdict is Verdict.HOLD


def test_what_is_not_in_scope_or_not_run_does_not_stand_in_the_way() -> None:
    outcomes = [Outcome.PASS, Outcome.NOT_RUN, Outcome.NOT_IN_SCOPE]

    assert judge(outcomes, World.REAL).verdict is Verdict.GREEN


@pytest.mark.parametrize(
    ("judgement", "text"),
    [
        (Judgement(Verdict.GREEN, World.REAL), "GREEN"),
        (Judgement(Verdict.GREEN, World.REHEARSAL), "GREEN (rehearsal)"),
        (Judgement(Verdict.HOLD, World.REAL), "HOLD"),
        (Judgement(Verdict.HOLD, World.NONE), "HOLD"),
        (Judgement(Verdict.BAD_INPUT, World.REHEARSAL), "BAD INPUT (rehearsal)"),
    ],
)
def test_a_verdict_names_its_world_unless_it_is_the_real_one(judgement: Judgement, text: str) -> None:
    assert str(judgement) == text


@pytest.mark.parametrize(
    ("verdict", "code"),
    [(Verdict.GREEN, 0), (Verdict.WAITING, 0), (Verdict.PLANNED, 0), (Verdict.HOLD, 1), (Verdict.BAD_INPUT, 2)],
)
def test_every_verdict_has_its_exit_code(verdict: Verdict, code: int) -> None:
    assert EXIT_CODE[verdict] == code
    assert set(EXIT_CODE) == set(Verdict)
