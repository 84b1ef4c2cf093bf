"""The worst of what counts decides the board, and spans are told as people say them."""

from datetime import timedelta

import pytest

from domain.board import Look, ago, named, worst


@pytest.mark.parametrize(
    ("looks", "found"),
    [
        ((), Look.ASIDE),
        ((Look.ASIDE,), Look.ASIDE),
        ((Look.ASIDE, Look.GREEN), Look.GREEN),
        ((Look.GREEN, Look.WAITING), Look.WAITING),
        ((Look.WAITING, Look.NOT_YET, Look.GREEN), Look.NOT_YET),
        ((Look.NOT_YET, Look.NOT_KNOWN), Look.NOT_KNOWN),
        ((Look.NOT_KNOWN, Look.HOLD, Look.GREEN), Look.HOLD),
    ],
)
def test_the_worst_decides_and_what_is_not_counted_never_does(looks: tuple[Look, ...], found: Look) -> None:
    assert worst(looks) is found


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=-3), "0 min"),
        (timedelta(minutes=119), "119 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=2), "2 days"),
    ],
    ids=str,
)
def test_a_span_is_told_in_the_unit_that_people_use(span: timedelta, words: str) -> None:
    assert ago(span) == words


def test_so_many_are_named_and_the_rest_counted() -> None:
    assert [named(["a", "b", "c"]), named(["a", "b", "c", "d", "e"])] == ["a, b, c", "a, b, c and 2 more"]
