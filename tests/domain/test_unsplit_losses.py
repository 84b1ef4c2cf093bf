"""Losses that a vendor does not split explain what the types of their day lack: no more than they are, none twice."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.comparing import Manner, compared_days
from domain.event_counts import NOT_SPLIT, Fate, Unit
from domain.reconciliation import Bounds, Emitted, Received
from domain.unsplit_losses import with_losses_shared
from domain.windows import day_window

DAY = date(2026, 10, 5)
MANNER = Manner(Unit.EVENTS, timedelta(0), {}, 1.0)


def shared(
    emitted: dict[str, Emitted], accepted: dict[str, int], *losses: tuple[Fate, str, int]
) -> dict[str, Received]:  # fmt: skip
    received = {(DAY, kind): Received(events) for kind, events in accepted.items()}
    received[DAY, NOT_SPLIT] = Received(0, losses=losses)
    found = with_losses_shared({(DAY, kind): one for kind, one in emitted.items()}, received, MANNER)
    return {kind: one for (_, kind), one in found.items()}


def left(emitted: Emitted, received: Received) -> Bounds:
    compared = compared_days({DAY: (emitted, received)}, "a", MANNER, day_window(DAY))[DAY]
    return compared.loss_residual


def sent(events: int, repeats: int = 0) -> Emitted:
    return Emitted(events + repeats, events, events)


def test_a_loss_explains_what_each_type_lacks() -> None:
    emitted = {"a": sent(100), "b": sent(50)}

    found = shared(emitted, {"a": 90, "b": 45}, (Fate.RATE_LIMITED, "quota", 15))

    assert found["a"].losses == ((Fate.RATE_LIMITED, "quota", 10),)
    assert found["b"].losses == ((Fate.RATE_LIMITED, "quota", 5),)
    assert found[NOT_SPLIT].losses == ()
    assert [left(emitted[kind], found[kind]) for kind in "ab"] == [Bounds(0, 0), Bounds(0, 0)]


def test_what_no_type_lacks_stays_by_itself() -> None:
    found = shared({"a": sent(100)}, {"a": 97}, (Fate.FILTERED, "browser", 10))

    assert (found["a"].losses, found[NOT_SPLIT].losses) == (
        ((Fate.FILTERED, "browser", 3),),
        ((Fate.FILTERED, "browser", 7),),
    )


def test_a_drop_that_was_sent_later_has_no_room_for_duplicates_and_explains_no_loss() -> None:
    later = Emitted(200, 100, 100, repeats_kept_back=100)

    found = shared(
        {"a": later}, {"a": 90}, (Fate.CLIENT_DROPPED, "queue_overflow", 100), (Fate.DEDUPLICATED, "seen", 10)
    )

    assert found["a"].losses == ((Fate.CLIENT_DROPPED, "queue_overflow", 100), (Fate.DEDUPLICATED, "seen", 10))
    assert left(later, found["a"]) == Bounds(0, 0)


def test_the_order_of_unsplit_losses_changes_nothing() -> None:
    losses = ((Fate.REFUSED, "503", 8), (Fate.RATE_LIMITED, "quota", 8), (Fate.FILTERED, "browser", 8))

    told = [shared({"a": sent(100)}, {"a": 80}, *some) for some in (losses, losses[::-1])]

    assert told[0] == told[1]


def test_a_loss_is_not_explained_twice() -> None:
    emitted = {"a": sent(100), "b": sent(100)}

    found = shared(emitted, {"a": 90, "b": 90}, (Fate.FILTERED, "browser", 10))

    assert sum(left(emitted[kind], found[kind]).high for kind in "ab") == 10


def test_a_type_of_which_nothing_arrived_is_explained_as_well() -> None:
    found = shared({"a": sent(4)}, {}, (Fate.INVALID, "", 4))

    assert found["a"] == Received(0, losses=((Fate.INVALID, "", 4),))


def test_a_drop_that_the_application_recorded_explains_no_other_loss() -> None:
    dropped = Emitted(105, 105, 100, drops=(("queue_full", 5),))
    emitted = {"a": dropped, "b": sent(100)}

    found = shared(emitted, {"a": 100, "b": 95}, (Fate.CLIENT_DROPPED, "queue_overflow", 5))

    assert left(emitted["b"], found["b"]) == Bounds(5, 5)


def test_a_copy_that_was_dropped_as_known_explains_repeats_before_losses() -> None:
    emitted = {"a": sent(100, repeats=3), "b": sent(100)}

    found = shared(emitted, {"a": 100, "b": 97}, (Fate.DEDUPLICATED, "", 3))

    assert found["b"].losses == ()
    assert left(emitted["b"], found["b"]).high == 3


def test_losses_that_are_split_stay_as_they_are() -> None:
    received = {(DAY, "a"): Received(5, losses=((Fate.INVALID, "", 1),))}

    assert with_losses_shared({(DAY, "a"): sent(6)}, received, MANNER) == received


_FATES = st.sampled_from([fate for fate in Fate if fate is not Fate.ACCEPTED])


@given(
    st.dictionaries(st.sampled_from("abcd"), st.tuples(st.integers(0, 40), st.integers(0, 5), st.integers(0, 50)), max_size=4),
    st.lists(st.tuples(_FATES, st.sampled_from(["", "x"]), st.integers(1, 60)), max_size=4),
)  # fmt: skip
def test_shared_losses_are_as_many_as_before_by_reason(
    types: dict[str, tuple[int, int, int]], losses: list[tuple[Fate, str, int]]
) -> None:
    emitted = {kind: sent(events, repeats) for kind, (events, repeats, _) in types.items()}
    accepted = {kind: arrived for kind, (_, _, arrived) in types.items()}

    found = shared(emitted, accepted, *losses)

    told: dict[tuple[Fate, str], int] = {}
    for one in found.values():
        for fate, reason, events in one.losses:
            assert events > 0
            told[fate, reason] = told.get((fate, reason), 0) + events
    given_before: dict[tuple[Fate, str], int] = {}
    for fate, reason, events in losses:
        given_before[fate, reason] = given_before.get((fate, reason), 0) + events
    assert told == given_before
