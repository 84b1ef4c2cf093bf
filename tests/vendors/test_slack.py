"""Slack's client against its stand-in."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from domain.diagnosis import Signature
from domain.errors import BadInput, NotYet, OutcomeUnknown, Rejected, Unavailable
from domain.probes import CleanUp, Receipt
from tests.conftest import StandIns
from tests.vendors.rehearsal import connected, connected_by_name, eventually, trusting
from vendors.capabilities import Notice, Notifier, Urgency
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.slack import INTEGRATION, SIGNATURES, Slack, connect, webhook_url

NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"
SENT_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SENT = Receipt(NONCE, SENT_AT)
FOUND = SENT.with_ids(ts="1795262400.000100")
NOTICE = Notice("prod/slack", "Slack fails in prod", "Two probes in a row.", Urgency.TICKET)
MANIFEST = Path(__file__).parents[2] / "docs" / "integrations" / "slack-manifest.yaml"

CALLS: dict[str, Callable[[Slack], object]] = {
    "send_message": lambda client: client.send_message(NONCE, SENT_AT),
    "read_history": lambda client: client.read_history(SENT),
    "find_message": lambda client: client.find(NONCE, SENT_AT),
    "notify": lambda client: client.notify(NOTICE, SENT_AT),
    "delete_message": lambda client: client.delete_message(FOUND),
    "check_webhook": lambda client: client.check_webhook(),
    "check_token": lambda client: client.check_token(),
}


@pytest.fixture
def client(stand_ins: StandIns) -> Iterator[Slack]:
    with connected(stand_ins, INTEGRATION, connect) as (client, _):
        yield client


def test_a_message_is_posted_is_not_there_yet_is_read_back_and_deleted(client: Slack, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/slack/actions/set_indexing_delay", {"seconds": 0.5})
    probe = client.probes[0]

    receipt = probe.send(NONCE, datetime.now(UTC))

    with pytest.raises(NotYet) as caught:
        probe.confirm[0](receipt)
    assert caught.value.symptom == "slack.unseen"
    receipt = eventually(partial(probe.confirm[0], receipt))
    assert set(receipt.ids) == {"ts", "bot_id"}
    assert probe.clean_up[0](receipt) is CleanUp.DONE
    assert stand_ins.control("GET", "/slack/inbox") == []


def test_a_person_reads_that_nothing_is_to_be_done(client: Slack, stand_ins: StandIns) -> None:
    receipt = client.send_message(NONCE, datetime.now(UTC))
    eventually(partial(client.read_history, receipt))

    (message,) = stand_ins.control("GET", "/slack/inbox")
    assert "no action needed" in message["text"]
    assert f"verify=true nonce={NONCE}" in message["text"]


def test_what_a_crash_left_is_deleted_by_its_nonce_alone(client: Slack, stand_ins: StandIns) -> None:
    at = datetime.now(UTC)
    client.send_message(NONCE, at)

    came_to = eventually(lambda: client.delete_message(Receipt(NONCE, at)))

    assert came_to is CleanUp.DONE
    assert stand_ins.control("GET", "/slack/inbox") == []


def test_a_message_that_is_gone_already_counts_as_cleaned_up(client: Slack) -> None:
    assert client.delete_message(FOUND) is CleanUp.DONE


def test_a_message_of_another_app_is_found_and_left_tagged(stand_ins: StandIns) -> None:
    other = stand_ins.control("POST", "/slack/actions/install_app", {"name": "another"})
    with connected(stand_ins, INTEGRATION, connect, SLACK_WEBHOOK_URL=other["webhook_url"]) as (client, _):
        receipt = client.send_message(NONCE, datetime.now(UTC))

        found = eventually(partial(client.read_history, receipt))

        assert client.delete_message(found) is CleanUp.TAGGED


def test_another_systems_message_is_found_by_the_nonce_in_its_text(client: Slack) -> None:
    since = datetime.now(UTC)
    client.send_message(NONCE, since)

    found = eventually(lambda: client.find(NONCE, since))

    assert found.ids["ts"]
    with pytest.raises(NotYet):
        client.find("0" * 32, since)


def test_a_notice_says_how_urgent_it_is(client: Slack, stand_ins: StandIns) -> None:
    client.notify(NOTICE, SENT_AT)

    assert isinstance(client, Notifier)
    sent = stand_ins.control("GET", "/slack/requests")[-1]["body"]
    assert "[ticket] Slack fails in prod" in sent
    assert "Two probes in a row." in sent


def test_a_message_in_another_channel_than_the_bots_is_not_a_delivery(stand_ins: StandIns) -> None:
    other = stand_ins.control("POST", "/slack/actions/add_channel", {})["channel"]
    with connected(stand_ins, INTEGRATION, connect, SLACK_CHANNEL=other) as (client, _):
        sent = client.send_message(NONCE, datetime.now(UTC))

        with pytest.raises(NotYet) as caught:
            client.read_history(sent)

    assert "SLACK_CHANNEL" in caught.value.next_step


def test_what_is_accepted_and_not_delivered_is_never_found(client: Slack, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/slack/faults", {"swallow": True})
    sent = client.send_message(NONCE, datetime.now(UTC))
    other = client.send_message("0" * 32, datetime.now(UTC))
    eventually(partial(client.read_history, other))

    with pytest.raises(NotYet):
        client.read_history(sent)


def test_without_a_bot_token_the_message_is_sent_and_nothing_else(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect, SLACK_BOT_TOKEN="", SLACK_CHANNEL="") as (client, evidence):
        probe = client.probes[0]

        probe.send(NONCE, SENT_AT)

        assert (probe.confirm, probe.clean_up) == ((), ())
        assert [exchange.verb for exchange in evidence] == ["send_message"]


@pytest.mark.parametrize("missing", ["SLACK_BOT_TOKEN", "SLACK_CHANNEL"])
def test_one_of_the_two_values_for_reading_is_refused_by_name(missing: str, stand_ins: StandIns) -> None:
    with (
        pytest.raises(BadInput, match=f"{missing} is missing"),
        connected(stand_ins, INTEGRATION, connect, **{missing: ""}),
    ):
        pass


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda row: row.id)
def test_every_signature_is_read_as_its_row_says(row: Signature, client: Slack, stand_ins: StandIns) -> None:
    for status in row.statuses:
        for verb in sorted(row.verbs or CALLS):
            stand_ins.control("POST", "/slack/faults", {"status": status, "body": f"{{ {row.marker} }}"})

            with pytest.raises(row.kind.value) as caught:
                CALLS[verb](client)

            assert caught.value.symptom == row.id
            assert "{" not in str(caught.value)


@pytest.mark.parametrize(
    ("action", "symptom"),
    [
        ("revoke_webhook", "slack.no_service"),
        ("uninstall_app", "slack.no_service"),
        ("archive_channel", "slack.channel_is_archived"),
        ("delete_channel", "slack.channel_not_found"),
    ],
)
def test_a_dead_webhook_says_what_killed_it(action: str, symptom: str, client: Slack, stand_ins: StandIns) -> None:
    stand_ins.control("POST", f"/slack/actions/{action}", {})

    with pytest.raises(Rejected) as caught:
        client.send_message(NONCE, SENT_AT)

    assert caught.value.symptom == symptom


@pytest.mark.parametrize(
    ("action", "fields", "symptom"),
    [
        ("set_scopes", {"scopes": ["chat:write"]}, "slack.missing_scope"),
        ("leave_channel", {}, "slack.not_in_channel"),
        ("rotate_token", {}, "slack.invalid_auth"),
        ("delete_channel", {}, "slack.channel_unseen"),
    ],
)
def test_a_read_back_that_is_refused_says_why(
    action: str, fields: dict[str, object], symptom: str, client: Slack, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", f"/slack/actions/{action}", fields)

    with pytest.raises(Rejected) as caught:
        client.read_history(SENT)

    assert caught.value.symptom == symptom


def test_a_limit_lasts_as_long_as_slack_says(client: Slack, stand_ins: StandIns) -> None:
    for call in ("send_message", "read_history"):
        stand_ins.control("POST", "/slack/faults", {"throttle_s": 17})

        with pytest.raises(Unavailable) as caught:
            CALLS[call](client)

        assert caught.value.retry_after == timedelta(seconds=17)


def test_a_webhooks_200_that_does_not_say_ok_is_not_a_delivery(client: Slack, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/slack/faults", {"status": 200, "body": "no_service"})

    with pytest.raises(Rejected):
        client.send_message(NONCE, SENT_AT)


@pytest.mark.parametrize("fault", [{"garbage": True}, {"truncate_bytes": 1}, {"drop": True}, {"status": 500}])
def test_a_lost_answer_to_a_message_leaves_its_outcome_unknown(
    fault: dict[str, object], client: Slack, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/slack/faults", fault)

    with pytest.raises(OutcomeUnknown):
        client.send_message(NONCE, SENT_AT)


@pytest.mark.parametrize("fault", [{"garbage": True}, {"truncate_bytes": 3}, {"drop": True}, {"status": 500}])
def test_a_lost_answer_to_a_read_may_be_asked_for_again(
    fault: dict[str, object], client: Slack, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/slack/faults", fault)

    with pytest.raises(Unavailable):
        client.read_history(SENT)


def test_the_whole_probe_passes_over_tls_at_slacks_own_names(stand_ins: StandIns) -> None:
    own = stand_ins.control("GET", "/slack/credentials")["SLACK_WEBHOOK_URL"]
    webhook = f"https://hooks.slack.com/services/{own.partition('/services/')[2]}"
    with (
        trusting(stand_ins.ca_file),
        connected_by_name(stand_ins, INTEGRATION, connect, SLACK_WEBHOOK_URL=webhook) as client,
    ):
        receipt = eventually(partial(client.read_history, client.send_message(NONCE, datetime.now(UTC))))

        assert client.delete_message(receipt) is CleanUp.DONE


def test_no_error_no_repr_and_no_evidence_shows_the_webhook_or_the_token(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect) as (client, evidence):
        secrets = (client.webhook_url, client.webhook_url.rpartition("/")[2], client.bot_token)
        stand_ins.control("POST", "/slack/faults", {"status": 400, "body": " ".join(secrets)})

        with pytest.raises(Rejected) as caught:
            client.send_message(NONCE, SENT_AT)

        for shown in (str(caught.value), repr(caught.value), repr(client), repr(evidence)):
            assert not any(secret in shown for secret in secrets)


@pytest.mark.parametrize(
    "value",
    [
        "https://hooks.slack.com/services/T0/B0",
        "https://hooks.slack.com/services/T0/B0/",
        "https://hooks.slack.com/workflows/T0/B0/secret",
        "hooks.slack.com/services/T0/B0/secret",
        "https:///services/T0/B0/secret",
    ],
)
def test_a_malformed_webhook_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(BadInput) as caught:
        webhook_url(value)

    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://hooks.slack.example.com/services/T/B/x", "http://hooks.slack.com/services/T/B/x"]
)
def test_a_real_webhook_is_slacks_own_over_https(url: str) -> None:
    with pytest.raises(BadInput):
        connect({"webhook_url": url}, None, Conduct(HostRule(rehearsal=False), lambda _: None))


def test_the_manifest_asks_for_the_scopes_that_the_variables_name_and_no_others() -> None:
    named = {scope.strip() for v in INTEGRATION.variables for scope in v.scopes.split(",")} - {"-"}

    asked = set(re.findall(r"^ {6}- ([a-z:-]+)", MANIFEST.read_text(), re.MULTILINE))

    assert asked == named
