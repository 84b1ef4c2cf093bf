"""The thresholds that a review goes by are those of the rules, which are read here; a p95 is no single measurement."""

import re

import pytest

from domain.kms_sections import KmsTarget
from domain.kms_standing import CHANGES_FOR_FLAPPING, FLAPPING_WITHIN
from domain.kms_thresholds import P95_OF, STALE_AFTER, quantile_of
from tests.deployments.promql import ROOT, alerts


def test_a_part_is_stale_after_as_long_as_the_rule_says() -> None:
    limits = [int(minutes) for minutes in re.findall(r"> (\d+) \* 60", alerts()["KMSCanaryStale"]["expr"])]

    assert min(limits) == STALE_AFTER.total_seconds() / 60


def test_slow_is_what_the_rule_calls_so_the_p95_against_the_targets_own_limit() -> None:
    rule = alerts()["KMSCanarySlow"]

    assert re.search(r'kms_canary_latency_window_seconds\{quantile="0.95"\}', rule["expr"])
    assert "kms_canary_slow_seconds" in rule["expr"]
    assert not re.search(r"> \d", rule["expr"])
    assert f"last {P95_OF} measurements" in rule["annotations"]["description"]


def test_slow_and_flapping_are_as_the_page_of_alerts_says() -> None:
    page = (ROOT / "docs" / "kms-alerts.md").read_text()

    assert f"p95 of the last {P95_OF} measurements" in page
    assert KmsTarget("prod").slow_ms == 1000
    assert (CHANGES_FOR_FLAPPING, FLAPPING_WITHIN.total_seconds()) == (4, 3600)
    assert "a part changed four times within an hour" in page


@pytest.mark.parametrize(
    ("measured", "share", "comes_to"),
    [
        ([1.0], 0.95, 1.0),
        ([*[1.0] * 11, 9.0], 0.95, 1.0),
        ([*[1.0] * 10, 8.0, 9.0], 0.95, 8.0),
        ([*[1.0] * 11, 9.0], 1.0, 9.0),
        ([float(n) for n in range(1, 13)], 0.5, 6.0),
        ([float(n) for n in range(1, 101)], 0.95, 95.0),
    ],
)
def test_a_quantile_is_a_measurement_and_one_alone_is_no_p95_of_twelve(
    measured: list[float], share: float, comes_to: float
) -> None:
    assert quantile_of(measured, share) == comes_to
