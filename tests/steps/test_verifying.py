"""Verification within one run: what is agreed, what the ledger remembers, and what a killed run leaves behind."""

import signal
from datetime import timedelta

import pytest

from domain.errors import BadInput
from domain.names import Target
from domain.probes import CleanUp, Outcome
from ledger import probes as intents
from ledger.credentials import block
from steps.verifying import bound_of, connected, new_nonce, verify_targets
from tests.steps.conftest import OpenScene
from tests.steps.crashing import killed_after_sending
from tests.steps.rehearsal_context import HASTY, PAGERDUTY, SLACK, SPLUNK, Scene
from vendors.registry import INTEGRATIONS

HOUR = timedelta(hours=1)


def left(scene: Scene) -> list[intents.LeftIntent]:
    return intents.left_open(scene.ledger, scene.environment, scene.held)


def test_a_nonce_is_a_valid_event_id_and_never_the_same() -> None:
    nonces = {new_nonce() for _ in range(100)}

    assert len(nonces) == 100
    assert all(len(nonce) == 32 and int(nonce, 16) >= 0 for nonce in nonces)


def test_everything_in_scope_passes_and_nothing_is_left(staging: Scene) -> None:
    results = verify_targets(staging.context(), staging.held)

    assert {result.target for result in results} == set(staging.held)
    assert all(result.outcome is Outcome.PASS for result in results), results
    assert left(staging) == []


@pytest.mark.parametrize("name", list(INTEGRATIONS))
def test_what_a_killed_run_left_is_cleaned_up_by_its_nonce_in_the_next_run(staging: Scene, name: str) -> None:
    target = Target(name)
    bound = bound_of(staging.context())

    ended = killed_after_sending(staging, target)

    assert ended == -signal.SIGKILL
    with staging.later(bound + timedelta(seconds=1)) as then:
        forgotten = {intent.nonce for intent in left(then)}
        arrived = {nonce for nonce in forgotten if then.arrived(name, nonce)}
        assert {intent.run_id for intent in left(then)} == {"run-killed"}
        assert arrived

        results = verify_targets(then.context(), [target])

        assert all(result.outcome is Outcome.PASS for result in results), results
        assert left(then) == []
        if name not in {"datadog", "splunk"}:  # these two cannot delete
            assert not any(then.stands_open(name, nonce) for nonce in arrived)


def test_a_run_that_still_works_on_its_probe_is_left_alone(staging: Scene) -> None:
    killed_after_sending(staging, SLACK)
    sent = staging.probes_sent("slack")

    with staging.later(timedelta(seconds=1)) as soon:
        assert left(soon) == []

    assert sent == 1


def test_an_event_that_could_not_be_cleaned_up_is_cleaned_up_by_the_next_run(staging: Scene) -> None:
    staging.fail("slack", path="chat.delete", status=403)
    (first,) = verify_targets(staging.context(pace=HASTY), [SLACK])
    staging.heal("slack")

    (second,) = verify_targets(staging.context(), [SLACK])

    assert (first.outcome, first.clean_up, first.symptom) == (Outcome.FAIL, CleanUp.LEFT, "probe.left_behind")
    assert second.outcome is Outcome.PASS
    assert not staging.stands_open("slack", first.nonce)
    assert left(staging) == []


def test_an_event_kept_for_a_person_stays_and_is_cleaned_up_when_nobody_came(staging: Scene) -> None:
    (kept,) = verify_targets(staging.context(), [SLACK], expires_after=HOUR)

    assert (kept.outcome, kept.clean_up) == (Outcome.PASS, CleanUp.KEPT)
    assert staging.stands_open("slack", kept.nonce)
    assert [intent.nonce for intent in intents.kept_for_people(staging.ledger, "staging", SLACK)] == [kept.nonce]
    with staging.later(HOUR + timedelta(seconds=1)) as then:
        verify_targets(then.context(), [SLACK])
        assert not then.stands_open("slack", kept.nonce)


def test_credentials_waited_for_are_blocked_under_their_ticket(staging: Scene) -> None:
    del staging.held[SPLUNK]
    block(staging.ledger, "staging", SPLUNK, ticket="SEC-77", who="ada")

    outcomes = {result.target: result.outcome for result in verify_targets(staging.context(), [SLACK, SPLUNK])}

    assert outcomes == {SLACK: Outcome.PASS, SPLUNK: Outcome.BLOCKED}


def test_a_probe_nobody_agreed_to_is_not_sent_and_the_others_are(open_in: OpenScene) -> None:
    scene = open_in("staging", "slack", "pagerduty", low_urgency_targets={})

    outcomes = {result.target: result.outcome for result in verify_targets(scene.context(), scene.held)}

    assert outcomes == {SLACK: Outcome.PASS, PAGERDUTY: Outcome.NOT_AGREED}
    assert scene.arrived("pagerduty") == []


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_unchecked_certificates_are_refused_outside_dev(open_in: OpenScene, environment: str) -> None:
    scene = open_in(environment, "splunk")
    scene.held[SPLUNK]["SPLUNK_HEC_INSECURE"] = "1"

    with pytest.raises(BadInput) as refusal:
        verify_targets(scene.context(), [SPLUNK])

    assert "SPLUNK_HEC_INSECURE" in refusal.value.happened
    assert environment in refusal.value.happened
    assert scene.arrived("splunk") == []


def test_unchecked_certificates_are_allowed_in_dev(open_in: OpenScene) -> None:
    scene = open_in("dev", "splunk")
    scene.held[SPLUNK]["SPLUNK_HEC_INSECURE"] = "1"

    (result,) = verify_targets(scene.context(), [SPLUNK])

    assert result.outcome is Outcome.PASS, result


def test_saying_that_certificates_are_checked_is_allowed_everywhere(open_in: OpenScene) -> None:
    scene = open_in("staging", "splunk")
    scene.held[SPLUNK]["SPLUNK_HEC_INSECURE"] = "0"

    (result,) = verify_targets(scene.context(), [SPLUNK])

    assert result.outcome is Outcome.PASS, result


def test_a_client_is_given_only_for_credentials_that_are_there(staging: Scene) -> None:
    del staging.held[SPLUNK]

    with pytest.raises(BadInput, match="SPLUNK_HEC_TOKEN"), connected(staging.context(), SPLUNK):
        pass
