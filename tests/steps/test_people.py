"""What only a person can prove: asked once, kept at the vendor until answered, and on HOLD when nobody answers in time."""

from datetime import timedelta

import pytest

from domain.checklist import StepResult, StepState
from domain.names import Target
from domain.probes import Outcome
from ledger import probes as intents
from ledger.due import upcoming
from ledger.questions import Question, Seen, answer, open_questions
from steps.people import HAND_OFF, QUESTION_DEADLINE
from tests.steps.conftest import OpenScene
from tests.steps.rehearsal_context import HASTY, OPSGENIE, PAGERDUTY, SLACK, Scene, step_of
from vendors.registry import INTEGRATIONS

SEEN, TAKEN_OVER = 21, 24
DONE, HOLD, WAITS_FOR_PERSON = StepState.DONE, StepState.HOLD, StepState.WAITS_FOR_PERSON
A_DAY = timedelta(hours=24)
ASKED = (SLACK, PAGERDUTY, OPSGENIE)


@pytest.fixture
def place(open_in: OpenScene) -> Scene:
    """Staging with three integrations whose event can be removed, closed or resolved."""
    return open_in("staging", *(str(target) for target in ASKED)).rehearsed()


def run(scene: Scene, number: int = SEEN) -> StepResult:
    return step_of(scene.walk(), number)


def questions(scene: Scene) -> dict[str, Question]:
    return {question.integration: question for question in open_questions(scene.ledger, scene.environment)}


def say(scene: Scene, target: object, seen: Seen) -> None:
    answer(scene.ledger, questions(scene)[str(target)].id, "grace", seen)


def kept(scene: Scene, target: Target) -> list[str]:
    return [intent.nonce for intent in intents.kept_for_people(scene.ledger, scene.environment, target)]


def test_each_target_is_asked_about_by_the_nonce_of_the_event_that_was_sent(place: Scene) -> None:
    result = run(place)

    asked = questions(place)
    assert result.state is WAITS_FOR_PERSON
    assert set(asked) == {str(target) for target in ASKED}
    for target in ASKED:
        (nonce,) = kept(place, target)
        assert nonce in asked[str(target)].question
        assert INTEGRATIONS[target.integration].person_sees in asked[str(target)].question
        assert f"opsflows confirm {asked[str(target)].id} --seen --by NAME" in result.next_step


def test_the_events_stay_at_the_vendors_until_their_question_is_answered(place: Scene) -> None:
    run(place)
    nonces = {target: kept(place, target)[0] for target in ASKED}
    assert all(place.stands_open(target.integration, nonce) for target, nonce in nonces.items())

    say(place, SLACK, Seen.YES)
    result = run(place)

    assert result.state is WAITS_FOR_PERSON
    assert not place.stands_open("slack", nonces[SLACK])
    assert place.stands_open("pagerduty", nonces[PAGERDUTY])
    assert place.stands_open("opsgenie", nonces[OPSGENIE])


def test_while_people_are_asked_nothing_is_sent_again(place: Scene) -> None:
    run(place)
    run(place)

    assert [place.probes_sent(str(target)) for target in ASKED] == [1, 1, 1]


def test_it_goes_on_after_the_last_yes_and_says_who_saw_what_and_when(place: Scene) -> None:
    run(place)
    for target in ASKED:
        say(place, target, Seen.YES)

    result = run(place)

    assert result.state is DONE
    assert "slack by grace at 20" in result.detail
    assert [kept(place, target) for target in ASKED] == [[], [], []]
    assert [place.probes_sent(str(target)) for target in ASKED] == [1, 1, 1]


def test_after_a_no_a_new_event_is_sent_and_asked_about(place: Scene) -> None:
    run(place)
    (first,) = kept(place, SLACK)
    say(place, SLACK, Seen.NO)

    result = run(place)

    (second,) = kept(place, SLACK)
    assert result.state is WAITS_FOR_PERSON
    assert "Not seen the last time: slack" in result.detail
    assert not place.stands_open("slack", first)
    assert place.stands_open("slack", second)
    assert second in questions(place)["slack"].question
    assert place.probes_sent("pagerduty") == 1


def test_the_event_sent_after_a_no_stays_until_its_own_question_is_answered(place: Scene) -> None:
    run(place)
    say(place, SLACK, Seen.NO)
    run(place)
    (second,) = kept(place, SLACK)

    run(place)

    assert place.stands_open("slack", second)
    assert place.probes_sent("slack") == 2


def test_a_yes_after_a_no_is_a_yes(place: Scene) -> None:
    run(place)
    for target in ASKED:
        say(place, target, Seen.NO if target == SLACK else Seen.YES)
    run(place)
    say(place, SLACK, Seen.YES)

    assert run(place).state is DONE


def test_past_its_deadline_an_unanswered_question_is_a_hold(place: Scene) -> None:
    run(place)

    with place.later(A_DAY + timedelta(minutes=1)) as then:
        result = run(then)

    assert result.state is HOLD
    assert "Nobody answered until" in result.detail
    assert "opsflows confirm" in result.next_step


def test_a_late_answer_is_an_answer(place: Scene) -> None:
    run(place)

    with place.later(A_DAY + timedelta(minutes=1)) as then:
        for target in ASKED:
            say(then, target, Seen.YES)
        result = run(then)

    assert result.state is DONE


def test_every_question_has_a_due_moment_for_the_sweeper(place: Scene) -> None:
    run(place)

    due = {moment.subject: moment for moment in upcoming(place.ledger)}
    assert set(due) == {str(question.id) for question in questions(place).values()}
    assert {moment.kind for moment in due.values()} == {QUESTION_DEADLINE}
    assert all(due[str(q.id)].due_at == q.deadline for q in questions(place).values())


def test_people_are_not_asked_about_what_did_not_arrive(place: Scene) -> None:
    place.fail("slack", swallow=True)

    result = step_of(place.walk(pace=HASTY), SEEN)

    assert result.state is HOLD
    assert "slack message: FAIL" in result.detail
    assert "slack" not in questions(place)


def test_what_no_credential_can_read_back_is_asked_about_all_the_same(place: Scene) -> None:
    for name in ("SLACK_BOT_TOKEN", "SLACK_CHANNEL"):
        del place.held[SLACK][name]
    walk = place.walk()

    step_of(walk, SEEN)

    outcomes = {result.target: result.outcome for result in walk.results}
    assert outcomes[SLACK] is Outcome.SENT_NOT_CONFIRMED
    assert "slack" in questions(place)


def test_the_next_team_is_asked_to_take_over_and_has_a_note_to_read(place: Scene) -> None:
    before = run(place, TAKEN_OVER)
    say(place, HAND_OFF, Seen.YES)
    after = run(place, TAKEN_OVER)

    assert (before.state, after.state) == (WAITS_FOR_PERSON, DONE)
    assert "Seen: hand-off by grace" in after.detail
    assert "values are not in this file" in place.kept["hand-off.md"]
    assert not [
        v for held in place.held.values() for v in held.values() if len(v) > 16 and v in place.kept["hand-off.md"]
    ]


def test_a_hand_off_that_was_refused_is_asked_again(place: Scene) -> None:
    run(place, TAKEN_OVER)
    say(place, HAND_OFF, Seen.NO)

    assert run(place, TAKEN_OVER).state is WAITS_FOR_PERSON
    assert HAND_OFF in questions(place)


def test_in_the_rehearsal_what_does_not_reach_the_inbox_is_a_hold(rehearsal: Scene) -> None:
    rehearsal.fail("opsgenie", swallow=True)

    result = step_of(rehearsal.walk("mock", pace=HASTY), SEEN)

    assert result.state is HOLD
    assert "opsgenie alert: FAIL" in result.detail


def test_in_the_rehearsal_the_inbox_is_left_as_clean_as_it_was(rehearsal: Scene) -> None:
    walk = rehearsal.walk("mock")

    step_of(walk, SEEN)

    nonces = {result.target: result.nonce for result in walk.results}
    assert not [target for target in ASKED if rehearsal.stands_open(str(target), nonces[target])]
