"""A vendor's side is asked for or was kept; a day that nobody can tell is named, and is never a day without events."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.errors import BadInput, Unavailable
from domain.event_counts import NOT_SPLIT, Count, Fate
from domain.names import Target
from domain.reconciliation import Received
from domain.reconciliation_sections import ReceivedSection
from domain.windows import DAY, HOUR, Window, day_window
from ledger.collected_counts import keep_counts
from steps.received_sides import (
    Asked,
    ReceivedSide,
    is_collected,
    received_days,
    received_side,
    retention_of,
    section_digest,
)
from tests.steps.conftest import OpenScene
from tests.steps.month_scenes import SETTLED, START, THREE_DAYS, Vendor, at, listed
from tests.steps.rehearsal_context import Scene

FIRST, SECOND, THIRD = (date(2026, 10, day) for day in (1, 2, 3))


@pytest.fixture
def prod(open_in: OpenScene) -> Scene:
    return open_in("prod", "slack")


def asked_of(vendor: Vendor, retention: timedelta | None = None, **section: object) -> Asked:
    said = ReceivedSection.model_validate({"by": vendor.by, "type_field": "kind", **section})
    return Asked(Target("slack"), vendor.counting(retention=retention), said)


def side_of(scene: Scene, asked: Asked, window: Window = THREE_DAYS, now: datetime = SETTLED) -> ReceivedSide:
    return received_side(scene.context(), asked, window, now, scene.home / "lists")


def ids_in(side: ReceivedSide) -> list[str]:
    """Return the ids of the list that was written down, which only its owner may read."""
    assert side.listed is not None
    assert side.listed.stat().st_mode & 0o777 == 0o600
    return [json.loads(line)["event_id"] for line in side.listed.read_text().splitlines()]


def keep(scene: Scene, asked: Asked, day: date, events: int) -> None:
    window = day_window(day)
    count = Count(window.start, DAY, "alert", Fate.ACCEPTED, events)
    keep_counts(scene.ledger, "run-1", "prod", "slack", window, section_digest(asked.section), [count])


def test_what_the_vendor_counts_is_its_side(prod: Scene) -> None:
    vendor = Vendor(received=[listed(1, at(1)), listed(2, at(1)), listed(3, at(3), "other")])

    side = side_of(prod, asked_of(vendor))

    assert {key: one.events for key, one in side.days.items()} == {(FIRST, "alert"): 2, (THIRD, "other"): 1}
    assert side.missing == {}
    assert vendor.asked == [THREE_DAYS]


def test_a_vendor_that_does_not_answer_leaves_every_day_unknown(prod: Scene) -> None:
    vendor = Vendor(fails=BadInput("slack said no.", "Nothing is known.", "Renew the key."))

    side = side_of(prod, asked_of(vendor))

    assert side.days == {}
    assert set(side.missing.items()) == {(day, "slack said no. Renew the key.") for day in THREE_DAYS.days()}


def test_a_day_that_is_not_over_is_not_counted(prod: Scene) -> None:
    vendor = Vendor(received=[listed(1, at(1)), listed(2, at(2, 1))])

    side = side_of(prod, asked_of(vendor), now=at(2, 6))

    assert {key[0] for key in side.days} == {FIRST}
    assert side.missing == {SECOND: "it is not over yet", THIRD: "it is not over yet"}


def test_a_day_that_ends_now_is_over(prod: Scene) -> None:
    side = side_of(prod, asked_of(Vendor(received=[listed(1, at(1))])), Window(START, START + DAY), now=START + DAY)

    assert side.missing == {}
    assert side.days[FIRST, "alert"].events == 1


def test_before_what_the_vendor_knows_kept_counts_stand(prod: Scene) -> None:
    vendor = Vendor(received=[listed(1, at(1)), listed(2, at(3))])
    asked = asked_of(vendor, retention=timedelta(days=30))
    keep(prod, asked, FIRST, 7)
    keep(prod, asked, SECOND, 8)

    side = side_of(prod, asked, now=at(2, 5) + timedelta(days=30))

    assert {key[0]: one.events for key, one in side.days.items()} == {FIRST: 7, SECOND: 8, THIRD: 1}
    assert vendor.asked == [Window(at(3, 0), THREE_DAYS.end)]


def test_a_day_that_was_forgotten_and_never_collected_is_named(prod: Scene) -> None:
    asked = asked_of(Vendor(), retention=timedelta(days=30))
    keep(prod, asked, FIRST, 7)

    side = side_of(prod, asked, now=at(2, 5) + timedelta(days=30))

    assert list(side.missing) == [SECOND]
    assert "keeps its counts for 30 days, and this day was not collected" in side.missing[SECOND]


def test_where_all_is_forgotten_nobody_is_asked(prod: Scene) -> None:
    vendor = Vendor()

    side = side_of(prod, asked_of(vendor, retention=DAY))

    assert (vendor.asked, len(side.missing)) == ([], 3)


def test_a_kept_day_of_a_vendor_that_lists_ids_is_only_counted(prod: Scene) -> None:
    asked = asked_of(Vendor("ids", [listed(9, at(3))]), retention=timedelta(days=30))
    keep(prod, asked, FIRST, 7)
    keep(prod, asked, SECOND, 8)

    side = side_of(prod, asked, now=at(2, 5) + timedelta(days=30))

    assert side.counted_only == {FIRST, SECOND}
    assert ids_in(side) == ["e-9"]


def test_a_vendor_that_forgot_events_of_a_day_that_was_kept_does_not_lose_them(prod: Scene) -> None:
    asked = asked_of(Vendor(received=[listed(1, at(2)), listed(2, at(3))]), retention=timedelta(days=30))
    for day, events in ((FIRST, 1000), (SECOND, 1), (THIRD, 0)):
        keep(prod, asked, day, events)

    side = side_of(prod, asked, now=at(5))

    assert {key[0]: one.events for key, one in side.days.items()} == {FIRST: 1000, SECOND: 1, THIRD: 1}
    assert [(fact.events, fact.is_fault) for fact in side.facts] == [(1000, True)]
    assert "events of 2026-10-01 that were collected and that it does not show any more" in side.facts[0].what


def test_ids_of_a_day_of_which_events_are_forgotten_say_nothing(prod: Scene) -> None:
    asked = asked_of(Vendor("ids", [listed(1, at(1)), listed(2, at(3))]), retention=timedelta(days=30))
    keep(prod, asked, FIRST, 1000)

    side = side_of(prod, asked, now=at(5))

    assert side.counted_only == {FIRST}
    assert side.days[FIRST, "alert"].events == 1000


def test_a_vendor_that_does_not_answer_has_forgotten_nothing(prod: Scene) -> None:
    vendor = Vendor(fails=Unavailable("slack was down.", "Nothing is known.", "Run again."))
    asked = asked_of(vendor, retention=timedelta(days=30))
    keep(prod, asked, FIRST, 1000)

    side = side_of(prod, asked, now=at(5))

    assert (set(side.missing), side.facts) == (set(THREE_DAYS.days()), ())


@pytest.mark.parametrize("by", ["counts", "ids"])
def test_what_a_vendor_has_eight_hours_early_is_asked_for_there_and_moved_back(prod: Scene, by: str) -> None:
    happened = [at(1, 0), at(1, 7.5), at(2, 23.5), at(3, 23.999)]
    vendor = Vendor(by, [listed(n, moment - 8 * HOUR) for n, moment in enumerate(happened)])

    side = side_of(prod, asked_of(vendor, time_zone="Etc/GMT-8"))

    assert {key[0]: one.events for key, one in side.days.items()} == {FIRST: 2, SECOND: 1, THIRD: 1}
    assert [hour for hour, events in enumerate(side.days[FIRST, "alert"].by_hour) if events] == [0, 7]
    assert vendor.asked[0] == Window(START - 8 * HOUR, START + 16 * HOUR)
    assert side.facts == ()


def test_counts_of_whole_days_cannot_be_moved_and_leave_them_unknown(prod: Scene) -> None:
    vendor = Vendor(losses=[Count(at(1), DAY, "alert", Fate.FILTERED, 4, "browser")])

    side = side_of(prod, asked_of(vendor, time_zone="Etc/GMT-8"))

    assert side.days == {}
    assert side.missing[FIRST].startswith("slack counts by the day, and its time_zone is Etc/GMT-8.")


def test_an_hour_that_the_vendors_clock_shows_twice_is_told(prod: Scene) -> None:
    window = Window(at(24, 0), at(27, 0))

    side = side_of(prod, asked_of(Vendor(), time_zone="Europe/Berlin"), window)

    assert [fact.what for fact in side.facts] == [
        "times in Europe/Berlin that may be of the hour beside: 25 October 02:00 to 03:00, which its clock shows twice"
    ]


def test_where_the_vendor_breaks_off_no_list_is_left(prod: Scene) -> None:
    side_of(prod, asked_of(Vendor("ids", fails=Unavailable("slack was down.", "Nothing is known.", "Run again."))))

    assert list((prod.home / "lists").iterdir()) == []


def test_our_own_verifications_are_left_out_and_counted_apart(prod: Scene) -> None:
    events = [listed(1, at(1)), listed(2, at(1), is_probe=True)]

    counted, by_ids = (side_of(prod, asked_of(Vendor(by, events))) for by in ("counts", "ids"))

    for side in (counted, by_ids):
        assert {key: one.events for key, one in side.days.items()} == {(FIRST, "alert"): 1}
        assert side.probes == 1
    assert ids_in(by_ids) == ["e-1"]


def test_an_error_of_the_vendor_names_what_to_do(prod: Scene) -> None:
    vendor = Vendor(fails=Unavailable("slack was down.", "Nothing is known.", "Run again."))

    side = side_of(prod, asked_of(vendor))

    assert side.missing[FIRST] == "slack was down. Run again."


def test_losses_stand_beside_what_was_accepted_by_reason() -> None:
    counts = [
        Count(at(1, 3), HOUR, "a", Fate.ACCEPTED, 5),
        Count(at(1, 3), HOUR, "a", Fate.FILTERED, 2, "browser"),
        Count(at(1, 9), HOUR, "a", Fate.FILTERED, 1, "browser"),
        Count(at(1, 9), HOUR, NOT_SPLIT, Fate.RATE_LIMITED, 4, "quota"),
    ]

    days = received_days(counts)

    assert days[FIRST, "a"].losses == ((Fate.FILTERED, "browser", 3),)
    assert days[FIRST, "a"].by_hour[3] == 5
    assert days[FIRST, NOT_SPLIT] == Received(0, losses=((Fate.RATE_LIMITED, "quota", 4),))


@pytest.mark.parametrize("order", [1, -1])
def test_losses_stand_in_the_order_in_which_events_get_lost_however_they_are_told(order: int) -> None:
    at = datetime(2026, 10, 1, tzinfo=UTC)
    counts = [Count(at, HOUR, "a", fate, 1, why) for fate, why in ((Fate.REFUSED, "x"), (Fate.FILTERED, "a"), (Fate.FILTERED, "b"))]  # fmt: skip

    [found] = received_days(counts[::order]).values()

    assert found.losses == ((Fate.REFUSED, "x", 1), (Fate.FILTERED, "a", 1), (Fate.FILTERED, "b", 1))


def test_a_day_of_which_a_part_is_counted_by_the_day_has_no_hours() -> None:
    days = received_days(
        [Count(at(1, 3), HOUR, "a", Fate.ACCEPTED, 5), Count(at(1, 0), DAY, "a", Fate.ACCEPTED, 2)]
    )  # fmt: skip

    assert (days[FIRST, "a"].events, days[FIRST, "a"].by_hour) == (7, ())


def test_a_day_is_that_of_utc_whatever_offset_a_count_has() -> None:
    berlin = datetime.fromisoformat("2026-10-02T01:30:00+02:00")

    days = received_days([Count(berlin, HOUR, "a", Fate.ACCEPTED, 1)])

    assert list(days) == [(FIRST, "a")]


def test_a_count_of_nought_is_a_count() -> None:
    days = received_days([Count(datetime(2026, 10, 1, tzinfo=UTC), HOUR, "a", Fate.ACCEPTED, 0)])

    assert days[FIRST, "a"].events == 0


@pytest.mark.parametrize(("days", "collected"), [(61, True), (62, False), (None, False)])
def test_what_is_kept_for_less_than_two_months_is_collected(days: int | None, *, collected: bool) -> None:
    asked = asked_of(Vendor(), retention=None if days is None else timedelta(days=days))

    assert is_collected(asked) is collected


def test_an_account_may_keep_its_counts_for_another_time_than_usual() -> None:
    asked = asked_of(Vendor(), retention=timedelta(days=30), retention_days=400)

    assert retention_of(asked) == timedelta(days=400)


def test_kept_counts_stay_right_where_only_the_comparison_changes() -> None:
    usual = ReceivedSection(type_field="kind")
    other = {"sample_rate": 0.5, "retention_days": 3, "wanted": False}

    assert section_digest(usual.model_copy(update=other)) == section_digest(usual)
    assert section_digest(usual.model_copy(update={"query": "env:prod"})) != section_digest(usual)


def test_the_counter_is_closed_whatever_happens(prod: Scene) -> None:
    closed: list[str] = []

    class Closing(Vendor):
        __slots__ = ()

        def close(self) -> None:
            closed.append("closed")

    for fails in (None, Unavailable("slack was down.", "Nothing is known.", "Run again.")):
        side_of(prod, asked_of(Closing(fails=fails)))

    assert closed == ["closed", "closed"]


def test_credentials_that_are_not_there_are_named_as_the_reason(prod: Scene) -> None:
    context = replace(prod.context(), credentials=lambda _: None)

    side = received_side(context, asked_of(Vendor()), THREE_DAYS, SETTLED, prod.home / "lists")

    assert len(side.missing) == 3
    assert side.days == {}
