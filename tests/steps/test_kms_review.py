"""A quarter of smoke checks looked back on: what was not made is named, and what nobody judged is not a rate."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.config import Config
from domain.errors import BadInput
from domain.kms_checks import Checked, Part, faulty, passed
from domain.kms_history import Judged, Spell
from domain.kms_reviewing import Review, due_slots, kept_from_paging, spans_without, verdict_of
from domain.kms_thresholds import Threshold
from domain.quarters import Quarter
from domain.verdicts import Judgement, Verdict, World
from domain.windows import Window
from ledger.kms_checks import record_check
from ledger.kms_judgements import judge_spell
from ledger.opening import Ledger, open_ledger
from steps.kms_review import reviewed
from steps.kms_review_report import review_document, review_report, to_do

START = datetime(2026, 7, 1, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TEXT = {
    "environments": {"prod": {"kind": "prod", "in_scope": ["slack"]}},
    "kms": {
        "pay": {
            "environment": "prod",
            "base_url": "https://pay.example.org",
            "slow_ms": 100,
            "keys": {"main": {"provider": "gcp", "key": "k", "rotation_days": 90}},
        }
    },
}
CONFIG = Config.model_validate(TEXT, context={"integrations": ("slack",)})
GONE = faulty("canary/main", "kms.unreachable", "no answer")


@pytest.fixture
def ledger_at(tmp_path: Path) -> Iterator["At"]:
    at = At(tmp_path)
    yield at
    at.close()


class At:
    """The same ledger at moments of the quarter."""

    def __init__(self, folder: Path) -> None:
        self._url = f"sqlite:///{folder / 'ledger.db'}"
        self._now = open_ledger(self._url)
        self._opened = [self._now]

    def moment(self, at: datetime) -> Ledger:
        offset = at - self._now.now()
        self._opened.append(open_ledger(self._url, offset=offset))
        return self._opened[-1]

    def check(self, at: datetime, *parts: Part) -> None:
        record_check(self.moment(at), "run", Checked("prod", "pay", parts or (passed("health"),)))

    def close(self) -> None:
        for ledger in self._opened:
            ledger.close()


def age_of(days: float) -> Part:
    return replace(passed("rotation/main"), facts={"age_days": f"{days}", "policy_days": "90"})


def review_of(ledger_at: At, at: datetime = START + 2 * HOUR) -> Review:
    return reviewed(ledger_at.moment(at), CONFIG, "prod", Quarter.parse("2026-Q3"))


def verdict(review: Review) -> Verdict:
    return verdict_of(review, World.REAL).verdict


@pytest.mark.parametrize(
    ("text", "moment", "start", "end"),
    [
        ("2026-Q1", "2026-04-02", "2026-01-01", "2026-04-01"),
        ("2026-Q3", "2026-10-02", "2026-07-01", "2026-10-01"),
        ("2026-Q4", "2027-01-02", "2026-10-01", "2027-01-01"),
    ],
)
def test_the_quarter_that_is_over_is_looked_back_on(text: str, moment: str, start: str, end: str) -> None:
    quarter = Quarter.before(datetime.fromisoformat(moment).replace(tzinfo=UTC))

    assert (str(quarter), quarter) == (text, Quarter.parse(text))
    assert [f"{at:%Y-%m-%d}" for at in (quarter.window.start, quarter.window.end)] == [start, end]


@pytest.mark.parametrize("text", ["2026", "2026-Q5", "2026-03", "last", "0001-Q1"])
def test_what_is_no_quarter_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        Quarter.parse(text)


def test_checks_are_due_from_the_half_hour_of_the_first_one_and_missing_ones_are_spans() -> None:
    window = Window(START, START + 4 * HOUR)
    slots = due_slots(window, START + HOUR + 3 * MINUTE)
    moments = [START + HOUR + 3 * MINUTE, START + 3 * HOUR + 33 * MINUTE]

    spans = spans_without(slots, moments, window.start)

    assert len(slots) == 6
    assert spans == [Window(START + HOUR + 30 * MINUTE, START + 3 * HOUR + 30 * MINUTE)]


def test_every_check_is_due_where_there_was_one_before_the_quarter_or_never_one() -> None:
    window = Window(START, START + 4 * HOUR)

    assert len(due_slots(window, START - HOUR)) == len(due_slots(window, None)) == 8
    assert due_slots(window, window.end + HOUR) == []


def test_a_failure_that_led_to_a_spell_or_lay_in_one_was_not_kept_from_paging() -> None:
    at = [START + n * 30 * MINUTE for n in range(9)]
    passes = [True, False, True, True, True, False, False, False, True]
    spell = Spell(1, "prod", "pay", "canary/main", "kms.unreachable", at[6], at[8] + HOUR)

    assert kept_from_paging([*zip(at, passes, strict=True)], [spell]) == 1


def test_what_nobody_judged_waits_and_is_no_rate(ledger_at: At) -> None:
    for n in range(4):
        ledger_at.check(START + 3 * MINUTE + n * 30 * MINUTE, GONE if n in {1, 2} else passed("canary/main"))

    review = review_of(ledger_at)
    report = review_report(review, Judgement(Verdict.WAITING, World.REAL))

    assert verdict(review) is Verdict.WAITING
    assert "False alarms: not judged (1 spells, none of them judged yet)." in report
    assert "Spell 1 (pay canary/main, 2026-07-01 01:03 UTC): say by 2026-07-15 what it was" in to_do(review)[0]
    assert review_document(review, verdict_of(review, World.REAL))["false_alarm_ratio"] is None


def test_the_rate_is_of_judged_spells_and_a_judged_quarter_is_green(ledger_at: At) -> None:
    for n in range(4):
        ledger_at.check(START + 3 * MINUTE + n * 30 * MINUTE, GONE if n in {0, 1} else passed("canary/main"))
    judge_spell(ledger_at.moment(START + 2 * HOUR), "run", 1, Judged.FALSE_ALARM, who="ana", note="the VPN")

    review = review_of(ledger_at)

    assert verdict(review) is Verdict.GREEN
    assert "1 of 1 judged spells (100 %)" in review_report(review, verdict_of(review, World.REAL))
    assert json.loads(json.dumps(review_document(review, verdict_of(review, World.REAL))))["false_alarm_ratio"] == 1


def test_a_spell_of_an_earlier_quarter_that_nobody_judged_is_past_its_day(ledger_at: At) -> None:
    for n in range(2):
        ledger_at.check(START - 24 * HOUR + n * MINUTE, GONE)
    ledger_at.check(START + 3 * MINUTE)

    review = review_of(ledger_at, START + 30 * MINUTE)

    assert (verdict(review), review.spells) == (Verdict.HOLD, ())
    assert "never judged: opsflows kms judge 1" in to_do(review)[0]


def test_no_check_at_all_is_on_hold_and_a_gap_waits_for_who_finds_out_why(ledger_at: At) -> None:
    never = review_of(ledger_at)
    ledger_at.check(START + 3 * MINUTE)
    gap = review_of(ledger_at, START + 3 * HOUR)

    assert verdict(never) is Verdict.HOLD
    assert "pay: no check was made." in to_do(never)[0]
    assert verdict(gap) is Verdict.WAITING
    assert "1 spans without a check, 2.5 h in all" in to_do(gap)[0]
    assert "1 of 6 due checks were made; missing (UTC): 2026-07-01 00:30 to 2026-07-01 03:00." in review_report(gap, verdict_of(gap, World.REAL))  # fmt: skip


def test_of_a_quarter_before_the_first_check_nothing_is_known_which_is_never_green(ledger_at: At) -> None:
    ledger_at.check(datetime(2026, 10, 1, 12, tzinfo=UTC))

    review = review_of(ledger_at, datetime(2026, 10, 2, tzinfo=UTC))

    assert verdict(review) is Verdict.HOLD
    words = "nothing is known of this quarter: the first check that is kept was made on 2026-10-01 12:00 UTC."
    assert to_do(review) == [f"pay: {words}"]
    assert f"N{words[1:]}" in review_report(review, verdict_of(review, World.REAL))


def test_a_check_of_the_half_hour_that_goes_on_is_known_before_any_was_due(ledger_at: At) -> None:
    ledger_at.check(START + 3 * MINUTE)

    review = review_of(ledger_at, START + 10 * MINUTE)

    assert (verdict(review), to_do(review)) == (Verdict.GREEN, [])


def test_a_target_that_began_after_the_quarter_leaves_the_others_verdict_alone_and_is_named(ledger_at: At) -> None:
    ledger_at.check(START + 3 * MINUTE)
    review = review_of(ledger_at, START + 30 * MINUTE)
    [pay] = review.targets
    new = replace(pay, target="mail", checks=0, due=0, made=0, known_since=START + 100 * 24 * HOUR)

    with_new = replace(review, targets=(pay, new))

    assert verdict(with_new) is Verdict.GREEN
    assert "mail: nothing is known of this quarter" in to_do(with_new)[0]


def test_without_a_target_nothing_was_checked_and_the_report_says_so(ledger_at: At) -> None:
    ledger_at.check(START + 3 * MINUTE)
    review = replace(review_of(ledger_at, START + 30 * MINUTE), targets=())

    assert verdict(review) is Verdict.HOLD
    assert to_do(review) == ["prod: no [kms.<target>] is declared, so nothing was checked."]


@pytest.mark.parametrize(
    ("days", "comes_to", "says"),
    [
        (20.0, Verdict.GREEN, ""),
        (75.0, Verdict.WAITING, "Rotate it by 2026-07-16."),
        (95.0, Verdict.HOLD, "its version in use is 95 days old, allowed are 90. Rotate it now."),
    ],
)
def test_a_key_near_its_policys_age_waits_and_one_beyond_it_is_on_hold(
    ledger_at: At, days: float, comes_to: Verdict, says: str
) -> None:
    ledger_at.check(START + 3 * MINUTE, age_of(days))

    review = review_of(ledger_at, START + 30 * MINUTE)

    assert verdict(review) is comes_to
    assert says in " ".join(to_do(review))


def test_thresholds_are_held_against_what_happened_at_half_and_at_twice_their_value(ledger_at: At) -> None:
    for n, took in enumerate((40.0, 60.0, 120.0, 900.0, *[40.0] * 7, 120.0, 40.0)):
        part = replace(passed("canary/main"), milliseconds={"encrypt": took}, operations=2)
        ledger_at.check(START + 3 * MINUTE + n * 30 * MINUTE, part)

    [target] = review_of(ledger_at, START + 7 * HOUR).targets

    fired = {one.what.partition(" (")[0]: one.fired for one in target.thresholds}
    assert fired["an operation is slow"] == (4, 3, 1)
    assert fired["p95 of 12 measurements of an operation"] == (1, 1, 0)
    # Half of it is the time between two checks, which a second too many is longer than.
    assert fired["no check for so long"][1:] == (0, 0)
    assert [(one.operation, one.p50, one.p95, one.longest) for one in target.latencies] == [("encrypt", 40, 120, 900)]
    assert [(one.key, one.most, one.days_above) for one in target.operations] == [("main", 26, ())]
    assert all(isinstance(one, Threshold) for one in target.thresholds)


def test_a_quarter_that_has_not_begun_cannot_be_looked_back_on(ledger_at: At) -> None:
    with pytest.raises(BadInput, match="has not begun"):
        review_of(ledger_at, START - HOUR)
