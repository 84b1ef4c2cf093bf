"""The network cut and back again, a swapped webhook, and an alert through the whole chain, each seen to be so."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from domain.checklist import StepState
from ledger import probes as intents
from ledger.credentials import fingerprints
from ledger.wiring import timeouts
from tests.steps.conftest import OpenScene
from tests.steps.rehearsal_context import DATADOG, HASTY, PAGERDUTY, SENTRY, SLACK, Scene, step_of
from vendors.registry import INTEGRATIONS

CREDENTIALS_OF_SLACK, SLACK_VERIFIED, CUT, RECOVERY, SWAP, CHAIN = 7, 13, 25, 26, 27, 28
DONE, HOLD, WAITS_FOR_PERSON = StepState.DONE, StepState.HOLD, StepState.WAITS_FOR_PERSON
NOT_APPLICABLE = StepState.NOT_APPLICABLE
JOINED: dict[str, Callable[[Scene], object]] = {
    "Sentry's alert rule": lambda scene: scene.act(
        "sentry", "alert_to_pagerduty", routing_key=scene.held[PAGERDUTY]["PAGERDUTY_ROUTING_KEY"]
    ),
    "PagerDuty's Slack extension": lambda scene: scene.act(
        "pagerduty", "notify_slack", webhook_url=scene.held[SLACK]["SLACK_WEBHOOK_URL"]
    ),
}


@pytest.fixture
def joined(staging: Scene) -> Scene:
    """Staging, where an operator has connected Sentry to PagerDuty to Slack."""
    for join in JOINED.values():
        join(staging)
    return staging


def verify_slack(scene: Scene, mode: str = "real_all") -> None:
    """Bring the webhook live as day 1 does: its fingerprint is noted, then it is verified."""
    for number in (CREDENTIALS_OF_SLACK, SLACK_VERIFIED):
        assert step_of(scene.walk(mode), number).state is DONE


def webhooks_seen(scene: Scene) -> int:
    return len(fingerprints(scene.ledger, scene.environment, SLACK, "SLACK_WEBHOOK_URL"))


def test_a_cut_network_fails_within_its_bound_and_the_time_is_kept(staging: Scene) -> None:
    walk = staging.walk(pace=HASTY)

    result = step_of(walk, CUT)

    assert result.state is DONE, result
    assert "cut inside this process only" in result.detail
    seen = timeouts(staging.ledger, "staging")
    assert [row.circumstance for row in seen] == ["closed port", "no answer"]
    assert {row.target for row in seen} == {DATADOG}
    assert all(timedelta(0) <= row.took <= row.bound for row in seen)
    assert {row.run_id for row in seen} == {walk.context.run_id}


def test_a_cut_reaches_no_vendor_and_leaves_no_intent(staging: Scene) -> None:
    step_of(staging.walk(pace=HASTY), CUT)

    assert not any(staging.arrived(name) for name in INTEGRATIONS)
    with staging.later(timedelta(hours=1)) as then:
        assert intents.left_open(then.ledger, "staging", then.held) == []


@pytest.mark.parametrize(
    ("in_scope", "chosen"),
    [
        (("pagerduty", "slack"), "slack"),
        (("opsgenie", "sentry"), "sentry"),
        (("splunk",), "splunk"),
        (("opsgenie", "statuspage"), "statuspage"),
    ],
)
def test_the_cut_takes_the_quietest_integration_there_is(
    open_in: OpenScene, in_scope: tuple[str, ...], chosen: str
) -> None:
    scene = open_in("staging", *in_scope).rehearsed()

    result = step_of(scene.walk(pace=HASTY), CUT)

    assert result.state is DONE, result
    assert result.detail.startswith(f"{chosen}, cut")


@pytest.mark.parametrize("number", [SWAP, CHAIN])
def test_where_nothing_of_the_kind_is_in_scope_there_is_nothing_to_check(open_in: OpenScene, number: int) -> None:
    assert step_of(open_in("staging", "datadog").walk(), number).state is NOT_APPLICABLE


def test_it_recovers_from_the_cut(staging: Scene) -> None:
    assert step_of(staging.walk(), RECOVERY).state is DONE
    assert staging.probes_sent("datadog") == 1


def test_without_recovery_it_holds(staging: Scene) -> None:
    staging.fail("datadog", status=403)

    assert step_of(staging.walk(pace=HASTY), RECOVERY).state is HOLD


def test_in_the_rehearsal_a_second_webhook_is_made_and_used(rehearsal: Scene) -> None:
    verify_slack(rehearsal, "mock")
    before = rehearsal.held[SLACK]["SLACK_WEBHOOK_URL"]

    result = step_of(rehearsal.walk("mock"), SWAP)

    after = rehearsal.held[SLACK]["SLACK_WEBHOOK_URL"]
    assert result.state is DONE
    assert after != before
    assert "nothing redeployed" in result.detail
    assert before not in result.detail
    assert len(rehearsal.arrived("slack", after.partition("/slack")[2])) == 1


def test_in_the_real_world_the_swap_waits_for_a_person_and_is_proved_by_another_fingerprint(staging: Scene) -> None:
    verify_slack(staging)
    waiting = step_of(staging.walk(), SWAP)
    assert waiting.state is WAITS_FOR_PERSON
    assert "opsflows connect slack --environment staging --only SLACK_WEBHOOK_URL" in waiting.next_step
    assert staging.probes_sent("slack") == 1

    staging.held[SLACK]["SLACK_WEBHOOK_URL"] = str(staging.act("slack", "mint_webhook")["url"])
    verify_slack(staging)
    swapped = step_of(staging.walk(), SWAP)

    assert swapped.state is DONE
    assert webhooks_seen(staging) == 2
    # The first webhook, the new one verified like any changed credential, and the swap itself.
    assert staging.probes_sent("slack") == 3


def test_a_webhook_that_was_never_verified_cannot_be_swapped(staging: Scene) -> None:
    assert step_of(staging.walk(), SWAP).state is WAITS_FOR_PERSON
    assert staging.arrived("slack") == []


def test_a_swapped_webhook_that_does_not_work_is_a_hold(staging: Scene) -> None:
    verify_slack(staging)
    staging.held[SLACK]["SLACK_WEBHOOK_URL"] = url = str(staging.act("slack", "mint_webhook")["url"])
    staging.act("slack", "revoke_webhook", url=url)

    assert step_of(staging.walk(), SWAP).state is HOLD


def test_the_chain_is_joined_in_the_rehearsal_and_seen_link_by_link(rehearsal: Scene) -> None:
    result = step_of(rehearsal.walk("mock"), CHAIN)

    assert result.state is DONE
    assert result.detail.startswith("Sentry error -> PagerDuty incident -> Slack message, one nonce (")


def test_in_the_real_world_the_chain_is_what_the_operator_joined(joined: Scene) -> None:
    result = step_of(joined.walk(), CHAIN)

    assert result.state is DONE
    nonce = result.detail.partition("(")[2].partition(")")[0]
    assert joined.arrived("slack", nonce)
    assert all(row["status"] == "resolved" for row in joined.inbox("sentry"))
    assert intents.left_open(joined.ledger, "staging", [SENTRY]) == []


def test_every_chain_is_a_new_error_to_sentry(rehearsal: Scene) -> None:
    results = [step_of(rehearsal.walk("mock"), CHAIN) for _ in range(2)]

    assert [result.state for result in results] == [DONE, DONE]
    assert len(rehearsal.inbox("sentry")) == 2


@pytest.mark.parametrize(
    ("missing", "link", "seen"),
    [
        ("Sentry's alert rule", "PagerDuty incident", "Seen: Sentry error."),
        ("PagerDuty's Slack extension", "Slack message", "Seen: Sentry error, PagerDuty incident."),
    ],
)
def test_a_broken_chain_names_the_link_that_is_missing(staging: Scene, missing: str, link: str, seen: str) -> None:
    for name, join in JOINED.items():
        if name != missing:
            join(staging)

    result = step_of(staging.walk(pace=HASTY), CHAIN)

    assert result.state is HOLD
    assert result.detail.startswith(seen)
    assert f"The {link} with nonce" in result.detail
    assert missing in result.next_step


def test_a_chain_whose_first_link_is_refused_has_seen_nothing(joined: Scene) -> None:
    joined.fail("sentry", status=403, path="envelope")

    result = step_of(joined.walk(pace=HASTY), CHAIN)

    assert result.state is HOLD
    assert not result.detail.startswith("Seen")
    assert "Sentry error" in result.detail


def test_the_chain_pages_nobody_who_was_not_asked(open_in: OpenScene) -> None:
    scene = open_in("staging", low_urgency_targets={}).rehearsed()

    result = step_of(scene.walk(), CHAIN)

    assert result.state is HOLD
    assert "--may-page pagerduty" in result.next_step
    assert scene.arrived("sentry") == []
