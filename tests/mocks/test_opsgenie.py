"""Opsgenie's stand-in keeps Opsgenie's rules: taken first and done later, aliases, regions, keys that can be disabled."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import StandIns
from tests.mocks.polling import eventually


class Account:
    """A plain HTTP client of one account."""

    def __init__(self, stand_ins: StandIns, client: httpx.Client) -> None:
        self.stand_ins = stand_ins
        self.client = client
        self.given: dict[str, str] = stand_ins.control("GET", "/opsgenie/credentials")
        self.shown: dict[str, str] = self.act("account")

    def ask(self, method: str, path: str, key: str = "", host: str = "", **more: Any) -> httpx.Response:
        headers = {"authorization": f"GenieKey {key or self.given['OPSGENIE_API_KEY']}"} | (
            {"host": host} if host else {}
        )
        return self.client.request(method, path if host else f"/opsgenie{path}", headers=headers, **more)

    def manage(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.ask(method, path, key=self.shown["manager_key"], **more)

    def act(self, action: str, /, **fields: Any) -> Any:
        return self.stand_ins.control("POST", f"/opsgenie/actions/{action}", fields)

    def create(self, alias: str, key: str = "", **more: Any) -> str:
        answer = self.ask("POST", "/v2/alerts", key=key, json={"message": f"verify {alias}", "alias": alias, **more})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["requestId"])

    def outcome(self, request_id: str, key: str = "") -> dict[str, Any]:
        answer = eventually(
            lambda: self.ask("GET", f"/v2/alerts/requests/{request_id}", key=key), lambda a: a.is_success
        )
        found: dict[str, Any] = answer.json()["data"]
        return found

    def alert(self, alias: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/v2/alerts/{alias}?identifierType=alias").json()["data"]
        return found

    def count(self, query: str) -> int:
        return int(self.ask("GET", "/v2/alerts/count", params={"query": query}).json()["data"]["count"])


@pytest.fixture
def account(stand_ins: StandIns) -> Iterator[Account]:
    with httpx.Client(base_url=stand_ins.url, trust_env=False) as client:
        yield Account(stand_ins, client)


def test_a_request_is_not_found_until_it_is_processed(account: Account) -> None:
    account.act("set_indexing_delay", seconds=60)
    request_id = account.create("a1")

    before = account.ask("GET", f"/v2/alerts/requests/{request_id}").status_code
    account.stand_ins.control("POST", "/clock", {"offset_s": 61})
    after = account.ask("GET", f"/v2/alerts/requests/{request_id}").json()["data"]

    assert before == 404
    assert (after["isSuccess"], after["alias"], after["integrationId"]) == (True, "a1", account.shown["integration_id"])


def test_repeats_of_an_open_alias_raise_its_count(account: Account) -> None:
    account.act("set_indexing_delay", seconds=0)

    for _ in range(3):
        account.create("a2")

    assert account.alert("a2")["count"] == 3
    assert account.count("alias:a2") == 1


def test_the_alias_of_a_closed_alert_opens_a_new_one(account: Account) -> None:
    account.act("set_indexing_delay", seconds=0)
    account.create("a3")
    closed = account.alert("a3")
    account.ask("POST", "/v2/alerts/a3/close?identifierType=alias", json={})

    account.create("a3")

    reopened = account.alert("a3")
    assert (reopened["status"], reopened["count"]) == ("open", 1)
    assert reopened["id"] != closed["id"]
    assert account.count("alias:a3 AND status:closed") == 1


def test_closing_is_asynchronous_too(account: Account) -> None:
    account.act("set_indexing_delay", seconds=0)
    account.create("a4")
    account.act("set_indexing_delay", seconds=60)

    answer = account.ask("POST", "/v2/alerts/a4/close?identifierType=alias", json={})
    before = account.alert("a4")["status"]
    account.stand_ins.control("POST", "/clock", {"offset_s": 61})

    assert answer.status_code == 202
    assert (before, account.alert("a4")["status"]) == ("open", "closed")


def test_closing_what_is_not_there_is_taken_and_fails_later(account: Account) -> None:
    request_id = account.ask("POST", "/v2/alerts/nobody/close?identifierType=alias", json={}).json()["requestId"]

    outcome = account.outcome(request_id)

    assert (outcome["isSuccess"], outcome["status"], outcome["alertId"]) == (False, "Alert does not exist", "")


def test_an_unknown_team_is_noticed_while_processing(account: Account) -> None:
    request_id = account.create("a5", responders=[{"type": "team", "name": "Nobody"}])

    outcome = account.outcome(request_id)

    assert (outcome["isSuccess"], outcome["status"]) == (False, "Team not found")
    assert account.ask("GET", "/v2/alerts/a5?identifierType=alias").status_code == 404


def test_an_unknown_team_is_refused_at_once_where_the_account_checks_it_there(account: Account) -> None:
    account.act("set_team_check", at="acceptance")
    sent = {"message": "verify", "responders": [{"type": "team", "name": "Nobody"}]}

    answer = account.ask("POST", "/v2/alerts", json=sent)

    assert answer.status_code == 422
    assert answer.json()["errors"] == {"responders": "team not found"}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"message": ""}, "message"),
        ({"message": "x" * 131}, "message"),
        ({"alias": "x" * 513}, "alias"),
        ({"priority": "P9"}, "priority"),
        ({"responders": [{"type": "bb", "name": "x"}]}, "responders#type"),
    ],
)
def test_an_alert_that_breaks_a_rule_is_not_processable(account: Account, wrong: dict[str, Any], field: str) -> None:
    answer = account.ask("POST", "/v2/alerts", json={"message": "verify", **wrong})

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]


def test_a_discarding_policy_lets_nothing_through_after_the_202(account: Account) -> None:
    account.act("discard_alerts", on=True)

    request_id = account.create("a6")

    assert account.outcome(request_id)["isSuccess"] is False
    assert account.count("alias:a6") == 0


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 2), ("status:open", 1), ("status: closed AND tag: red", 1), ("NOT status:open", 1), ("createdAt>0", 2),
        ("createdAt < 1000", 0), ("integration.name:first AND (alias:b1 OR alias:b2)", 2), ("message:verify*", 2),
        ("count>=2", 1), ("details.nonce:b1", 1), ("teams:Operations", 2),
    ],
)  # fmt: skip
def test_counts_follow_the_query_language(account: Account, query: str, found: int) -> None:
    account.act("set_indexing_delay", seconds=0)
    account.create("b1", details={"nonce": "b1"})
    account.create("b1")
    account.create("b2", tags=["red"])
    account.ask("POST", "/v2/alerts/b2/close?identifierType=alias", json={})

    assert account.count(query) == found


def test_a_query_that_cannot_be_read_is_refused(account: Account) -> None:
    answer = account.ask("GET", "/v2/alerts/count", params={"query": "createdAt>yesterday"})

    assert answer.status_code == 422


def test_lists_are_paged_by_the_next_address(account: Account) -> None:
    account.act("set_indexing_delay", seconds=0)
    for number in range(5):
        account.create(f"c{number}")

    found: list[str] = []
    url: str | None = f"{account.stand_ins.url}/opsgenie/v2/alerts?limit=2&order=asc"
    while url:
        headers = {"authorization": f"GenieKey {account.given['OPSGENIE_API_KEY']}"}
        page = account.client.get(url, headers=headers).json()
        found += [row["alias"] for row in page["data"]]
        url = page["paging"].get("next")

    assert found == ["c0", "c1", "c2", "c3", "c4"]


@pytest.mark.parametrize("params", [{"limit": 101}, {"limit": 100, "offset": 19_950}])
def test_pages_end_at_opsgenies_limits(account: Account, params: dict[str, int]) -> None:
    answer = account.ask("GET", "/v2/alerts", params=params)

    assert answer.status_code == 422


def test_a_key_is_unknown_in_the_other_region(account: Account) -> None:
    account.act("move_account", region="eu")

    answers = {
        host: account.ask("GET", "/v2/alerts", host=host).status_code
        for host in ("api.opsgenie.com", "api.eu.opsgenie.com")
    }

    assert answers == {"api.opsgenie.com": 401, "api.eu.opsgenie.com": 200}
    assert account.ask("GET", "/v2/alerts").status_code == 401


def test_every_answer_says_the_state_of_the_limit(account: Account) -> None:
    headers = account.ask("GET", "/v2/alerts").headers

    assert headers["x-ratelimit-state"] == "OK"
    assert headers["x-ratelimit-reason"] == "ACCOUNT"
    assert headers["x-ratelimit-period-in-sec"] == "60"


def test_a_throttled_answer_names_its_period_and_no_retry_after(account: Account) -> None:
    account.stand_ins.control("POST", "/opsgenie/faults", {"throttle_s": 9})

    answer = account.ask("GET", "/v2/alerts")

    assert (answer.status_code, answer.json()["message"]) == (429, "TooManyRequests")
    assert answer.headers["x-ratelimit-state"] == "THROTTLED"
    assert answer.headers["x-ratelimit-period-in-sec"] == "9"
    assert "retry-after" not in answer.headers


def test_the_request_id_stands_in_header_and_body(account: Account) -> None:
    answer = account.ask("GET", "/v2/alerts")

    assert answer.headers["x-request-id"] == answer.json()["requestId"]


def test_a_new_integration_has_a_key_of_its_own_and_signs_its_alerts(account: Account) -> None:
    account.act("set_indexing_delay", seconds=0)
    sent = {"type": "API", "name": "second", "ownerTeam": {"name": "Operations"}}
    created = account.manage("POST", "/v2/integrations", json=sent)
    data = created.json()["data"]

    request_id = account.create("d1", key=data["apiKey"])

    assert created.status_code == 201
    assert account.outcome(request_id, key=data["apiKey"])["integrationId"] == data["id"]
    assert account.alert("d1")["integration"] == {"id": data["id"], "name": "second", "type": "API"}
    assert account.ask("GET", f"/v2/alerts/requests/{request_id}").status_code == 404


def test_a_disabled_integration_refuses_and_can_be_enabled_again(account: Account) -> None:
    path = f"/v2/integrations/{account.shown['integration_id']}"

    account.manage("POST", f"{path}/disable")
    disabled = account.ask("GET", "/v2/alerts").status_code
    shown = account.manage("GET", path).json()["data"]["enabled"]
    account.manage("POST", f"{path}/enable")

    assert (disabled, shown) == (401, False)
    assert account.ask("GET", "/v2/alerts").status_code == 200


def test_a_deleted_integration_is_gone_and_its_alerts_stay(account: Account) -> None:
    account.act("set_indexing_delay", seconds=0)
    account.create("d2")
    path = f"/v2/integrations/{account.shown['integration_id']}"

    deleted = account.manage("DELETE", path)

    assert deleted.status_code == 200
    assert account.manage("DELETE", path).status_code == 404
    assert account.ask("GET", "/v2/alerts").status_code == 401
    found = account.manage("GET", "/v2/alerts/d2?identifierType=alias").json()["data"]
    assert found["integration"]["id"] == account.shown["integration_id"]


def test_the_name_of_an_integration_must_be_free(account: Account) -> None:
    answer = account.manage("POST", "/v2/integrations", json={"type": "API", "name": "first"})

    assert answer.status_code == 409


def test_a_sending_key_may_not_see_integrations(account: Account) -> None:
    assert account.ask("GET", "/v2/integrations").status_code == 403


def test_a_read_only_key_may_not_create(account: Account) -> None:
    sent = {"type": "API", "name": "reads", "allowWriteAccess": False, "allowDeleteAccess": False}
    key = account.manage("POST", "/v2/integrations", json=sent).json()["data"]["apiKey"]

    answer = account.ask("POST", "/v2/alerts", key=key, json={"message": "verify"})

    assert answer.status_code == 403


def test_a_teams_key_sees_its_teams_integrations_alone(account: Account) -> None:
    minted = account.act(
        "mint_integration", name="team", team_id=account.shown["team_id"], rights=["read", "configure"]
    )

    listed = account.ask("GET", "/v2/integrations", key=minted["key"]).json()["data"]

    assert {row["name"] for row in listed} == {"first", "team"}


def test_a_deleted_alert_is_gone(account: Account) -> None:
    account.act("set_indexing_delay", seconds=0)
    account.create("d3")

    answer = account.ask("DELETE", "/v2/alerts/d3?identifierType=alias")

    assert answer.status_code == 202
    assert account.ask("GET", "/v2/alerts/d3?identifierType=alias").status_code == 404


def test_a_person_sees_and_acknowledges_the_alert(account: Account) -> None:
    account.act("set_indexing_delay", seconds=0)
    account.create("d4")
    account.act("acknowledge", alias="d4")

    inbox = account.stand_ins.control("GET", "/opsgenie/inbox")

    assert [(row["text"], row["where"], row["acknowledged"]) for row in inbox] == [("verify d4", "Operations", True)]


def test_a_swallowed_alert_is_never_processed(account: Account) -> None:
    account.act("set_indexing_delay", seconds=0)
    account.stand_ins.control("POST", "/opsgenie/faults", {"swallow": True})

    request_id = account.create("d5")

    assert account.ask("GET", f"/v2/alerts/requests/{request_id}").status_code == 404
    assert account.count("alias:d5") == 0


def test_a_heartbeat_without_pings_expires(account: Account) -> None:
    sent = {"name": "nightly", "interval": 1, "intervalUnit": "minutes", "enabled": True}
    account.manage("POST", "/v2/heartbeats", json=sent)
    ping = account.ask("GET", "/v2/heartbeats/nightly/ping")

    fresh = account.ask("GET", "/v2/heartbeats/nightly").json()["data"]["expired"]
    account.stand_ins.control("POST", "/clock", {"offset_s": 120})
    late = account.ask("GET", "/v2/heartbeats/nightly").json()["data"]["expired"]

    assert ping.status_code == 202
    assert (fresh, late) == (False, True)


@pytest.mark.parametrize(("team", "status"), [("Operations", 200), ("operations ", 404)])
def test_a_team_is_found_by_its_exact_name(account: Account, team: str, status: int) -> None:
    answer = account.ask("GET", f"/v2/teams/{team}", params={"identifierType": "name"})

    assert answer.status_code == status
