"""Nobody is woken by a probe who was not asked, or whose team was not declared to be left in peace."""

import pytest

from domain.probes import CleanUp, Outcome
from steps.agreement import not_agreed, who_is_woken
from tests.steps.conftest import OpenScene
from tests.steps.rehearsal_context import LOW_URGENCY, OPSGENIE, PAGERDUTY, SLACK, Scene

LOUD = (PAGERDUTY, OPSGENIE)


@pytest.fixture
def loud(open_in: OpenScene) -> Scene:
    """Staging, with no low-urgency target declared."""
    return open_in("staging", low_urgency_targets={})


def test_the_rehearsal_wakes_nobody(rehearsal: Scene) -> None:
    assert who_is_woken(rehearsal.context(), rehearsal.held) == {}
    assert not_agreed(rehearsal.context(), rehearsal.held) == []


def test_in_the_real_world_a_page_or_an_alert_wakes_whoever_is_on_call(loud: Scene) -> None:
    woken = who_is_woken(loud.context(), loud.held)

    assert set(woken) == set(LOUD)
    assert all(words for words in woken.values())


def test_a_declared_low_urgency_target_wakes_nobody(staging: Scene) -> None:
    assert who_is_woken(staging.context(), staging.held) == {}
    assert not_agreed(staging.context(), staging.held) == []


@pytest.mark.parametrize("declared", LOUD, ids=str)
def test_a_declaration_speaks_for_its_target_only(open_in: OpenScene, declared: object) -> None:
    name = str(declared)
    scene = open_in("staging", low_urgency_targets={name: LOW_URGENCY[name]})

    assert set(who_is_woken(scene.context(), scene.held)) == set(LOUD) - {declared}


def test_what_nobody_agreed_to_is_not_sent_and_says_how_to_agree(loud: Scene) -> None:
    refused = not_agreed(loud.context(), [SLACK, PAGERDUTY])

    (result,) = refused
    assert (result.target, result.outcome, result.clean_up) == (PAGERDUTY, Outcome.NOT_AGREED, CleanUp.NOTHING_SENT)
    assert "--may-page pagerduty" in result.next_step
    assert "[environments.staging.low_urgency_targets]" in result.next_step


@pytest.mark.parametrize(
    ("agreed", "left"), [((), set(LOUD)), (("pagerduty",), {OPSGENIE}), (("pagerduty", "opsgenie"), set())]
)
def test_what_somebody_agreed_to_may_be_sent(loud: Scene, agreed: tuple[str, ...], left: set[object]) -> None:
    refused = not_agreed(loud.context(may_wake=agreed), loud.held)

    assert {result.target for result in refused} == left


def test_an_agreement_may_name_one_instance_or_all_of_an_integration(open_in: OpenScene, loud: Scene) -> None:
    context = loud.context(may_wake=["pagerduty/payments"])

    assert [result.target for result in not_agreed(context, [PAGERDUTY])] == [PAGERDUTY]
