"""Few golden ciphertexts are opened in a run and each of them daily; one that is lost is told apart from a line that is down."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kms_budget import DAILY_BUDGET, GOLDENS_OPENED_DAILY, RUNS_A_DAY, daily_bound
from domain.kms_checks import PartOutcome
from ledger.kms_goldens import WRAPPED
from ledger.opening import Ledger, open_ledger
from tests.steps.kms_bench import HALF_HOUR, MemoryBench, section_of
from tests.steps.kms_doubles import BEGAN, MAIN, OTHER, Cloud, CloudKey, refused, unavailable
from vendors.kms import VersionState

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def unused(made_ledger: Path) -> Iterator[Ledger]:
    """A ledger that these tests neither read nor write."""
    opened = open_ledger(f"sqlite:///{made_ledger}")
    yield opened
    opened.close()


def checked_with(ledger: Ledger, versions: int) -> MemoryBench:
    """Return a target whose key had that many versions, each of which was seen while it was primary."""
    bench = MemoryBench(ledger, Cloud(), section=section_of(other_key=OTHER))
    bench.cloud.add(OTHER)
    bench.planned = {"main": frozenset(str(number) for number in range(1, versions + 1))}
    for _ in range(versions):
        bench.cloud.add(MAIN, created_at=BEGAN)
        bench.check(timedelta(0))
    return bench


@pytest.mark.parametrize("versions", [1, 2, 17, GOLDENS_OPENED_DAILY])
def test_every_golden_opens_at_least_daily_within_the_budget(unused: Ledger, versions: int) -> None:
    bench = checked_with(unused, versions)

    for _ in range(RUNS_A_DAY):
        bench.check(HALF_HOUR)
    bench.cloud.calls.clear()
    operations = sum(bench.check(HALF_HOUR).operations for _ in range(RUNS_A_DAY))

    now = BEGAN + bench.passed
    assert [one.version for one in bench.goldens if one.opened_at is None or now - one.opened_at > DAY] == []
    assert operations == bench.cloud.paid() <= daily_bound()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_budget_holds_whatever_fails_but_for_repeats_and_what_a_failure_asks_for(
    unused: Ledger, data: st.DataObject
) -> None:
    bench = checked_with(unused, 5)
    faults = st.sampled_from([None, "kms.permission", "kms.not_opened", "kms.unreachable", "kms.throttled"])

    for _ in range(6):
        bench.cloud.failing.clear()
        for verb in ("encrypt", "decrypt"):
            if fault := data.draw(faults):
                bench.cloud.failing[verb] = (unavailable if fault in {"kms.unreachable", "kms.throttled"} else refused)(
                    fault
                )
        held = len(bench.goldens)
        checked = bench.check()
        made = {part.name: part.operations for part in checked.parts}
        assert made["canary/main"] <= 2 * 3
        assert made["golden/main"] <= 3 * max(2, held)
        assert made["negative/main"] <= 3 * 3


def test_the_stated_bound_is_four_operations_a_run_and_the_negative_checks_of_a_day() -> None:
    assert (DAILY_BUDGET, daily_bound(), daily_bound(replicas=1)) == (192, 202, 251)


def test_more_goldens_than_a_day_can_open_are_told_in_words(unused: Ledger) -> None:
    bench = checked_with(unused, GOLDENS_OPENED_DAILY + 1)

    part = bench.parts()["golden/main"]

    assert part.fault == "kms.config"
    assert "50 golden ciphertexts are more than the 49" in part.detail


def test_a_version_gets_one_golden_of_its_own_and_no_second_one(unused: Ledger) -> None:
    bench = checked_with(unused, 2)

    for _ in range(3):
        bench.check()

    assert [(one.version, one.key) for one in bench.goldens] == [("1", MAIN), ("2", MAIN)]


def test_a_version_that_nobody_chose_gets_no_golden(unused: Ledger) -> None:
    bench = checked_with(unused, 1)
    bench.planned = {}
    bench.cloud.add(MAIN)

    bench.check()

    assert [one.version for one in bench.goldens] == ["1"]


def test_a_provider_that_tells_no_version_has_the_described_one_taken(unused: Ledger) -> None:
    bench = MemoryBench(unused, Cloud(tells_version=False))
    bench.cloud.add(MAIN)

    bench.check()

    assert [one.version for one in bench.goldens] == ["1"]


def test_once_one_is_lost_all_are_opened_at_once_and_the_lost_one_in_every_run(unused: Ledger) -> None:
    bench = checked_with(unused, 6)
    bench.cloud.change(MAIN, "2", VersionState.DISABLED)

    tried = [bench.parts()["golden/main"] for _ in range(6)]

    lost = [part.fault for part in tried]
    found = lost.index("kms.golden_lost")
    assert tried[found].operations >= 6
    assert set(lost[found:]) == {"kms.golden_lost"}
    assert tried[-1].operations == 3
    assert tried[-1].happened.startswith(
        "The golden ciphertext of version 2 does not open any more: The double answers"
    )


def test_a_line_that_is_down_loses_no_golden(unused: Ledger) -> None:
    bench = checked_with(unused, 3)
    bench.cloud.failing["decrypt"] = unavailable("kms.unreachable")

    part = bench.parts()["golden/main"]

    assert (part.fault, part.operations) == ("kms.unreachable", 3)
    assert [one.fault for one in bench.goldens if one.fault] == []


def test_wrapped_keys_are_kept_and_opened_without_their_text_being_known(unused: Ledger, tmp_path: Path) -> None:
    bench = MemoryBench(unused, Cloud(), section=section_of(wrapped_keys=str(tmp_path), context={"tenant": "a"}))
    bench.cloud.add(MAIN)
    secret = b"a data key that nobody may see.."
    (tmp_path / "a.enc").write_bytes(CloudKey(bench.cloud, MAIN).encrypt(secret, {"tenant": "a"}).ciphertext)

    first = bench.parts()["golden/main"]
    (tmp_path / "a.enc").write_bytes(CloudKey(bench.cloud, MAIN).encrypt(secret[::-1], {"tenant": "a"}).ciphertext)
    bench.check()

    assert (first.outcome, first.detail) == (PartOutcome.PASS, "2 of 2 tried, all opened: version 1, a.enc")
    wrapped = [one for one in bench.goldens if one.source == WRAPPED]
    assert [(one.version, one.plaintext_sha256, one.fault) for one in wrapped] == [("", "", "")] * 2


def test_a_wrapped_key_that_does_not_open_is_named_by_its_file(unused: Ledger, tmp_path: Path) -> None:
    bench = MemoryBench(unused, Cloud(), section=section_of(wrapped_keys=str(tmp_path)))
    bench.cloud.add(MAIN)
    bench.cloud.add(OTHER)
    (tmp_path / "b.enc").write_bytes(CloudKey(bench.cloud, OTHER).encrypt(b"k" * 32, {}).ciphertext)

    part = bench.parts()["golden/main"]

    assert part.happened == "The wrapped key b.enc (The double refuses) does not open any more."


def test_a_folder_of_wrapped_keys_that_is_not_there_is_told_and_the_kept_ones_are_opened(unused: Ledger) -> None:
    bench = MemoryBench(unused, Cloud(), section=section_of(wrapped_keys="/nowhere/at/all"))
    bench.cloud.add(MAIN)

    part = bench.parts()["golden/main"]

    assert (part.fault, part.detail) == ("kms.config", "wrapped_keys names no file that can be read here")
    assert bench.goldens[0].opened_at is not None
