"""The routine after go-live: what is due, what a verification came to, whom it told, and what it never touches."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest

from domain.cadence import Cadence
from domain.errors import BadInput
from domain.names import Target
from domain.probes import Outcome
from domain.verdicts import Verdict
from ledger.alerts import open_alerts
from ledger.verifications import last_verified
from ledger.wiring import go_live, rehearsal_for
from steps.cold_start import check_rehearsed
from steps.probing import Pace
from steps.routine import Verified, conclude_verification, due_in, incident_note, not_run, questions_about
from steps.verifying import verify_targets
from steps.version import code_version
from tests.steps.conftest import OpenScene
from tests.steps.rehearsal_context import DATADOG, HASTY, QUICK, SENTRY, SLACK, SPLUNK, Scene

EVIDENCE = "/srv/opsflows/audit/verify/run-1"
ROLLBACK = "kubectl set env deployment/shop OPERATOR_WIRING_PROD_ENABLED=0"


@pytest.fixture
def live(open_in: OpenScene) -> Scene:
    """Production, live since today."""
    scene = open_in(
        "prod",
        platform_on_call="platform team",
        rollback_command=ROLLBACK,
        alerts={"page": "pagerduty", "ticket": "slack"},
    )
    go_live(scene.ledger, "prod", datetime.now(UTC).date(), "ada")
    return scene


def verify(scene: Scene, *targets: Target, pace: Pace = QUICK) -> Verified:
    context = scene.context(pace=pace)
    asked = targets or tuple(scene.held)
    results = [*verify_targets(context, asked), *not_run(context, asked)]
    return conclude_verification(context, results, EVIDENCE)


def test_everything_passing_is_green_and_remembered(live: Scene) -> None:
    verified = verify(live)

    assert str(verified.judgement) == "GREEN"
    assert verified.told == ()
    assert {row.outcome for row in last_verified(live.ledger, "prod").values()} == {Outcome.PASS}
    assert open_alerts(live.ledger) == []


def test_what_was_not_asked_for_is_shown_and_neither_counted_nor_remembered(live: Scene) -> None:
    verified = verify(live, SLACK)

    outcomes = {result.target: result.outcome for result in verified.results}
    assert set(outcomes) == set(live.held)
    assert outcomes[SPLUNK] is Outcome.NOT_RUN
    assert verified.judgement.verdict is Verdict.GREEN
    assert set(last_verified(live.ledger, "prod")) == {SLACK}


def test_a_failure_after_go_live_pages_and_touches_no_credential(live: Scene) -> None:
    before = deepcopy(live.held)
    live.fail("datadog", status=403)

    verified = verify(live)

    assert verified.judgement.verdict is Verdict.HOLD
    assert verified.told == ("the owner of datadog told through pagerduty: prod: datadog FAIL.",)
    assert len(live.arrived("pagerduty", '"severity":"critical"')) == 1
    assert live.held == before
    assert not [row for row in live.arrived("datadog") if row["method"] in {"DELETE", "PATCH", "PUT"}]


def test_two_failing_at_the_network_are_one_cause_and_one_alert_to_the_platform(live: Scene) -> None:
    live.fail("sentry", reset=True)
    live.fail("datadog", reset=True)

    verified = verify(live, DATADOG, SENTRY, pace=HASTY)

    assert verified.cause is not None
    assert "datadog, sentry" in verified.cause.happened
    (said,) = verified.told
    assert said.startswith("platform team told through pagerduty")
    assert [alert.key for alert in open_alerts(live.ledger)] == ["verify:prod:platform"]
    assert len(live.arrived("pagerduty", '"severity":"critical"')) == 1


def test_the_alert_is_cleared_by_the_next_verification_that_passes(live: Scene) -> None:
    live.fail("datadog", status=403)
    verify(live)
    live.heal("datadog")

    verify(live)

    assert open_alerts(live.ledger) == []


def test_before_go_live_a_failure_escalates_to_nobody(open_in: OpenScene) -> None:
    scene = open_in("prod", "slack", alerts={"ticket": "slack"})
    scene.act("slack", "revoke_webhook")

    verified = verify(scene)

    assert verified.judgement.verdict is Verdict.HOLD
    assert verified.told == ()
    assert open_alerts(scene.ledger) == []


def test_the_incident_note_says_what_to_do_in_order(live: Scene) -> None:
    live.fail("datadog", status=403)
    verified = verify(live)

    note = incident_note(live.context(), verified, EVIDENCE)

    assert note.startswith("# prod: datadog failed after go-live")
    first_delete, first_rollback = note.index("Delete no credential"), note.index("OPERATOR_WIRING_PROD_ENABLED=0")
    assert first_delete < first_rollback
    assert f"`{ROLLBACK}`" in note
    assert EVIDENCE in note
    assert "the owner of datadog told through pagerduty" in note
    secrets = [value for held in live.held.values() for value in held.values() if len(value) > 20]
    assert not [secret for secret in secrets if secret in note]


def test_a_passed_rehearsal_is_proof_for_what_was_rehearsed(rehearsal: Scene) -> None:
    verified = verify(rehearsal, SLACK, SENTRY)

    proof = rehearsal_for(rehearsal.ledger, code_version())
    assert str(verified.judgement) == "GREEN (rehearsal)"
    assert proof is not None
    assert proof.integrations == ("sentry", "slack")


def test_a_rehearsal_of_one_does_not_hide_that_all_had_passed(rehearsal: Scene, open_in: OpenScene) -> None:
    verify(rehearsal)
    verify(rehearsal, SLACK)

    check_rehearsed(open_in("staging").context(), rehearsal.held, "")


def test_a_rehearsal_with_a_failure_proves_nothing(rehearsal: Scene, open_in: OpenScene) -> None:
    rehearsal.fail("splunk", status=403)
    verify(rehearsal)

    with pytest.raises(BadInput):
        check_rehearsed(open_in("staging").context(), [SLACK], "")


def test_what_nobody_could_read_back_is_asked_about_and_is_not_green(live: Scene) -> None:
    for name in ("SLACK_BOT_TOKEN", "SLACK_CHANNEL"):
        del live.held[SLACK][name]

    verified = verify(live)
    (question,) = questions_about(live.context(), verified.results)

    assert verified.judgement.verdict is Verdict.HOLD
    assert question.integration == "slack"
    assert question.step == 0
    (nonce,) = [result.nonce for result in verified.results if result.target == SLACK]
    assert nonce in question.question


def test_an_environment_that_is_not_live_is_never_due(open_in: OpenScene) -> None:
    scene = open_in("prod")

    assert due_in(scene.ledger, scene.config, "prod").cadence is Cadence.NOT_LIVE


def test_a_live_environment_is_due_until_everything_in_scope_was_verified(live: Scene) -> None:
    assert due_in(live.ledger, live.config, "prod").is_due

    verify(live, SLACK)
    assert due_in(live.ledger, live.config, "prod").is_due

    verify(live)
    assert not due_in(live.ledger, live.config, "prod").is_due


@pytest.mark.parametrize(
    ("after", "cadence", "is_due"),
    [
        (timedelta(hours=12), Cadence.DAILY, False),
        (timedelta(days=1), Cadence.DAILY, True),
        (timedelta(days=20), Cadence.WEEKLY, True),
    ],
)
def test_it_is_due_again_after_a_day_and_later_after_a_week(
    live: Scene,
    after: timedelta,
    cadence: Cadence,
    is_due: bool,  # noqa: FBT001 (a column)
) -> None:
    verify(live)

    with live.later(after) as then:
        due = due_in(then.ledger, then.config, "prod")

    assert (due.cadence, due.is_due) == (cadence, is_due)


def test_a_failed_verification_counts_as_having_been_made(live: Scene) -> None:
    live.fail("datadog", status=403)
    verify(live)

    assert not due_in(live.ledger, live.config, "prod").is_due
    assert last_verified(live.ledger, "prod")[DATADOG].failures == 1
