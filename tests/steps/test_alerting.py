"""Someone is told once, and again each day it lasts; several failures are one cause; nothing unsent is lost."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from domain.cadence import Cadence
from domain.names import Target
from domain.probes import CleanUp, Outcome, ProbeResult
from ledger.alerts import SENDING_TAKES, open_alerts
from steps.alerting import clear_passing, escalate, escalations, in_words, reached, urgency_at
from tests.steps.conftest import OpenScene
from tests.steps.rehearsal_context import DATADOG, PAGERDUTY, SENTRY, SLACK, SPLUNK, Scene
from vendors.capabilities import Urgency

EVIDENCE = "/srv/opsflows/audit/verify/run-1"
ROLLBACK = "kubectl set env deployment/shop OPERATOR_WIRING_PROD_ENABLED=0"
A_DAY = timedelta(days=1)


@pytest.fixture
def prod(open_in: OpenScene) -> Scene:
    return open_in(
        "prod",
        owners={"sentry": "payments team"},
        platform_on_call="platform team",
        rollback_command=ROLLBACK,
        alerts={"page": "pagerduty", "ticket": "slack"},
    )


def failed(target: Target, symptom: str = "http.unauthorized", outcome: Outcome = Outcome.FAIL) -> ProbeResult:
    return ProbeResult(
        target, "event", "n1", outcome, CleanUp.NOTHING_SENT, symptom=symptom,
        happened=f"{target} answered 403.", means="The key was revoked.", next_step="Make a new one.",
    )  # fmt: skip


def passed(target: Target) -> ProbeResult:
    return ProbeResult(target, "event", "n1", Outcome.PASS, CleanUp.DONE)


def tell(scene: Scene, results: Iterable[ProbeResult], urgency: Urgency = Urgency.TICKET) -> list[str]:
    context = scene.context()
    return in_words(escalate(context, escalations(context, results, EVIDENCE), urgency))


def tickets(scene: Scene) -> int:
    return len(scene.arrived("slack", "[ticket]"))


def pages(scene: Scene) -> int:
    return len(scene.arrived("pagerduty", '"severity":"critical"'))


def test_one_failure_is_told_to_the_integrations_owner_with_what_to_do(prod: Scene) -> None:
    (one,) = escalations(prod.context(), [failed(SENTRY), passed(SLACK)], EVIDENCE)

    assert one.whom == "payments team"
    assert one.title == "prod: sentry FAIL"
    assert "sentry answered 403. The key was revoked. Make a new one." in one.text
    assert one.runbook == "docs/integrations/sentry.md"


def test_the_text_names_the_rollback_flag_its_exact_command_and_the_evidence(prod: Scene) -> None:
    (one,) = escalations(prod.context(), [failed(SENTRY)], EVIDENCE)

    assert "OPERATOR_WIRING_PROD_ENABLED=0" in one.text
    assert ROLLBACK in one.text
    assert "No credential was deleted" in one.text
    assert EVIDENCE in one.text


def test_an_integration_nobody_owns_is_told_to_its_owner_to_be_found(prod: Scene) -> None:
    (one,) = escalations(prod.context(), [failed(SPLUNK)], EVIDENCE)

    assert one.whom == "the owner of splunk"


@pytest.mark.parametrize("symptom", ["network.dns", "http.unauthorized"])
def test_several_failures_are_told_once_to_the_platform_on_call(prod: Scene, symptom: str) -> None:
    results = [failed(target, symptom) for target in (SENTRY, SLACK, SPLUNK)]

    (one,) = escalations(prod.context(), results, EVIDENCE)

    assert one.whom == "platform team"
    assert one.key == "verify:prod:platform"
    assert all(str(result.target) in one.title for result in results)
    assert ROLLBACK in one.text


def test_a_network_failure_of_several_is_named_as_one_cause(prod: Scene) -> None:
    (one,) = escalations(prod.context(), [failed(SENTRY, "network.dns"), failed(SLACK, "network.refused")], EVIDENCE)

    assert "one cause, not 2 bad credentials" in one.text
    assert one.runbook == "docs/runbooks/network-substrate.md"


def test_two_instances_of_one_integration_are_its_owners_matter(prod: Scene) -> None:
    results = [failed(PAGERDUTY), failed(Target("pagerduty", "payments"))]

    assert len(escalations(prod.context(), results, EVIDENCE)) == 2


@pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.NOT_RUN, Outcome.NOT_IN_SCOPE])
def test_what_does_not_count_or_passed_is_told_to_nobody(prod: Scene, outcome: Outcome) -> None:
    assert escalations(prod.context(), [failed(SENTRY, outcome=outcome)], EVIDENCE) == []


def test_a_failure_is_told_once(prod: Scene) -> None:
    first = tell(prod, [failed(SENTRY)])
    second = tell(prod, [failed(SENTRY)])

    assert first == ["payments team told through slack: prod: sentry FAIL."]
    assert "was told within the last day" in second[0]
    assert tickets(prod) == 1


def test_it_is_told_again_after_a_day(prod: Scene) -> None:
    tell(prod, [failed(SENTRY)])

    with prod.later(A_DAY + timedelta(seconds=1)) as then:
        tell(then, [failed(SENTRY)])
        tell(then, [failed(SENTRY)])

        assert tickets(then) == 2
        assert [alert.times_sent for alert in open_alerts(then.ledger)] == [2]


def test_a_pass_clears_it_and_the_next_failure_is_told_at_once(prod: Scene) -> None:
    tell(prod, [failed(SENTRY)])

    cleared = clear_passing(prod.context(), [passed(SENTRY)])

    assert cleared == ["verify:prod:sentry"]
    assert open_alerts(prod.ledger) == []
    tell(prod, [failed(SENTRY)])
    assert tickets(prod) == 2


def test_the_common_cause_is_cleared_only_when_everything_passes(prod: Scene) -> None:
    tell(prod, [failed(SENTRY), failed(SLACK)])

    assert clear_passing(prod.context(), [passed(SENTRY), failed(DATADOG)]) == []
    assert clear_passing(prod.context(), [passed(SENTRY), passed(SLACK)]) == []
    everything = [passed(target) for target in prod.context().declared.targets]
    assert "verify:prod:platform" in clear_passing(prod.context(), everything)


def test_a_page_wakes_and_a_ticket_does_not(prod: Scene) -> None:
    tell(prod, [failed(SENTRY)], Urgency.PAGE)
    tell(prod, [failed(DATADOG)], Urgency.TICKET)

    assert (pages(prod), tickets(prod)) == (1, 1)


@pytest.mark.parametrize(
    ("cadence", "urgency"),
    [(Cadence.DAILY, Urgency.PAGE), (Cadence.WEEKLY, Urgency.TICKET), (Cadence.NOT_LIVE, Urgency.TICKET)],
)
def test_the_first_two_weeks_page_and_later_a_ticket_is_enough(cadence: Cadence, urgency: Urgency) -> None:
    assert urgency_at(cadence) is urgency


def test_a_target_that_cannot_be_reached_is_replaced_by_the_other_one(prod: Scene) -> None:
    prod.fail("pagerduty", status=403)

    (said,) = tell(prod, [failed(SENTRY)], Urgency.PAGE)

    assert said == "payments team told through slack: prod: sentry FAIL."
    assert len(prod.arrived("slack", "[page]")) == 1


def test_an_alert_that_could_not_be_sent_is_sent_by_the_next_run(prod: Scene) -> None:
    for name in ("pagerduty", "slack"):
        prod.fail(name, status=403)
    (said,) = tell(prod, [failed(SENTRY)])
    assert said.startswith("Not sent yet (")
    assert "Tell payments team" in said
    assert [alert.times_sent for alert in open_alerts(prod.ledger)] == [0]

    for name in ("pagerduty", "slack"):
        prod.heal(name)
    with prod.later(SENDING_TAKES + timedelta(seconds=1)) as then:
        (said,) = tell(then, [failed(SENTRY)])

        assert said == "payments team told through slack: prod: sentry FAIL."
        assert [alert.times_sent for alert in open_alerts(then.ledger)] == [1]


def test_who_finds_that_nobody_can_be_reached_holds_and_that_nobody_is_named_is_only_said(
    prod: Scene, open_in: OpenScene
) -> None:
    for name in ("pagerduty", "slack"):
        prod.fail(name, status=403)
    nobody = open_in("staging").context()
    failures: list[str] = []

    said = reached(
        [
            *escalate(prod.context(), escalations(prod.context(), [failed(SENTRY)], EVIDENCE), Urgency.TICKET),
            *escalate(nobody, escalations(nobody, [failed(SENTRY)], EVIDENCE), Urgency.TICKET),
        ],
        failures,
    )

    assert [words.partition(" (")[0] for words in failures] == ["Not sent yet"]
    assert [words.partition(",")[0] for words in said] == ["Not sent"]


def test_where_nobody_is_named_the_operator_is_told_whom_to_tell(open_in: OpenScene) -> None:
    scene = open_in("prod")

    (said,) = tell(scene, [failed(SENTRY)])

    assert "[environments.prod.alerts] names nobody" in said
    assert "tell the owner of sentry" in said


@pytest.mark.parametrize(
    ("target", "why"), [("datadog", "datadog cannot notify."), ("opsgenie", "opsgenie answered 403")]
)
def test_a_target_that_cannot_notify_is_said_to_and_the_alert_stays_unsent(
    open_in: OpenScene, target: str, why: str
) -> None:
    scene = open_in("prod", alerts={"ticket": target})
    scene.fail("opsgenie", status=403)

    (said,) = tell(scene, [failed(SENTRY)])

    assert said.startswith("Not sent yet (")
    assert why.lower() in said.lower()


def test_a_target_without_credentials_does_not_lose_the_alert(prod: Scene) -> None:
    del prod.held[SLACK]
    del prod.held[PAGERDUTY]

    (said,) = tell(prod, [failed(SENTRY)])

    assert said.startswith("Not sent yet (")
    assert [alert.key for alert in open_alerts(prod.ledger)] == ["verify:prod:sentry"]
