"""Datadog's stand-in keeps Datadog's rules: two keys, sites, silent drops, ids, limits, and the life of keys."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import StandIns
from tests.mocks.polling import eventually


class Organisation:
    """A plain HTTP client of one organisation."""

    def __init__(self, stand_ins: StandIns, client: httpx.Client) -> None:
        self.stand_ins = stand_ins
        self.client = client
        self.given: dict[str, str] = stand_ins.control("GET", "/datadog/credentials")
        # The seeded keys have least scopes; a person who may do everything asks here.
        self.person: str = self.act("mint_app_key", name="a person's")["key"]

    def ask(
        self, method: str, path: str, host: str = "", api_key: str = "", app_key: str = "", **more: Any
    ) -> httpx.Response:
        headers = {
            "dd-api-key": api_key or self.given["DD_API_KEY"],
            "dd-application-key": app_key or self.person,
            **({"host": host} if host else {}),
        }
        return self.client.request(method, path if host else f"/datadog{path}", headers=headers, **more)

    def act(self, action: str, /, **fields: Any) -> Any:
        return self.stand_ins.control("POST", f"/datadog/actions/{action}", fields)

    def send_event(self, nonce: str, **more: Any) -> httpx.Response:
        sent = {"title": "verify", "text": f"nonce={nonce}", "tags": [f"nonce:{nonce}"], **more}
        return self.ask("POST", "/api/v1/events", json=sent)

    def search(self, query: str) -> list[dict[str, Any]]:
        wanted = {"filter": {"query": query, "from": "now-5m", "to": "now+5m"}}
        rows: list[dict[str, Any]] = self.ask("POST", "/api/v2/events/search", json=wanted).json()["data"]
        return rows

    def send_metric(self, at: float, value: float = 1.0) -> httpx.Response:
        row = {
            "metric": "verify.sample",
            "type": 1,
            "points": [{"timestamp": int(at), "value": value}],
            "tags": ["a:b"],
        }
        return self.ask("POST", "/api/v2/series", json={"series": [row]})

    def query(self, query: str) -> list[dict[str, Any]]:
        now = int(time.time())
        answer = self.ask("GET", "/api/v1/query", params={"from": now - 60, "to": now + 60, "query": query})
        rows: list[dict[str, Any]] = answer.json()["series"]
        return rows


@pytest.fixture
def organisation(stand_ins: StandIns) -> Iterator[Organisation]:
    with httpx.Client(base_url=stand_ins.url, trust_env=False) as client:
        yield Organisation(stand_ins, client)


@pytest.mark.parametrize("key", ["0" * 32, "the application key"])
def test_a_wrong_key_is_forbidden_whatever_is_wrong_with_it(organisation: Organisation, key: str) -> None:
    sent = organisation.given["DD_APP_KEY"] if key == "the application key" else key

    answer = organisation.ask("GET", "/api/v1/validate", api_key=sent)

    assert (answer.status_code, answer.json()) == (403, {"errors": ["Forbidden"]})


def test_a_missing_key_is_said_to_be_missing(organisation: Organisation) -> None:
    answer = organisation.client.get("/datadog/api/v1/validate")

    assert (answer.status_code, answer.json()) == (403, {"errors": ["API key required"]})


def test_a_read_with_a_wrong_application_key_says_that_one_of_both_is_wrong(organisation: Organisation) -> None:
    answer = organisation.ask("POST", "/api/v2/events/search", app_key="0" * 40, json={})

    assert (answer.status_code, answer.json()) == (403, {"errors": ["Invalid API key or Application key"]})


def test_an_application_key_without_the_scope_lacks_the_permission(organisation: Organisation) -> None:
    minted = organisation.act("mint_app_key", name="narrow", scopes=["timeseries_query"])

    answer = organisation.ask("POST", "/api/v2/events/search", app_key=minted["key"], json={})

    assert answer.status_code == 403
    assert answer.json()["errors"] == ["Forbidden", "Failed permission authorization checks"]


def test_keys_are_known_on_the_organisations_site_alone(organisation: Organisation) -> None:
    organisation.act("move_org", site="datadoghq.eu")

    answers = {
        host: organisation.ask("GET", "/api/v1/validate", host=host).status_code
        for host in ("api.datadoghq.com", "api.datadoghq.eu", "api.us3.datadoghq.com")
    }

    assert answers == {"api.datadoghq.com": 403, "api.datadoghq.eu": 200, "api.us3.datadoghq.com": 403}
    assert organisation.ask("GET", "/api/v1/validate").status_code == 403
    assert organisation.stand_ins.control("GET", "/datadog/credentials")["DD_SITE"] == "datadoghq.eu"


def test_an_intake_answers_at_its_own_host_only(organisation: Organisation) -> None:
    lines = [{"message": "hello"}]

    there = organisation.ask("POST", "/api/v2/logs", host="http-intake.logs.datadoghq.com", json=lines)
    elsewhere = organisation.ask("POST", "/api/v2/logs", host="api.datadoghq.com", json=lines)

    assert (there.status_code, there.json()) == (202, {})
    assert elsewhere.status_code == 404


def test_only_the_text_of_an_events_id_finds_it_again(organisation: Organisation) -> None:
    event = organisation.send_event("n1").json()["event"]

    assert eventually(lambda: organisation.ask("GET", f"/api/v1/events/{event['id_str']}").is_success)
    assert organisation.ask("GET", f"/api/v1/events/{event['id']}").status_code == 404
    assert organisation.search("nonce:n1")[0]["attributes"]["attributes"]["evt"]["id"] == event["id_str"]


def test_an_event_is_not_found_before_it_is_indexed(organisation: Organisation) -> None:
    organisation.act("set_indexing_delay", seconds=60)
    event = organisation.send_event("n2").json()["event"]

    before = organisation.search("tags:nonce:n2"), organisation.ask("GET", f"/api/v1/events/{event['id_str']}")
    organisation.act("set_indexing_delay", seconds=0)
    organisation.stand_ins.control("POST", "/clock", {"offset_s": 61})
    after = organisation.search("tags:nonce:n2")

    assert (before[0], before[1].status_code) == ([], 404)
    assert [row["attributes"]["message"] for row in after] == ["nonce=n2"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("nonce:n3", 2), ("nonce:n3 -probe:true", 1), ("nonce:n3 NOT probe:true", 1), ("source:my_apps", 2),
        ("status:error OR status:info", 2), ("(status:error OR status:info) probe:tr*", 1), ('"nonce=n3"', 2), ("*", 2),
        ("nonce:other", 0),
    ],
)  # fmt: skip
def test_a_search_follows_the_query_syntax(organisation: Organisation, query: str, found: int) -> None:
    organisation.act("set_indexing_delay", seconds=0)
    organisation.send_event("n3")
    organisation.send_event("n3", tags=["nonce:n3", "probe:true"], alert_type="error")

    assert len(organisation.search(query)) == found


@pytest.mark.parametrize("query", ["(nonce:n4", "OR", "a AND"])
def test_a_query_that_cannot_be_read_is_refused(organisation: Organisation, query: str) -> None:
    answer = organisation.ask("POST", "/api/v2/events/search", json={"filter": {"query": query}})

    assert answer.status_code == 400


def test_a_search_is_paged_by_a_cursor(organisation: Organisation) -> None:
    organisation.act("set_indexing_delay", seconds=0)
    ids = [organisation.send_event("n5").json()["event"]["id_str"] for _ in range(5)]
    wanted: dict[str, Any] = {"filter": {"query": "nonce:n5"}, "page": {"limit": 2}}

    found: list[str] = []
    while True:
        answer = organisation.ask("POST", "/api/v2/events/search", json=wanted).json()
        found += [row["attributes"]["attributes"]["evt"]["id"] for row in answer["data"]]
        if "page" not in answer["meta"]:
            break
        wanted["page"]["cursor"] = answer["meta"]["page"]["after"]

    assert found == ids


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"date_happened": 1_000_000_000}, "Event too far in the past"),
        ({"text": ""}, "title and text are required"),
        ({"text": "x" * 4001}, "text is limited to 4000 characters"),
    ],
)
def test_an_event_that_breaks_a_limit_is_refused(organisation: Organisation, wrong: dict[str, Any], told: str) -> None:
    answer = organisation.send_event("n6", **wrong)

    assert (answer.status_code, answer.json()) == (400, {"errors": [told]})


def test_a_metric_is_read_back_by_its_tags(organisation: Organisation) -> None:
    now = int(time.time())

    sent = organisation.send_metric(now, 2.0)

    assert (sent.status_code, sent.json()) == (202, {"errors": []})
    found = eventually(lambda: organisation.query("sum:verify.sample{a:b}"))
    assert found[0]["pointlist"] == [[now * 1000.0, 2.0]]
    assert organisation.query("sum:verify.sample{a:other}") == []


@pytest.mark.parametrize("age_s", [3700, -700])
def test_a_point_too_old_or_too_new_is_taken_and_dropped(organisation: Organisation, age_s: int) -> None:
    organisation.act("set_indexing_delay", seconds=0)

    sent = organisation.send_metric(time.time() - age_s)

    start, end = int(time.time() - 7200), int(time.time() + 7200)
    answer = organisation.ask(
        "GET", "/api/v1/query", params={"from": start, "to": end, "query": "sum:verify.sample{*}"}
    )
    assert sent.status_code == 202
    assert answer.json()["series"] == []


def test_v1_series_are_answered_in_the_older_words(organisation: Organisation) -> None:
    row = {"metric": "verify.old", "points": [[int(time.time()), 1]], "type": "count"}

    answer = organisation.ask("POST", "/api/v1/series", json={"series": [row]})

    assert (answer.status_code, answer.json()) == (202, {"status": "ok"})


def test_events_are_counted_per_window_in_milliseconds(organisation: Organisation) -> None:
    organisation.act("set_indexing_delay", seconds=0)
    for _ in range(3):
        organisation.send_event("n7")
    now = int(time.time() * 1000)
    query = {"name": "a", "data_source": "events", "compute": {"aggregation": "count"}, "search": {"query": "nonce:n7"}}
    wanted = {"formulas": [{"formula": "a"}], "queries": [query], "from": now - 60_000, "to": now + 1000}

    scalar = organisation.ask(
        "POST", "/api/v2/query/scalar", json={"data": {"type": "scalar_request", "attributes": wanted}}
    )
    series = organisation.ask(
        "POST", "/api/v2/query/timeseries",
        json={"data": {"type": "timeseries_request", "attributes": {**wanted, "interval": 30_000}}},
    )  # fmt: skip

    assert scalar.json()["data"]["attributes"]["columns"][0]["values"] == [3.0]
    assert sum(series.json()["data"]["attributes"]["values"][0]) == 3.0


def test_an_incomplete_log_count_says_so(organisation: Organisation) -> None:
    organisation.act("set_log_status", status="timeout")

    answer = organisation.ask("POST", "/api/v2/logs/analytics/aggregate", json={"compute": [{"aggregation": "count"}]})

    assert answer.json()["meta"]["status"] == "timeout"
    assert answer.json()["meta"]["warnings"]


@pytest.mark.parametrize(("key", "status"), [("", 401), ("0" * 32, 403)])
def test_the_log_intake_tells_a_missing_key_from_a_wrong_one(organisation: Organisation, key: str, status: int) -> None:
    headers = {"dd-api-key": key} if key else {}

    answer = organisation.client.post("/datadog/api/v2/logs", headers=headers, json=[])

    assert answer.status_code == status


def test_limited_endpoints_say_how_much_is_left_and_never_retry_after(organisation: Organisation) -> None:
    organisation.act("set_rate_limit", name="events_search", calls=1, period_s=30)

    first, second = (organisation.ask("POST", "/api/v2/events/search", json={}) for _ in range(2))

    assert (first.status_code, first.headers["x-ratelimit-remaining"]) == (200, "0")
    assert second.status_code == 429
    assert 0 < int(second.headers["x-ratelimit-reset"]) <= 30
    assert second.headers["x-ratelimit-limit"] == "1"
    assert second.headers["x-ratelimit-period"] == "30"
    assert second.headers["x-ratelimit-name"] == "events_search"
    assert "retry-after" not in second.headers


def test_a_throttled_answer_names_the_seconds_in_datadogs_header(organisation: Organisation) -> None:
    organisation.stand_ins.control("POST", "/datadog/faults", {"throttle_s": 7})

    answer = organisation.send_event("n8")

    assert (answer.status_code, answer.headers["x-ratelimit-reset"]) == (429, "7")
    assert organisation.stand_ins.control("GET", "/datadog/inbox") == []


def test_what_is_swallowed_never_shows(organisation: Organisation) -> None:
    organisation.act("set_indexing_delay", seconds=0)
    organisation.stand_ins.control("POST", "/datadog/faults", {"swallow": True})

    sent = organisation.send_event("n9")

    assert sent.status_code == 202
    assert organisation.search("nonce:n9") == []


def test_a_person_sees_the_event_in_the_inbox(organisation: Organisation) -> None:
    organisation.act("set_indexing_delay", seconds=0)

    organisation.send_event("n10")

    assert [row["text"] for row in organisation.stand_ins.control("GET", "/datadog/inbox")] == ["verify\nnonce=n10"]


def _api_key(name: str) -> dict[str, Any]:
    return {"data": {"type": "api_keys", "attributes": {"name": name}}}


def test_a_rotated_api_key_shows_its_last_use_and_ends_for_good(organisation: Organisation) -> None:
    created = organisation.ask("POST", "/api/v2/api_keys", json=_api_key("second")).json()["data"]
    value, path = created["attributes"]["key"], f"/api/v2/api_keys/{created['id']}"

    unused = organisation.ask("GET", path).json()["data"]["attributes"]
    organisation.ask("GET", "/api/v1/validate", api_key=value)
    used = organisation.ask("GET", path).json()["data"]["attributes"]
    deleted = organisation.ask("DELETE", path)

    assert (unused["date_last_used"], unused["used_in_last_24_hours"]) == (None, False)
    assert used["date_last_used"] is not None
    assert used["used_in_last_24_hours"] is True
    assert used["last4"] == value[-4:]
    assert deleted.status_code == 204
    assert organisation.ask("GET", "/api/v1/validate", api_key=value).status_code == 403
    assert organisation.ask("DELETE", path).json() == {"errors": ["API key not found"]}


def test_a_list_of_keys_shows_no_value(organisation: Organisation) -> None:
    listed = organisation.ask("GET", "/api/v2/api_keys").json()

    assert listed["meta"]["max_allowed"] == 50
    assert ["key" in row["attributes"] for row in listed["data"]] == [False]


def test_a_keys_name_must_be_free(organisation: Organisation) -> None:
    answer = organisation.ask("POST", "/api/v2/api_keys", json=_api_key("first"))

    assert answer.status_code == 409


def test_keys_end_at_the_organisations_maximum(organisation: Organisation) -> None:
    organisation.act("set_key_limits", api_keys=1)

    answer = organisation.ask("POST", "/api/v2/api_keys", json=_api_key("second"))

    assert answer.status_code == 400


def test_the_last_api_key_cannot_be_deleted(organisation: Organisation) -> None:
    only = organisation.ask("GET", "/api/v2/api_keys").json()["data"][0]["id"]

    answer = organisation.ask("DELETE", f"/api/v2/api_keys/{only}")

    assert answer.status_code == 400


def test_an_application_keys_value_is_shown_once(organisation: Organisation) -> None:
    sent = {"data": {"type": "application_keys", "attributes": {"name": "second", "scopes": ["events_read"]}}}
    path = "/api/v2/current_user/application_keys"

    created = organisation.ask("POST", path, json=sent).json()["data"]
    shown = organisation.ask("GET", f"{path}/{created['id']}").json()["data"]

    value = created["attributes"]["key"]
    assert "key" not in shown["attributes"]
    assert organisation.ask("POST", "/api/v2/events/search", app_key=value, json={}).status_code == 200
    assert organisation.ask("GET", "/api/v2/api_keys", app_key=value).status_code == 403
    assert organisation.ask("DELETE", f"{path}/{created['id']}").status_code == 204
    assert organisation.ask("POST", "/api/v2/events/search", app_key=value, json={}).status_code == 403


def test_keys_of_another_service_account_are_not_there(organisation: Organisation) -> None:
    answer = organisation.ask("GET", "/api/v2/service_accounts/someone/application_keys")

    assert answer.status_code == 404


def test_revoked_keys_work_again_after_a_reset(organisation: Organisation) -> None:
    organisation.act("revoke_api_key")
    organisation.act("revoke_app_key")
    app_key = organisation.given["DD_APP_KEY"]
    revoked = organisation.ask("GET", "/api/v2/validate_keys", app_key=app_key).status_code

    organisation.stand_ins.control("POST", "/datadog/reset")

    assert revoked == 403
    assert organisation.ask("GET", "/api/v2/validate_keys", app_key=app_key).json() == {"status": "ok"}


def test_what_the_stand_in_lacks_is_not_guessed(organisation: Organisation) -> None:
    answer = organisation.ask("GET", "/api/v1/monitor")

    assert answer.status_code == 501


@pytest.mark.parametrize(
    ("name", "statuses"),
    [("DD_APP_KEY", (403, 403, 200)), ("DD_MANAGE_APP_KEY", (200, 200, 403))],
    ids=["the read key", "the manage key"],
)
def test_the_seeded_keys_may_do_what_they_are_for_and_no_more(
    name: str, statuses: tuple[int, ...], organisation: Organisation
) -> None:
    account = organisation.given["DD_SERVICE_ACCOUNT_ID"]
    asked = (
        ("GET", "/api/v2/api_keys"),
        ("GET", f"/api/v2/service_accounts/{account}/application_keys"),
        ("POST", "/api/v2/events/search"),
    )

    answers = [organisation.ask(*each, app_key=organisation.given[name], json={}).status_code for each in asked]

    assert tuple(answers) == statuses


def test_a_use_shows_in_listings_only_after_the_lag(organisation: Organisation) -> None:
    organisation.act("set_last_used_lag", seconds=3600)
    created = organisation.ask("POST", "/api/v2/api_keys", json=_api_key("second")).json()["data"]
    organisation.ask("GET", "/api/v1/validate", api_key=created["attributes"]["key"])

    def last_used() -> str | None:
        row = organisation.ask("GET", f"/api/v2/api_keys/{created['id']}").json()["data"]["attributes"]
        used: str | None = row["date_last_used"]
        return used

    at_once = last_used()
    organisation.stand_ins.control("POST", "/clock", {"offset_s": 3601})

    assert at_once is None
    assert last_used() is not None


def test_a_new_key_works_late_and_a_deleted_one_fails_late(organisation: Organisation) -> None:
    organisation.stand_ins.control("POST", "/clock", {"offset_s": 3600})  # the person's key is an old one by then
    organisation.act("set_propagation_delay", seconds=60)
    created = organisation.ask("POST", "/api/v2/api_keys", json=_api_key("second")).json()["data"]
    value = created["attributes"]["key"]

    def works() -> bool:
        return organisation.ask("GET", "/api/v1/validate", api_key=value).status_code == 200

    too_new = works()
    organisation.stand_ins.control("POST", "/clock", {"offset_s": 3661})
    known = works()
    organisation.ask("DELETE", f"/api/v2/api_keys/{created['id']}")
    just_deleted = works()
    organisation.stand_ins.control("POST", "/clock", {"offset_s": 3722})

    assert (too_new, known, just_deleted, works()) == (False, True, True, False)


def test_a_listing_shows_a_new_key_only_after_its_lag(organisation: Organisation) -> None:
    organisation.act("set_listing_lag", seconds=3600)
    organisation.ask("POST", "/api/v2/api_keys", json=_api_key("second"))

    def names() -> list[str]:
        return [row["attributes"]["name"] for row in organisation.ask("GET", "/api/v2/api_keys").json()["data"]]

    at_once = names()
    organisation.stand_ins.control("POST", "/clock", {"offset_s": 3601})

    assert (at_once, names()) == (["first"], ["first", "second"])


@pytest.mark.parametrize("page", ["page[size]=101", "page[size]=0", "page[number]=x"])
def test_a_page_that_cannot_be_is_refused(page: str, organisation: Organisation) -> None:
    assert organisation.ask("GET", f"/api/v2/api_keys?{page}").status_code == 400
