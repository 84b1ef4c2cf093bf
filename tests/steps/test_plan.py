"""A plan says what a run would do, and who would be woken; it sends nothing and changes nothing."""

from domain.checklist import CHECKLIST, StepState
from ledger.wiring import step_states
from steps.plan import planned
from steps.walk import Walk
from tests.steps.conftest import OpenScene
from tests.steps.rehearsal_context import Scene
from vendors.registry import INTEGRATIONS


def words_of(walk: Walk) -> dict[int, str]:
    return {step.number: words for step, words in planned(walk, CHECKLIST)}


def test_every_step_is_planned_and_nothing_is_sent_or_recorded(staging: Scene) -> None:
    words = words_of(staging.walk())

    assert set(words) == set(range(1, 31))
    assert not any(staging.arrived(name) for name in INTEGRATIONS)
    assert set(step_states(staging.ledger, "staging")) == {0}  # what the scene itself wrote


def test_a_step_says_what_it_would_prove(staging: Scene) -> None:
    words = words_of(staging.walk())

    assert words[13] == "would prove: sent, read back through the vendor's API, cleaned up"


def test_what_the_mode_or_the_environment_leaves_out_is_said_with_its_reason(open_in: OpenScene) -> None:
    words = words_of(open_in("prod").walk("real_slack"))

    assert words[14] == "NOT RUN: Mode real_slack leaves sentry out."
    assert words[19].startswith("NOT RUN: Mode real_slack verifies a part")
    assert words[28].startswith("NOT APPLICABLE: Not in a prod environment")


def test_what_is_done_already_is_not_done_again(staging: Scene) -> None:
    walk = staging.walk()
    walk.states[13] = StepState.DONE

    assert words_of(walk)[13] == "done in an earlier run"


def test_the_plan_says_who_would_be_woken_and_that_nobody_agreed(open_in: OpenScene) -> None:
    words = words_of(open_in("staging", low_urgency_targets={}).walk())

    assert "pagerduty would wake" in words[15]
    assert "nobody agreed yet" in words[15]
    assert "opsgenie would wake" in words[19]
    assert "wake" not in words[13]


def test_what_somebody_agreed_to_is_said_to_be_agreed(open_in: OpenScene) -> None:
    scene = open_in("staging", low_urgency_targets={})
    walk = scene.walk()
    walk.context = scene.context(may_wake=["pagerduty"])

    words = words_of(walk)

    assert words[15].endswith("as agreed")
    assert "nobody agreed yet" in words[16]


def test_where_low_urgency_targets_are_declared_nobody_is_woken(staging: Scene) -> None:
    assert not [words for words in words_of(staging.walk()).values() if "wake" in words]
