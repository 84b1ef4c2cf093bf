"""Few golden ciphertexts are opened in a run and each of them daily; one that is lost is told apart from a line that is down."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kms_budget import DAILY_BUDGET, GOLDENS_OPENED_DAILY, MINTED_A_RUN, RUNS_A_DAY, daily_bound
from domain.kms_checks import PartOutcome
from domain.kms_goldens import WRAPPED
from domain.kms_keys import VersionState
from domain.verdicts import Verdict
from ledger.opening import Ledger, open_ledger
from tests.steps.kms_bench import HALF_HOUR, MemoryBench, section_of
from tests.steps.kms_doubles import BEGAN, MAIN, OTHER, Cloud, CloudKey, refused, unavailable

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


def with_versions(ledger: Ledger, versions: int, *, names_versions: bool = True) -> MemoryBench:
    """Return a target whose key has that many versions before anybody checks it; the last is primary."""
    bench = MemoryBench(ledger, Cloud(names_versions=names_versions))
    for _ in range(versions):
        bench.cloud.add(MAIN)
    return bench


def minted(bench: MemoryBench) -> list[str]:
    return [one.version for one in bench.goldens]


def test_at_first_sight_every_enabled_version_gets_a_golden_a_few_in_each_run(unused: Ledger) -> None:
    bench = with_versions(unused, 8)
    bench.cloud.change(MAIN, "2", VersionState.DISABLED)

    first = bench.parts()
    after_one = minted(bench)
    bench.check()

    assert after_one == ["8", "1", "3", "4", "5"]
    assert sorted(minted(bench)) == ["1", "3", "4", "5", "6", "7", "8"]
    assert first["golden/main"].operations == 2 * MINTED_A_RUN
    assert first["versions/main"].detail == (
        "version 8 is primary, 7 of 8 versions enabled; version 2 is disabled and has no golden ciphertext: whether anything needs it "
        "is not known"
    )


def test_the_golden_of_the_version_in_use_is_opened_in_every_run_though_others_were_made_later(unused: Ledger) -> None:
    bench = with_versions(unused, 8)

    details = [bench.parts()["golden/main"].detail for _ in range(6)]

    assert all("version 8" in one for one in details)


def test_a_version_that_was_disabled_then_and_is_lost_later_is_found_once_it_was_enabled(unused: Ledger) -> None:
    bench = with_versions(unused, 2)
    bench.cloud.change(MAIN, "1", VersionState.DISABLED)
    bench.check()
    bench.cloud.change(MAIN, "1", VersionState.ENABLED)
    bench.check()
    bench.cloud.change(MAIN, "1", VersionState.DESTROY_SCHEDULED, BEGAN + 30 * DAY)

    part = bench.parts()["versions/main"]

    assert part.fault == "kms.version_scheduled"


def test_a_version_that_appears_later_becomes_no_known_one_by_a_golden(unused: Ledger) -> None:
    bench = with_versions(unused, 2)
    bench.check()
    bench.cloud.add(MAIN, created_at=BEGAN + DAY)
    bench.cloud.primaries[MAIN] = "2"

    for _ in range(3):
        bench.check()
    bench.cloud.primaries[MAIN] = "3"
    drift = bench.parts()["drift/main"]

    assert sorted(minted(bench)) == ["1", "2"]
    assert drift.fault == "kms.version_drift"


def test_a_version_that_was_there_at_the_first_check_may_encrypt(unused: Ledger) -> None:
    bench = with_versions(unused, 3)
    bench.check()
    bench.cloud.primaries[MAIN] = "2"

    part = bench.parts()["drift/main"]

    assert part.outcome is PartOutcome.PASS


def test_where_no_version_can_be_named_goldens_begin_with_the_one_in_use(unused: Ledger) -> None:
    bench = with_versions(unused, 3, names_versions=False)

    for _ in range(3):
        bench.check()

    assert minted(bench) == ["3"]


def test_an_older_version_that_is_switched_off_meanwhile_is_no_fault(unused: Ledger) -> None:
    bench = with_versions(unused, 2)
    bench.cloud.denied_versions = {"1": refused("kms.version_disabled")}

    part = bench.parts()["golden/main"]

    assert (part.outcome, minted(bench)) == (PartOutcome.PASS, ["2"])


def test_a_golden_whose_trial_is_refused_starves_none_of_another_key(unused: Ledger) -> None:
    bench = MemoryBench(
        unused, Cloud(aliases={"alias/app": MAIN}), section=section_of(key="alias/app", pinned=[MAIN, OTHER])
    )
    bench.cloud.add(MAIN)
    bench.check()
    bench.cloud.aliases["alias/app"] = OTHER
    bench.cloud.add(OTHER)
    bench.cloud.add(OTHER)
    bench.check()
    bench.cloud.denied[MAIN] = refused("kms.permission")

    parts = [bench.parts()["golden/main"] for _ in range(RUNS_A_DAY)]

    now = BEGAN + bench.passed
    assert {part.fault for part in parts} == {"kms.permission"}
    assert [one.version for one in bench.goldens if one.key == OTHER and now - (one.opened_at or BEGAN) > DAY / 4] == []
    assert max(part.operations for part in parts) == 3


def test_a_line_that_is_cut_is_not_asked_for_each_golden(unused: Ledger) -> None:
    bench = checked_with(unused, 4)
    bench.cloud.failing["decrypt"] = refused("kms.identity")

    part = bench.parts()["golden/main"]

    assert (part.fault, part.operations) == ("kms.identity", 1)


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


def test_a_wrapped_key_that_does_not_open_any_more_is_named_by_its_file(unused: Ledger, tmp_path: Path) -> None:
    bench = with_file(unused, tmp_path / "b.enc", MAIN)
    bench.check()
    bench.cloud.denied[MAIN] = refused("kms.not_opened")

    part = bench.parts()["golden/main"]

    assert part.fault == "kms.golden_lost"
    assert [(one.source, one.fault) for one in bench.goldens] == [
        ("minted", "kms.golden_lost"),
        (WRAPPED, "kms.wrapped_key_lost"),
    ]


def with_file(unused: Ledger, file: Path, key: str) -> MemoryBench:
    """Return a target with a file that this key wrapped."""
    bench = MemoryBench(unused, Cloud(), section=section_of(wrapped_keys=str(file.parent)))
    bench.cloud.add(MAIN)
    bench.cloud.add(OTHER)
    file.write_bytes(CloudKey(bench.cloud, key).encrypt(b"k" * 32, {}).ciphertext)
    return bench


def test_a_file_that_the_key_never_opened_is_configured_wrongly_and_leaves_nothing_behind(
    unused: Ledger, tmp_path: Path
) -> None:
    bench = with_file(unused, tmp_path / "b.enc", OTHER)

    first = bench.parts()["golden/main"]
    verdict = bench.judged().verdict
    (tmp_path / "b.enc").rename(tmp_path / "b.txt")
    bench.section = section_of()
    then = bench.parts()["golden/main"]

    assert (first.fault, first.row.at_once if first.row else None) == ("kms.config", False)
    assert first.detail.startswith("b.enc of wrapped_keys was never opened by this key (The double refuses)")
    assert verdict is Verdict.HOLD
    assert then.outcome is PartOutcome.PASS
    assert [one.source for one in bench.goldens] == ["minted"]


@pytest.mark.parametrize("trouble", ["drift", "encrypt refused", "decrypt unreachable"])
def test_a_wrapped_key_is_taken_in_whatever_becomes_of_the_canary_once_the_key_opens_it(
    unused: Ledger, tmp_path: Path, trouble: str
) -> None:
    bench = with_file(unused, tmp_path / "b.enc", MAIN)
    bench.check()
    (tmp_path / "c.enc").write_bytes(CloudKey(bench.cloud, MAIN).encrypt(b"l" * 32, {}).ciphertext)
    if trouble == "drift":
        bench.cloud.add(MAIN, created_at=BEGAN + DAY)
    else:
        verb, _, how = trouble.partition(" ")
        bench.cloud.failing[verb] = refused("kms.permission") if how == "refused" else unavailable("kms.unreachable")

    bench.check()

    kept = sum(one.source == WRAPPED for one in bench.goldens)
    assert kept == (1 if trouble == "decrypt unreachable" else 2)


def test_a_wrapped_key_under_a_moved_alias_makes_no_other_key_a_chosen_one(unused: Ledger, tmp_path: Path) -> None:
    bench = with_file(unused, tmp_path / "b.enc", MAIN)
    bench.cloud.aliases["alias/app"] = MAIN
    bench.section = section_of(key="alias/app", wrapped_keys=str(tmp_path))
    bench.check()
    bench.cloud.aliases["alias/app"] = OTHER
    (tmp_path / "c.enc").write_bytes(CloudKey(bench.cloud, OTHER).encrypt(b"l" * 32, {}).ciphertext)

    drift = [bench.parts()["drift/main"].fault for _ in range(3)]

    assert drift == ["kms.key_drift"] * 3
    assert OTHER in {one.key for one in bench.goldens}


def test_a_folder_of_wrapped_keys_that_is_not_there_is_told_and_the_kept_ones_are_opened(unused: Ledger) -> None:
    bench = MemoryBench(unused, Cloud(), section=section_of(wrapped_keys="/nowhere/at/all"))
    bench.cloud.add(MAIN)

    part = bench.parts()["golden/main"]

    assert (part.fault, part.detail) == ("kms.config", "wrapped_keys names no file that can be read here")
    assert bench.goldens[0].opened_at is not None
