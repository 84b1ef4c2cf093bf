"""What run history says is wrong, and what it does not say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.names import (
    CONFIRM_STEP,
    KMS_SMOKE,
    RESPOND,
    ROTATE,
    STEP_ROTATION,
    SWEEPER,
    VERIFY_DUE,
    WATCH_RUNS,
)
from domain.run_watch import Kind, Trouble, key_of, seen_to_be_over, told_by_itself, troubles
from domain.seen_runs import SeenDeployment, SeenRun

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def run(
    deployment: str = ROTATE, state: str = "FAILED", name: str = "Hold", minutes_ago: int = 5, **parameters: object
) -> SeenRun:
    return SeenRun(
        deployment,
        "rotate",
        "r1",
        state,
        name,
        "what happened",
        NOW - minutes_ago * MINUTE,
        {"mode": "apply", **parameters},
    )


def seen(*ended: SeenRun, name: str = ROTATE, waiting: tuple[SeenRun, ...] = (), made: int = 10) -> SeenDeployment:
    return SeenDeployment(name, NOW - made * MINUTE, is_paged=True, is_off=False, ended=ended, waiting=waiting)


def found(*deployments: SeenDeployment, ended_well: datetime | None = None) -> list[Trouble]:
    return [*troubles(deployments, {one.name: ended_well for one in deployments}, NOW)]


@pytest.mark.parametrize(
    ("state", "name", "words"),
    [("FAILED", "Hold", "ended Hold"), ("FAILED", "TimedOut", "ended TimedOut"), ("CRASHED", "Crashed", "crashed")],
    ids=["held", "timed out", "crashed"],
)
def test_the_newest_run_of_a_deployment_that_ended_badly_is_told(state: str, name: str, words: str) -> None:
    [told] = found(seen(run(state=state, name=name, environment="prod"), run(minutes_ago=60, state="COMPLETED")))

    assert (told.key, told.environment) == ("deployment:rotate-credentials:ended:prod", "prod")
    assert told.title == f"rotate-credentials of prod {words}"
    assert "what happened" in told.text


def test_another_environments_good_end_says_nothing_of_this_one() -> None:
    told = found(
        seen(run(environment="prod", minutes_ago=9), run(environment="staging", state="COMPLETED", minutes_ago=1))
    )

    assert [one.environment for one in told] == ["prod"]


def test_the_next_good_end_of_the_same_is_the_end_of_it() -> None:
    deployment = seen(run(environment="prod", minutes_ago=9), run(environment="prod", state="COMPLETED", minutes_ago=1))

    assert found(deployment) == []
    assert key_of(Kind.ENDED, ROTATE, "prod") in seen_to_be_over([deployment], [])


def test_what_is_too_old_to_be_seen_contradicts_nothing() -> None:
    assert key_of(Kind.ENDED, ROTATE, "prod") not in seen_to_be_over([seen()], [])


@pytest.mark.parametrize(
    "parameters",
    [{"environment": "rehearsal"}, {"scope": ["rehearsal/slack"]}, {"scope": ["datadog-default-rehearsal-send"]}],
    ids=["environment", "target", "credential"],
)
def test_stand_ins_are_broken_on_purpose(parameters: dict[str, Any]) -> None:
    assert found(seen(run(**parameters))) == []


def test_who_fills_in_a_form_wrongly_reads_it_there_and_a_schedule_that_is_refused_is_told() -> None:
    by_hand = seen(run(CONFIRM_STEP, name="BadInput"), name=CONFIRM_STEP)
    scheduled = seen(run(VERIFY_DUE, name="BadInput"), name=VERIFY_DUE)

    assert [one.deployment for one in found(by_hand, scheduled)] == [VERIFY_DUE]


@pytest.mark.parametrize(
    ("state_name", "minutes", "kinds"),
    [
        ("Late", 14, []),
        ("Late", 16, [Kind.LATE]),
        ("Pending", 16, [Kind.LATE]),
        ("AwaitingConcurrencySlot", 60, []),
        ("AwaitingConcurrencySlot", 121, [Kind.LATE]),
    ],
    ids=["not late yet", "late", "pending", "waits", "waits long"],
)
def test_a_run_that_does_not_start_is_told_when_it_is_late_enough(
    state_name: str, minutes: int, kinds: list[Kind]
) -> None:
    late = run(state="SCHEDULED", name=state_name, minutes_ago=minutes)

    assert [one.kind for one in found(seen(waiting=(late, late)))] == kinds


def test_a_deployment_without_a_good_end_for_too_long_is_told_unless_the_reason_is_told_already() -> None:
    silent = seen(name=SWEEPER, made=70)

    assert [one.key for one in found(silent)] == ["deployment:sweeper:silent"]
    assert [one.kind for one in found(replace(silent, ended=(run(SWEEPER),)))] == [Kind.ENDED]
    assert found(seen(name=SWEEPER, made=60)) == []
    assert found(silent, ended_well=NOW - 64 * MINUTE) == []


def test_what_a_rule_of_its_own_tells_is_not_told_again() -> None:
    [held] = found(seen(run(KMS_SMOKE), name=KMS_SMOKE))
    own = {"kms:prod:pay:health"}

    assert told_by_itself(held, {"prod": own})
    assert not told_by_itself(held, {"prod": own, "staging": set()})
    assert not told_by_itself(held, {})
    assert not told_by_itself(held, {"prod": {"verify:prod:slack"}})


def test_a_crash_is_told_by_no_rule_of_a_flow() -> None:
    [crashed] = found(seen(run(KMS_SMOKE, state="CRASHED", name="Crashed"), name=KMS_SMOKE))

    assert not told_by_itself(crashed, {"prod": {"kms:prod:pay:health"}})


def test_two_rotations_are_two_things_and_every_environment_is_none() -> None:
    assert run(STEP_ROTATION, rotation="r7").subject == "r7"
    assert (run(environment="all").subject, run(environment="all").environment) == ("", "")


def test_two_emergencies_side_by_side_are_two_things() -> None:
    bad = run(RESPOND, minutes_ago=9, scope=["prod/datadog"])
    well = run(RESPOND, state="COMPLETED", minutes_ago=1, scope=["prod/slack"])
    both = seen(bad, well, name=RESPOND)

    [told] = found(both)

    assert told.key == "deployment:respond-to-compromise:ended:prod/datadog"
    assert told.key not in seen_to_be_over([both], [told.key])


def test_a_good_end_of_one_credential_hides_no_crash_of_another() -> None:
    crashed = run(state="CRASHED", minutes_ago=9, environment="prod", credentials=["slack send", "sentry send"])
    first = run(state="COMPLETED", minutes_ago=5, environment="prod", credentials=["slack send"])
    second = run(state="COMPLETED", minutes_ago=1, environment="prod", credentials=["sentry send"])

    assert [one.run for one in found(seen(crashed, first))] == [crashed]
    assert found(seen(crashed, first, second)) == []


@pytest.mark.parametrize("mode", ["plan", ""], ids=["plan", "the form's own"])
def test_a_plan_that_ends_well_says_nothing_of_an_apply_that_failed(mode: str) -> None:
    failed = run(minutes_ago=9, environment="prod")
    planned = run(state="COMPLETED", minutes_ago=1, environment="prod", mode=mode)

    assert [one.key for one in found(seen(failed, planned))] == ["deployment:rotate-credentials:ended:prod"]


def test_a_plan_that_failed_wakes_nobody_and_is_over_with_any_good_end() -> None:
    failed = run(RESPOND, minutes_ago=9, scope=["prod"], mode="plan")
    well = run(RESPOND, state="COMPLETED", minutes_ago=1, scope=["prod/slack"], mode="plan")

    [told] = found(seen(failed, name=RESPOND))

    assert (told.key, told.is_paged) == ("deployment:respond-to-compromise:ended:prod (plan)", False)
    assert found(seen(failed, well, name=RESPOND)) == []
    assert told.key in seen_to_be_over([seen(failed, well, name=RESPOND)], [])


def test_a_subject_is_no_longer_than_a_vendors_key_may_be() -> None:
    scopes = [[f"prod/datadog/{letter * 120}"] for letter in "ab"]

    subjects = {run(RESPOND, scope=scope).subject for scope in scopes}

    assert len(subjects) == 2
    assert all(len(one) < 140 for one in subjects)


def test_a_look_that_failed_is_over_when_the_sweeper_has_looked() -> None:
    failed = seen(run(WATCH_RUNS), name=WATCH_RUNS)

    assert len(found(failed)) == 1
    assert [*troubles([failed], {SWEEPER: NOW - MINUTE}, NOW)] == []


@pytest.mark.parametrize(("minutes", "kinds"), [(30, []), (31, [Kind.LONG])], ids=["as long as it may take", "longer"])
def test_a_run_that_does_not_end_is_told_instead_of_what_waits_behind_it(minutes: int, kinds: list[Kind]) -> None:
    hangs = run(SWEEPER, state="RUNNING", name="Running", minutes_ago=minutes)
    waits = run(SWEEPER, state="SCHEDULED", name="Late", minutes_ago=16 if kinds else 1)

    told = found(replace(seen(name=SWEEPER, waiting=(waits,)), going_on=(hangs,)))

    assert [one.kind for one in told] == kinds
    assert all("take" in one.text and "31 minutes" in one.text for one in told)
