"""Each trouble that a bare health page does not show is caught with its own class and words, and nothing else is called wrong."""

import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import OpsError
from domain.kms_checks import Part, PartOutcome
from domain.kms_faults import FAULTS, FaultClass
from domain.kms_judging import judge_check, next_check_after
from domain.kms_keys import VersionState
from domain.kms_named_parts import named_parts
from domain.kms_standing import Standing
from domain.verdicts import Verdict, World
from ledger.kms_checks import standings
from ledger.kms_goldens import goldens, retire_goldens
from ledger.opening import Ledger, open_ledger
from steps.kms_canary import WITHOUT_ANOTHER_KEY
from tests.steps.kms_bench import HALF_HOUR, TARGET, Bench, key_of, section_of
from tests.steps.kms_doubles import MAIN, OTHER, Cloud, CloudKey, Service, reading, refused, unavailable

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
APPLICATION = {"encrypt": "/crypto/encrypt", "decrypt": "/crypto/decrypt", "envelope": "kms:v1:"}


@pytest.fixture
def ledger(tmp_path: Path, made_ledger: Path) -> Iterator[Ledger]:
    """One in which nothing was checked yet."""
    opened = open_ledger(f"sqlite:///{shutil.copy(made_ledger, tmp_path / 'ledger.db')}")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def checked_before(tmp_path_factory: pytest.TempPathFactory, made_ledger: Path) -> Bench:
    """A service with one key of two versions that is well and was checked with each of them; its ledger is closed."""
    file = shutil.copy(made_ledger, tmp_path_factory.mktemp("checked") / "ledger.db")
    made = Bench(open_ledger(f"sqlite:///{file}"), Cloud())
    made.section = section_of(other_key=OTHER, application=APPLICATION)
    made.cloud.add(MAIN, created_at=made.ledger.now() - 10 * DAY)
    made.cloud.add(OTHER)
    made.check()
    made.cloud.add(MAIN, created_at=made.ledger.now())
    made.planned = {"main": frozenset({"2"})}
    made.check()
    made.ledger.close()
    return made


@pytest.fixture
def bench(checked_before: Bench, tmp_path: Path) -> Iterator[Bench]:
    """The same, with a ledger, a cloud and a service of its own."""
    copied = shutil.copy(str(checked_before.ledger.engine.url.database), tmp_path / "checked.db")
    opened = open_ledger(f"sqlite:///{copied}")
    yield replace(
        checked_before, ledger=opened, cloud=deepcopy(checked_before.cloud), service=Service(), changes=[], exchanges=[]
    )
    opened.close()


def wrong(parts: dict[str, Part]) -> dict[str, str]:
    return {name: part.fault for name, part in parts.items() if part.outcome is PartOutcome.FAIL}


def test_a_healthy_service_is_green_and_every_part_passes(bench: Bench) -> None:
    checked = bench.check()

    outcomes = {part.name: part.outcome for part in checked.parts}
    assert judge_check(checked, bench.changes, World.REAL, bench.known()).verdict is Verdict.GREEN
    assert outcomes.pop("negative/main") is PartOutcome.NOT_RUN
    assert set(outcomes.values()) == {PartOutcome.PASS}


@pytest.mark.parametrize(
    "changes",
    [{}, {"base_url": ""}, {"application": APPLICATION}, {"replicas": ["arn:aws:kms:eu-west-1:1:key/k"]}],
    ids=["page and key", "key alone", "application", "replicas"],
)
def test_a_check_has_the_parts_that_the_section_names_and_no_others(bench: Bench, changes: dict[str, object]) -> None:
    bench.section = section_of(**changes)

    parts = bench.parts()

    assert set(parts) == set(named_parts(bench.section))


def test_a_usual_run_makes_four_operations(bench: Bench) -> None:
    bench.cloud.calls.clear()

    checked = bench.check()

    assert (checked.operations, bench.cloud.paid()) == (4, 4)


def denied(bench: Bench) -> None:
    bench.cloud.failing["decrypt"] = refused("kms.permission", "The double answers 403.")


def cut(bench: Bench) -> None:
    bench.cloud.failing |= dict.fromkeys(("encrypt", "decrypt", "inventory"), unavailable("kms.unreachable"))


def throttled(bench: Bench) -> None:
    bench.cloud.failing["encrypt"] = unavailable("kms.throttled")


def corrupted(bench: Bench) -> None:
    bench.cloud.failing["encrypt"] = unavailable("kms.corrupted")


def disabled(bench: Bench) -> None:
    bench.cloud.change(MAIN, "1", VersionState.DISABLED)


def scheduled(bench: Bench) -> None:
    bench.cloud.change(MAIN, "1", VersionState.DESTROY_SCHEDULED, bench.ledger.now() + 29 * DAY)


def destroyed(bench: Bench) -> None:
    bench.cloud.change(MAIN, "1", VersionState.DESTROYED)


def primary_disabled(bench: Bench) -> None:
    bench.cloud.change(MAIN, "2", VersionState.DISABLED)


def primary_gone(bench: Bench) -> None:
    bench.cloud.primaries[MAIN] = ""
    bench.cloud.failing["encrypt"] = refused("kms.no_primary")


def alias_moved(bench: Bench) -> None:
    bench.cloud.aliases[MAIN] = OTHER


def rotated(bench: Bench) -> None:
    bench.cloud.add(MAIN)


def described_otherwise(bench: Bench) -> None:
    bench.cloud.told_primary = "1"


def text_swapped(bench: Bench) -> None:
    bench.cloud.swaps_text = True


def plaintext(bench: Bench) -> None:
    bench.service.makes = lambda text: f"kms:v1:{text.hex()}"


def no_envelope(bench: Bench) -> None:
    bench.service.makes = lambda text: text.hex()


def not_decrypted(bench: Bench) -> None:
    bench.service.swaps_text = True


def cached_page(bench: Bench) -> None:
    bench.service.says = lambda: reading("health.cached", "Age says 40 s")


def mode_lost(bench: Bench) -> None:
    bench.service.says = lambda: reading("health.mode", "its mode is 'plain'")


TROUBLES: list[tuple[Callable[[Bench], None], dict[str, str]]] = [
    (denied, {"canary/main": "kms.permission", "golden/main": "kms.permission"}),
    (cut, {"canary/main": "kms.unreachable", "golden/main": "kms.unreachable", "versions/main": "kms.unreachable"}),
    (throttled, {"canary/main": "kms.throttled"}),
    (corrupted, {"canary/main": "kms.corrupted"}),
    (disabled, {"versions/main": "kms.version_disabled", "golden/main": "kms.golden_lost"}),
    (scheduled, {"versions/main": "kms.version_scheduled", "golden/main": "kms.golden_lost"}),
    (destroyed, {"versions/main": "kms.version_destroyed", "golden/main": "kms.golden_lost"}),
    (
        primary_disabled,
        {"versions/main": "kms.version_disabled", "canary/main": "kms.version_disabled", "golden/main": "kms.golden_lost"},
    ),
    (primary_gone, {"versions/main": "kms.no_primary", "canary/main": "kms.no_primary"}),
    (rotated, {"drift/main": "kms.version_drift"}),
    (described_otherwise, {"drift/main": "kms.disagreement"}),
    (text_swapped, {"canary/main": "kms.other_plaintext", "golden/main": "kms.golden_changed"}),
    (plaintext, {"application": "kms.plaintext"}),
    (no_envelope, {"application": "kms.plaintext"}),
    (not_decrypted, {"application": "kms.application_wrong"}),
    (cached_page, {"health": "health.cached"}),
    (mode_lost, {"health": "health.mode"}),
]  # fmt: skip


@pytest.mark.parametrize(("trouble", "expected"), TROUBLES, ids=[trouble.__name__ for trouble, _ in TROUBLES])
def test_each_trouble_has_its_own_fault_and_is_on_hold_by_the_second_check(
    bench: Bench, trouble: Callable[[Bench], None], expected: dict[str, str]
) -> None:
    trouble(bench)

    first = bench.parts()
    at_once = any(FAULTS[fault].at_once for fault in expected.values())
    then = bench.judged()

    assert wrong(first) == expected
    assert then.verdict is Verdict.HOLD
    assert at_once or next_check_after(bench.changes) == MINUTE


def test_an_alias_that_was_moved_is_drift_and_the_old_keys_goldens_still_open(ledger: Ledger) -> None:
    cloud = Cloud(aliases={"alias/app": MAIN})
    cloud.add(MAIN)
    cloud.add(OTHER)
    bench = Bench(ledger, cloud, section=section_of(key="alias/app"))
    bench.check()

    cloud.aliases["alias/app"] = OTHER
    parts = bench.parts()

    assert wrong(parts) == {"drift/main": "kms.key_drift"}
    assert parts["drift/main"].detail == "other encrypted, chosen is main"
    assert parts["golden/main"].outcome is PartOutcome.PASS


def test_a_version_that_waits_to_be_destroyed_counts_down_in_words_and_facts(bench: Bench) -> None:
    ends = bench.ledger.now() + 3 * DAY
    bench.cloud.change(MAIN, "1", VersionState.DESTROY_SCHEDULED, ends)

    part = bench.parts()["versions/main"]

    assert part.words.startswith("Version 1 of the key waits to be destroyed: in 2 days ")
    assert part.facts["destroy_at/1"] == ends.isoformat()


def test_a_version_that_nothing_needs_may_go(bench: Bench) -> None:
    context = bench.context()
    retire_goldens(context.ledger, "run", "prod", TARGET, "main", "1", who="ada", reason="all is re-encrypted")
    bench.cloud.change(MAIN, "1", VersionState.DESTROY_SCHEDULED, bench.ledger.now() + DAY)

    parts = bench.parts()

    assert wrong(parts) == {}
    assert "version 1, which nothing known needs, is destroyed in" in parts["versions/main"].detail
    assert "destroy_at/1" in parts["versions/main"].facts


def test_a_single_failure_waits_and_is_asked_again_a_minute_later(bench: Bench) -> None:
    bench.cloud.failing["encrypt"] = refused("kms.permission")
    first = bench.judged()
    bench.cloud.failing.clear()

    second = bench.judged()

    assert (first.verdict, second.verdict) == (Verdict.WAITING, Verdict.GREEN)


def test_a_transient_fault_is_repeated_twice_and_costs_two_operations_more(bench: Bench) -> None:
    bench.cloud.took["inventory"] = 0
    bench.cloud.failing["encrypt"] = unavailable("kms.unavailable")

    part = bench.parts()["canary/main"]

    assert (part.fault, part.operations) == ("kms.unavailable", 3)


def test_a_permission_is_asked_for_once(bench: Bench) -> None:
    bench.cloud.failing["encrypt"] = refused("kms.permission")

    part = bench.parts()["canary/main"]

    assert part.operations == 1


def test_who_asks_for_a_long_pause_is_not_asked_again_in_this_run(bench: Bench) -> None:
    bench.cloud.failing["encrypt"] = unavailable("kms.throttled", timedelta(minutes=1))

    part = bench.parts()["canary/main"]

    assert part.operations == 1


def test_a_fault_that_goes_away_in_between_is_none(bench: Bench) -> None:
    bench.cloud.next_faults = [unavailable("kms.unreachable"), unavailable("kms.throttled")]

    parts = bench.parts()

    assert wrong(parts) == {}


def test_what_no_row_speaks_of_is_configured_wrongly_and_told_in_its_own_words(bench: Bench) -> None:
    bench.cloud.failing["encrypt"] = refused("double.new", "The double wants something new.")

    part = bench.parts()["canary/main"]

    assert (part.fault, part.detail) == ("kms.config", "The double wants something new")


def test_a_slow_key_warns_and_stays_green(bench: Bench) -> None:
    bench.cloud.took["encrypt"] = 1.5

    checked = bench.check()

    part = next(part for part in checked.parts if part.name == "canary/main")
    assert judge_check(checked, bench.changes, World.REAL, bench.known()).verdict is Verdict.GREEN
    assert part.happened == "canary/main is slow: encrypt took 1500 ms, slow from 1000 ms on."


def test_a_key_that_cannot_be_connected_to_hides_no_other(bench: Bench) -> None:
    bench.section = section_of(keys={"main": key_of(), "gone": key_of(credentials="gcpkms")})

    parts = bench.parts()

    assert wrong(parts) == {"canary/gone": "kms.identity"}
    assert parts["golden/gone"].outcome is PartOutcome.NOT_RUN
    assert parts["canary/main"].outcome is PartOutcome.PASS


def test_a_page_that_does_not_answer_once_is_asked_again(bench: Bench) -> None:
    answers = [reading("health.unreachable", "refused"), reading("health.timeout", "late"), reading()]
    bench.service.says = lambda: answers.pop(0)

    parts = bench.parts()

    assert (parts["health"].outcome, len(bench.exchanges)) == (PartOutcome.PASS, 3)


def test_a_page_that_says_another_mode_is_not_asked_until_it_says_the_right_one(bench: Bench) -> None:
    answers = [reading("health.mode", "its mode is 'plain'"), reading()]
    bench.service.says = lambda: answers.pop(0)

    parts = bench.parts()

    assert parts["health"].fault == "health.mode"


def test_nothing_run_is_no_green(bench: Bench) -> None:
    checked = replace(bench.check(), parts=())

    judgement = judge_check(checked, [], World.REAL, bench.known())

    assert judgement.verdict is Verdict.HOLD


def test_a_part_that_is_down_and_was_not_run_is_down_still(bench: Bench) -> None:
    rotated(bench)
    bench.check()
    bench.cloud.failing["encrypt"] = unavailable("kms.unreachable")

    checked = bench.check()

    known = standings(bench.ledger, "prod", TARGET)
    assert judge_check(checked, bench.changes, World.REAL, known).verdict is Verdict.HOLD
    assert known["drift/main"].standing is Standing.DOWN


def test_another_process_goes_on_where_the_last_one_stopped(bench: Bench) -> None:
    bench.cloud.failing["encrypt"] = refused("kms.permission")
    bench.check()
    ended = Bench(bench.ledger, bench.cloud, Service(), bench.section, bench.planned, bench.passed)

    judgement = ended.judged(MINUTE)

    assert judgement.verdict is Verdict.HOLD
    assert len(goldens(bench.ledger, "prod", TARGET)) == 2


def test_a_rotation_that_the_provider_had_told_is_planned(bench: Bench) -> None:
    told = bench.context().ledger.now() + timedelta(minutes=45)
    bench.cloud.rotates_at = told
    bench.check()
    bench.cloud.add(MAIN, created_at=told + MINUTE)

    parts = bench.parts(timedelta(hours=1))

    assert wrong(parts) == {}
    assert {one.version for one in goldens(bench.ledger, "prod", TARGET)} == {"1", "2", "3"}


def test_a_pinned_version_leaves_no_room_for_others(bench: Bench) -> None:
    bench.section = section_of(pinned=["1"], other_key=OTHER)

    parts = bench.parts()

    assert wrong(parts) == {"drift/main": "kms.version_drift"}


def test_an_overdue_rotation_is_a_warning_with_its_age(bench: Bench) -> None:
    bench.section = section_of(rotation_days=1)

    part = bench.parts(3 * DAY)["rotation/main"]

    assert (part.outcome, part.fault) == (PartOutcome.WARN, "kms.rotation_overdue")
    assert part.facts["policy_days"] == "1"


def test_classes_tell_the_troubles_apart() -> None:
    classes = {name.__name__: {FAULTS[fault].fault_class for fault in expected.values()} for name, expected in TROUBLES}

    assert classes["denied"] == {FaultClass.PERMISSION}
    assert classes["corrupted"] == {FaultClass.CORRUPTION}
    assert classes["plaintext"] == {FaultClass.PLAINTEXT}


def test_negative_checks_are_made_daily_and_again_at_once_after_a_failure(bench: Bench) -> None:
    soon = bench.parts()["negative/main"]
    daily = bench.parts(23 * timedelta(hours=1))["negative/main"]
    bench.cloud.opens_anything = True
    accepted = bench.parts(DAY)["negative/main"]
    again = bench.parts()["negative/main"]

    assert (soon.outcome, daily.outcome) == (PartOutcome.NOT_RUN, PartOutcome.PASS)
    assert daily.operations == 3
    assert (accepted.fault, again.fault) == ("kms.tampered_accepted", "kms.tampered_accepted")


def test_a_negative_check_that_was_down_is_asked_until_it_is_up_again(bench: Bench) -> None:
    bench.cloud.opens_anything = True
    bench.check(DAY)
    bench.cloud.opens_anything = False

    verdicts = [bench.judged().verdict for _ in range(3)]

    assert verdicts == [Verdict.HOLD, Verdict.GREEN, Verdict.GREEN]
    assert bench.parts()["negative/main"].outcome is PartOutcome.NOT_RUN


def test_what_was_retired_is_not_kept_again_by_the_next_check(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "a.enc").write_bytes(CloudKey(bench.cloud, MAIN).encrypt(b"k" * 32, {}).ciphertext)
    bench.section = section_of(wrapped_keys=str(tmp_path))
    bench.check()
    context = bench.context()
    [wrapped] = [one for one in goldens(context.ledger, "prod", TARGET) if one.slot]
    for version, slot in (("1", ""), ("", wrapped.slot)):
        retire_goldens(
            context.ledger, "run", "prod", TARGET, "main", version, slot=slot, who="ada", reason="all is re-encrypted"
        )
    bench.cloud.calls.clear()

    checked = bench.check()

    assert [one.version for one in goldens(bench.ledger, "prod", TARGET)] == ["2"]
    assert bench.cloud.paid() == checked.operations == 3


def test_a_key_under_two_names_is_not_its_own_other(ledger: Ledger) -> None:
    bench = Bench(ledger, Cloud(aliases={"alias/app": MAIN}))
    bench.cloud.add(MAIN)
    bench.section = section_of(keys={"main": key_of(), "by_alias": key_of(key="alias/app")})

    first, later = bench.parts(), bench.parts()

    assert wrong(first) == {}
    assert [first[f"negative/{name}"].detail for name in ("main", "by_alias")] == [
        f"refused: a changed byte, another context; {WITHOUT_ANOTHER_KEY}"
    ] * 2
    assert later["negative/main"].detail.endswith(WITHOUT_ANOTHER_KEY)


def test_of_several_others_the_first_that_is_another_key_must_refuse(ledger: Ledger) -> None:
    bench = Bench(ledger, Cloud(aliases={"alias/app": MAIN, "alias/other": OTHER}))
    bench.cloud.add(MAIN)
    bench.cloud.add(OTHER)
    keys = {"main": key_of(), "by_alias": key_of(key="alias/app"), "other": key_of(key="alias/other")}
    bench.section = section_of(keys=keys)

    parts = bench.parts()

    assert {parts[f"negative/{name}"].detail for name in keys} == {
        "refused: a changed byte, another context, another key"
    }


def test_an_alias_that_was_moved_to_the_key_itself_accepts_nothing_wrong(ledger: Ledger) -> None:
    bench = Bench(ledger, Cloud(aliases={"alias/other": OTHER}))
    bench.cloud.add(MAIN)
    bench.cloud.add(OTHER)
    bench.section = section_of(keys={"main": key_of(), "other": key_of(key="alias/other")})
    bench.check()
    bench.cloud.aliases["alias/other"] = MAIN

    parts = bench.parts(DAY)

    assert wrong(parts) == {"drift/other": "kms.key_drift"}


def test_an_other_key_that_is_the_key_itself_is_configured_wrongly(ledger: Ledger) -> None:
    bench = Bench(ledger, Cloud(aliases={"alias/app": MAIN}))
    bench.cloud.add(MAIN)
    bench.section = section_of(other_key="alias/app")

    part = bench.parts()["negative/main"]

    assert part.fault == "kms.config"
    assert part.detail == "other_key is this key itself under another name, or its copy"


def test_a_planned_change_may_take_hours_until_every_server_has_heard_of_it(bench: Bench) -> None:
    bench.cloud.add(MAIN, created_at=bench.context().ledger.now())
    bench.planned = {"main": frozenset({"2", "3"})}
    bench.cloud.primaries[MAIN], bench.cloud.told_primary = "2", "3"

    parts = [bench.parts(HALF_HOUR)["drift/main"] for _ in range(7)]
    bench.cloud.primaries[MAIN] = "3"
    settled = bench.parts()["drift/main"]

    assert [part.fault for part in parts] == [""] * 6 + ["kms.disagreement"]
    assert parts[5].detail.startswith("version 2 of main still encrypts, though its description says version 3 since ")
    assert settled.outcome is PartOutcome.PASS


def test_a_change_that_the_provider_had_told_has_the_same_time(bench: Bench) -> None:
    told = bench.context().ledger.now() + timedelta(minutes=45)
    bench.cloud.rotates_at = told
    bench.check()
    bench.cloud.add(MAIN, created_at=told)
    bench.cloud.primaries[MAIN], bench.cloud.told_primary = "2", "3"

    part = bench.parts(timedelta(hours=1))["drift/main"]

    assert (part.outcome, part.fault) == (PartOutcome.PASS, "")


def test_a_version_that_nobody_planned_has_no_time(bench: Bench) -> None:
    bench.cloud.add(MAIN, created_at=bench.context().ledger.now())
    bench.cloud.primaries[MAIN], bench.cloud.told_primary = "2", "3"

    part = bench.parts()["drift/main"]

    assert part.fault == "kms.disagreement"


def test_what_is_no_longer_configured_is_no_part_of_a_check(bench: Bench) -> None:
    bench.section = replace(bench.section, base_url="", application=None)

    parts = bench.parts()

    assert {name for name in parts if "/" not in name} == set()
    assert set(section_of(base_url="", application=None).keys) == {name.partition("/")[2] for name in parts}


@pytest.mark.parametrize("answer", [unavailable("kms.unreachable"), refused("kms.permission")])
def test_what_is_refused_for_another_reason_is_no_passed_negative_check(bench: Bench, answer: OpsError) -> None:
    bench.cloud.refuses_with = answer

    failing = bench.parts(DAY)["negative/main"]
    bench.cloud.refuses_with = refused("kms.not_opened")
    again = bench.parts()["negative/main"]

    assert (failing.outcome, failing.fault) == (PartOutcome.FAIL, answer.symptom)
    assert again.outcome is PartOutcome.PASS


def test_without_another_key_every_check_says_that_a_third_of_the_negative_one_is_not_made(ledger: Ledger) -> None:
    cloud = Cloud()
    cloud.add(MAIN)
    bench = Bench(ledger, cloud)

    made, not_due = (bench.parts(HALF_HOUR)["negative/main"] for _ in range(2))

    left_out = "; that another key does not open it is not checked: there is none to try (other_key)"
    assert (made.outcome, made.detail) == (PartOutcome.PASS, f"refused: a changed byte, another context{left_out}")
    assert (not_due.outcome, not_due.detail) == (PartOutcome.NOT_RUN, f"done within the last day{left_out}")


def test_a_replica_that_does_not_open_is_named_by_its_region(ledger: Ledger) -> None:
    replica = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1"
    cloud = Cloud(aliases={replica: OTHER})
    cloud.add(MAIN)
    cloud.add(OTHER)
    bench = Bench(ledger, cloud, section=section_of(replicas=[replica]))

    failing = bench.parts()["replica/main"]
    cloud.aliases[replica] = MAIN
    opened = bench.parts()["replica/main"]

    assert failing.happened == "The key does not open replica/main: the replica in eu-west-1: The double refuses."
    assert opened.outcome is PartOutcome.PASS


def test_no_detail_holds_a_full_key_name(bench: Bench) -> None:
    alias_moved(bench)
    rotated(bench)

    parts = bench.parts()

    assert not [part for part in parts.values() if "projects/" in part.words + str(dict(part.facts))]
