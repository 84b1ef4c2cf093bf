"""Calls keep within published limits: they wait for their place, and are put off where it is far away."""

from datetime import timedelta

import pytest

from domain.errors import Unavailable
from steps.pacing import ARRIVES_WITHIN, LONGEST_WAIT, Pacer
from vendors.rate_limits import Limit, LimitOf


class Time:
    """A clock that moves by sleeping alone."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


def pacer(time: Time, *limits: Limit) -> Pacer:
    return Pacer({"vendor": limits}, time.sleep, lambda: time.now)


def test_calls_within_the_limit_do_not_wait() -> None:
    time = Time()
    admit = pacer(time, Limit(3, timedelta(seconds=10))).admit("account", "one")

    for _ in range(3):
        admit("vendor", "list")

    assert time.slept == []


def test_a_call_beyond_the_limit_waits_until_the_window_has_room() -> None:
    time = Time()
    admit = pacer(time, Limit(2, timedelta(seconds=10))).admit("account", "one")

    for _ in range(3):
        admit("vendor", "list")

    assert time.slept == [10.0 + ARRIVES_WITHIN.total_seconds()]


def test_a_limit_of_the_account_is_shared_and_one_of_the_credential_is_not() -> None:
    time = Time()
    shared = pacer(time, Limit(1, timedelta(seconds=5)))
    own = pacer(time, Limit(1, timedelta(seconds=5), LimitOf.CREDENTIAL))

    own.admit("account", "one")("vendor", "send")
    own.admit("account", "two")("vendor", "send")
    assert time.slept == []
    shared.admit("account", "one")("vendor", "send")
    shared.admit("account", "two")("vendor", "send")

    assert time.slept == [5.0 + ARRIVES_WITHIN.total_seconds()]


def test_a_limit_of_some_verbs_leaves_the_others_alone() -> None:
    time = Time()
    admit = pacer(time, Limit(1, timedelta(seconds=5), verbs=frozenset({"create"}))).admit("account", "one")

    for verb in ("create", "list", "list"):
        admit("vendor", verb)

    assert time.slept == []


def test_a_place_that_is_far_away_puts_the_call_off_and_takes_no_place() -> None:
    time = Time()
    admit = pacer(time, Limit(1, timedelta(hours=1))).admit("account", "one")
    admit("vendor", "search")

    with pytest.raises(Unavailable) as caught:
        admit("vendor", "search")

    assert caught.value.retry_after is not None
    assert caught.value.retry_after > LONGEST_WAIT
    assert time.slept == []


def test_a_system_without_limits_is_not_held_up() -> None:
    time = Time()

    pacer(time).admit("account", "one")("another", "list")

    assert time.slept == []
