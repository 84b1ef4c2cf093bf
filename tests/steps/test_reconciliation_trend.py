"""A month is held against the months before it; a month that is not known is a gap, and no zero."""

from dataclasses import replace

import pytest

from domain.reconciliation import Finding, PastMonth, TargetMonth
from steps.reconciliation_trend import control_limits, trend
from tests.steps.compared_months import RULE
from tests.steps.reconciliations import sample


def target(name: str, **more: object) -> TargetMonth:
    one = next(one for one in sample().targets if one.target == name)
    return replace(one, **more)  # type: ignore[arg-type]  # the fields are those of TargetMonth


def test_limits_are_mean_and_three_standard_deviations() -> None:
    limits = control_limits([0.01, 0.02, 0.03, 0.04])

    assert limits is not None
    assert limits.mean == pytest.approx(0.025)
    assert limits.high == pytest.approx(0.025 + 3 * 0.0129099, abs=1e-6)
    assert limits.low == 0


def test_three_months_say_nothing_about_what_is_usual() -> None:
    assert control_limits([0.01, 0.01, 0.01]) is None


def test_the_month_itself_does_not_widen_its_own_limits() -> None:
    drawn = trend(target("slack"), "2026-10", RULE)

    assert drawn.is_unusual
    assert drawn.limits is not None
    assert drawn.limits.high < RULE


def test_the_budget_is_what_the_rule_allows() -> None:
    drawn = trend(target("slack"), "2026-10", RULE)

    assert drawn.budget == pytest.approx(3.58, abs=0.01)


def test_a_month_with_days_missing_is_a_gap() -> None:
    drawn = trend(target("splunk"), "2026-10", RULE)

    assert drawn.points[-1].share is None
    assert drawn.points[-1].y is None
    assert drawn.budget is None


def test_a_gap_breaks_the_line() -> None:
    past = (
        PastMonth("2026-06", Finding.OK, 1_000, 1), PastMonth("2026-07", Finding.OK, 1_000, 2),
        PastMonth("2026-08", Finding.NO_DATA, 1_000, 0), PastMonth("2026-09", Finding.OK, 1_000, 1),
    )  # fmt: skip

    drawn = trend(target("slack", past=past), "2026-10", RULE)

    assert len(drawn.lines) == 2
    assert drawn.limits is None


def test_everything_drawn_lies_within_the_picture() -> None:
    for one in sample().targets:
        drawn = trend(one, "2026-10", RULE)

        assert all(0 <= point.x <= 240 and (point.y is None or 0 <= point.y <= 72) for point in drawn.points)
        assert drawn.band is None or 0 <= drawn.band[0] <= drawn.band[1] <= 72
        assert 0 <= drawn.rule_y <= 72


def test_a_first_month_has_a_point_and_no_limits() -> None:
    drawn = trend(target("slack", past=()), "2026-10", RULE)

    assert len(drawn.points) == 1
    assert drawn.limits is None
