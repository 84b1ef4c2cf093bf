"""A difference is a breach where it is shown to be one, and agreement where that is shown; the rest is not told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.findings import Rule, chance_within_rule, decided, judged
from domain.proportions import clopper_pearson
from domain.reconciliation import Bounds, Compared, Explained, Finding, Why
from domain.verdicts import EXIT_CODE, Verdict
from tests.domain.target_months import month_found

RULE = Rule(0.01, 0.95)
NOTHING = Bounds(0, 0)


def missing(low: int, of: int, high: int | None = None) -> Compared:
    return Compared(of, of - low, Bounds(low, low if high is None else high), NOTHING, None)


def too_many(low: int, of: int) -> Compared:
    return Compared(of, of + low, NOTHING, Bounds(low, low), None)


def test_forty_of_forty_are_ok_because_all_were_counted() -> None:
    assert judged(missing(0, 40), RULE).finding is Finding.OK


def test_thirty_nine_of_forty_do_not_tell() -> None:
    found = judged(missing(1, 40), RULE)

    assert found.finding is Finding.INCONCLUSIVE
    assert found.why == (
        "1 of 40 missing without a reason (0.06% to 13.16%): 1.00% lies between; "
        "with fewer than 368 events no share below 1.00% can be shown"
    )


@pytest.mark.parametrize(
    ("lost", "of", "finding"),
    [
        (4, 100, Finding.BREACH),
        (3, 100, Finding.INCONCLUSIVE),
        (5, 1_000, Finding.INCONCLUSIVE),
        (2, 1_000, Finding.OK),
        (18, 1_000, Finding.BREACH),
        (17, 1_000, Finding.INCONCLUSIVE),
        (900, 100_000, Finding.OK),
        (1_000, 100_000, Finding.INCONCLUSIVE),
        (1_063, 100_000, Finding.BREACH),
        (40, 40, Finding.BREACH),
    ],
)
def test_the_rule_is_applied_to_the_interval_and_not_to_the_share(lost: int, of: int, finding: Finding) -> None:
    assert judged(missing(lost, of), RULE).finding is finding
    assert judged(too_many(lost, of), RULE).finding is finding


@given(st.integers(1, 5000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_ok_and_breach_are_what_the_interval_shows(lost: tuple[int, int]) -> None:
    found = judged(missing(*lost), RULE)

    interval = clopper_pearson(lost[0], *lost, 0.95)
    assert found.interval == interval
    assert (found.finding is Finding.BREACH) == (interval.low > RULE.tolerance)
    assert (found.finding is Finding.OK) == (lost[0] == 0 or interval.high < RULE.tolerance)


def test_bounds_on_both_sides_of_the_rule_do_not_tell() -> None:
    assert judged(missing(0, 10_000, 300), RULE).finding is Finding.INCONCLUSIVE
    assert judged(missing(0, 10_000, 50), RULE).finding is Finding.OK
    assert judged(missing(200, 10_000, 300), RULE).finding is Finding.BREACH


def test_the_worse_of_loss_and_excess_decides_and_they_do_not_make_up_for_each_other() -> None:
    both = Compared(10_000, 10_000, Bounds(300, 300), Bounds(300, 300), 0)
    more_excess = Compared(10_000, 10_300, Bounds(10, 10), Bounds(310, 310), 0)

    assert judged(both, RULE).finding is Finding.BREACH
    assert "310 of 10,000 too many" in judged(more_excess, RULE).why


def test_a_raw_difference_above_the_rule_that_has_a_reason_is_explained() -> None:
    refused = (Explained(Why.VENDOR, "refused", 295),)
    compared = Compared(10_000, 9_700, Bounds(300, 300), NOTHING, None, refused)

    found = judged(compared, RULE)

    assert (found.finding, found.why) == (
        Finding.EXPLAINED,
        "3.00% differ, and all but 0.05% of it has a reason",
    )


def test_a_small_difference_with_a_reason_is_ok() -> None:
    refused = (Explained(Why.VENDOR, "refused", 50),)

    assert judged(Compared(10_000, 9_950, Bounds(50, 50), NOTHING, None, refused), RULE).finding is Finding.OK


@pytest.mark.parametrize(
    ("excess", "finding"),
    [(NOTHING, Finding.OK), (Bounds(1, 1), Finding.BREACH), (Bounds(0, 3), Finding.INCONCLUSIVE)],
)
def test_where_nothing_was_expected_whatever_arrived_decides(excess: Bounds, finding: Finding) -> None:
    found = judged(Compared(0, excess.high, NOTHING, excess, None), RULE)

    assert (found.finding, found.interval) == (finding, None)


def test_more_excess_than_was_sent_is_a_breach_of_all_of_it() -> None:
    found = judged(too_many(500, 100), RULE)

    assert found.finding is Finding.BREACH
    assert found.interval is not None
    assert found.interval.high == 1.0


def test_the_chance_of_a_cell_is_that_of_its_surer_side() -> None:
    assert chance_within_rule(missing(0, 300, 50), RULE) == 1.0
    assert chance_within_rule(missing(12, 300), RULE) == chance_within_rule(too_many(12, 300), RULE)
    assert chance_within_rule(too_many(500, 300), RULE) < 1e-100


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([], Verdict.HOLD),
        ([Finding.OK], Verdict.GREEN),
        ([Finding.OK, Finding.EXPLAINED], Verdict.GREEN),
        ([Finding.OK, Finding.WAIVED], Verdict.WAITING),
        ([Finding.OK, Finding.PROVISIONAL], Verdict.WAITING),
        ([Finding.OK, Finding.INCONCLUSIVE], Verdict.HOLD),
        ([Finding.OK, Finding.NO_DATA], Verdict.HOLD),
        ([Finding.PROVISIONAL, Finding.BREACH], Verdict.HOLD),
        ([Finding.WAIVED, Finding.BREACH], Verdict.HOLD),
        ([Finding.WAIVED, Finding.NO_DATA], Verdict.HOLD),
    ],
)
def test_one_integration_that_holds_is_a_hold_and_one_that_waits_is_no_green(
    findings: list[Finding], verdict: Verdict
) -> None:
    assert decided(month_found(finding) for finding in findings) is verdict


@given(st.lists(st.sampled_from(Finding)))
def test_only_what_agrees_or_is_explained_is_green(findings: list[Finding]) -> None:
    verdict = decided(month_found(finding) for finding in findings)

    assert (verdict is Verdict.GREEN) == (bool(findings) and set(findings) <= {Finding.OK, Finding.EXPLAINED})
    assert EXIT_CODE[verdict] == int(
        not findings or bool(set(findings) & {Finding.BREACH, Finding.NO_DATA, Finding.INCONCLUSIVE})
    )
