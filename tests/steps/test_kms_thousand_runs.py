"""A healthy service stays green through a thousand runs of which every twentieth operation fails; a broken key is found among them."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest

from domain.kms_judging import judge_check
from domain.kms_keys import VersionState
from domain.kms_standing import Standing
from domain.verdicts import Verdict, World
from ledger.kms_checks import spells_since
from ledger.opening import Ledger, open_ledger
from tests.steps.kms_bench import Bench, MemoryBench, key_of, section_of
from tests.steps.kms_doubles import BEGAN, MAIN, OTHER, Cloud, reading
from vendors.healthz import Reading

B = TypeVar("B", bound=Bench)
RUNS = 1000
SHARE = 0.05
SEEDS = range(4)
APPLICATION = {"encrypt": "/crypto/encrypt", "decrypt": "/crypto/decrypt", "envelope": "kms:v1:"}


@pytest.fixture
def ledger(tmp_path: Path, made_ledger: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{shutil.copy(made_ledger, tmp_path / 'ledger.db')}")
    yield opened
    opened.close()


def shaky(bench: B, seed: int) -> B:
    """Give the bench two keys and a health page, every operation of which meets a transient fault now and then."""
    bench.cloud.add(MAIN, created_at=BEGAN)
    bench.cloud.add(OTHER, created_at=BEGAN)
    keys = {"main": key_of(rotation_days=3650), "other": key_of(key=OTHER, rotation_days=3650)}
    bench.section = section_of(keys=keys, application=APPLICATION)
    bench.cloud.random, bench.cloud.share = _chance(str(seed)), SHARE
    chance = _chance(f"page {seed}")

    def page() -> Reading:
        return reading("health.unreachable", "reset") if chance.random() < SHARE else reading()

    bench.service.says = page
    return bench


def _chance(seed: str) -> Random:
    return Random(seed)  # noqa: S311 (repeatable, not secret)


@pytest.mark.prove
@pytest.mark.parametrize("seed", SEEDS)
def test_a_healthy_service_is_never_on_hold(ledger: Ledger, seed: int) -> None:
    bench = shaky(MemoryBench(ledger, Cloud()), seed)

    verdicts = [bench.judged().verdict for _ in range(RUNS)]

    assert Verdict.HOLD not in verdicts
    assert all(one.standing is Standing.UP for one in bench.standings.values())
    assert bench.cloud.paid() > RUNS * 6 * (1 + SHARE / 2)


@pytest.mark.prove
@pytest.mark.parametrize("seed", SEEDS)
def test_a_key_that_breaks_among_them_is_found_within_two_checks(ledger: Ledger, seed: int) -> None:
    bench = shaky(MemoryBench(ledger, Cloud()), seed)
    healthy = _chance(f"when {seed}").randrange(100, 400)

    before = [bench.judged().verdict for _ in range(healthy)]
    bench.cloud.change(OTHER, "1", VersionState.DISABLED)
    found = [bench.judged().verdict for _ in range(2)]

    assert Verdict.HOLD not in before
    assert Verdict.HOLD in found
    assert {name for name, one in bench.standings.items() if one.standing is Standing.DOWN} >= {"canary/other"}


@pytest.mark.prove
def test_the_ledger_comes_to_the_same(ledger: Ledger) -> None:
    bench = shaky(Bench(ledger, Cloud()), 7)

    checked = [(bench.check(), list(bench.changes)) for _ in range(RUNS // 10)]

    verdicts = {judge_check(one, changes, World.REAL, bench.known()).verdict for one, changes in checked}
    assert Verdict.HOLD not in verdicts
    assert spells_since(ledger, "prod", ledger.now() - timedelta(days=1)) == []
