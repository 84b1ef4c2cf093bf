"""What of a run is done is seen at any moment: parts within parts, from any thread; what broke off is not done."""

import pytest

from domain.errors import Unavailable
from steps.side_by_side import side_by_side
from tasks.parts import Part, count_done, expect, is_done, part, seen, tell, told_of


def test_a_part_counts_as_much_as_another_and_its_own_parts_within_it() -> None:
    whole = Part()

    with told_of(whole):
        expect(2)
        with part("prod"):
            expect(4)
            count_done(3)
            inside = seen(whole)
            count_done(1)
        after = seen(whole)

    assert inside == (0.375, "0 of 2 done; under way: prod (3 of 4 done)")
    assert after == (0.5, "1 of 2 done")


def test_what_has_no_parts_says_how_far_it_is() -> None:
    whole = Part()

    with told_of(whole), part("gateway") as one:
        tell(one, 0.25, "1 of 4 files")
        told = seen(whole)

    assert told == (0.25, "0 of 1 done; under way: gateway (1 of 4 files)")


def test_what_is_told_in_threads_is_told_of_the_run_that_began_them() -> None:
    whole = Part()
    told: list[str] = []

    def act(name: str) -> None:
        with part(name):
            told.append(seen(whole)[1])

    with told_of(whole):
        expect(2)
        side_by_side(act, ["a", "b"], workers=1)

    assert told == ["0 of 2 done; under way: a", "1 of 2 done; under way: b"]
    assert is_done(whole)


def test_of_many_parts_under_way_the_first_are_named() -> None:
    whole = Part(under_way=[Part(name) for name in "abcde"])

    assert seen(whole) == (0.0, "0 of 5 done; under way: a, b, c, 2 more")


def test_a_part_that_broke_off_is_not_done_although_the_run_went_on() -> None:
    whole = Part()

    with told_of(whole):
        expect(1)
        with pytest.raises(Unavailable), part("prod"):
            raise Unavailable("It is away.", "Nothing was done.", "Try again.")

    assert (seen(whole)[1], is_done(whole)) == ("0 of 1 done; broken off: prod", False)


def test_a_part_that_ended_short_of_its_own_is_not_done_although_nothing_was_raised() -> None:
    whole = Part()

    with told_of(whole):
        with part("prod"), part("slack"):
            expect(4)
            # Here its task breaks off, and hands back a state.
            count_done(1)
        with part("staging"):
            expect(1)
            count_done(1)

    words = "1 of 2 done; broken off: prod (0 of 1 done; broken off: slack (1 of 4 done))"
    assert (seen(whole), is_done(whole)) == ((0.625, words), False)


def test_a_run_that_broke_off_is_not_done_even_where_nothing_was_counted() -> None:
    whole = Part()

    with pytest.raises(KeyboardInterrupt), told_of(whole):
        raise KeyboardInterrupt

    assert not is_done(whole)


def test_outside_of_a_run_whatever_is_told_is_of_nothing() -> None:
    whole = Part()

    expect(3)
    with part("a"):
        count_done(1)

    assert seen(whole) == (0.0, "Under way")
