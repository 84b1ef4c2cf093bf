"""Which metrics of the KMS smoke checks there are, and how their samples become Prometheus' families; what is not known is absent.

Names, types and labels are those of docs/kms-metrics.md, and a test holds them against it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_WHOSE = ("environment", "target")
LEDGER_UP = "kms_ledger_up"
LEDGER_READABLE = "kms_ledger_readable"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value. `labels` are the texts of the family's labels, in their order; `environment` and `target` come first."""

    name: str
    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. `labels` come behind `environment` and `target`, where it `is_of_a_target`."""

    name: str
    says: str
    labels: tuple[str, ...] = ()
    is_counter: bool = False
    is_of_a_target: bool = True

    @property
    def all_labels(self) -> tuple[str, ...]:
        return (*_WHOSE, *self.labels) if self.is_of_a_target else self.labels


FAMILIES = (
    # Read from the health page at scrape time.
    Family("kms_health_up", "1: the health page was read strictly and says KMS and ready; 0: anything else."),
    Family("kms_health_state", "1 for the one finding that was made, 0 for the others.", ("state",)),
    Family("kms_crypto_mode_is_kms", "1: the page says that the KMS encrypts; 0: that something else does."),
    Family("kms_crypto_ready", "1: the page says that the encryption is ready; 0: that it is not."),
    Family("kms_health_read_seconds", "How long reading the health page took."),
    Family("kms_health_last_success_timestamp_seconds", "When the page was last read and well, by scrape or by check."),
    # From the ledger.
    Family("kms_canary_up", "1 UP, 0 DOWN, after hysteresis.", ("part",)),
    Family("kms_canary_down", "1 while the part is DOWN, by what is wrong and who is told.", ("part", "class", "severity")),
    Family("kms_canary_flapping", "1: four changes or more within an hour.", ("part",)),
    Family("kms_canary_errors_total", "Failing answers by class.", ("part", "class"), is_counter=True),
    Family("kms_canary_latency_seconds", "How long the last check's operations took.", ("part", "op")),
    Family("kms_canary_latency_window_seconds", "Quantiles of the last 12 measurements.", ("part", "op", "quantile")),
    Family("kms_canary_slow_seconds", "From which time on the target's operations count as slow."),
    Family("kms_canary_last_success_timestamp_seconds", "When the part last passed.", ("part",)),
    Family("kms_canary_last_run_timestamp_seconds", "When the last check of the target ended."),
    Family("kms_unreachable_seconds", "Time since the part last passed; 0 while UP.", ("part",)),
    Family("kms_canary_drift", "1: another key or version than the pinned ones encrypted.", ("key",)),
    Family("kms_canary_key_version_info", "1 for the version that encrypted last.", ("key", "version")),
    Family("kms_golden_decrypt_ok", "1: the golden ciphertext opened at its last trial; 0: it did not.", ("key", "version", "source")),
    Family("kms_golden_last_decrypt_timestamp_seconds", "When the golden ciphertext last opened.", ("key", "version", "source")),
    Family("kms_key_version_destroy_timestamp_seconds", "When the version will be destroyed.", ("key", "version", "needed")),
    Family("kms_rotation_age_days", "Age of the version in use.", ("key",)),
    Family("kms_rotation_policy_days", "The age that the policy allows.", ("key",)),
    Family("kms_canary_operations", "Cryptographic operations of the last 24 hours, repeats among them.", ("key",)),
    Family("kms_canary_operations_budget", "The stated bound of them, negative checks among them, without repeats.", ("key",)),
    Family(LEDGER_READABLE, "1: what the ledger holds of the target was read; 0: it could not be, and is absent."),
    Family(LEDGER_UP, "1: the ledger answered; 0: it did not, and what comes from it is absent.", is_of_a_target=False),
)  # fmt: skip


def families(samples: Iterable[Sample], rows: Iterable[Family] = FAMILIES) -> Iterator[Metric]:
    """Yield a family for each metric that has a sample, in the table's order.

    Of two samples with the same labels the greater stands: when a page was last well, scrapes and checks both say.
    """
    by_name: dict[str, dict[tuple[str, ...], float]] = {}
    for sample in samples:
        found = by_name.setdefault(sample.name, {})
        found[sample.labels] = max(sample.value, found.get(sample.labels, sample.value))
    for row in rows:
        if row.name in by_name:
            yield _filled(row, by_name[row.name])


def _filled(row: Family, values: dict[tuple[str, ...], float]) -> Metric:
    kind = CounterMetricFamily if row.is_counter else GaugeMetricFamily
    family = kind(row.name, row.says, labels=row.all_labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
