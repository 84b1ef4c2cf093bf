"""Whatever is due is stepped by someone: dead runs, unanswered questions, events that a crash left at a vendor."""

from datetime import timedelta

import pytest

from domain.errors import Unavailable
from domain.names import Target
from domain.verdicts import Verdict, World
from ledger import probes as intents
from ledger.alerts import open_alerts, raise_alert
from ledger.due import schedule, upcoming
from ledger.questions import Question, Seen, answer
from ledger.runs import ABANDONED, RUN_LEASE, find_run, seal_run
from steps.alerting import Escalation, escalate, in_words
from steps.people import QUESTION_DEADLINE, ask_person
from steps.sweeping import clean_up_environment, seal_dead_runs, send_alerts, step_due_moments
from steps.verifying import bound_of
from tests.ledger.recording import opened
from tests.steps.conftest import OpenScene
from tests.steps.crashing import killed_after_sending
from tests.steps.rehearsal_context import HASTY, SLACK, Scene
from vendors.capabilities import Urgency

PAST_THE_DEADLINE = timedelta(hours=25)


@pytest.fixture
def place(open_in: OpenScene) -> Scene:
    return open_in("staging", alerts={"ticket": "slack"}, owners={"slack": "ops lead"})


def asked(scene: Scene, subject: str = "slack") -> Question:
    return ask_person(scene.context(), 21, subject, "the test message is visible")


def swept(scene: Scene, worker: str = "sweeper") -> list[str]:
    return in_words(step_due_moments(scene.ledger, {scene.environment: scene.context()}, worker))


def tickets(scene: Scene) -> int:
    return len(scene.arrived("slack", "[ticket]"))


def test_a_dead_run_is_sealed_abandoned_and_someone_is_to_know(place: Scene) -> None:
    opened(place.ledger, "run-dead")

    with place.later(RUN_LEASE + timedelta(seconds=1)) as then:
        dead = seal_dead_runs(then.ledger)

        assert [run.run_id for run in dead] == ["run-dead"]
        assert find_run(then.ledger, "run-dead").verdict == ABANDONED
        assert [alert.key for alert in open_alerts(then.ledger)] == ["run:run-dead"]
        assert seal_dead_runs(then.ledger) == []


def test_a_run_that_is_alive_is_left_alone(place: Scene) -> None:
    opened(place.ledger, "run-alive")

    assert seal_dead_runs(place.ledger) == []


def test_a_question_past_its_deadline_is_escalated_once_to_the_integrations_owner(place: Scene) -> None:
    question = asked(place)

    with place.later(PAST_THE_DEADLINE) as then:
        said = swept(then)
        swept(then, "another sweeper")

        assert said == [f"ops lead told through slack: staging: nobody answered question {question.id}."]
        assert tickets(then) == 1
        (alert,) = open_alerts(then.ledger)
        assert f"opsflows confirm {question.id} --seen --by NAME" in alert.text


def test_before_its_deadline_nobody_is_bothered(place: Scene) -> None:
    asked(place)

    assert swept(place) == []
    assert tickets(place) == 0


def test_a_question_that_was_answered_in_time_is_nobodys_business(place: Scene) -> None:
    answer(place.ledger, asked(place).id, "grace", Seen.YES)

    with place.later(PAST_THE_DEADLINE) as then:
        assert swept(then) == []
        assert upcoming(then.ledger) == []
        assert open_alerts(then.ledger) == []


def test_a_question_of_an_environment_that_is_gone_is_put_away(place: Scene) -> None:
    asked(place)

    with place.later(PAST_THE_DEADLINE) as then:
        assert step_due_moments(then.ledger, {}, "sweeper") == []
        assert upcoming(then.ledger) == []


def test_what_the_sweeper_does_not_know_is_left_for_who_does(place: Scene) -> None:
    schedule(place.ledger, "another-kind", "7", place.ledger.now() - timedelta(hours=1), "another-kind:7")

    swept(place)

    assert [moment.kind for moment in upcoming(place.ledger)] == ["another-kind"]
    assert QUESTION_DEADLINE not in {moment.kind for moment in upcoming(place.ledger)}


def test_what_a_killed_run_left_is_cleaned_up_without_anyone_verifying(place: Scene) -> None:
    killed_after_sending(place, SLACK)

    with place.later(bound_of(place.context()) + timedelta(seconds=1)) as then:
        (left,) = intents.left_open(then.ledger, "staging", [SLACK])
        assert then.stands_open("slack", left.nonce)

        said = clean_up_environment(then.context())

        assert said == ["slack: 1 left-over probes: done."]
        assert not then.stands_open("slack", left.nonce)
        assert clean_up_environment(then.context()) == []


def test_what_cannot_be_cleaned_up_now_stays_for_the_next_sweep(place: Scene) -> None:
    killed_after_sending(place, SLACK)
    place.fail("slack", path="chat.delete", status=403)

    with place.later(bound_of(place.context()) + timedelta(seconds=1)) as then:
        with pytest.raises(Unavailable, match="slack: 1 left-over probes: left behind"):
            clean_up_environment(then.context(pace=HASTY))
        then.heal("slack")

        assert clean_up_environment(then.context()) == ["slack: 1 left-over probes: done."]


def test_a_target_whose_credentials_are_gone_is_passed_over(place: Scene) -> None:
    killed_after_sending(place, SLACK)
    del place.held[SLACK]

    with place.later(bound_of(place.context()) + timedelta(seconds=1)) as then:
        assert clean_up_environment(then.context()) == []
        assert len(intents.left_open(then.ledger, "staging", [Target("slack")])) == 1


def test_what_could_not_be_told_at_the_deadline_is_told_by_a_later_sweep_and_again_each_day(place: Scene) -> None:
    question = asked(place)
    with place.later(PAST_THE_DEADLINE) as then:
        then.stand_ins.control("POST", "/slack/faults", {"times": -1, "status": 404, "body": "no_service"})
        swept(then)
        then.stand_ins.control("DELETE", "/slack/faults")

    with place.later(PAST_THE_DEADLINE + timedelta(hours=1)) as later:
        send_alerts(later.ledger, {"staging": later.context()})
        send_alerts(later.ledger, {"staging": later.context()})
    told_once = tickets(place)
    with place.later(PAST_THE_DEADLINE + timedelta(hours=26)) as next_day:
        send_alerts(next_day.ledger, {"staging": next_day.context()})

    [alert] = open_alerts(place.ledger)
    assert alert.key == f"question:{question.id}"
    assert alert.times_sent == 2
    assert tickets(place) == told_once + 1


def test_the_death_of_a_run_is_told_and_forgotten_when_a_later_one_ends_well(place: Scene) -> None:
    opened(place.ledger, "dead", flow="verify")
    with place.later(RUN_LEASE + timedelta(hours=1)) as then:
        seal_dead_runs(then.ledger)
    with place.later(RUN_LEASE + timedelta(hours=2)) as later:
        send_alerts(later.ledger, {"staging": later.context()})
        assert [alert.times_sent for alert in open_alerts(later.ledger)] == [1]

        opened(later.ledger, "next", flow="verify")
        seal_run(later.ledger, "next", Verdict.GREEN, World.REAL, "")
        send_alerts(later.ledger, {"staging": later.context()})

    assert open_alerts(place.ledger) == []


def test_a_page_that_could_not_be_sent_is_a_page_when_a_later_sweep_sends_it(open_in: OpenScene) -> None:
    place = open_in("staging", alerts={"page": "pagerduty", "ticket": "slack"}, owners={})
    lost = Escalation("kms:staging:pay:golden/main", "on-call", "staging: pay golden/main DOWN", "It is lost.", "-")
    for vendor in ("pagerduty", "slack"):
        place.fail(vendor, path="", status=404)
    escalate(place.context(), [lost], Urgency.PAGE)
    for vendor in ("pagerduty", "slack"):
        place.heal(vendor)

    with place.later(timedelta(minutes=6)) as then:
        said = in_words(send_alerts(then.ledger, {"staging": then.context()}))

    assert said == ["on-call told through pagerduty: staging: pay golden/main DOWN."]


def test_what_the_rehearsal_raised_is_told_through_no_real_environment(place: Scene) -> None:
    raise_alert(place.ledger, "kms:rehearsal:sample:application", environment="rehearsal", target="on-call", text="rehearsal: sample DOWN. It is.", runbook="-")  # fmt: skip

    assert send_alerts(place.ledger, {"staging": place.context()}) == []
    assert [alert.environment for alert in open_alerts(place.ledger)] == ["rehearsal"]
