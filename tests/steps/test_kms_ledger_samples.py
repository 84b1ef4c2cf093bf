"""What a real check keeps in the ledger is what metrics read from there: the two agree on the names of facts."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from domain.kms_budget import DAILY_BUDGET, daily_bound
from domain.kms_checks import PartOutcome
from domain.kms_keys import VersionState
from ledger.opening import open_ledger
from steps.kms_families import FAMILIES, Sample
from steps.kms_ledger_samples import ledger_samples
from tests.steps.kms_bench import HALF_HOUR, TARGET, Bench, section_of
from tests.steps.kms_doubles import MAIN, OTHER, Cloud

# Served by the scrape itself, and not from the ledger.
_ELSEWHERE = {
    "kms_health_up", "kms_health_state", "kms_crypto_mode_is_kms", "kms_crypto_ready", "kms_health_read_seconds", "kms_ledger_up",
    "kms_ledger_readable",
}  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path, made_ledger: Path) -> Iterator[Bench]:
    bench = Bench(open_ledger(f"sqlite:///{shutil.copy(made_ledger, tmp_path / 'ledger.db')}"), Cloud())
    bench.cloud.add(MAIN, created_at=bench.ledger.now() - timedelta(days=10))
    yield bench
    bench.ledger.close()


def samples_of(bench: Bench) -> list[Sample]:
    return [*ledger_samples(replace(bench.ledger, offset=bench.passed), TARGET, bench.section)]


def values(bench: Bench, name: str) -> dict[tuple[str, ...], float]:
    return {one.labels[2:]: one.value for one in samples_of(bench) if one.name == name}


def test_after_a_day_of_checks_every_metric_of_the_ledger_has_a_value(bench: Bench) -> None:
    bench.check()
    bench.cloud.add(MAIN, created_at=bench.ledger.now())
    bench.planned = {"main": frozenset({"2"})}
    for _ in range(20):
        bench.check(HALF_HOUR)
    bench.cloud.change(MAIN, "1", VersionState.DESTROY_SCHEDULED, bench.ledger.now() + timedelta(days=20))
    bench.check(HALF_HOUR)

    samples = samples_of(bench)

    assert {one.name for one in samples} == {row.name for row in FAMILIES} - _ELSEWHERE
    widths = {row.name: len(row.all_labels) for row in FAMILIES}
    assert [one for one in samples if len(one.labels) != widths[one.name]] == []


def test_the_version_that_encrypted_its_age_and_what_waits_to_be_destroyed_are_told(bench: Bench) -> None:
    bench.check()
    bench.cloud.add(MAIN, created_at=bench.ledger.now())
    destroy_at = bench.ledger.now() + timedelta(days=20)
    bench.cloud.change(MAIN, "1", VersionState.DESTROY_SCHEDULED, destroy_at)

    bench.check()

    assert values(bench, "kms_canary_key_version_info") == {("main", "2"): 1}
    assert values(bench, "kms_canary_drift") == {("main",): 1}
    told = values(bench, "kms_key_version_destroy_timestamp_seconds")
    assert told == {("main", "1", "true"): pytest.approx(destroy_at.timestamp(), abs=1)}
    assert values(bench, "kms_rotation_age_days")[("main",)] == pytest.approx(0, abs=0.1)


def test_a_healthy_day_stays_within_the_stated_budget_with_every_check_that_there_is(bench: Bench) -> None:
    bench.section = section_of(other_key=OTHER)
    bench.cloud.add(OTHER)
    bench.check()
    bench.cloud.add(MAIN, created_at=bench.ledger.now())
    bench.planned = {"main": frozenset({"2"})}

    # Until shortly after the second round of negative checks, which comes 23 hours after the first.
    for _ in range(50):
        bench.check(HALF_HOUR)

    made = values(bench, "kms_canary_operations")[("main",)]
    assert DAILY_BUDGET < made <= daily_bound()
    assert values(bench, "kms_canary_operations_budget") == {("main",): daily_bound()}
    assert [one.part for one in bench.changes if one.part.outcome is not PartOutcome.PASS] == []
