"""What is missing and what is too much are told apart, and a reason explains no more than it is known to."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.comparing import Manner, compared_days, noise_of, sampled_month, summed, total_emitted, total_received
from domain.event_counts import Fate, Unit
from domain.reconciliation import Bounds, Compared, Emitted, Explained, Overlay, Received, Why
from domain.windows import DAY, HOUR, Window

FIRST = date(2026, 10, 1)
START = datetime(2026, 10, 1, tzinfo=UTC)
WINDOW = Window(START, START + 31 * DAY)
MINUTE = timedelta(minutes=1)
NOTHING = Bounds(0, 0)


def manner(
    *, unit: Unit = Unit.EVENTS, shift: timedelta = timedelta(0), rate: float = 1.0, overlays: Iterable[Overlay] = ()
) -> Manner:
    return Manner(unit, shift, {}, rate, tuple(overlays))


def sent(
    events: int, *, repeats: int = 0, dropped: int = 0, sampled_out: int = 0, by_hour: tuple[int, ...] = ()
) -> Emitted:
    unique = events + dropped + sampled_out
    drops = (("queue full", dropped),) if dropped else ()
    return Emitted(unique + repeats, unique, events, drops, sampled_out, by_hour)  # fmt: skip


def one_day(emitted: Emitted, received: Received, how: Manner | None = None) -> Compared:
    # A day within the month: no event of it can have moved beyond the month.
    day = FIRST + DAY
    return compared_days({day: (emitted, received)}, "a", how or manner(), WINDOW)[day]


def dropped_then_sent(events: int) -> Emitted:
    return Emitted(2 * events, events, events, repeats_kept_back=events)


def some_days(*sides: tuple[Emitted, Received], how: Manner) -> list[Compared]:
    days = {FIRST + (number + 1) * DAY: both for number, both in enumerate(sides)}
    return list(compared_days(days, "a", how, WINDOW).values())


def hours(**events: int) -> tuple[int, ...]:
    return tuple(events.get(f"h{hour}", 0) for hour in range(24))


def incident(begin: float, end: float, words: str = "the vendor was down", day: int = 1) -> Overlay:
    return Overlay(Window(START + day * DAY + begin * HOUR, START + day * DAY + end * HOUR), "slack", words)


def explained(compared: Compared) -> dict[str, int]:
    return {one.words: one.events for one in compared.loss_explained}


def test_what_agrees_has_neither_loss_nor_excess() -> None:
    found = one_day(sent(100), Received(100))

    assert (found.loss, found.excess, found.difference_share) == (NOTHING, NOTHING, 0)


def test_by_counts_a_shortfall_is_a_loss_of_at_least_so_many() -> None:
    found = one_day(sent(100, repeats=5), Received(90))

    assert (found.loss, found.excess) == (Bounds(10, 15), Bounds(0, 5))


def test_repeats_that_arrived_may_hide_as_many_losses() -> None:
    found = one_day(sent(100, repeats=5), Received(100))

    assert (found.loss, found.loss_residual) == (Bounds(0, 5), Bounds(0, 5))
    assert found.excess_residual == NOTHING


def test_recorded_repeats_explain_an_excess_and_no_more_of_it() -> None:
    found = one_day(sent(100, repeats=5), Received(112))

    assert (found.excess, found.excess_residual, found.loss) == (Bounds(12, 12), Bounds(7, 7), NOTHING)
    assert found.excess_explained == (Explained(Why.REPEATS, "the application sent them more than once", 5),)


def test_a_drop_that_was_sent_later_explains_no_copy_by_ids() -> None:
    found = one_day(dropped_then_sent(1_000), Received(1_900, unique=1_000, lost=0, extra=0))

    assert (found.excess_residual, found.excess_explained) == (Bounds(900, 900), ())


def test_a_drop_that_was_sent_later_explains_no_excess_and_hides_no_loss_by_counts() -> None:
    twice, fewer = (one_day(dropped_then_sent(1_000), Received(events)) for events in (1_900, 990))

    assert (twice.excess_residual, twice.excess_explained) == (Bounds(900, 900), ())
    assert fewer.loss_residual == Bounds(10, 10)


def test_a_drop_that_was_sent_later_is_not_told_again_by_its_client() -> None:
    told = Received(900, losses=((Fate.CLIENT_DROPPED, "queue_overflow", 1_000),))

    assert one_day(dropped_then_sent(1_000), told).loss_residual == Bounds(100, 100)


def test_no_more_is_lost_than_was_sent() -> None:
    assert one_day(sent(10, repeats=30), Received(0)).loss == Bounds(10, 10)


def test_ids_tell_loss_and_duplication_apart_where_numbers_agree() -> None:
    found = one_day(sent(100), Received(100, unique=90, lost=10, extra=0))

    assert (found.loss_residual, found.excess_residual, found.duplicates) == (Bounds(10, 10), Bounds(10, 10), 10)


def test_copies_that_the_vendor_made_are_an_excess_and_those_of_recorded_repeats_have_a_reason() -> None:
    found = one_day(sent(100, repeats=4), Received(110, unique=100, lost=0, extra=0))

    assert (found.excess, found.excess_residual) == (Bounds(10, 10), Bounds(6, 6))


def test_events_that_nobody_recorded_are_an_excess() -> None:
    found = one_day(sent(100), Received(103, unique=103, lost=0, extra=3))

    assert (found.excess_residual, found.loss, found.duplicates) == (Bounds(3, 3), NOTHING, 0)


def test_merged_alerts_may_be_fewer_with_nothing_lost() -> None:
    found = one_day(sent(100), Received(20), manner(unit=Unit.MERGED))

    assert (found.loss, found.excess) == (Bounds(0, 80), NOTHING)


def test_ids_tell_what_is_lost_where_alerts_are_merged() -> None:
    merged = Received(100, unique=98, lost=2, extra=0)

    assert one_day(sent(100), merged, manner(unit=Unit.MERGED)).loss == Bounds(2, 2)


def test_a_vendors_reasons_come_off_the_loss_each_by_its_words() -> None:
    losses = ((Fate.RATE_LIMITED, "quota", 6), (Fate.FILTERED, "", 3))

    found = one_day(sent(100), Received(90, losses=losses))

    assert found.loss_residual == Bounds(1, 1)
    assert found.loss_explained == (
        Explained(Why.VENDOR, "filtered", 3),
        Explained(Why.RATE_LIMIT, "rate-limited: quota", 6),
    )


def test_a_reason_explains_no_more_than_is_missing() -> None:
    found = one_day(sent(100), Received(97, losses=((Fate.INVALID, "too large", 50),)))

    assert (explained(found), found.loss_residual) == ({"invalid: too large": 3}, NOTHING)


@pytest.mark.parametrize("received", [Received(90), Received(90, unique=90, lost=10, extra=0)])
def test_repeats_that_the_vendor_knew_already_explain_no_loss_of_another_event(received: Received) -> None:
    knew = replace(received, losses=((Fate.DEDUPLICATED, "", 10),))

    found = one_day(sent(100, repeats=10), knew)

    assert found.loss_residual == Bounds(10, 10)


def test_events_that_a_vendor_takes_for_known_beyond_all_repeats_are_explained() -> None:
    found = one_day(sent(100, repeats=2), Received(90, 90, 10, 0, losses=((Fate.DEDUPLICATED, "", 12),)))

    assert (explained(found), found.loss_residual) == ({"de-duplicated": 10}, NOTHING)


def test_refusals_of_events_that_were_sent_again_may_explain_nothing() -> None:
    """Ten were refused and sent again, or ten that are lost were refused: the vendor's number does not say."""
    found = one_day(sent(100, repeats=10), Received(90, 90, 10, 0, losses=((Fate.RATE_LIMITED, "", 10),)))

    assert (explained(found), found.loss_residual) == ({}, Bounds(0, 10))


def test_refusals_of_a_day_that_was_all_retries_leave_open_what_was_lost_silently() -> None:
    found = one_day(sent(100, repeats=100), Received(0, losses=((Fate.RATE_LIMITED, "", 150),)))

    assert (explained(found), found.loss, found.loss_residual) == (
        {"rate-limited": 50},
        Bounds(100, 100),
        Bounds(0, 50),
    )


@pytest.mark.parametrize(
    ("emitted", "left"),
    [
        (sent(100, dropped=30), Bounds(10, 10)),
        (sent(100, sampled_out=30), Bounds(10, 10)),
        (sent(100, dropped=20), NOTHING),
        (sent(100, dropped=20, sampled_out=5), Bounds(5, 5)),
    ],
)
def test_what_the_application_recorded_as_not_sent_is_not_told_again_by_its_client(
    emitted: Emitted, left: Bounds
) -> None:
    losses = ((Fate.CLIENT_DROPPED, "sample_rate", 20), (Fate.CLIENT_DROPPED, "queue_overflow", 10))

    assert one_day(emitted, Received(90, losses=losses)).loss_residual == left


@given(st.permutations([(Fate.RATE_LIMITED, "b", 6), (Fate.RATE_LIMITED, "a", 6), (Fate.FILTERED, "", 6), (Fate.REFUSED, "z", 6)]))  # fmt: skip
def test_the_order_of_a_vendors_groups_changes_nothing(losses: list[tuple[Fate, str, int]]) -> None:
    found = one_day(sent(100, repeats=3), Received(85, losses=tuple(losses)))

    # Of 24 losses at most 18 explain what is missing: those that come first on the way.
    assert explained(found) == {"refused: z": 6, "rate-limited: a": 6, "rate-limited: b": 6}


def test_an_event_that_came_after_midnight_is_no_loss() -> None:
    how = manner(shift=MINUTE)
    before, after = some_days(
        (sent(240, by_hour=hours(h23=240)), Received(236)), (sent(240, by_hour=hours(h0=240)), Received(244)), how=how
    )

    assert (before.loss_residual, after.excess_residual) == (NOTHING, NOTHING)
    assert before.loss_explained == (Explained(Why.BOUNDARY, "on a neighbouring day", 4),)
    assert after.excess_explained == (Explained(Why.BOUNDARY, "from a neighbouring day", 4),)


def test_an_event_that_came_before_midnight_is_no_excess() -> None:
    how = manner(shift=MINUTE)
    before, after = some_days(
        (sent(240, by_hour=hours(h23=240)), Received(244)), (sent(240, by_hour=hours(h0=240)), Received(236)), how=how
    )

    assert (before.excess_residual, after.loss_residual) == (NOTHING, NOTHING)


def test_no_more_moves_over_midnight_than_was_sent_near_it() -> None:
    how = manner(shift=MINUTE)
    before, after = some_days(
        (sent(240, by_hour=hours(h9=120, h23=120)), Received(230)),
        (sent(240, by_hour=hours(h9=120, h0=120)), Received(250)),
        how=how,
    )

    # Two in the last minute of the first day and two in the first of the second.
    assert (before.loss_residual, after.excess_residual) == (Bounds(8, 8), Bounds(8, 8))


@pytest.mark.parametrize(
    ("shift", "by_hour", "moves"),
    [
        (timedelta(minutes=90), hours(h22=100, h23=40), 90),
        (2 * HOUR, hours(h22=100, h23=40), 140),
        (timedelta(minutes=90), (), 150),
        (30 * DAY, (), 2400),
    ],
)
def test_what_is_near_midnight_is_summed_by_hours_or_spread_evenly(
    shift: timedelta, by_hour: tuple[int, ...], moves: int
) -> None:
    lost = (sent(2400, by_hour=by_hour), Received(0))
    found = some_days(lost, (sent(0), Received(2400)), how=manner(shift=shift))

    assert found[1].excess_residual == Bounds(2400 - moves, 2400 - moves)


def test_days_that_do_not_follow_one_another_exchange_nothing() -> None:
    days = {FIRST + DAY: (sent(100), Received(90)), FIRST + 3 * DAY: (sent(100), Received(110))}

    found = compared_days(days, "a", manner(shift=DAY), WINDOW)

    assert [one.loss_residual for one in found.values()] == [Bounds(10, 10), NOTHING]


def test_ids_need_no_allowance_for_midnight() -> None:
    lost, over = Received(90, 90, 10, 0), Received(110, 110, 0, 10)

    before, after = some_days((sent(100), lost), (sent(100), over), how=manner(shift=DAY))

    assert (before.loss_residual, after.excess_residual) == (Bounds(10, 10), Bounds(10, 10))


@pytest.mark.parametrize("day", [WINDOW.start.date(), (WINDOW.end - DAY).date()])
def test_at_the_months_ends_an_event_may_be_beyond_and_nothing_shows_it(day: date) -> None:
    at_ends = sent(240, by_hour=hours(h0=120, h23=120))

    found = compared_days({day: (at_ends, Received(235))}, "a", manner(shift=MINUTE), WINDOW)[day]

    assert (found.loss, found.loss_residual, found.loss_explained) == (Bounds(5, 5), Bounds(3, 5), ())


def test_repeats_that_an_alert_of_the_day_before_took_are_neither_lost_nor_too_much() -> None:
    raised, repeated = some_days((sent(100), Received(140)), (sent(100), Received(60)), how=manner(shift=DAY))

    assert (raised.excess_residual, repeated.loss_residual) == (NOTHING, NOTHING)


def test_repeats_of_an_alert_of_the_month_before_may_be_no_loss_and_those_of_the_next_no_excess() -> None:
    first, last = FIRST, FIRST + 30 * DAY
    days = {first: (sent(100), Received(60)), last: (sent(100), Received(140))}

    found = compared_days(days, "a", manner(shift=DAY), WINDOW)

    assert found[first].loss_residual == Bounds(0, 40)
    assert found[last].excess_residual == Bounds(0, 40)


def test_a_loss_within_a_known_incident_is_explained() -> None:
    emitted = sent(200, by_hour=hours(h9=100, h15=100))

    found = one_day(emitted, Received(150, by_hour=hours(h9=60, h15=90)), manner(overlays=[incident(9, 10)]))

    assert (explained(found), found.loss_residual) == ({"the vendor was down": 40}, Bounds(10, 10))


def test_two_incidents_of_one_time_explain_it_once() -> None:
    emitted = sent(200, by_hour=hours(h9=100, h15=100))
    overlays = [incident(9, 10), incident(9, 10, "verifications failed"), incident(9.5, 10, "once more")]

    found = one_day(emitted, Received(100, by_hour=hours(h9=60, h15=40)), manner(overlays=overlays))

    assert sum(explained(found).values()) == 40
    assert found.loss_residual == Bounds(60, 60)


def test_two_incidents_of_one_hour_explain_its_shortfall_once() -> None:
    emitted = sent(200, by_hour=hours(h9=100, h15=100))
    overlays = [incident(9, 9.5), incident(9.5, 10, "verifications failed")]

    found = one_day(emitted, Received(120, by_hour=hours(h9=60, h15=60)), manner(overlays=overlays))

    assert (sum(explained(found).values()), found.loss_residual) == (40, Bounds(40, 40))


def test_an_incident_does_not_explain_again_what_the_vendor_refused_in_it() -> None:
    emitted = sent(200, by_hour=hours(h9=100, h15=100))
    received = Received(180, losses=((Fate.REFUSED, "503", 10),), by_hour=hours(h9=90, h15=90))

    found = one_day(emitted, received, manner(overlays=[incident(9, 10)]))

    # The ten of the incident may be those that were refused, or others.
    assert (explained(found), found.loss_residual) == ({"refused: 503": 10}, Bounds(0, 10))


def test_of_hours_that_a_vendor_does_not_tell_an_incident_may_explain_what_was_sent_in_them_and_surely_nothing() -> (
    None
):
    overlays = [incident(9.5, 10.5)]

    known = one_day(sent(200, by_hour=hours(h9=20, h10=40, h15=140)), Received(100), manner(overlays=overlays))
    spread = one_day(sent(240), Received(100), manner(overlays=overlays))

    assert (known.loss_residual, known.loss_explained) == (Bounds(70, 100), ())
    assert (spread.loss_residual, spread.loss_explained) == (Bounds(130, 140), ())


def test_half_a_day_in_an_incident_explains_no_loss_of_half_a_day_for_sure() -> None:
    found = one_day(sent(1_000), Received(500), manner(overlays=[incident(0, 12)]))

    assert found.loss_residual == Bounds(0, 500)


def test_without_hours_what_cannot_have_been_lost_outside_was_lost_in_the_incident() -> None:
    most, all_of_it = (one_day(sent(240), Received(40), manner(overlays=[incident(0, end)])) for end in (18, 24))

    assert (explained(most), most.loss_residual) == ({"the vendor was down": 140}, Bounds(20, 60))
    assert (explained(all_of_it), all_of_it.loss_residual) == ({"the vendor was down": 200}, NOTHING)


def test_a_time_in_two_incidents_counts_once_where_hours_are_not_told() -> None:
    overlays = [incident(9.5, 10.5), incident(9.5, 10.5, "verifications failed"), incident(10, 11, "once more")]

    found = one_day(sent(240), Received(100), manner(overlays=overlays))

    assert found.loss_residual == Bounds(125, 140)


def test_an_incident_over_midnight_may_explain_each_day_its_part() -> None:
    overlays = [Overlay(Window(START + 2 * DAY - HOUR, START + 2 * DAY + 2 * HOUR), "", "down")]

    found = some_days((sent(240), Received(200)), (sent(240), Received(200)), how=manner(overlays=overlays))

    assert [one.loss_residual for one in found] == [Bounds(30, 40), Bounds(20, 40)]


def test_of_a_sampled_type_its_share_is_expected_and_its_noise_left_open() -> None:
    found = one_day(sent(10_000), Received(4_900), manner(rate=0.5))

    assert found.expected == 5_000
    assert noise_of(10_000, 0.5) == 150
    assert (found.loss_residual, found.excess_residual) == (Bounds(0, 250), Bounds(0, 50))


def test_ids_of_a_sampled_type_decide_nothing_because_those_left_out_look_lost() -> None:
    found = one_day(sent(10_000), Received(5_000, 5_000, 5_000, 0), manner(rate=0.5))

    assert (found.loss.low, found.excess.low, found.duplicates) == (0, 0, None)


def test_what_the_client_tells_of_its_sampling_explains_no_loss() -> None:
    losses = ((Fate.CLIENT_DROPPED, "sample_rate", 5_000),)

    found = one_day(sent(10_000), Received(4_000, losses=losses), manner(rate=0.5))

    assert found.loss_residual == Bounds(850, 1_150)


def test_of_a_sampled_type_an_incident_explains_no_more_than_its_share() -> None:
    emitted = sent(2_000, by_hour=hours(h9=1_000, h15=1_000))
    received = Received(300, by_hour=hours(h9=300))

    found = one_day(emitted, received, manner(rate=0.5, overlays=[incident(9, 10)]))

    assert explained(found) == {"the vendor was down": 200}


@given(st.integers(1, 10**6), st.sampled_from((0.01, 0.25, 0.5, 0.9)), st.floats(-1, 1))
def test_a_sample_within_its_noise_is_never_surely_missing_or_too_much(events: int, rate: float, off: float) -> None:
    arrived = max(0, round(events * rate + off * (noise_of(events, rate) - 1)))

    found = sampled_month([(sent(events), Received(arrived))], rate, Unit.EVENTS)

    assert (found.loss_residual.low, found.excess_residual.low) == (0, 0)


def test_a_samplers_noise_does_not_move_over_midnight() -> None:
    days = [(sent(10_000), Received(4_900)), (sent(10_000), Received(5_100))]

    found = some_days(*days, how=manner(rate=0.5, shift=HOUR))

    assert [(one.loss_explained, one.excess_explained) for one in found] == [((), ()), ((), ())]


def test_noise_evens_out_over_a_sampled_month() -> None:
    days = [(sent(10_000), Received(5_000 + off)) for off in (140, -130, 120, -130)]

    found = sampled_month(days, 0.5, Unit.EVENTS)

    assert (found.expected, found.received, found.loss) == (20_000, 20_000, Bounds(0, 300))


def test_a_sampled_month_keeps_what_its_incidents_explain() -> None:
    down = Explained(Why.INCIDENT, "the vendor was down", 2_000)

    found = sampled_month([(sent(40_000), Received(18_000))], 0.5, Unit.EVENTS, [down])

    assert (found.loss_residual, found.loss_explained) == (Bounds(0, 300), (down,))


def test_a_sampled_month_leaves_open_what_may_have_been_lost_in_its_incidents() -> None:
    found = sampled_month([(sent(20_000), Received(4_000))], 0.5, Unit.EVENTS, in_incidents=5_000)

    assert found.loss_residual == Bounds(max(0, found.loss.low - 5_000), found.loss.high)


def test_one_days_reason_explains_nothing_of_another_day() -> None:
    refused = one_day(sent(100, repeats=10), Received(100, losses=((Fate.RATE_LIMITED, "", 10),)))
    silent = one_day(sent(100), Received(90))

    month = summed([refused, silent])

    assert (month.loss, month.loss_residual) == (Bounds(10, 20), Bounds(10, 10))
    assert explained(month) == {"rate-limited": 10}


def test_losses_and_excesses_of_days_are_summed_apart() -> None:
    month = summed([one_day(sent(100), Received(90)), one_day(sent(100), Received(110))])

    assert (month.loss_residual, month.excess_residual) == (Bounds(10, 10), Bounds(10, 10))
    assert (month.expected, month.received, month.difference_share) == (200, 200, 0.05)


def test_nothing_sums_up_to_nothing() -> None:
    assert summed([]) == Compared(0, 0, NOTHING, NOTHING, 0, loss_left=NOTHING, excess_left=NOTHING)


def test_totals_keep_reasons_apart_and_hours_out() -> None:
    emitted = total_emitted([sent(5, repeats=1, dropped=2, by_hour=hours(h9=5)), sent(7, dropped=1, sampled_out=4)])
    received = total_received(
        [
            Received(5, 4, 1, 0, losses=((Fate.REFUSED, "x", 1), (Fate.INVALID, "x", 2))),
            Received(6, 6, 0, 1, losses=((Fate.REFUSED, "x", 3),)),
        ]
    )

    assert emitted == Emitted(20, 19, 12, (("queue full", 3),), 4)
    assert received == Received(11, 10, 1, 1, losses=((Fate.REFUSED, "x", 4), (Fate.INVALID, "x", 2)))
    assert (emitted.repeats, emitted.dropped, received.duplicates) == (1, 3, 1)


def test_a_part_that_only_counts_makes_a_total_that_only_counts() -> None:
    assert total_received([Received(5, 4, 1, 0), Received(6)]) == Received(11)
    assert summed([one_day(sent(5), Received(5, 5, 0, 0)), one_day(sent(5), Received(5))]).duplicates is None
