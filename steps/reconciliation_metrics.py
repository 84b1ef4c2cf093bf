"""A month's outcome as Prometheus reads it. What is not known is absent: an alert on 0 would not see it."""

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from domain.reconciliation import Edition, Finding, Reconciliation, TargetMonth

_PREFIX = "opsflows_reconciliation"
_LABELS = ("environment", "integration")
_GAUGES = {
    "residual_ratio": "Unexplained difference as a share of the expected events, 0-1; the greater of loss and excess, at most.",
    "loss_events": "Events that were sent and did not arrive, at most, before any explanation.",
    "excess_events": "Events that arrived and were not sent, at most, before any explanation.",
    "settled": "1 when late events are no longer expected, 0 before.",
}


def metrics(reconciliation: Reconciliation, edition: Edition) -> str:
    """Return the text of an exposition, in a registry of its own: nothing else of this process is in it."""
    registry = CollectorRegistry()
    gauges = {name: Gauge(f"{_PREFIX}_{name}", says, _LABELS, registry=registry) for name, says in _GAUGES.items()}
    finding = Gauge(
        f"{_PREFIX}_finding", "1 for the finding of the month, 0 for all others.", (*_LABELS, "finding"), registry=registry
    )  # fmt: skip
    for one in reconciliation.targets:
        labels = (reconciliation.environment, one.target)
        for name, value in _values(one, edition).items():
            if value is not None:
                gauges[name].labels(*labels).set(value)
        for which in Finding:
            finding.labels(*labels, which.value).set(int(which is one.finding))
    return generate_latest(registry).decode()


def _values(one: TargetMonth, edition: Edition) -> dict[str, float | None]:
    # Of a month with days missing, a sum would be of the other days only, and look better than it is.
    compared = None if one.days_missing or one.finding is Finding.NO_DATA else one.compared
    return {
        "residual_ratio": None if compared is None else compared.residual_share,
        "loss_events": None if compared is None else compared.loss.high,
        "excess_events": None if compared is None else compared.excess.high,
        "settled": int(edition.made_at >= one.settles_at),
    }
