"""A window put together: who is asked, which days are known, whose numbers they are, and what it comes to."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from domain.errors import BadInput, Unavailable
from domain.event_counts import NOT_SPLIT, Count, Fate, Trust
from domain.findings import decided
from domain.reconciliation import Bounds, Finding, PastMonth, Unresolved, Why
from domain.reconciliation_sections import (
    CounterSnapshots,
    KnownIncident,
    PrometheusCounters,
    ReceivedSection,
    ReconciliationRule,
)
from domain.settling import last_settled_month, overdue_month, settled_day, yesterday
from domain.verdicts import Verdict
from domain.windows import DAY, HOUR, Month, Window, day_window
from ledger.investigations import open_investigation
from ledger.reconciliations import record_revision
from ledger.waivers import waive
from steps.reconciliation_document import digest
from steps.reconciling import (
    chosen_environments,
    planned_lines,
    question_of,
    settles_at,
    shift_of,
)
from steps.unresolved_months import WAIVED_AS
from tests.steps.conftest import OpenScene
from tests.steps.event_rows import jsonl
from tests.steps.month_scenes import (
    SETTLED,
    START,
    THREE_DAYS,
    MonthScene,
    Rows,
    Vendor,
    at,
    every_day,
    listed,
    recorded,
)

FIRST, SECOND, THIRD = (date(2026, 10, day) for day in (1, 2, 3))
BY_TYPE = ReceivedSection(type_field="kind")
UNWANTED = ReceivedSection(wanted=False)


@pytest.fixture
def prod(open_in: OpenScene) -> MonthScene:
    scene = MonthScene.of(open_in("prod", "slack", "sentry"))
    scene.configure(received={"slack": BY_TYPE, "sentry": UNWANTED})
    return scene


def writes(scene: MonthScene, window: Window, *rows: dict[str, Any]) -> None:
    for day in window.days():
        scene.writes(str(day), [row for row in rows if str(row["timestamp"]).startswith(str(day))])


def sent(scene: MonthScene, window: Window, each: int) -> list[tuple[str, datetime]]:
    names = every_day(window, each)
    writes(scene, window, *(recorded(name, moment) for name, moment in names))
    return names


def run(
    scene: MonthScene, vendor: Vendor, window: Window = THREE_DAYS, now: datetime = SETTLED, **counting: Any
) -> Rows:
    return scene.run({"slack": vendor.counting(**counting)}, window, now)


def arrived(names: list[tuple[str, datetime]]) -> Vendor:
    return Vendor(received=[listed(name, moment) for name, moment in names])


def test_the_same_input_says_the_same_and_one_more_event_something_else(prod: MonthScene) -> None:
    names = sent(prod, THREE_DAYS, 10)

    first, again = (run(prod, arrived(names)) for _ in range(2))
    prod.writes("2026-10-03", [recorded("more", at(3)), *(recorded(*one) for one in names if one[1] >= at(3, 0))])
    more = run(prod, arrived(names))

    assert digest(first.reconciliation) == digest(again.reconciliation)
    assert digest(more.reconciliation) != digest(first.reconciliation)


def test_a_settled_vendor_without_an_answer_is_no_data_and_hold(prod: MonthScene) -> None:
    sent(prod, THREE_DAYS, 10)

    rows = run(prod, Vendor(fails=Unavailable("slack was down.", "Nothing is known.", "Run again.")))

    month = rows.month()
    assert (month.finding, month.received, month.compared) == (Finding.NO_DATA, None, None)
    assert "slack was down" in month.why
    assert decided(rows.reconciliation.targets) is Verdict.HOLD


def test_before_the_watermark_all_is_provisional_and_waits(prod: MonthScene) -> None:
    names = sent(prod, THREE_DAYS, 10)
    settles = THREE_DAYS.end + timedelta(hours=96)

    before = run(prod, arrived(names[:-9]), now=settles - timedelta(seconds=1))
    after = run(prod, arrived(names[:-9]), now=settles)

    assert (before.month().finding, decided(before.reconciliation.targets)) == (Finding.PROVISIONAL, Verdict.WAITING)
    assert (after.month().finding, decided(after.reconciliation.targets)) == (Finding.BREACH, Verdict.HOLD)


def test_a_vendor_that_reports_later_than_the_rule_settles_later(prod: MonthScene) -> None:
    question = prod.question({"slack": Vendor().counting(reporting_lag=timedelta(days=9))})

    assert settles_at(question, question.asked[0]) == THREE_DAYS.end + timedelta(days=9)


def test_a_month_that_goes_on_is_compared_up_to_yesterday(prod: MonthScene) -> None:
    names = sent(prod, THREE_DAYS, 10)

    rows = run(prod, arrived(names), now=at(3, 15))

    assert [(cell.day, cell.compared is None) for cell in rows.cells()] == [
        (FIRST, False),
        (SECOND, False),
        (THIRD, True),
    ]
    assert rows.cells()[2].missing == "emitted: it is not over yet; received: it is not over yet"
    assert rows.month().finding is Finding.PROVISIONAL


@pytest.mark.parametrize(("month", "days"), [(Month(2028, 2), 29), (Month(2027, 2), 28), (Month(2026, 12), 31)])
def test_a_month_has_as_many_days_as_its_calendar(month: Month, days: int) -> None:
    assert len(list(month.window.days())) == days


def test_a_month_is_compared_from_its_first_moment_to_its_last(prod: MonthScene) -> None:
    month = Month(2028, 2)
    last = month.window.end - timedelta(microseconds=1)
    writes(prod, month.window, recorded(1, month.window.start), recorded(2, last))
    prod.writes(str(month.window.end.date()), [recorded(3, month.window.end)])
    vendor = Vendor(received=[listed(1, month.window.start), listed(2, last), listed(3, month.window.end)])

    rows = run(prod, vendor, month.window, month.window.end + timedelta(days=20))

    assert rows.month().compared is not None
    assert (rows.month().compared.expected, rows.month().compared.received) == (2, 2)  # type: ignore[union-attr]
    assert rows.month().finding is not Finding.NO_DATA


def test_an_empty_month_is_in_order(prod: MonthScene) -> None:
    writes(prod, THREE_DAYS)

    rows = run(prod, Vendor())

    assert rows.month().finding is Finding.OK
    assert rows.cells() == []
    assert decided(rows.reconciliation.targets) is Verdict.GREEN


def test_what_arrives_where_nothing_was_emitted_is_a_breach(prod: MonthScene) -> None:
    writes(prod, THREE_DAYS)

    rows = run(prod, Vendor(received=[listed(n, at(1)) for n in range(5)]))

    assert rows.month().finding is Finding.BREACH
    assert rows.month().raw_above


def test_an_environment_without_a_source_has_no_data(prod: MonthScene) -> None:
    prod.configure(emitted={})

    rows = run(prod, Vendor())

    assert (rows.month().finding, rows.month().emitted) == (Finding.NO_DATA, None)
    assert "no [emitted] section" in rows.month().why


def test_losses_without_types_explain_types(prod: MonthScene) -> None:
    events = [(f"{kind}{n}", at(1, n / 10), kind) for kind in "ab" for n in range(100)]
    writes(prod, THREE_DAYS, *(recorded(name, moment, kind=kind) for name, moment, kind in events))
    kept = [listed(*one) for one in events if not one[0].endswith("7")]
    vendor = Vendor(received=kept, losses=[Count(at(1), HOUR, NOT_SPLIT, Fate.FILTERED, 20, "browser")])

    rows = run(prod, vendor)

    assert {cell.type for cell in rows.cells()} == {"a", "b"}
    month = rows.month()
    assert month.compared is not None
    assert (month.compared.loss, month.compared.loss_residual) == (Bounds(20, 20), Bounds(0, 0))
    assert [(one.why, one.events) for one in month.compared.loss_explained] == [(Why.VENDOR, 20)]
    assert month.received is not None
    assert sum(events for _, _, events in month.received.losses) == 20
    assert month.finding is Finding.EXPLAINED


def counters(scene: MonthScene, rows: list[tuple[datetime, str, int]], **said: Any) -> CounterSnapshots:
    folder = scene.scene.home / "counters"
    folder.mkdir(exist_ok=True)
    written = [
        {"timestamp": moment.isoformat(), "process_start_id": "p", "event_type": "alert", "integration": to, "value": value}
        for moment, to, value in rows
    ]  # fmt: skip
    jsonl(folder / "all.jsonl", written)
    return CounterSnapshots.model_validate({"kind": "counters", "environment": "prod", "place": str(folder), **said})


MIDNIGHTS = [(at(day, 0), "slack", 100 * day) for day in (1, 2, 3, 4)]


def test_counters_are_labelled_as_what_they_are(prod: MonthScene) -> None:
    prod.configure(emitted={"batch": counters(prod, MIDNIGHTS)})

    rows = run(prod, Vendor(received=[listed(n, at(1 + n // 100)) for n in range(300)]))

    assert rows.month().trust == (Trust.COUNTERS,)
    assert rows.month().compared is not None
    assert rows.month().compared.loss == Bounds(0, 0)  # type: ignore[union-attr]


def test_a_counter_that_is_absent_on_a_day_is_not_0(prod: MonthScene) -> None:
    rows = [*(row for row in MIDNIGHTS if row[0] != at(3, 0)), *((at(day, 0), "sentry", 7) for day in (1, 2, 3, 4))]
    prod.configure(emitted={"batch": counters(prod, rows)}, received={"slack": BY_TYPE, "sentry": BY_TYPE})

    found = prod.run({name: Vendor().counting() for name in ("slack", "sentry")})

    assert found.month("slack").days_missing == (SECOND,)
    assert found.month("sentry").days_missing == ()


def test_a_counter_that_is_never_there_is_no_data_where_its_target_is_named(prod: MonthScene) -> None:
    prod.configure(emitted={"batch": counters(prod, MIDNIGHTS, targets=["slack", "sentry"])}, received={"slack": BY_TYPE, "sentry": BY_TYPE})  # fmt: skip

    found = prod.run({name: Vendor().counting() for name in ("slack", "sentry")})

    assert found.month("sentry").finding is Finding.NO_DATA
    assert "no counter of sentry is there" in found.month("sentry").why


def test_what_counters_saw_a_day_late_is_no_loss(prod: MonthScene) -> None:
    # Nobody looked at midnight: the 100 events before it are first seen at one o'clock.
    rows = [(at(1, 0), "slack", 0), (at(1, 12), "slack", 500), (at(2, 1), "slack", 600), (at(2, 23.9), "slack", 1000), (at(3, 0), "slack", 1000), (at(4, 0), "slack", 1000)]  # fmt: skip
    prod.configure(emitted={"batch": counters(prod, rows)})

    found = run(prod, Vendor(received=[listed(n, at(1) if n < 600 else at(2)) for n in range(1000)]))

    month = found.month()
    assert month.compared is not None
    assert (month.compared.loss.high, month.compared.excess.high) == (100, 100)
    # One may have come from the day before the window: as many as are sent within a minute of midnight.
    assert (month.compared.loss_residual.high, month.compared.excess_residual.high) == (1, 1)
    assert {one.why for one in month.compared.loss_explained} == {Why.BOUNDARY}


def test_what_counters_saw_after_the_window_may_belong_to_its_last_day(prod: MonthScene) -> None:
    window = Window(START, START + DAY)
    rows = [(at(1, 0), "slack", 0), (at(1, 12), "slack", 500), (at(2, 1), "slack", 600)]
    prod.configure(emitted={"batch": counters(prod, rows)})

    found = run(prod, Vendor(received=[listed(n, at(1)) for n in range(600)]), window)

    assert found.month().compared is not None
    assert found.month().compared.excess_residual == Bounds(0, 100)  # type: ignore[union-attr]


def test_two_sources_are_added_and_both_must_know_a_day(prod: MonthScene) -> None:
    writes(prod, THREE_DAYS, *(recorded(n, at(1)) for n in range(10)))
    other = prod.scene.home / "other"
    other.mkdir()
    jsonl(other / "events-2026-10-01.jsonl", [recorded(f"other {n}", at(1)) for n in range(5)])
    prod.configure(emitted={"gateway": prod.files(), "other": prod.files(place=str(other))})

    rows = run(prod, Vendor(received=[listed(n, at(1)) for n in range(15)]))

    assert [cell.emitted.sent for cell in rows.cells() if cell.emitted and cell.emitted.sent] == [15]
    assert rows.month().days_missing == (SECOND, THIRD)
    assert "other: no file of this day" in rows.month().why or "days without data" in rows.month().why


def test_a_source_that_does_not_record_a_target_takes_no_day_from_it(prod: MonthScene) -> None:
    writes(prod, THREE_DAYS, *(recorded(n, at(1)) for n in range(10)))
    other = prod.scene.home / "other"
    other.mkdir()
    prod.configure(emitted={"gateway": prod.files(), "other": prod.files(place=str(other), targets=["sentry"])})

    rows = run(prod, Vendor(received=[listed(n, at(1)) for n in range(10)]))

    assert rows.month().days_missing == ()


def test_a_known_incident_explains_what_was_lost_in_it(prod: MonthScene) -> None:
    names = sent(prod, THREE_DAYS, 240)
    incident = KnownIncident(environment="prod", targets=("slack",), start=at(2, 6), end=at(2, 12), note="their outage")
    prod.configure(incidents=[incident])

    rows = run(prod, arrived([one for one in names if not at(2, 6) <= one[1] < at(2, 12)]))

    assert rows.month().finding is Finding.EXPLAINED
    assert rows.month().compared is not None
    assert rows.month().compared.loss_residual.high == 0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("said", "shift"), [(None, timedelta(minutes=1)), (0, timedelta(0)), (90, timedelta(minutes=90))]
)
def test_how_far_a_vendors_clock_is_off_is_its_usual_or_what_is_said(
    prod: MonthScene, said: float | None, shift: timedelta
) -> None:
    prod.configure(received={"slack": ReceivedSection(shift_minutes=said), "sentry": UNWANTED})

    [asked] = prod.question({"slack": Vendor().counting()}, THREE_DAYS, SETTLED).asked

    assert shift_of(asked) == shift


def test_a_waiver_is_printed_and_ends(prod: MonthScene) -> None:
    names = sent(prod, THREE_DAYS, 100)
    until = (prod.scene.ledger.now() + timedelta(days=30)).date()
    waive(prod.scene.ledger, "prod", f"{WAIVED_AS} slack 2026-10", "ada", "known", until)

    within = run(prod, arrived(names[30:]), now=prod.scene.ledger.now())
    after = run(prod, arrived(names[30:]), now=prod.scene.ledger.now() + timedelta(days=31))

    assert (within.month().finding, after.month().finding) == (Finding.WAIVED, Finding.BREACH)
    assert f"waived until {until} by ada (known); BREACH" in within.month().why
    assert decided(within.reconciliation.targets) is Verdict.WAITING


def test_what_a_sampler_left_out_is_not_told_as_lost_ids(prod: MonthScene) -> None:
    names = sent(prod, THREE_DAYS, 40)
    prod.configure(
        received={"slack": ReceivedSection(by="ids", type_field="kind", sample_rate=0.5), "sentry": UNWANTED}
    )

    rows = run(prod, Vendor("ids", [listed(*one) for one in names[::4]]))

    assert rows.month().by_ids is False
    assert rows.month().missing_ids == ()


def test_a_waiver_of_another_month_covers_nothing(prod: MonthScene) -> None:
    names = sent(prod, THREE_DAYS, 100)
    until = (prod.scene.ledger.now() + timedelta(days=30)).date()
    waive(prod.scene.ledger, "prod", f"{WAIVED_AS} slack 2026-09", "ada", "known", until)

    rows = run(prod, arrived(names[30:]), now=prod.scene.ledger.now())

    assert rows.month().finding is Finding.BREACH


def test_an_earlier_breach_that_nobody_answers_for_is_carried_over(prod: MonthScene) -> None:
    names = sent(prod, THREE_DAYS, 10)
    ledger = prod.scene.ledger
    months = {Month(2026, 7): Finding.BREACH, Month(2026, 8): Finding.OK, Month(2026, 9): Finding.NO_DATA}
    for number, (month, finding) in enumerate(months.items()):
        past = {"slack": PastMonth(str(month), finding, 1000, 30)}
        record_revision(ledger, "run", "prod", month, f"d{number}", "{}", past, Verdict.HOLD, is_final=True)
    open_investigation(ledger, "prod", Month(2026, 9), "slack", "bob", ledger.now().date())

    rows = run(prod, arrived(names))

    assert rows.reconciliation.unresolved == (Unresolved("2026-07", "slack", Finding.BREACH),)
    assert [one.month for one in rows.reconciliation.carried_over] == ["2026-09"]


def test_a_window_that_has_not_begun_is_bad_input(prod: MonthScene) -> None:
    with pytest.raises(BadInput, match="has not begun"):
        prod.question({"slack": Vendor().counting()}, now=START)


def test_an_environment_of_which_nothing_counts_is_bad_input(prod: MonthScene) -> None:
    prod.configure(received={"slack": UNWANTED})

    with pytest.raises(BadInput, match="can be counted"):
        question_of(prod.scene.context(), Month(2026, 10), THREE_DAYS, {"slack": Vendor().counting()}, SETTLED)


def test_a_plan_names_sources_and_vendors_in_sentences(prod: MonthScene) -> None:
    prometheus = PrometheusCounters(kind="prometheus", environment="prod", address="https://p.example", metric="sent")
    prod.configure(emitted={"gateway": prod.files(), "edge": prometheus})

    lines = planned_lines(prod.question({"slack": Vendor().counting()}))

    assert lines == [
        f"gateway: files at {prod.events}",
        "edge: prometheus at https://p.example",
        "slack: events, by counts, event time; settles 2026-10-08 00:00 UTC",
    ]


def test_all_environments_are_those_that_record_and_are_real(open_in: OpenScene) -> None:
    scene = open_in("prod", "slack")
    made = MonthScene.of(scene)

    assert chosen_environments(scene.config, "all") == ["prod"]
    made.configure(emitted={})
    assert chosen_environments(scene.config, "all") == []
    with pytest.raises(BadInput):
        chosen_environments(scene.config, "nowhere")


@pytest.mark.parametrize(
    ("now", "month"),
    [
        (datetime(2026, 11, 5, tzinfo=UTC), Month(2026, 10)),
        (datetime(2026, 11, 4, 23, 59, 59, 999_999, tzinfo=UTC), Month(2026, 9)),
        (datetime(2027, 1, 5, tzinfo=UTC), Month(2026, 12)),
        (datetime(2028, 3, 5, tzinfo=UTC), Month(2028, 2)),
    ],
)
def test_the_last_settled_month_ended_four_days_ago(now: datetime, month: Month) -> None:
    assert last_settled_month(now, ReconciliationRule().settles_after) == month


@pytest.mark.parametrize(("day", "month"), [(5, Month(2026, 9)), (6, Month(2026, 10))])
def test_a_month_is_made_up_only_after_its_own_schedule_has_ticked(day: int, month: Month) -> None:
    daily_check = datetime(2026, 11, day, 5, 40, tzinfo=UTC)

    assert overdue_month(daily_check, timedelta(hours=96)) == month


def test_yesterday_and_the_settled_day_are_days_of_utc() -> None:
    now = datetime.fromisoformat("2026-10-10T00:30:00+02:00")

    assert yesterday(now) == day_window(date(2026, 10, 8))
    assert settled_day(now, timedelta(hours=96)) == day_window(date(2026, 10, 4))
