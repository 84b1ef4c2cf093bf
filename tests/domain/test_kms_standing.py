"""One answer is not a state: DOWN after two of three or at once, UP after two passes, asked again until three are in."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kms_standing import Answer, PartStanding, Standing, after, beginning

BEGAN = datetime(2026, 11, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HALF_HOUR = timedelta(minutes=30)

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


@pytest.mark.parametrize(
    ("signs", "due"),
    [
        ("--++--++", [2, 1, 2, 0, 2, 1, 2, 0]),
        ("!++", [2, 2, 0]),
        ("-+-+-", [2, 1, 0, 2, 1]),
        ("-++-", [2, 1, 0, 2]),
    ],
)
def test_an_answer_that_leaves_the_standing_as_it_was_begins_anew_and_one_that_comes_up_ends(
    signs: str, due: list[int]
) -> None:
    found = folded(signs)

    assert [one.still_due for one in found] == due


def test_a_failure_that_comes_too_late_to_count_beside_the_last_one_is_asked_about_twice_more() -> None:
    found = folded("--", timedelta(hours=3))

    assert [(one.standing, one.still_due) for one in found] == [(Standing.UP, 2)] * 2


def test_a_part_can_flap_at_the_flows_own_cadence_and_is_not_asked_often_while_it_stays_down() -> None:
    most = max(reachable(beginning(BEGAN), BEGAN, 8), key=lambda one: len(one[0].changes))
    steady = asked("-" * 8)

    assert most[0].is_flapping
    assert most[1] == "--++--++"
    assert [int((one - BEGAN) / MINUTE) for one in steady] == [0, 1, 2, 30, 60, 90, 120, 150]


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

    assert (standing.standing is Standing.DOWN, standing.changes, standing.still_due) == as_specified(answers)


def as_specified(answers: list[tuple[datetime, str]]) -> tuple[bool, tuple[datetime, ...], int]:
    """The rule once more, over the whole history and without a state: where it ends, its changes of the last hour, what is due."""
    is_down, changes, asked_until = False, [], -1
    for place, (at, sign) in enumerate(answers):
        signs = "".join(one for when, one in answers[: place + 1] if (at - when) < timedelta(hours=2))[-3:]
        goes_down = sign == "!" or (sign == "-" and len(signs.replace("+", "")) >= 2)
        comes_up = signs.endswith("++")
        if comes_up and is_down:
            changes.append(at)
            is_down, asked_until = False, place
        elif goes_down and not is_down:
            changes.append(at)
            is_down, asked_until = True, asked_until if asked_until >= place else place + 2
        elif (sign == "+") is is_down:
            asked_until = place + 2
    lately = tuple(at for at in changes if (answers[-1][0] - at) < timedelta(hours=1))
    return is_down, lately, max(0, asked_until - len(answers) + 1)


def next_moment(standing: PartStanding, at: datetime) -> datetime:
    """Return when the flow asks again: a minute later while something is due, else at its half hour."""
    scheduled = BEGAN + ((at - BEGAN) // HALF_HOUR + 1) * HALF_HOUR
    return min(at + MINUTE, scheduled) if standing.still_due else scheduled


def asked(signs: str) -> list[datetime]:
    """Return when such answers are given."""
    standing, at, moments = beginning(BEGAN), BEGAN, list[datetime]()
    for sign in signs:
        moments.append(at)
        standing = after(standing, Answer(at, sign == "+"))
        at = next_moment(standing, at)
    return moments


def reachable(standing: PartStanding, at: datetime, answers: int, told: str = "") -> Iterator[tuple[PartStanding, str]]:
    """Yield where every sequence of so many answers leads that need a second one."""
    if not answers:
        yield standing, told
        return
    for sign in "+-":
        then = after(standing, Answer(at, sign == "+"))
        yield from reachable(then, next_moment(then, at), answers - 1, told + sign)
