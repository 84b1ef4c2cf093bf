"""Day 1 walked as a run walks it: thirty steps in order, each with its state, and green only when all that count are done."""

import socket

import pytest

from domain.checklist import CHECKLIST, ORDER, StepResult, StepState, judge_steps
from domain.verdicts import Verdict
from ledger.credentials import block, unblock
from ledger.questions import Seen, answer, open_questions
from ledger.wiring import note, step_states
from steps.wiring import recapture_log
from tests.steps.conftest import OpenScene
from tests.steps.rehearsal_context import (
    CUT_AND_RECOVERY,
    DATADOG,
    HASTY,
    PAGERDUTY,
    SLACK,
    SPLUNK,
    Scene,
    step_of,
    walked,
)
from vendors.registry import INTEGRATIONS

DONE, HOLD, BLOCKED, NOT_RUN = StepState.DONE, StepState.HOLD, StepState.BLOCKED, StepState.NOT_RUN
WAITS_FOR_PERSON, WAITS_FOR_STEP = StepState.WAITS_FOR_PERSON, StepState.WAITS_FOR_STEP
FIRST_SLACK, VERIFIED_SLACK, FIRST_SPLUNK, VERIFIED_SPLUNK = 7, 13, 12, 18
# The steps that belong to another integration than Slack, and those that need all of them.
OTHERS, WHOLE = (*range(8, 13), *range(14, 19)), (19, 21, 22, 23, 24, 25, 26, 27, 28)


def states(results: dict[int, StepResult]) -> dict[int, StepState]:
    return {number: result.state for number, result in results.items()}


def sent(scene: Scene) -> dict[str, int]:
    return {name: scene.probes_sent(name) for name in INTEGRATIONS}


def answer_all(scene: Scene, seen: Seen = Seen.YES) -> None:
    for question in open_questions(scene.ledger, scene.environment):
        answer(scene.ledger, question.id, "grace", seen)


def test_the_whole_walk_in_the_rehearsal_ends_green(rehearsal: Scene) -> None:
    walk = rehearsal.walk("mock")

    results = walked(walk)

    expected = {step.number: DONE for step in CHECKLIST} | {23: StepState.NOT_APPLICABLE}
    assert states(results) == expected, [r for r in results.values() if r.state is not expected[r.number]]
    assert str(judge_steps(results.values(), walk.world)) == "GREEN (rehearsal)"
    recorded = step_states(rehearsal.ledger, "rehearsal")
    assert {number: row.state for number, row in recorded.items()} == expected
    assert {row.run_id for row in recorded.values()} == {walk.context.run_id}


def test_the_rehearsal_reads_the_inbox_in_a_persons_place_and_says_so(rehearsal: Scene) -> None:
    result = step_of(rehearsal.walk("mock"), 21)

    assert result.state is DONE
    assert "in a person's place" in result.detail
    assert open_questions(rehearsal.ledger) == []


def test_a_rehearsal_is_walked_afresh_each_time(rehearsal: Scene) -> None:
    step_of(rehearsal.walk("mock"), VERIFIED_SLACK)

    assert rehearsal.walk("mock").states == {}


def test_one_integration_for_real_leaves_the_others_not_run_and_not_counted(staging: Scene) -> None:
    walk = staging.walk("real_slack")

    results = walked(walk)

    expected = {step.number: DONE for step in CHECKLIST} | dict.fromkeys((*OTHERS, *WHOLE), NOT_RUN)
    assert states(results) == expected
    assert sent(staging) == {name: int(name == "slack") for name in INTEGRATIONS}
    assert str(judge_steps(results.values(), walk.world)) == "GREEN"


def test_what_is_not_in_scope_is_shown_and_not_counted(open_in: OpenScene) -> None:
    scene = open_in("staging", "slack").rehearsed()

    results = walked(scene.walk("real_slack"))

    assert {results[number].state for number in OTHERS} == {StepState.NOT_APPLICABLE}
    assert results[VERIFIED_SLACK].state is DONE


def test_a_missing_credential_is_a_hold_and_does_not_stop_the_others(staging: Scene) -> None:
    del staging.held[SPLUNK]

    results = walked(staging.walk(), without=CUT_AND_RECOVERY)

    assert results[FIRST_SPLUNK].state is HOLD
    assert "SPLUNK_HEC_TOKEN" in results[FIRST_SPLUNK].detail
    assert "opsflows wire block splunk --ticket" in results[FIRST_SPLUNK].next_step
    assert results[VERIFIED_SPLUNK].state is WAITS_FOR_STEP
    assert {results[number].state for number in range(13, 18)} == {DONE}
    assert results[19].state is WAITS_FOR_STEP
    assert judge_steps(results.values(), staging.walk().world).verdict is Verdict.HOLD


def test_a_credential_waited_for_under_a_ticket_is_blocked(staging: Scene) -> None:
    del staging.held[SPLUNK]
    block(staging.ledger, "staging", SPLUNK, ticket="SEC-77", who="ada")

    walk = staging.walk()
    results = walked(walk, without=CUT_AND_RECOVERY)

    assert results[FIRST_SPLUNK].state is BLOCKED
    assert "SEC-77" in results[FIRST_SPLUNK].detail
    assert results[VERIFIED_SLACK].state is DONE
    assert judge_steps(results.values(), walk.world).verdict is Verdict.HOLD
    assert "SEC-77, by ada" in staging.kept["credential-blockers.md"]


def test_the_next_run_picks_up_where_the_last_one_stood_and_sends_nothing_twice(staging: Scene) -> None:
    token = staging.held.pop(SPLUNK)
    block(staging.ledger, "staging", SPLUNK, ticket="SEC-77", who="ada")
    walked(staging.walk(), without=range(19, 31))
    assert sent(staging) == {name: int(name in ORDER and name != "splunk") for name in INTEGRATIONS}

    staging.held[SPLUNK] = token
    unblock(staging.ledger, "staging", SPLUNK)
    results = walked(staging.walk(), without=range(19, 31))

    assert set(states(results).values()) == {DONE}
    assert sent(staging) == {name: int(name in ORDER) for name in INTEGRATIONS}
    assert results[VERIFIED_SLACK].detail == "Done in an earlier run."


def test_what_an_earlier_run_proved_keeps_its_record(staging: Scene) -> None:
    first = staging.walk()
    step_of(first, VERIFIED_SLACK)
    before = step_states(staging.ledger, "staging")[VERIFIED_SLACK]

    step_of(staging.walk(), VERIFIED_SLACK)

    assert step_states(staging.ledger, "staging")[VERIFIED_SLACK] == before
    assert before.run_id == first.context.run_id


def test_what_can_change_is_asked_anew_in_every_run(staging: Scene) -> None:
    walked(staging.walk(), without=range(13, 31))
    del staging.held[SLACK]

    results = walked(staging.walk(), without=range(13, 31))

    assert results[FIRST_SLACK].state is HOLD


def test_a_part_that_is_done_is_not_sent_again_and_a_later_part_takes_nothing_back(staging: Scene) -> None:
    results = walked(staging.walk("real_slack"))
    assert set(states(results).values()) == {DONE, NOT_RUN}

    walked(staging.walk("real_sentry"))
    again = walked(staging.walk("real_slack"))

    assert again[13].state is DONE
    assert staging.probes_sent("slack") == 1


def test_a_changed_credential_takes_back_what_the_old_one_proved(staging: Scene) -> None:
    walked(staging.walk("real_slack"))
    minted = staging.stand_ins.control("POST", "/slack/actions/mint_webhook", {})
    staging.held[SLACK]["SLACK_WEBHOOK_URL"] = minted["url"]

    walked(staging.walk("real_slack"))

    assert staging.probes_sent("slack") == 2


def test_without_a_rehearsal_no_step_sends_anything(open_in: OpenScene) -> None:
    scene = open_in("staging")

    results = walked(scene.walk(), without=CUT_AND_RECOVERY)

    assert results[4].state is HOLD
    assert "opsflows verify --mode mock" in results[4].next_step
    assert {results[number].state for number in range(13, 20)} == {WAITS_FOR_STEP}
    assert sent(scene) == dict.fromkeys(INTEGRATIONS, 0)


def test_what_cannot_be_read_back_waits_for_a_person_and_is_done_after_a_yes(staging: Scene) -> None:
    for name in ("SLACK_BOT_TOKEN", "SLACK_CHANNEL"):
        del staging.held[SLACK][name]

    first = step_of(staging.walk(), VERIFIED_SLACK)
    (question,) = open_questions(staging.ledger, "staging")
    again = step_of(staging.walk(), VERIFIED_SLACK)
    answer(staging.ledger, question.id, "grace", Seen.YES)
    last = step_of(staging.walk(), VERIFIED_SLACK)

    assert (first.state, again.state, last.state) == (WAITS_FOR_PERSON, WAITS_FOR_PERSON, DONE)
    assert f"opsflows confirm {question.id} --seen --by NAME" in first.next_step
    assert "Seen: slack by grace" in last.detail
    assert staging.probes_sent("slack") == 1


def test_what_cannot_be_read_back_and_was_not_seen_is_sent_and_asked_again(staging: Scene) -> None:
    for name in ("SLACK_BOT_TOKEN", "SLACK_CHANNEL"):
        del staging.held[SLACK][name]
    step_of(staging.walk(), VERIFIED_SLACK)
    answer_all(staging, Seen.NO)

    result = step_of(staging.walk(), VERIFIED_SLACK)

    assert result.state is WAITS_FOR_PERSON
    assert "Not seen the last time: slack" in result.detail
    assert staging.probes_sent("slack") == 2


def test_together_what_a_person_saw_counts_as_read_back(staging: Scene) -> None:
    for name in ("SLACK_BOT_TOKEN", "SLACK_CHANNEL"):
        del staging.held[SLACK][name]
    step_of(staging.walk(), VERIFIED_SLACK)

    before = step_of(staging.walk(), 19)
    answer_all(staging)
    after = step_of(staging.walk(), 19)

    assert (before.state, after.state) == (WAITS_FOR_PERSON, DONE)


def test_a_failing_integration_is_a_hold_in_the_vendors_words(staging: Scene) -> None:
    staging.act("slack", "revoke_webhook")

    result = step_of(staging.walk(), VERIFIED_SLACK)

    assert result.state is HOLD
    assert "The webhook was revoked" in result.detail
    assert result.next_step


def test_an_event_that_is_accepted_and_never_delivered_is_never_done(staging: Scene) -> None:
    staging.fail("slack", swallow=True)

    result = step_of(staging.walk(pace=HASTY), VERIFIED_SLACK)

    assert result.state is HOLD


def test_a_credential_that_does_not_fit_stops_its_own_step_only(staging: Scene) -> None:
    staging.held[SPLUNK]["SPLUNK_HEC_INSECURE"] = "1"

    results = walked(staging.walk(), without=range(19, 31))

    assert results[VERIFIED_SPLUNK].state is HOLD
    assert "SPLUNK_HEC_INSECURE" in results[VERIFIED_SPLUNK].detail
    assert results[17].state is DONE


def test_a_probe_nobody_agreed_to_is_a_hold_and_not_sent(open_in: OpenScene) -> None:
    scene = open_in("staging", low_urgency_targets={}).rehearsed()

    result = step_of(scene.walk(), 15)

    assert result.state is HOLD
    assert "--may-page pagerduty" in result.next_step
    assert scene.probes_sent("pagerduty") == 0


def test_the_log_holds_one_line_per_probe_and_no_secret(rehearsal: Scene) -> None:
    walk = rehearsal.walk("mock")
    step_of(walk, 19)
    step_of(walk, 20)
    step_of(walk, 26)
    recapture_log(walk)

    (name,) = [name for name in rehearsal.kept if name.startswith("verify-day1-")]
    head, *lines = rehearsal.kept[name].splitlines()
    assert walk.context.run_id in head
    assert len(lines) == len(walk.results)
    assert all(line.startswith("PASS") and "nonce=" in line for line in lines)
    secrets = [value for held in rehearsal.held.values() for value in held.values() if len(value) > 20]
    assert not [secret for secret in secrets if secret in rehearsal.kept[name]]


def test_deviations_timeouts_and_blockers_are_in_the_bundle(staging: Scene) -> None:
    note(staging.ledger, "staging", "The channel was renamed.", "ada")
    block(staging.ledger, "staging", DATADOG, ticket="SEC-78", who="grace")

    result = step_of(staging.walk(), 30)

    assert result.detail == "1 deviations, 0 timeouts and 1 blockers are in the bundle."
    assert "The channel was renamed." in staging.kept["operator-deviations.md"]
    assert "datadog: SEC-78, by grace" in staging.kept["credential-blockers.md"]
    assert "None." in staging.kept["timeouts-observed.md"]


def test_the_completion_record_names_who_run_and_targets(staging: Scene) -> None:
    walk = staging.walk()

    result = step_of(walk, 22)

    record = staging.kept["completion-record.md"]
    assert result.state is DONE
    assert all(text in record for text in ("by ada (claimed)", walk.context.run_id, *INTEGRATIONS))


def test_stand_ins_that_still_run_are_a_hold_in_the_real_world(staging: Scene) -> None:
    with socket.socket() as free, socket.socket() as listening:
        for one in (free, listening):
            one.bind(("127.0.0.1", 0))
        listening.listen()
        open_port, closed = listening.getsockname()[1], free.getsockname()[1]

        running = step_of(staging.walk(stand_in_ports=(closed, open_port)), 23)
        stopped = step_of(staging.walk(stand_in_ports=(closed,)), 23)

    assert (running.state, stopped.state) == (HOLD, DONE)
    assert str(open_port) in running.detail


@pytest.mark.parametrize(("is_active", "state"), [(True, DONE), (False, HOLD)])
def test_the_schedule_is_active_or_it_is_a_hold(staging: Scene, is_active: bool, state: StepState) -> None:  # noqa: FBT001 (a column)
    assert step_of(staging.walk(schedule_is_active=is_active), 29).state is state


def test_production_is_not_paged_for_the_chain(open_in: OpenScene) -> None:
    result = step_of(open_in("prod").walk(), 28)

    assert result.state is StepState.NOT_APPLICABLE
    assert "page production's on-call" in result.detail


def test_a_credential_is_remembered_by_fingerprint_only(staging: Scene) -> None:
    step_of(staging.walk(), 9)

    assert staging.held[PAGERDUTY]["PAGERDUTY_ROUTING_KEY"].encode() not in (staging.home / "ledger.db").read_bytes()
