"""Datadog's client against its stand-in."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from domain.diagnosis import Signature
from domain.errors import BadInput, NotYet, OutcomeUnknown, Rejected, Unavailable
from domain.probes import Receipt
from tests.conftest import StandIns
from tests.vendors.rehearsal import connected, connected_by_name, eventually, trusting
from vendors.capabilities import checked_values
from vendors.datadog import GOVERNMENT_SITES, INTEGRATION, SIGNATURES, SITES, Datadog, connect
from vendors.hosts import HostRule
from vendors.http import Conduct

NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"
SENT_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SENT = Receipt(NONCE, SENT_AT)
API_KEY = "0123456789abcdef" * 2
APP_KEY = "0123456789" * 4

CALLS: dict[str, Callable[[Datadog], object]] = {
    "send_metric": lambda client: client.send_metric(NONCE, SENT_AT),
    "send_event": lambda client: client.send_event(NONCE, SENT_AT),
    "find_metric": lambda client: client.find_metric(SENT),
    "find_event": lambda client: client.find_event(SENT),
}


@pytest.fixture
def client(stand_ins: StandIns) -> Iterator[Datadog]:
    with connected(stand_ins, INTEGRATION, connect) as (client, _):
        yield client


@pytest.mark.parametrize("number", [0, 1], ids=["metric", "event"])
def test_a_probe_is_sent_is_not_there_yet_and_is_then_read_back(
    number: int, client: Datadog, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/datadog/actions/set_indexing_delay", {"seconds": 0.5})
    probe = client.probes[number]

    receipt = probe.send(NONCE, datetime.now(UTC))

    with pytest.raises(NotYet) as caught:
        probe.confirm[0](receipt)
    assert caught.value.symptom == f"datadog.{probe.name}_unseen"
    assert caught.value.retry_after is None
    assert eventually(partial(probe.confirm[0], receipt)).nonce == NONCE
    assert probe.clean_up == ()


def test_the_metric_is_one_and_marked(client: Datadog, stand_ins: StandIns) -> None:
    client.send_metric(NONCE, SENT_AT)

    series = json.loads(stand_ins.control("GET", "/datadog/requests")[-1]["body"])["series"]
    assert series == [
        {
            "metric": "operator_wiring.verify",
            "type": 3,
            "points": [{"timestamp": int(SENT_AT.timestamp()), "value": 1.0}],
            "tags": ["verify:true", f"nonce:{NONCE}"],
        }
    ]


def test_an_event_is_found_by_its_nonce_alone_and_by_the_id_that_loses_no_digits(client: Datadog) -> None:
    at = datetime.now(UTC)
    sent = client.send_event(NONCE, at)

    found = eventually(lambda: client.find_event(Receipt(NONCE, at)))

    assert found.ids["event_id"] == sent.ids["event_id"]
    assert len(found.ids["event_id"]) == len("6327818702635911562")


@pytest.mark.parametrize("probe", [0, 1], ids=["metric", "event"])
def test_what_is_accepted_and_not_delivered_is_never_found_and_is_explained(
    probe: int, client: Datadog, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/datadog/faults", {"swallow": True, "method": "POST"})
    receipt = client.probes[probe].send(NONCE, datetime.now(UTC))
    other = client.probes[probe].send("0" * 32, datetime.now(UTC))
    eventually(partial(client.probes[probe].confirm[0], other))

    with pytest.raises(NotYet):
        client.probes[probe].confirm[0](receipt)

    why = client.probes[probe].explain(receipt)
    assert why is not None
    assert why.symptom == f"datadog.{client.probes[probe].name}_dropped"
    assert NONCE in why.happened


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda row: row.id)
def test_every_signature_is_read_as_its_row_says(row: Signature, client: Datadog, stand_ins: StandIns) -> None:
    for status in row.statuses:
        for verb in row.verbs or CALLS:
            stand_ins.control("POST", "/datadog/faults", {"status": status, "body": f"{{ {row.marker} }}"})

            with pytest.raises(row.kind.value) as caught:
                CALLS[verb](client)

            assert caught.value.symptom == row.id
            assert "{" not in str(caught.value)


def test_a_limit_lasts_as_long_as_datadog_says(client: Datadog, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/datadog/faults", {"throttle_s": 17})

    with pytest.raises(Unavailable) as caught:
        client.find_event(SENT)

    assert caught.value.retry_after == timedelta(seconds=17)


def test_the_state_of_a_limit_on_a_failed_answer_is_not_taken_for_a_wait(client: Datadog, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/datadog/faults", {"status": 500, "headers": {"X-RateLimit-Reset": "3000"}})

    with pytest.raises(Unavailable) as caught:
        client.find_event(SENT)

    assert caught.value.retry_after is None


def test_a_revoked_key_and_a_wrong_application_key_are_told_apart(client: Datadog, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/datadog/actions/revoke_app_key", {})
    client.send_event(NONCE, datetime.now(UTC))
    with pytest.raises(Rejected) as at_reading:
        client.find_event(SENT)

    stand_ins.control("POST", "/datadog/actions/revoke_api_key", {})
    with pytest.raises(Rejected) as at_sending:
        client.send_event(NONCE, datetime.now(UTC))

    assert at_reading.value.symptom == "datadog.application_key"
    assert at_sending.value.symptom == "datadog.key_unknown"


def test_an_application_key_without_the_scope_is_named_as_such(stand_ins: StandIns) -> None:
    minted = stand_ins.control("POST", "/datadog/actions/mint_app_key", {"scopes": ["dashboards_read"]})
    with (
        connected(stand_ins, INTEGRATION, connect, DD_APP_KEY=minted["key"]) as (client, _),
        pytest.raises(Rejected) as caught,
    ):
        client.find_event(SENT)

    assert caught.value.symptom == "datadog.permission"


def test_a_key_of_another_site_is_found_there(stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/datadog/actions/move_org", {"site": "us5.datadoghq.com"})
    with (
        trusting(stand_ins.ca_file),
        connected_by_name(stand_ins, INTEGRATION, connect, DD_SITE="datadoghq.eu") as client,
    ):
        with pytest.raises(Rejected) as caught:
            client.send_metric(NONCE, SENT_AT)

        homes = client.other_homes(caught.value.symptom)
        assert [home for home in homes if client.is_known_at(home)] == ["us5.datadoghq.com"]


def test_a_government_site_is_neither_asked_nor_left(stand_ins: StandIns) -> None:
    with connected_by_name(stand_ins, INTEGRATION, connect, DD_SITE="datadoghq.eu") as commercial:
        asked = commercial.other_homes("datadog.key_unknown")
    with connected_by_name(stand_ins, INTEGRATION, connect, DD_SITE="ddog-gov.com") as government:
        left = government.other_homes("datadog.key_unknown")

    assert set(asked) == set(SITES) - GOVERNMENT_SITES - {"datadoghq.eu"}
    assert left == ()


def test_a_key_refused_by_a_stand_in_is_not_shown_to_datadog(client: Datadog) -> None:
    assert client.other_homes("datadog.key_unknown") == ()


def test_a_refusal_that_is_not_about_the_place_is_not_taken_elsewhere(stand_ins: StandIns) -> None:
    with connected_by_name(stand_ins, INTEGRATION, connect, DD_SITE="datadoghq.eu") as client:
        assert client.other_homes("datadog.permission") == ()
        assert client.other_homes("datadog.application_key") == ()


@pytest.mark.parametrize("fault", [{"garbage": True}, {"truncate_bytes": 3}, {"drop": True}, {"status": 202}])
def test_a_lost_answer_to_a_submission_leaves_its_outcome_unknown(
    fault: dict[str, object], client: Datadog, stand_ins: StandIns
) -> None:
    for call in (client.send_metric, client.send_event):
        stand_ins.control("POST", "/datadog/faults", fault)

        with pytest.raises(OutcomeUnknown):
            call(NONCE, SENT_AT)


def test_no_error_and_no_repr_shows_a_key(client: Datadog, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/datadog/faults", {"status": 400, "body": f"{client.api_key} {client.app_key}"})

    with pytest.raises(Rejected) as caught:
        client.find_metric(SENT)

    for shown in (str(caught.value), repr(caught.value), repr(client)):
        assert client.api_key not in shown
        assert client.app_key not in shown


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"DD_API_KEY": APP_KEY}, "DD_API_KEY: the value (40 characters) is not an API key"),
        ({"DD_APP_KEY": API_KEY}, "DD_APP_KEY: the value (32 characters) is not an application key"),
        ({"DD_SITE": "us6.datadoghq.com"}, "DD_SITE: the value is none of datadoghq.com, us3.datadoghq.com"),
        ({"DD_SITE": "https://app.datadoghq.eu"}, "DD_SITE: the value is none of"),
    ],
)
def test_a_malformed_value_is_named_and_not_shown(changes: dict[str, str], says: str) -> None:
    given = {"DD_API_KEY": API_KEY, "DD_APP_KEY": APP_KEY, "DD_SITE": "datadoghq.eu"} | changes

    with pytest.raises(BadInput) as caught:
        checked_values(INTEGRATION, given)

    assert says in str(caught.value)
    assert not any(value in str(caught.value) for value in changes.values())


@pytest.mark.parametrize("site", SITES)
def test_a_site_decides_the_host(site: str) -> None:
    values = checked_values(INTEGRATION, {"DD_API_KEY": API_KEY, "DD_APP_KEY": APP_KEY, "DD_SITE": site})

    assert connect(values, None, Conduct(HostRule(rehearsal=False), lambda _: None)).api == f"https://api.{site}"
