"""Splunk's client against its stand-in."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from domain.diagnosis import Signature
from domain.errors import BadInput, NotYet, OutcomeUnknown, Rejected, Unavailable
from domain.names import Target
from domain.probes import Outcome, Receipt
from steps.clock import Clock
from steps.probing import Job, Pace, carry_out
from tests.conftest import StandIns
from tests.vendors.rehearsal import connected, eventually
from vendors.capabilities import checked_values
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.splunk import INTEGRATION, Splunk, api_url, connect, hec_url
from vendors.splunk_signatures import SIGNATURES

NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"
CHANNEL = "5f0c2b9a-7d3e-4f1a-a0b1-c2d3e4f50617"
SENT_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SENT = Receipt(NONCE, SENT_AT)
ACKED = SENT.with_ids(ack_id="0")
NO_SEARCH = {"SPLUNK_TOKEN": "", "SPLUNK_API_URL": ""}
HEC_TOKEN = "0f0f0f0f-1111-2222-3333-444444444444"

CALLS: dict[str, Callable[[Splunk], object]] = {
    "send_event": lambda client: client.send_event(NONCE, SENT_AT),
    "poll_ack": lambda client: client.poll_ack(ACKED),
    "search_event": lambda client: client.search_event(SENT),
}


@pytest.fixture
def client(stand_ins: StandIns) -> Iterator[Splunk]:
    with connected(stand_ins, INTEGRATION, connect) as (client, _):
        yield client


@pytest.fixture
def acknowledged(stand_ins: StandIns) -> Iterator[Splunk]:
    """A client that cannot search, with a token that acknowledges."""
    stand_ins.control("POST", "/splunk/actions/change_token", {"use_ack": True})
    with connected(stand_ins, INTEGRATION, connect, **NO_SEARCH) as (client, _):
        yield client


def test_an_event_is_sent_is_not_there_yet_and_is_then_found_by_search(client: Splunk, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/splunk/actions/set_indexing_delay", {"seconds": 0.5})
    probe = client.probes[0]

    receipt = probe.send(NONCE, datetime.now(UTC))

    with pytest.raises(NotYet) as caught:
        probe.confirm[0](receipt)
    assert caught.value.symptom == "splunk.unseen"
    assert eventually(partial(probe.confirm[0], receipt)).nonce == NONCE
    assert probe.clean_up == ()


def test_the_event_is_marked_and_goes_to_the_named_index_on_a_channel_of_its_own(
    client: Splunk, stand_ins: StandIns
) -> None:
    client.send_event(NONCE, SENT_AT)

    request = stand_ins.control("GET", "/splunk/requests")[-1]
    event = json.loads(request["body"])
    assert request["headers"]["x-splunk-request-channel"] == CHANNEL
    assert event["fields"] == {"verify": "true", "nonce": NONCE}
    assert event["index"] == client.index
    assert '"time":1795262400.0' in request["body"]


def test_an_event_is_found_by_its_nonce_alone(client: Splunk) -> None:
    at = datetime.now(UTC)
    client.send_event(NONCE, at)

    assert eventually(lambda: client.search_event(Receipt(NONCE, at))).nonce == NONCE


def test_without_an_index_every_searchable_one_is_searched(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect, SPLUNK_INDEX="") as (client, _):
        sent = client.send_event(NONCE, datetime.now(UTC))

        assert eventually(lambda: client.search_event(sent)).nonce == NONCE
        assert client.explain(sent).symptom == "splunk.index_not_named"


def test_a_search_is_bounded_by_event_time_and_by_index_time(client: Splunk, stand_ins: StandIns) -> None:
    with pytest.raises(NotYet):
        client.search_event(SENT)

    body = stand_ins.control("GET", "/splunk/requests")[-1]["body"]
    for bound in ("earliest_time=", "latest_time=", "_index_earliest", "_index_latest"):
        assert bound in body


def test_without_a_search_the_collectors_acknowledgement_confirms(acknowledged: Splunk) -> None:
    probe = acknowledged.probes[0]

    receipt = probe.send(NONCE, datetime.now(UTC))
    with pytest.raises(NotYet) as caught:
        probe.confirm[0](receipt)
    confirmed = eventually(partial(probe.confirm[0], receipt))

    assert caught.value.symptom == "splunk.not_acknowledged"
    assert probe.can_confirm(receipt)
    assert confirmed.ids == {"ack_id": "0", "acked": "true"}


def test_an_acknowledgement_is_read_once_and_kept(acknowledged: Splunk) -> None:
    receipt = acknowledged.send_event(NONCE, datetime.now(UTC))
    confirmed = eventually(partial(acknowledged.poll_ack, receipt))

    again = acknowledged.poll_ack(confirmed)

    assert again is confirmed
    with pytest.raises(NotYet):
        acknowledged.poll_ack(receipt)


def test_a_lost_acknowledgement_is_not_asked_for_as_if_nothing_had_happened(
    acknowledged: Splunk, stand_ins: StandIns
) -> None:
    receipt = acknowledged.send_event(NONCE, datetime.now(UTC))
    stand_ins.control("POST", "/splunk/faults", {"drop": True, "deliver": True})

    with pytest.raises(OutcomeUnknown):
        acknowledged.poll_ack(receipt)


def test_with_neither_search_nor_acknowledgement_the_event_is_sent_and_not_confirmed(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect, **NO_SEARCH) as (client, evidence):
        result = carry_out(Job(Target("splunk"), client.probes[0], NONCE), Pace(), Clock())

        assert result.outcome is Outcome.SENT_NOT_CONFIRMED
        assert [exchange.verb for exchange in evidence] == ["send_event"]


@pytest.mark.parametrize("missing", ["SPLUNK_TOKEN", "SPLUNK_API_URL"])
def test_one_of_the_two_values_for_searching_is_refused_by_name(missing: str, stand_ins: StandIns) -> None:
    with (
        pytest.raises(BadInput, match=f"{missing} is missing"),
        connected(stand_ins, INTEGRATION, connect, SPLUNK_MANAGE_TOKEN="", **{missing: ""}),
    ):
        pass


def test_an_address_for_managing_alone_needs_no_token_for_searching(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect, SPLUNK_TOKEN="") as (client, _):
        assert client.probes[0].can_confirm(Receipt(NONCE, SENT_AT)) is False


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda row: row.id)
def test_every_signature_is_read_as_its_row_says(row: Signature, client: Splunk, stand_ins: StandIns) -> None:
    for status in row.statuses:
        for verb in sorted(row.verbs & CALLS.keys()):
            stand_ins.control("POST", "/splunk/faults", {"status": status, "body": f"{{ {row.marker} }}"})

            with pytest.raises(row.kind.value) as caught:
                CALLS[verb](client)

            assert caught.value.symptom == row.id
            assert "{" not in str(caught.value)


def test_a_disabled_token_an_unknown_one_and_a_refused_index_are_told_apart(stand_ins: StandIns) -> None:
    symptoms = []
    stand_ins.control("POST", "/splunk/actions/change_token", {"indexes": ["main"]})
    for changes in ({}, {"SPLUNK_HEC_TOKEN": HEC_TOKEN}):
        with (
            connected(stand_ins, INTEGRATION, connect, **changes) as (client, _),
            pytest.raises(Rejected) as caught,
        ):
            client.send_event(NONCE, SENT_AT)
        symptoms.append(caught.value.symptom)
    stand_ins.control("POST", "/splunk/actions/switch_token", {"on": False})
    with connected(stand_ins, INTEGRATION, connect) as (client, _), pytest.raises(Rejected) as caught:
        client.send_event(NONCE, SENT_AT)

    assert [*symptoms, caught.value.symptom] == [
        "splunk.index_refused",
        "splunk.token_unknown",
        "splunk.token_disabled",
    ]


def test_a_busy_collector_took_nothing_and_may_be_asked_again(client: Splunk, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/splunk/actions/set_busy", {"on": True})

    with pytest.raises(Unavailable) as caught:
        client.send_event(NONCE, SENT_AT)

    assert caught.value.symptom == "splunk.busy"


def test_a_200_with_a_warning_of_a_full_queue_is_a_success(client: Splunk, stand_ins: StandIns) -> None:
    body = '{"text":"HEC queue is approaching its capacity limit","code":24}'
    stand_ins.control("POST", "/splunk/faults", {"status": 200, "body": body})

    assert client.send_event(NONCE, SENT_AT).nonce == NONCE


def test_what_is_accepted_and_not_delivered_is_never_found_and_is_explained(
    client: Splunk, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/splunk/faults", {"swallow": True})
    sent = client.send_event(NONCE, datetime.now(UTC))
    other = client.send_event("0" * 32, datetime.now(UTC))
    eventually(lambda: client.search_event(other))

    with pytest.raises(NotYet):
        client.search_event(sent)

    assert client.explain(sent).symptom == "splunk.lost_after_200"


def test_an_index_that_the_role_may_not_search_stays_unseen(client: Splunk, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/splunk/actions/set_search_indexes", {"indexes": ["main"]})
    sent = client.send_event(NONCE, datetime.now(UTC))

    with pytest.raises(NotYet):
        client.search_event(sent)

    assert "role" in client.explain(sent).next_step


@pytest.mark.parametrize(
    "body",
    [
        "",
        '{"preview":true,"result":{"count":"1"}}',
        '{"preview":false,"lastrow":true}',
        '{"preview":false,"lastrow":true,"result":{"count":"1"',
        '{"preview":false,"lastrow":true,"result":{"other":"1"}}',
    ],
)
def test_a_search_without_a_final_count_is_not_read_as_no_events(
    body: str, client: Splunk, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/splunk/faults", {"status": 200, "body": body})

    with pytest.raises(Unavailable):
        client.search_event(SENT)


def test_a_preview_does_not_outvote_the_final_row(client: Splunk, stand_ins: StandIns) -> None:
    body = '{"preview":true,"result":{"count":"0"}}\n{"preview":false,"lastrow":true,"result":{"count":"1"}}\n'
    stand_ins.control("POST", "/splunk/faults", {"status": 200, "body": body})

    assert client.search_event(SENT) is SENT


@pytest.mark.parametrize("fault", [{"garbage": True}, {"truncate_bytes": 3}, {"drop": True}])
def test_a_lost_answer_to_an_event_leaves_its_outcome_unknown(
    fault: dict[str, object], client: Splunk, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/splunk/faults", fault)

    with pytest.raises(OutcomeUnknown):
        client.send_event(NONCE, SENT_AT)


def test_no_error_and_no_repr_shows_a_token(client: Splunk, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/splunk/faults", {"status": 400, "body": f"{client.hec_token} {client.token}"})

    with pytest.raises(Rejected) as caught:
        client.send_event(NONCE, SENT_AT)

    for shown in (str(caught.value), repr(caught.value), repr(client)):
        assert client.hec_token not in shown
        assert client.token not in shown


def test_a_self_signed_certificate_is_refused_unless_the_check_is_switched_off(stand_ins: StandIns) -> None:
    secure = {"SPLUNK_HEC_URL": stand_ins.https_url, "SPLUNK_API_URL": stand_ins.https_url}
    with (
        connected(stand_ins, INTEGRATION, connect, **secure) as (client, _),
        pytest.raises(Unavailable) as caught,
    ):
        client.send_event(NONCE, SENT_AT)
    assert caught.value.symptom == "network.tls"

    with connected(stand_ins, INTEGRATION, connect, **secure, SPLUNK_HEC_INSECURE="1") as (client, _):
        sent = client.send_event(NONCE, datetime.now(UTC))
        assert eventually(partial(client.search_event, sent)).nonce == NONCE


@pytest.mark.parametrize(
    "path", ["", "/", "/services/collector", "/services/collector/", "/services/collector/event",
             "/services/collector/event/1.0", "/services/collector/raw", "/services/collector/health"],
)  # fmt: skip
def test_the_collectors_address_may_have_its_path_or_not(path: str) -> None:
    assert hec_url(f"https://splunk.example.com:8088{path}") == "https://splunk.example.com:8088"


def test_a_collector_behind_a_prefix_keeps_it() -> None:
    assert hec_url("https://gate.example.com/splunk/services/collector") == "https://gate.example.com/splunk"
    assert api_url("https://gate.example.com/splunk/services/") == "https://gate.example.com/splunk"


@pytest.mark.parametrize(
    ("url", "allowed", "fits"),
    [
        ("https://http-inputs-acme.splunkcloud.com", "", True),
        ("https://splunk.example.com:8088", "splunk.example.com", True),
        ("https://splunk.example.com:8088", "", False),
        ("http://splunk.example.com:8088", "splunk.example.com", False),
        ("https://splunkcloud.com.example.com", "", False),
    ],
)
def test_a_token_goes_to_splunk_cloud_or_to_an_allowed_host(url: str, allowed: str, *, fits: bool) -> None:
    rule = HostRule(rehearsal=False, allowed=frozenset({allowed} - {""}))
    values = checked_values(INTEGRATION, {"SPLUNK_HEC_TOKEN": HEC_TOKEN, "SPLUNK_HEC_URL": url})

    def attempt() -> Splunk:
        return connect(values, None, Conduct(rule, lambda _: None))

    if fits:
        assert attempt().hec == url
    else:
        with pytest.raises(BadInput):
            attempt()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"SPLUNK_HEC_TOKEN": f"Splunk {HEC_TOKEN}"}, "SPLUNK_HEC_TOKEN: the value (43 characters) is not a HEC token"),
        ({"SPLUNK_HEC_URL": "splunk.example.com:8088"}, "SPLUNK_HEC_URL: the value is not a web address"),
        ({"SPLUNK_HEC_INSECURE": "yes"}, "SPLUNK_HEC_INSECURE: the value is none of 0, 1"),
        ({"SPLUNK_TOKEN": "too short"}, "SPLUNK_TOKEN: the value (9 characters) is not an authentication token"),
        ({"SPLUNK_INDEX": "Main Index"}, "SPLUNK_INDEX: the value (10 characters) is not an index's name"),
    ],
)
def test_a_malformed_value_is_named_and_not_shown(changes: dict[str, str], says: str) -> None:
    given = {"SPLUNK_HEC_TOKEN": HEC_TOKEN, "SPLUNK_HEC_URL": "https://splunk.example.com:8088"} | changes

    with pytest.raises(BadInput) as caught:
        checked_values(INTEGRATION, given)

    assert says in str(caught.value)
    assert not any(value in str(caught.value) for value in changes.values())


def test_the_rate_of_a_collector_that_names_no_time_is_a_minute(client: Splunk, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/splunk/faults", {"status": 429})

    with pytest.raises(Unavailable) as caught:
        client.send_event(NONCE, SENT_AT)

    assert caught.value.retry_after == timedelta(seconds=60)
