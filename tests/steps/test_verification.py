"""Many integrations side by side: every probe an intent before anything is sent, every outcome kept as it comes in."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from domain.errors import BadInput
from domain.names import Target
from domain.probes import CleanUp, Outcome, ProbeResult
from steps.clock import Clock
from steps.verification import (
    Left,
    Wired,
    by_target,
    clean_up_leftovers,
    common_cause,
    connect_all,
    outcomes_by_target,
    verify_all,
)
from tests.steps.rehearsal_context import DATADOG, PAGERDUTY, QUICK, SLACK, SPLUNK, Scene
from vendors.registry import INTEGRATIONS

ANSWERS_AFTER_S = 0.2


@dataclass(slots=True)
class Remembering:
    """Intents kept in memory, with how many requests had arrived when they were opened."""

    scene: Scene
    opened: list[tuple[str, Target, str]] = field(default_factory=list)
    closed: list[ProbeResult] = field(default_factory=list)
    arrived_before: int = -1

    def open(self, probes: Sequence[tuple[str, Target, str]]) -> None:
        self.arrived_before = sum(len(self.scene.arrived(name)) for name in INTEGRATIONS)
        self.opened.extend(probes)

    def close(self, results: Sequence[ProbeResult]) -> None:
        self.closed.extend(results)


def wired(scene: Scene, *targets: Target) -> list[Wired]:
    context = scene.context()
    given = {target: scene.held.get(target) for target in targets or tuple(scene.held)}
    return connect_all(given, INTEGRATIONS, context.addresses, context.conduct, {})


def verified(scene: Scene, ready: list[Wired], intents: Remembering) -> list[list[ProbeResult]]:
    context = scene.context()
    batches = verify_all(
        ready, intents, context.new_nonce, QUICK, context.clock, workers=16, ask_other_homes=False
    )  # fmt: skip
    try:
        return list(batches)
    finally:
        for one in ready:
            if one.client:
                one.client.close()


def result(target: Target, outcome: Outcome, symptom: str = "", probe: str = "event") -> ProbeResult:
    return ProbeResult(target, probe, "n", outcome, CleanUp.DONE, symptom=symptom)


def test_every_intent_is_written_before_the_first_request_leaves(rehearsal: Scene) -> None:
    intents = Remembering(rehearsal)

    batches = verified(rehearsal, wired(rehearsal), intents)

    results = [result for batch in batches for result in batch]
    assert intents.arrived_before == 0
    assert {nonce for nonce, _, _ in intents.opened} == {result.nonce for result in results}
    assert all(result.outcome is Outcome.PASS for result in results), results


def test_a_result_is_remembered_before_it_is_seen(rehearsal: Scene) -> None:
    intents = Remembering(rehearsal)
    ready = wired(rehearsal, SLACK)
    context = rehearsal.context()

    for batch in verify_all(ready, intents, context.new_nonce, QUICK, Clock(), workers=2, ask_other_homes=False):
        assert [result in intents.closed for result in batch] == [True] * len(batch)

    for one in ready:
        assert one.client is not None
        one.client.close()


def test_probes_run_side_by_side(rehearsal: Scene) -> None:
    for name in INTEGRATIONS:
        rehearsal.fail(name, delay_s=ANSWERS_AFTER_S)
    intents = Remembering(rehearsal)
    started = time.monotonic()

    batches = verified(rehearsal, wired(rehearsal), intents)

    took = time.monotonic() - started
    one_after_another = sum((r.took or timedelta(0)).total_seconds() for batch in batches for r in batch)
    assert took < one_after_another / 2


def test_a_target_without_values_is_missing_and_one_under_a_ticket_is_blocked(rehearsal: Scene) -> None:
    context = rehearsal.context()
    given = {SLACK: None, SPLUNK: None, PAGERDUTY: {"PAGERDUTY_ROUTING_KEY": "  "}}

    found = connect_all(given, INTEGRATIONS, context.addresses, context.conduct, {SPLUNK: "SEC-77"})

    problems = {one.target: one.problem for one in found if one.problem}
    assert {target: problem.outcome for target, problem in problems.items()} == {
        SLACK: Outcome.MISSING,
        SPLUNK: Outcome.BLOCKED,
        PAGERDUTY: Outcome.MISSING,
    }
    assert "SLACK_WEBHOOK_URL" in problems[SLACK].happened
    assert "SEC-77" in problems[SPLUNK].means


def test_what_is_missing_does_not_stop_the_others(rehearsal: Scene) -> None:
    del rehearsal.held[SPLUNK]
    intents = Remembering(rehearsal)

    batches = verified(rehearsal, wired(rehearsal, SLACK, SPLUNK), intents)

    outcomes = outcomes_by_target(result for batch in batches for result in batch)
    assert outcomes == {SLACK: Outcome.PASS, SPLUNK: Outcome.MISSING}
    assert [target for _, target, _ in intents.opened] == [SLACK]


def test_all_faults_of_all_credentials_are_named_together_and_nothing_is_sent(rehearsal: Scene) -> None:
    rehearsal.held[SLACK]["SLACK_WEBHOOK_URL"] = "hooks.slack.com"
    rehearsal.held[PAGERDUTY]["PAGERDUTY_ROUTING_KEY"] = "a" * 31

    with pytest.raises(BadInput) as refusal:
        wired(rehearsal)

    assert "SLACK_WEBHOOK_URL" in refusal.value.happened
    assert "PAGERDUTY_ROUTING_KEY" in refusal.value.happened
    assert "a" * 31 not in str(refusal.value)
    assert not any(rehearsal.arrived(name) for name in INTEGRATIONS)


def test_a_real_credential_is_not_sent_to_a_host_nobody_allowed(staging: Scene) -> None:
    staging.held[SLACK]["SLACK_WEBHOOK_URL"] = "https://hooks.slack.example/services/T1/B1/xxx"

    with pytest.raises(BadInput, match=r"hooks\.slack\.example is not one of the vendor's published hosts"):
        wired(staging, SLACK)


def test_what_an_earlier_run_left_is_cleaned_up_and_what_cannot_be_stays_left(rehearsal: Scene) -> None:
    ready = wired(rehearsal, SLACK, PAGERDUTY)
    now = datetime.now(UTC)
    nonce = uuid4().hex
    client = next(one.client for one in ready if one.target == SLACK)
    assert client is not None
    client.probes[0].send(nonce, now)
    rehearsal.fail("pagerduty", status=403)
    left = [Left(nonce, SLACK, "message", now), Left(uuid4().hex, PAGERDUTY, "incident", now)]

    outcomes = clean_up_leftovers(left, ready, QUICK, Clock())

    for one in ready:
        assert one.client is not None
        one.client.close()
    assert [cleaned for _, cleaned in outcomes] == [CleanUp.DONE, CleanUp.LEFT]
    assert not rehearsal.stands_open("slack", nonce)


def test_a_left_event_whose_probe_or_client_is_gone_is_not_called_clean(rehearsal: Scene) -> None:
    now = datetime.now(UTC)
    ready = wired(rehearsal, SLACK)

    outcomes = clean_up_leftovers(
        [Left("n", SLACK, "gone", now), Left("n", SPLUNK, "event", now)], ready, QUICK, Clock()
    )

    assert ready[0].client is not None
    ready[0].client.close()
    assert outcomes == []


def test_a_target_is_as_good_as_its_worst_probe() -> None:
    results = [
        result(SLACK, Outcome.PASS),
        result(DATADOG, Outcome.FAIL, probe="metric"),
        result(DATADOG, Outcome.PASS),
    ]

    assert outcomes_by_target(results) == {DATADOG: Outcome.FAIL, SLACK: Outcome.PASS}
    assert [row.probe for row in by_target(results)[DATADOG]] == ["event", "metric"]


def test_two_integrations_failing_at_the_network_have_one_cause() -> None:
    results = [result(SLACK, Outcome.FAIL, "network.dns"), result(SPLUNK, Outcome.FAIL, "network.refused")]

    cause = common_cause(results)

    assert cause is not None
    assert cause.symptom == "network.substrate"
    assert "slack, splunk" in cause.happened


@pytest.mark.parametrize(
    "results",
    [
        [result(SLACK, Outcome.FAIL, "network.dns"), result(SPLUNK, Outcome.PASS)],
        [result(SLACK, Outcome.FAIL, "slack.no_service"), result(SPLUNK, Outcome.FAIL, "http.unauthorized")],
        [result(DATADOG, Outcome.FAIL, "network.dns"), result(DATADOG, Outcome.FAIL, "network.dns", "metric")],
    ],
    ids=["one", "credentials", "two probes of one"],
)
def test_anything_else_has_no_common_cause(results: list[ProbeResult]) -> None:
    assert common_cause(results) is None
