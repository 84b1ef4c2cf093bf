"""Sentry's client against its stand-in."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.diagnosis import Signature
from domain.errors import BadInput, NotYet, OutcomeUnknown, Rejected, Unavailable
from domain.probes import CleanUp, Receipt
from tests.conftest import StandIns
from tests.vendors.rehearsal import connected, eventually, trusting
from vendors.capabilities import checked_values
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.sentry import INTEGRATION, PUBLISHED_HOSTS, Sentry, connect, rate_limit
from vendors.sentry_dsn import parse_dsn
from vendors.sentry_signatures import SIGNATURES

NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"
OTHER_NONCE = "0" * 32
SENT_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SENT = Receipt(NONCE, SENT_AT)
FOUND = SENT.with_ids(issue_id="4242")
KEY = "0123456789abcdef" * 2

CALLS: dict[str, Callable[[Sentry], object]] = {
    "send_event": lambda client: client.send_event(NONCE, SENT_AT),
    "raise_error": lambda client: client.raise_error(NONCE, SENT_AT),
    "read_event": lambda client: client.read_event(SENT),
    "error_indexed": lambda client: client.error_indexed(SENT),
    "resolve_issue": lambda client: client.resolve_issue(FOUND),
}


@pytest.fixture
def client(stand_ins: StandIns) -> Iterator[Sentry]:
    with connected(stand_ins, INTEGRATION, connect) as (client, _):
        yield client


@contextmanager
def in_region(stand_ins: StandIns, region: str) -> Iterator[Sentry]:
    """Give a client whose DSN names Sentry's own ingest of that region, dialled at the stand-ins' TLS port."""
    given = stand_ins.control("GET", "/sentry/credentials")
    own = parse_dsn(given["SENTRY_DSN"])
    ingest = f"o1.ingest.{region}.sentry.io"
    given["SENTRY_DSN"] = f"https://{own.public_key}@{ingest}/{own.project_id}"
    hosts = (ingest, "sentry.io", "us.sentry.io", "de.sentry.io")
    dial = dict.fromkeys(hosts, ("127.0.0.1", urlsplit(stand_ins.https_url).port or 0))
    conduct = Conduct(HostRule(rehearsal=True, allowed=frozenset(hosts)), lambda _: None, dial=dial)
    with closing(connect(checked_values(INTEGRATION, given), None, conduct)) as client:
        yield client


def test_an_event_is_sent_is_not_there_yet_is_read_back_and_its_issue_resolved(
    client: Sentry, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/sentry/actions/set_indexing_delay", {"seconds": 0.5})
    probe = client.probes[0]

    receipt = probe.send(NONCE, datetime.now(UTC))

    with pytest.raises(NotYet) as caught:
        probe.confirm[0](receipt)
    assert caught.value.symptom == "sentry.event_unseen"
    assert caught.value.retry_after is None
    receipt = eventually(partial(probe.confirm[0], receipt))
    assert receipt.ids["event_id"] == NONCE
    assert probe.clean_up[0](receipt) is CleanUp.DONE
    (issue,) = stand_ins.control("GET", "/sentry/inbox")
    assert issue["status"] == "resolved"


def test_what_a_crash_left_is_resolved_by_its_nonce_alone(client: Sentry) -> None:
    client.send_event(NONCE, SENT_AT)

    came_to = eventually(lambda: client.resolve_issue(Receipt(NONCE, SENT_AT)))

    assert came_to is CleanUp.DONE


def test_all_probes_share_one_issue(client: Sentry) -> None:
    receipts = [client.send_event(nonce, SENT_AT) for nonce in (NONCE, OTHER_NONCE)]

    issues = {eventually(partial(client.read_event, receipt)).ids["issue_id"] for receipt in receipts}

    assert len(issues) == 1


def test_every_error_of_the_chain_is_a_new_issue_with_its_nonce_in_the_title(
    client: Sentry, stand_ins: StandIns
) -> None:
    receipts = [client.raise_error(nonce, SENT_AT) for nonce in (NONCE, OTHER_NONCE)]

    issues = {eventually(partial(client.error_indexed, receipt)).ids["issue_id"] for receipt in receipts}

    assert len(issues) == 2
    titles = [row["text"] for row in stand_ins.control("GET", "/sentry/inbox")]
    assert NONCE in titles[0]
    assert OTHER_NONCE in titles[1]


def test_nothing_marks_an_error_of_the_chain_as_a_verification(client: Sentry, stand_ins: StandIns) -> None:
    client.raise_error(NONCE, SENT_AT)

    assert "verify" not in stand_ins.control("GET", "/sentry/requests")[-1]["body"]


def test_without_a_token_the_event_is_sent_and_nothing_else(stand_ins: StandIns) -> None:
    nothing_to_read = {"SENTRY_AUTH_TOKEN": "", "SENTRY_ORG": "", "SENTRY_PROJECT": ""}
    with connected(stand_ins, INTEGRATION, connect, **nothing_to_read) as (client, evidence):
        probe = client.probes[0]

        probe.send(NONCE, SENT_AT)

        assert (probe.confirm, probe.clean_up) == ((), ())
        assert [exchange.verb for exchange in evidence] == ["send_event"]
        assert client.other_homes("sentry.rejected") == ()


def test_some_of_the_values_for_reading_back_are_refused_by_name(stand_ins: StandIns) -> None:
    with (
        pytest.raises(BadInput, match="SENTRY_ORG, SENTRY_PROJECT: missing"),
        connected(stand_ins, INTEGRATION, connect, SENTRY_ORG="", SENTRY_PROJECT=""),
    ):
        pass


@pytest.mark.parametrize("row", SIGNATURES, ids=lambda row: row.id)
def test_every_signature_is_read_as_its_row_says(row: Signature, client: Sentry, stand_ins: StandIns) -> None:
    reached = False
    for status in row.statuses:
        for verb in sorted(row.verbs & CALLS.keys()):
            earlier = next(r for r in SIGNATURES if r.fits(verb, status, row.marker))
            if earlier is not row:
                continue  # what this row would say of the verb, a row of the verb's own says better
            stand_ins.control("POST", "/sentry/faults", {"status": status, "body": f"{{ {row.marker} }}"})

            with pytest.raises(row.kind.value) as caught:
                CALLS[verb](client)

            assert caught.value.symptom == row.id
            assert "{" not in str(caught.value)
            reached = True
    assert reached or row.id == "sentry.project_unknown"


def test_a_project_that_is_not_there_is_the_explanation_of_what_stays_unseen(stand_ins: StandIns) -> None:
    with connected(stand_ins, INTEGRATION, connect, SENTRY_PROJECT="not-there") as (client, _):
        sent = client.send_event(NONCE, SENT_AT)
        with pytest.raises(NotYet):
            client.read_event(sent)

        assert client.explain(sent).symptom == "sentry.project_unknown"


def test_a_200_with_a_limit_for_errors_is_not_a_delivery(client: Sentry, stand_ins: StandIns) -> None:
    limits = {"X-Sentry-Rate-Limits": "60:transaction:key, 30:default;error;security:organization"}
    stand_ins.control(
        "POST", "/sentry/faults", {"status": 200, "headers": limits, "body": f'{{"id":"{NONCE}"}}'}
    )  # fmt: skip

    with pytest.raises(Unavailable) as caught:
        client.send_event(NONCE, SENT_AT)

    assert caught.value.symptom == "sentry.limited_with_200"
    assert caught.value.retry_after == timedelta(seconds=30)


def test_a_200_with_a_limit_for_other_things_is_a_success(client: Sentry, stand_ins: StandIns) -> None:
    limits = {"X-Sentry-Rate-Limits": "60:transaction;replay:key"}
    stand_ins.control(
        "POST", "/sentry/faults", {"status": 200, "headers": limits, "body": f'{{"id":"{NONCE}"}}'}
    )  # fmt: skip

    assert client.send_event(NONCE, SENT_AT).ids["event_id"] == NONCE


@pytest.mark.parametrize("call", ["send_event", "read_event"])
def test_a_limit_lasts_as_long_as_sentry_says(call: str, client: Sentry, stand_ins: StandIns) -> None:
    soon = int(datetime.now(UTC).timestamp()) + 20
    api = {"x-sentry-rate-limit-reset": str(soon)}
    ingest = {"retry-after": "20"}
    headers = ingest if call == "send_event" else api
    stand_ins.control("POST", "/sentry/faults", {"status": 429, "headers": headers})

    with pytest.raises(Unavailable) as caught:
        CALLS[call](client)

    assert caught.value.retry_after is not None
    assert timedelta(seconds=10) < caught.value.retry_after <= timedelta(seconds=20)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("60:transaction:key, 2700:default;error;security:organization", 2700),
        ("45::organization", 45),
        ("45:error:project, 90:default:key", 90),
        ("60:transaction:key", None),
        ("soon:error:key, 12", None),
    ],
)
def test_only_limits_for_events_like_ours_count(header: str, seconds: int | None) -> None:
    wait = rate_limit({"x-sentry-rate-limits": header}, SENT_AT)

    assert wait == (None if seconds is None else timedelta(seconds=seconds))


def test_a_throttled_event_waits_for_the_ingests_own_time(client: Sentry, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/sentry/faults", {"throttle_s": 33})

    with pytest.raises(Unavailable) as caught:
        client.send_event(NONCE, SENT_AT)

    assert caught.value.retry_after == timedelta(seconds=33)


def test_an_event_that_a_cold_ingest_dropped_is_not_blamed_on_an_active_key(
    client: Sentry, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/sentry/faults", {"swallow": True})
    sent = client.send_event(NONCE, SENT_AT)

    assert client.explain(sent).symptom == "sentry.event_dropped"


def test_a_disabled_key_is_the_explanation_of_what_stays_unseen(client: Sentry, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/sentry/faults", {"swallow": True})
    sent = client.send_event(NONCE, SENT_AT)
    stand_ins.control("POST", "/sentry/actions/set_key_active", {"active": False})

    assert client.explain(sent).symptom == "sentry.key_disabled"


def test_a_dsn_of_another_project_is_the_explanation_of_what_stays_unseen(stand_ins: StandIns) -> None:
    given = stand_ins.control("GET", "/sentry/credentials")
    own = parse_dsn(given["SENTRY_DSN"])
    other = given["SENTRY_DSN"].replace(own.public_key, KEY)
    with connected(stand_ins, INTEGRATION, connect, SENTRY_DSN=other) as (client, _):
        assert client.explain(SENT).symptom == "sentry.key_of_other_project"


def test_a_dsn_of_an_unknown_key_is_rejected(stand_ins: StandIns) -> None:
    given = stand_ins.control("GET", "/sentry/credentials")
    other = given["SENTRY_DSN"].replace(parse_dsn(given["SENTRY_DSN"]).public_key, KEY)
    with (
        connected(stand_ins, INTEGRATION, connect, SENTRY_DSN=other) as (client, _),
        pytest.raises(Rejected) as caught,
    ):
        client.send_event(NONCE, SENT_AT)

    assert caught.value.symptom == "sentry.rejected"
    assert "other region" in caught.value.means


@pytest.mark.parametrize(
    ("call", "symptom"), [("send_event", "sentry.rejected"), ("read_event", "sentry.token_unknown")]
)
def test_an_organisation_of_the_other_region_is_found_there(call: str, symptom: str, stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/sentry/actions/set_region", {"region": "de"})
    with trusting(stand_ins.ca_file), in_region(stand_ins, "us") as client:
        with pytest.raises(Rejected) as caught:
            CALLS[call](client)

        assert caught.value.symptom == symptom
        assert client.other_homes(symptom) == ("de.sentry.io",)
        assert client.is_known_at("de.sentry.io")
        assert not client.is_known_at("us.sentry.io")


def test_the_whole_probe_passes_over_tls_in_the_european_region(stand_ins: StandIns) -> None:
    stand_ins.control("POST", "/sentry/actions/set_region", {"region": "de"})
    with trusting(stand_ins.ca_file), in_region(stand_ins, "de") as client:
        receipt = eventually(partial(client.read_event, client.send_event(NONCE, SENT_AT)))

        assert client.resolve_issue(receipt) is CleanUp.DONE


def test_a_stand_ins_refusal_is_not_taken_to_another_region(client: Sentry) -> None:
    assert client.other_homes("sentry.rejected") == ()


@pytest.mark.parametrize("fault", [{"garbage": True}, {"truncate_bytes": 3}, {"drop": True}])
def test_a_lost_answer_to_an_event_leaves_its_outcome_unknown(
    fault: dict[str, object], client: Sentry, stand_ins: StandIns
) -> None:
    stand_ins.control("POST", "/sentry/faults", fault)

    with pytest.raises(OutcomeUnknown):
        client.send_event(NONCE, SENT_AT)


def test_no_error_and_no_repr_shows_a_key_or_a_token(client: Sentry, stand_ins: StandIns) -> None:
    secrets = (client.dsn.public_key, client.auth_token)
    stand_ins.control("POST", "/sentry/faults", {"status": 400, "body": " ".join(secrets)})

    with pytest.raises(Rejected) as caught:
        client.send_event(NONCE, SENT_AT)

    for shown in (str(caught.value), repr(caught.value), repr(client)):
        assert not any(secret in shown for secret in secrets)


@pytest.mark.parametrize(
    ("ingest", "api"),
    [
        ("https://{key}@o1.ingest.us.sentry.io/42", "https://us.sentry.io"),
        ("https://{key}@o1.ingest.de.sentry.io/42", "https://de.sentry.io"),
        ("https://{key}@o1.ingest.sentry.io/42", "https://sentry.io"),
        ("https://{key}@sentry.io/42", "https://sentry.io"),
        ("https://{key}:{key}@sentry.example.com:8443/inner/42", "https://sentry.example.com:8443/inner"),
        ("http://{key}@[::1]:9000/42", "http://[::1]:9000"),
    ],
)
def test_a_dsn_tells_where_events_go_and_who_answers_for_its_region(ingest: str, api: str) -> None:
    dsn = parse_dsn(ingest.format(key=KEY))

    assert dsn.api == api
    assert dsn.envelope_url.endswith("/api/42/envelope/")
    assert dsn.envelope_url.startswith(dsn.origin)
    assert KEY not in repr(dsn)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("o1.ingest.us.sentry.io/42", "does not start with https://"),
        ("ftp://{key}@o1.ingest.us.sentry.io/42", "does not start with https://"),
        ("https://o1.ingest.us.sentry.io/42", "no key before an @"),
        ("https://{key}0@o1.ingest.us.sentry.io/42", "its key has 33 characters"),
        ("https://{key}@/42", "no host after the @"),
        ("https://{key}@o1.ingest.us.sentry.io", "no project id after the last slash"),
        ("https://{key}@o1.ingest.us.sentry.io/", "no project id after the last slash"),
        ("https://{key}@o1.ingest.us.sentry.io/payments", "its project id is not a number"),
        ("https://{key}@o1.ingest.us.sentry.io/42?x=1", "something follows the project's id"),
        ("https://{key}@o1.ingest.us.sentry.io:port/42", "its host and port cannot be read"),
    ],
)
def test_a_malformed_dsn_is_told_what_is_wrong_and_not_shown(value: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_dsn(value.format(key=KEY))

    assert says in str(caught.value)
    assert KEY not in str(caught.value)


@given(st.text(max_size=80))
def test_any_text_is_a_dsn_or_is_refused_as_bad_input(text: str) -> None:
    with suppress(BadInput):
        assert parse_dsn(text).project_id.isdecimal()


@pytest.mark.parametrize("url", ["https://{key}@sentry.example.com/42", "http://{key}@o1.ingest.us.sentry.io/42"])
def test_a_real_dsn_goes_to_sentry_over_https_alone(url: str) -> None:
    with pytest.raises(BadInput):
        connect({"dsn": url.format(key=KEY)}, None, Conduct(HostRule(rehearsal=False), lambda _: None))


def test_an_allowed_host_may_be_ones_own_sentry() -> None:
    rule = HostRule(rehearsal=False, allowed=frozenset({"sentry.example.com"}))

    client = connect({"dsn": f"https://{KEY}@sentry.example.com/42"}, None, Conduct(rule, lambda _: None))

    assert client.api == "https://sentry.example.com"
    assert client.other_homes("sentry.rejected") == ()
    assert "sentry.example.com" not in PUBLISHED_HOSTS
