"""One answer is not a state: DOWN after two of three or at once, UP after two passes, asked again until three are in."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kms_standing import Answer, PartStanding, Standing, after, beginning

BEGAN = datetime(2026, 11, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

# `+` a pass, `-` a failure, `!` a failure that cannot wait: a minute apart, with the standings that they lead to.
HISTORIES = [
    ("+", "U"),
    ("-", "U"),
    ("!", "D"),
    ("--", "UD"),
    ("-+-", "UUD"),
    ("-++", "UUU"),
    ("-++-", "UUUU"),
    ("+-+-", "UUUD"),
    ("--+", "UDD"),
    ("--++", "UDDU"),
    ("--+-++", "UDDDDU"),
    ("!+", "DD"),
    ("!++", "DDU"),
    ("!++-", "DDUU"),
]


def folded(signs: str, apart: timedelta = MINUTE) -> list[PartStanding]:
    """Return the standing after each answer."""
    found = [beginning(BEGAN)]
    for place, sign in enumerate(signs):
        found.append(after(found[-1], Answer(BEGAN + place * apart, sign == "+", at_once=sign == "!")))
    return found[1:]


@pytest.mark.parametrize(("signs", "standings"), HISTORIES, ids=[signs for signs, _ in HISTORIES])
def test_a_part_stands_as_its_last_answers_say(signs: str, standings: str) -> None:
    found = folded(signs)

    assert "".join(one.standing.value[0] for one in found) == standings


def test_after_a_failure_two_more_answers_are_asked_for_and_no_more() -> None:
    found = folded("-++++")

    assert [one.still_due for one in found] == [2, 1, 0, 0, 0]


def test_a_part_that_stays_down_is_not_asked_every_minute_for_ever() -> None:
    found = folded("-----")

    assert [one.still_due for one in found] == [2, 1, 0, 0, 0]


def test_a_pass_of_a_part_that_is_down_is_asked_again() -> None:
    found = folded("---+")

    assert found[-1].still_due == 2


def test_failures_half_a_day_apart_are_two_single_ones() -> None:
    found = folded("--", timedelta(hours=12))

    assert found[-1].standing is Standing.UP


def test_four_changes_within_an_hour_are_flapping_and_an_hour_later_no_more() -> None:
    flapping = folded("!++!++")[-1]

    calm = after(flapping, Answer(flapping.recent[-1].at + timedelta(hours=1), passed=True))

    assert (flapping.is_flapping, calm.is_flapping) == (True, False)


def test_since_and_last_pass_say_when() -> None:
    down = folded("+--")[-1]

    assert (down.since, down.last_passed_at) == (BEGAN + 2 * MINUTE, BEGAN)


@given(st.lists(st.tuples(st.integers(1, 4 * 3600), st.sampled_from("+-!")), min_size=1, max_size=40))
def test_every_history_leads_to_what_the_rule_says(told: list[tuple[int, str]]) -> None:
    standing, at, answers = beginning(BEGAN), BEGAN, list[tuple[datetime, str]]()

    for seconds, sign in told:
        at += timedelta(seconds=seconds)
        answers.append((at, sign))
        standing = after(standing, Answer(at, sign == "+", at_once=sign == "!"))

    assert (standing.standing is Standing.DOWN, standing.changes) == as_specified(answers)


def as_specified(answers: list[tuple[datetime, str]]) -> tuple[bool, tuple[datetime, ...]]:
    """The rule once more, over the whole history and without a state: where it ends, and its changes of the last hour."""
    is_down, changes = False, []
    for place, (at, sign) in enumerate(answers):
        signs = "".join(one for when, one in answers[: place + 1] if (at - when) < timedelta(hours=2))[-3:]
        goes_down = sign == "!" or (sign == "-" and len(signs.replace("+", "")) >= 2)
        comes_up = signs.endswith("++")
        if (goes_down and not is_down) or (comes_up and is_down):
            changes.append(at)
            is_down = goes_down
    if not changes:
        return is_down, ()
    return is_down, tuple(at for at in changes if (answers[-1][0] - at) < timedelta(hours=1))
