"""PagerDuty's stand-in: what becomes of an event, what REST shows of it, and who may ask."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import StandIns


@dataclass(frozen=True, slots=True)
class Account:
    """The account, spoken to with its own credentials."""

    stand_ins: StandIns
    routing_key: str
    api_key: str
    service: str

    def event(self, action: str, dedup_key: str = "d1", routing_key: str = "", **payload: str) -> httpx.Response:
        body = {"routing_key": routing_key or self.routing_key, "event_action": action, "dedup_key": dedup_key}
        details = {"summary": "disk full", "source": "db1", "severity": "error", **payload}
        return httpx.post(f"{self.stand_ins.url}/pagerduty/v2/enqueue", json={**body, "payload": details})

    def rest(self, method: str, path: str, json: object = None, **headers: str) -> httpx.Response:
        sent = {"authorization": f"Token token={self.api_key}", **headers}
        return httpx.request(method, f"{self.stand_ins.url}/pagerduty{path}", json=json, headers=sent)

    def incidents(self, query: str = "incident_key=d1&date_range=all") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.rest("GET", f"/incidents?{query}").json()["incidents"]
        return found

    def act(self, name: str, **fields: Any) -> Any:
        return self.stand_ins.control("POST", f"/pagerduty/actions/{name}", fields)


@pytest.fixture
def account(stand_ins: StandIns) -> Account:
    stand_ins.control("POST", "/pagerduty/actions/set_indexing_delay", {"seconds": 0})
    held = stand_ins.control("GET", "/pagerduty/credentials")
    names = ("PAGERDUTY_ROUTING_KEY", "PAGERDUTY_MANAGE_KEY", "PAGERDUTY_SERVICE_ID")
    return Account(stand_ins, *(held[name] for name in names))


def test_a_trigger_becomes_an_incident_after_a_while(account: Account) -> None:
    account.act("set_indexing_delay", seconds=60)

    answer = account.event("trigger")

    assert (answer.status_code, answer.json()["dedup_key"]) == (202, "d1")
    assert account.incidents() == []
    account.stand_ins.control("POST", "/clock", {"offset_s": 61})
    (incident,) = account.incidents()
    assert (incident["title"], incident["status"], incident["incident_key"]) == ("disk full", "triggered", None)


def test_the_alert_names_the_integration_whose_key_opened_it(account: Account) -> None:
    second = account.act("add_integration")
    account.event("trigger", routing_key=second["routing_key"])

    (incident,) = account.incidents()
    (alert,) = account.rest("GET", f"/incidents/{incident['id']}/alerts?alert_key=d1").json()["alerts"]

    assert alert["integration"]["id"] == second["integration"]
    assert alert["body"]["cef_details"]["source"] == "db1"


def test_a_repeated_trigger_adds_a_log_entry_and_no_alert(account: Account) -> None:
    account.event("trigger")
    account.event("trigger")

    (incident,) = account.incidents()
    entries = account.rest("GET", f"/incidents/{incident['id']}/log_entries").json()["log_entries"]

    assert incident["alert_counts"]["all"] == 1
    assert [entry["type"] for entry in entries] == ["trigger_log_entry", "trigger_log_entry"]


def test_a_trigger_after_a_resolve_is_a_new_incident(account: Account) -> None:
    for action in ("trigger", "acknowledge", "resolve", "trigger"):
        account.event(action)

    assert [incident["status"] for incident in account.incidents()] == ["resolved", "triggered"]


def test_a_resolve_by_another_key_is_taken_and_dropped(account: Account) -> None:
    second = account.act("add_integration")["routing_key"]
    account.event("trigger")

    dropped = account.event("resolve", routing_key=second)

    assert dropped.status_code == 202
    assert account.incidents()[0]["status"] == "triggered"
    account.event("resolve")
    assert account.incidents()[0]["status"] == "resolved"


@pytest.mark.parametrize("status", ["disabled", "maintenance"])
def test_a_paused_service_takes_the_event_and_makes_no_incident(status: str, account: Account) -> None:
    account.act("set_service_status", status=status)

    assert account.event("trigger").status_code == 202
    assert account.incidents() == []
    assert account.rest("GET", f"/services/{account.service}").json()["service"]["status"] == status


@pytest.mark.parametrize(
    ("urgency", "severity", "expected"),
    [
        ("high", "info", "high"),
        ("low", "critical", "low"),
        ("severity_based", "error", "high"),
        ("severity_based", "info", "low"),
    ],
)
def test_urgency_follows_the_service_or_the_severity(
    urgency: str, severity: str, expected: str, account: Account
) -> None:
    account.act("set_urgency", urgency=urgency)

    account.event("trigger", severity=severity)

    assert account.incidents()[0]["urgency"] == expected


@pytest.mark.parametrize(
    ("routing_key", "says"),
    [
        ("", "missing or blank"),
        ("a" * 31, "should be 32 characters"),
        ("-" * 32, "non-alphanumeric"),
        ("a" * 32, "Invalid routing key"),
    ],
)
def test_a_key_that_is_none_is_refused_with_the_reason(routing_key: str, says: str, account: Account) -> None:
    body = {"routing_key": routing_key, "event_action": "trigger"}
    payload = {"summary": "s", "source": "s", "severity": "info"}

    answer = httpx.post(f"{account.stand_ins.url}/pagerduty/v2/enqueue", json={**body, "payload": payload})

    assert answer.status_code == 400
    assert says in " ".join(answer.json()["errors"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"severity": "dire"}, "payload.severity"),
        ({"summary": ""}, "payload.summary"),
        ({"source": ""}, "payload.source"),
        ({"summary": "x" * 1025}, "too long"),
    ],
)
def test_an_event_without_its_required_fields_is_refused(change: dict[str, str], says: str, account: Account) -> None:
    answer = account.event("trigger", **change)

    assert answer.status_code == 400
    assert says in " ".join(answer.json()["errors"])


def test_a_deleted_integration_is_refused_and_its_sibling_is_not(account: Account) -> None:
    made = account.rest(
        "POST",
        f"/services/{account.service}/integrations",
        {"integration": {"type": "events_api_v2_inbound_integration", "name": "second"}},
    )
    second = made.json()["integration"]

    deleted = account.rest("DELETE", f"/services/{account.service}/integrations/{second['id']}")

    assert (made.status_code, deleted.status_code) == (201, 204)
    assert account.event("trigger", routing_key=second["integration_key"]).status_code == 400
    assert account.event("trigger").status_code == 202


def test_a_services_integrations_are_whole_only_when_asked_for(account: Account) -> None:
    path = f"/services/{account.service}"

    (short,) = account.rest("GET", path).json()["service"]["integrations"]
    (whole,) = account.rest("GET", f"{path}?include[]=integrations").json()["service"]["integrations"]

    assert "integration_key" not in short
    assert whole["integration_key"] == account.routing_key


def test_rest_resolves_an_incident_once_and_only_for_a_known_user(account: Account) -> None:
    account.event("trigger")
    path = f"/incidents/{account.incidents()[0]['id']}"
    user = account.rest("GET", "/users").json()["users"][0]["email"]
    resolved = {"incident": {"type": "incident_reference", "status": "resolved"}}

    answers = [account.rest("PUT", path, resolved, **headers) for headers in ({}, {"from": "x@y"}, {"from": user})]
    again = account.rest("PUT", path, resolved, **{"from": user})

    assert [answer.status_code for answer in answers] == [400, 400, 200]
    assert (again.status_code, again.json()["error"]["code"]) == (400, 1001)
    assert account.incidents()[0]["status"] == "resolved"


def test_a_read_only_key_reads_and_does_not_write(account: Account) -> None:
    key = account.act("mint_api_key", read_only=True)["key"]
    reader = Account(account.stand_ins, account.routing_key, key, account.service)

    assert reader.rest("GET", "/incidents").status_code == 200
    refused = reader.rest("PUT", f"/services/{account.service}", {"service": {"status": "disabled"}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, 2010)


def move_to_eu(account: Account) -> None:
    account.act("set_region", region="eu")


def revoke(account: Account) -> None:
    account.act("revoke_api_key", key=account.api_key)


@pytest.mark.parametrize("change", [move_to_eu, revoke])
def test_the_wrong_region_looks_like_a_wrong_key(change: Callable[[Account], None], account: Account) -> None:
    change(account)

    answer = account.rest("GET", "/incidents")

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, 2006)


def test_an_account_in_the_eu_answers_at_the_eu_hosts(account: Account) -> None:
    account.act("set_region", region="eu")
    key = {"authorization": f"Token token={account.api_key}"}
    hosts = ("api.eu.pagerduty.com", "api.pagerduty.com")

    answers = [httpx.get(f"{account.stand_ins.url}/incidents", headers={**key, "host": host}) for host in hosts]

    assert [answer.status_code for answer in answers] == [200, 401]


def test_totals_are_null_unless_asked_for_and_pages_end_at_ten_thousand(account: Account) -> None:
    for number in range(3):
        account.event("trigger", dedup_key=f"d{number}")

    plain = account.rest("GET", "/incidents?limit=2").json()
    counted = account.rest("GET", "/incidents?limit=1&total=true").json()
    beyond = account.rest("GET", "/incidents?limit=100&offset=9901")

    assert (plain["total"], plain["more"], len(plain["incidents"])) == (None, True, 2)
    assert counted["total"] == 3
    assert beyond.status_code == 400


def test_a_window_without_an_offset_is_read_in_the_accounts_time_zone(account: Account) -> None:
    account.event("trigger")
    created = datetime.fromisoformat(account.incidents()[0]["created_at"]).replace(tzinfo=None)
    since, until = created - timedelta(hours=1), created + timedelta(hours=1)
    window = f"since={since.isoformat()}&until={until.isoformat()}&total=true"

    unsaid = account.rest("GET", f"/incidents?{window}").json()["total"]
    in_utc = account.rest("GET", f"/incidents?{window}&time_zone=UTC").json()["total"]

    assert (unsaid, in_utc) == (0, 1)


@pytest.mark.parametrize(
    "query", ["since=2026-01-01T00:00:00Z&until=2026-08-01T00:00:00Z", "since=yesterday", "time_zone=Mars"]
)
def test_a_window_that_cannot_be_is_refused(query: str, account: Account) -> None:
    assert account.rest("GET", f"/incidents?{query}").json()["error"]["code"] == 2001


def test_rest_answers_say_how_many_calls_are_left(account: Account) -> None:
    first, second = (account.rest("GET", "/incidents").headers for _ in range(2))

    assert first["ratelimit-limit"] == "960"
    assert int(first["ratelimit-remaining"]) - int(second["ratelimit-remaining"]) == 1
    assert 0 < int(second["ratelimit-reset"]) <= 60


def test_over_the_limit_rest_and_events_answer_429_and_keep_nothing(account: Account) -> None:
    account.act("set_rate_limits", rest_per_minute=1, events_per_minute=1)
    account.event("trigger", dedup_key="kept")

    refused = account.event("trigger", dedup_key="lost")
    shown = account.incidents("date_range=all")
    limited = account.rest("GET", "/incidents")

    assert (refused.status_code, limited.status_code) == (429, 429)
    assert limited.json()["error"]["code"] == 2020
    assert len(shown) == 1


def test_a_change_event_is_listed_and_makes_no_incident(account: Account) -> None:
    body = {"routing_key": account.routing_key, "payload": {"summary": "deployed"}}

    answer = httpx.post(f"{account.stand_ins.url}/pagerduty/v2/change/enqueue", json=body)

    assert answer.status_code == 202
    assert [c["summary"] for c in account.rest("GET", "/change_events").json()["change_events"]] == ["deployed"]
    assert account.incidents("date_range=all") == []


def test_a_person_acknowledges_and_the_inbox_shows_it(account: Account) -> None:
    account.event("trigger")

    account.act("acknowledge")

    (seen,) = account.stand_ins.control("GET", "/pagerduty/inbox")
    assert (seen["text"], seen["acknowledged"], seen["status"]) == ("disk full", True, "acknowledged")


@pytest.mark.parametrize("path", ["/incidents/NONE", "/services/NONE", "/incidents/NONE/alerts"])
def test_an_unknown_id_is_not_found(path: str, account: Account) -> None:
    assert account.rest("GET", path).status_code == 404
