"""Prometheus gets what is known and nothing else: a month without data has no ratio, not a ratio of 0."""

from dataclasses import replace
from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from domain.reconciliation import Edition, Reconciliation
from steps.reconciliation_metrics import metrics
from tests.steps.compared_months import SETTLED
from tests.steps.reconciliations import edition_of, sample


def samples(month: Reconciliation, edition: Edition) -> dict[tuple[str, ...], float]:
    """Return each value by metric, integration and, where it has one, finding."""
    return {
        (one.name.removeprefix("opsflows_reconciliation_"), one.labels["integration"], *filter(None, [one.labels.get("finding")])): one.value
        for family in text_string_to_metric_families(metrics(month, edition))
        for one in family.samples
    }  # fmt: skip


def test_the_ratio_is_that_of_the_report() -> None:
    month = sample()
    slack = next(one for one in month.targets if one.target == "slack")
    assert slack.compared is not None

    seen = samples(month, edition_of(month))

    assert seen["residual_ratio", "slack"] == slack.compared.residual_share
    assert seen["loss_events", "slack"] == 1_266
    assert seen["excess_events", "pagerduty"] == 20


def test_a_month_with_days_missing_has_no_ratio() -> None:
    month = sample()

    seen = samples(month, edition_of(month))

    assert ("residual_ratio", "splunk") not in seen
    assert ("loss_events", "splunk") not in seen
    assert seen["finding", "splunk", "NO DATA"] == 1


def test_exactly_one_finding_is_one() -> None:
    month = sample()

    seen = samples(month, edition_of(month))

    ones = [key for key, value in seen.items() if key[0] == "finding" and value == 1]
    assert len(ones) == len(month.targets)
    assert seen["finding", "slack", "OK"] == 0


def test_a_month_is_not_settled_before_its_time() -> None:
    month = sample()

    early = samples(month, replace(edition_of(month), made_at=SETTLED - timedelta(seconds=1)))

    assert early["settled", "slack"] == 0
    assert samples(month, edition_of(month))["settled", "slack"] == 1


def test_a_hostile_name_stays_one_label() -> None:
    month = sample()
    odd = 'x"} 1\nfake_metric 7'

    told = metrics(replace(month, targets=(replace(month.targets[0], target=odd),)), edition_of(month))

    assert {family.name for family in text_string_to_metric_families(told)} == {
        f"opsflows_reconciliation_{name}" for name in ("residual_ratio", "loss_events", "excess_events", "settled", "finding")
    }  # fmt: skip
