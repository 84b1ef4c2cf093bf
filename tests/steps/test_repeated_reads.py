"""A read is asked again while only the moment is wrong, as late as the vendor says, and not for ever."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from domain.errors import OpsError, Rejected, Unavailable
from steps.repeated_reads import ATTEMPTS
from tests.steps.storing import repeats


def failing(*errors: OpsError) -> tuple[list[str], Callable[[], str]]:
    left = list(errors)
    asked: list[str] = []

    def ask() -> str:
        asked.append("asked")
        if left:
            raise left.pop(0)
        return "read"

    return asked, ask


def unavailable(seconds: float | None = None) -> Unavailable:
    return Unavailable("a", "b", "c", "d", timedelta(seconds=seconds) if seconds is not None else None)


def test_what_is_unavailable_is_asked_again_when_the_vendor_says_so() -> None:
    slept: list[float] = []
    asked, ask = failing(unavailable(60), unavailable(2))

    assert repeats(slept).read(ask) == "read"

    assert len(asked) == 3
    assert [round(seconds) for seconds in slept] == [60, 2]


def test_what_is_refused_is_asked_once() -> None:
    asked, ask = failing(Rejected("a", "b", "c"))

    with pytest.raises(Rejected):
        repeats().read(ask)

    assert len(asked) == 1


def test_it_is_not_asked_for_ever() -> None:
    asked, ask = failing(*(unavailable() for _ in range(99)))

    with pytest.raises(Unavailable):
        repeats().read(ask)

    assert len(asked) == ATTEMPTS


def test_a_wait_beyond_the_bound_is_not_begun() -> None:
    slept: list[float] = []
    _, ask = failing(unavailable(3600))

    with pytest.raises(Unavailable):
        repeats(slept).read(ask)

    assert slept == []
