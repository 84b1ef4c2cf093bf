"""Each defect that a rotation engine is known for is noticed when it is put into ours; the engine as it is passes the same searches."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.steps.rotation_mutants import CLEAN, GATE, MUTANTS, NOTICED, OURS, POINTED, ROOT, SEEDED, WIDE, check_edits

# Noticed within seconds, and by different invariants.
_QUICK = ("no_wal", "no_overlap")
_AT_MOST_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search in a process of its own came to: its exit code, the invariant that broke first, and all it said."""

    code: int
    broke: str
    said: str


def searched(name: str) -> Searched:
    ran = subprocess.run(
        # A copy of the environment: this runs in threads, and what another one sets in the middle of a start breaks that start.
        [sys.executable, "-m", "tests.steps.rotation_mutants", name], env=dict(os.environ), cwd=ROOT,
        capture_output=True, text=True, check=False, timeout=_AT_MOST_SECONDS,
    )  # fmt: skip
    return Searched(ran.returncode, ran.stdout.partition("\n")[0], f"{ran.stdout}\n{ran.stderr}")


@pytest.fixture(scope="module")
def searches() -> Iterator[dict[str, Future[Searched]]]:
    """All searches, as many at a time as there are cores; those of the engine as it is take longest, and so come first."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {name: pool.submit(searched, name) for name in (WIDE, GATE, POINTED, *MUTANTS)}


@pytest.mark.parametrize("name", _QUICK)
def test_a_quick_defect_is_noticed(name: str) -> None:
    result = searched(name)

    assert result.code == NOTICED, result.said
    assert result.broke in MUTANTS[name].noticed_by, result.said


@pytest.mark.parametrize("name", MUTANTS)
def test_a_defect_is_put_where_the_engine_still_says_what_it_replaces(name: str) -> None:
    check_edits(MUTANTS[name])


@pytest.mark.prove
@pytest.mark.parametrize("name", MUTANTS)
def test_each_defect_is_noticed_by_an_invariant_of_its_own(name: str, searches: dict[str, Future[Searched]]) -> None:
    result = searches[name].result()

    assert result.code == NOTICED, result.said
    assert result.broke in MUTANTS[name].noticed_by, result.said


@pytest.mark.prove
@pytest.mark.parametrize("name", [GATE, WIDE, POINTED])
def test_the_engine_as_it_is_passes_the_very_same_searches(name: str, searches: dict[str, Future[Searched]]) -> None:
    result = searches[name].result()

    assert result.code == CLEAN, result.said


def test_there_are_the_fourteen_of_the_reference_and_some_of_our_own() -> None:
    assert len(SEEDED) == 14
    assert OURS
