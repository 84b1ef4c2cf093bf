"""Things done side by side: in order, within the bound, in the caller's context, each to its end."""

from contextvars import ContextVar
from threading import Barrier, current_thread

import pytest

from steps.side_by_side import side_by_side

_WAIT_S = 10.0


def test_results_come_in_the_order_of_the_items() -> None:
    results = side_by_side(lambda number: number * 2, range(20), 4)

    assert results == [number * 2 for number in range(20)]


def test_as_many_are_under_way_as_there_are_workers() -> None:
    meeting = Barrier(3)

    results = side_by_side(lambda _: meeting.wait(_WAIT_S) >= 0, range(6), 3)

    assert results == [True] * 6


def test_no_more_are_under_way_than_there_are_workers() -> None:
    names = side_by_side(lambda _: current_thread().name, range(50), 2)

    assert 1 <= len(set(names)) <= 2


def test_a_thread_has_the_context_of_the_caller() -> None:
    run: ContextVar[str] = ContextVar("run", default="none")
    token = run.set("sweep")

    try:
        seen = side_by_side(lambda _: run.get(), range(3), 2)
    finally:
        run.reset(token)

    assert seen == ["sweep"] * 3


def test_one_that_raises_stops_no_other() -> None:
    done: list[int] = []

    def act(number: int) -> None:
        if number == 0:
            raise LookupError(number)
        done.append(number)

    with pytest.raises(LookupError):
        side_by_side(act, range(5), 2)

    assert sorted(done) == [1, 2, 3, 4]


def test_nothing_to_do_is_nothing_done() -> None:
    assert side_by_side(str, [], 4) == []
