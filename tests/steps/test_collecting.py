"""What vendors forget is kept day by day; a day is kept whole or not at all, and one that was missed is asked for again."""

from datetime import date, datetime, timedelta

import pytest

from domain.errors import Unavailable
from domain.names import Target
from domain.reconciliation_sections import ReceivedSection
from domain.windows import DAY, Window
from ledger.collected_counts import kept_counts
from steps.collecting import collected, collection_report, collections_due
from steps.received_sides import Asked, received_side, section_digest, section_of
from tests.steps.conftest import OpenScene
from tests.steps.month_scenes import START, THREE_DAYS, MonthScene, Vendor, at, listed

NOW = at(20, 3)


@pytest.fixture
def prod(open_in: OpenScene) -> MonthScene:
    scene = MonthScene.of(open_in("prod", "slack"))
    scene.configure(received={"slack": ReceivedSection(type_field="kind")})
    return scene


def collect(scene: MonthScene, vendor: Vendor, days: float, now: datetime = NOW) -> tuple[list[Window], list[str]]:
    context = scene.scene.context()
    due = collections_due(context, {"slack": vendor.counting(retention=timedelta(days=days))}, now)
    return [one.window for one in due], [collected(context, one).words for one in due]


def kept_days(scene: MonthScene) -> list[date]:
    window = Window(START, NOW)
    section = section_of(scene.scene.context(), Target("slack"))
    kept = kept_counts(scene.scene.ledger, "prod", "slack", window, section_digest(section))
    return [day for day in window.days() if day not in kept.days_missing(window)]


def test_the_first_collection_asks_for_all_that_the_vendor_still_knows_whole(prod: MonthScene) -> None:
    windows, _ = collect(prod, Vendor(), 8)

    assert windows == [Window(at(13, 0), at(20, 0))]
    assert kept_days(prod) == [date(2026, 10, day) for day in range(13, 20)]


def test_a_vendor_that_has_everything_earlier_forgets_it_earlier(prod: MonthScene) -> None:
    prod.configure(received={"slack": ReceivedSection(type_field="kind", time_zone="Etc/GMT-8")})
    vendor = Vendor(received=[listed(1, at(14, 0) - timedelta(hours=8))])

    windows, words = collect(prod, vendor, 8)

    assert windows == [Window(at(14, 0), at(20, 0))]
    assert words == ["prod slack, 2026-10-14 to 2026-10-19: 1 events kept."]


def test_later_ones_ask_for_days_that_may_still_change(prod: MonthScene) -> None:
    collect(prod, Vendor(), 8)

    windows, _ = collect(prod, Vendor(), 8, NOW + DAY)

    assert windows == [Window(at(17, 0), at(21, 0))]


def test_days_that_were_missed_are_asked_for_again_while_they_are_known(prod: MonthScene) -> None:
    collect(prod, Vendor(), 30)

    windows, _ = collect(prod, Vendor(), 30, NOW + 9 * DAY)

    assert windows == [Window(at(20, 0), at(29, 0))]


def test_the_newest_answer_of_a_day_stands(prod: MonthScene) -> None:
    collect(prod, Vendor(received=[listed(1, at(19))]), 8)
    collect(prod, Vendor(received=[listed(1, at(19)), listed(2, at(19, 23.99))]), 8, NOW + timedelta(hours=1))

    section = ReceivedSection(type_field="kind")
    asked = Asked(Target("slack"), Vendor().counting(retention=timedelta(days=8)), section)
    side = received_side(prod.scene.context(), asked, Window(at(19, 0), at(20, 0)), NOW + 30 * DAY, prod.place.spool)

    assert side.days[date(2026, 10, 19), "alert"].events == 2


def test_a_day_kept_well_is_not_overwritten_by_what_the_vendor_has_forgotten(prod: MonthScene) -> None:
    collect(prod, Vendor(received=[listed(n, at(18)) for n in range(1000)]), 45)

    _, words = collect(prod, Vendor(received=[listed(1, at(20))]), 45, NOW + DAY)

    section = ReceivedSection(type_field="kind")
    kept = kept_counts(prod.scene.ledger, "prod", "slack", Window(at(17, 0), at(21, 0)), section_digest(section))
    assert {one.start.date().day: one.events for one in kept.counts} == {18: 1000, 20: 1}
    assert "2026-10-17 to 2026-10-20: it shows fewer events than it did before (0 of 1,000 on 2026-10-18)" in words[0]
    assert words[0].endswith("set retention_days.")


def test_what_is_kept_stays_where_the_vendor_does_not_answer(prod: MonthScene) -> None:
    collect(prod, Vendor(received=[listed(1, at(19))]), 8)

    _, words = collect(prod, Vendor(fails=Unavailable("slack was down.", "Nothing is known.", "Run again.")), 8)

    assert words == ["prod slack, 2026-10-16 to 2026-10-19: slack was down. Run again."]
    assert len(kept_days(prod)) == 7


def test_a_day_that_is_forgotten_before_it_is_over_is_a_problem_and_no_number(prod: MonthScene) -> None:
    vendor = Vendor(received=[listed(1, at(19))])

    _, words = collect(prod, vendor, 1)

    assert words == [
        "prod slack: it forgets a day before the day is over, so none can be kept whole (retention_days below 2)."
    ]
    assert (vendor.asked, kept_days(prod)) == ([], [])


def test_a_vendor_that_keeps_its_counts_long_enough_is_not_collected(prod: MonthScene) -> None:
    assert collect(prod, Vendor(), 62) == ([], [])


def test_what_is_not_wanted_is_not_collected(prod: MonthScene) -> None:
    prod.configure(received={"slack": ReceivedSection(wanted=False)})

    assert collect(prod, Vendor(), 8) == ([], [])


def test_events_that_are_listed_are_kept_as_counts(prod: MonthScene) -> None:
    prod.configure(received={"slack": ReceivedSection(by="ids", type_field="kind")})

    _, words = collect(prod, Vendor("ids", [listed(1, at(19)), listed(2, at(19))]), 8)

    assert words == ["prod slack, 2026-10-13 to 2026-10-19: 2 events kept."]
    assert date(2026, 10, 19) in kept_days(prod)


def test_what_was_collected_is_the_side_of_a_month_that_the_vendor_forgot(prod: MonthScene) -> None:
    vendor = Vendor(received=[listed(n, at(n)) for n in (1, 2, 3)])
    for day in (2, 3, 4):
        collect(prod, vendor, 2, at(day, 1))

    asked = Asked(Target("slack"), Vendor().counting(retention=timedelta(days=2)), ReceivedSection(type_field="kind"))
    side = received_side(prod.scene.context(), asked, THREE_DAYS, at(30), prod.place.spool)

    assert {day: one.events for (day, _), one in side.days.items()} == {date(2026, 10, n): 1 for n in (1, 2, 3)}
    assert side.missing == {}


def test_a_report_names_each_integration_or_says_that_there_is_none() -> None:
    assert collection_report([]) == "# Collected counts\n\nNo vendor in scope forgets its counts that soon.\n"
