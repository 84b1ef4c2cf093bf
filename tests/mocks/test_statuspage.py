"""Statuspage's stand-in authenticates, limits, refuses and mails as Statuspage does."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.conftest import StandIns

SILENT = {"deliver_notifications": False}
DAY_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and where the page's collections are."""

    stand_ins: StandIns
    key: str
    page: str

    def ask(self, method: str, path: str = "", json: object = None, **changes: Any) -> httpx.Response:
        headers = {"authorization": f"OAuth {self.key}"}
        url = f"{self.stand_ins.url}/statuspage/v1/pages/{self.page}{path}"
        return httpx.request(method, url, json=json, **{"headers": headers, **changes})

    def create(self, name: object = "down", **fields: Any) -> httpx.Response:
        return self.ask("POST", "/incidents", {"incident": {"name": name, **fields}})

    def act(self, action: str, **fields: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.stand_ins.control("POST", f"/statuspage/actions/{action}", fields)
        return answer

    def mails(self) -> list[str]:
        inbox = self.stand_ins.control("GET", "/statuspage/inbox")
        return [row["text"] for row in inbox if row["where"].startswith("mail")]


@pytest.fixture
def caller(stand_ins: StandIns) -> Caller:
    given = stand_ins.control("GET", "/statuspage/credentials")
    return Caller(stand_ins, given["STATUSPAGE_API_KEY"], given["STATUSPAGE_PAGE_ID"])


def test_an_incident_is_created_read_changed_listed_and_deleted(caller: Caller) -> None:
    created = caller.create(status="investigating", impact_override="none", body="nonce abc", **SILENT)
    path = f"/incidents/{created.json()['id']}"

    changed = caller.ask("PATCH", path, {"incident": {"status": "resolved", **SILENT}})
    found = caller.ask("GET", "/incidents?q=ABC").json()
    deleted = caller.ask("DELETE", path)

    assert (created.status_code, created.json()["impact"]) == (201, "none")
    assert (changed.status_code, changed.json()["status"]) == (200, "resolved")
    assert [row["status"] for row in found[0]["incident_updates"]] == ["resolved", "investigating"]
    assert (deleted.status_code, deleted.json()["id"]) == (200, created.json()["id"])
    assert (caller.ask("GET", path).status_code, caller.ask("DELETE", path).status_code) == (404, 404)


def test_every_subscriber_is_mailed_unless_that_is_forbidden_in_so_many_words(caller: Caller) -> None:
    caller.create("quiet", **SILENT)
    loud = caller.create("loud").json()["id"]
    caller.ask("PATCH", f"/incidents/{loud}", {"incident": {"status": "resolved"}})

    mails = caller.mails()

    assert mails == ["loud", "loud"]


def test_what_stands_on_the_page_is_in_the_inbox_until_it_is_deleted(caller: Caller) -> None:
    incident = caller.create("seen", **SILENT).json()["id"]
    before = caller.stand_ins.control("GET", "/statuspage/inbox")

    caller.ask("DELETE", f"/incidents/{incident}")

    assert [(row["text"], row["where"], row["status"]) for row in before] == [("seen", "the page", "investigating")]
    assert caller.stand_ins.control("GET", "/statuspage/inbox") == []


def test_resolving_an_incident_leaves_its_component_as_it_is(caller: Caller) -> None:
    component = caller.ask("GET", "/components").json()[0]["id"]
    incident = caller.create(components={component: "major_outage"}, **SILENT).json()["id"]

    caller.ask("PATCH", f"/incidents/{incident}", {"incident": {"status": "resolved", **SILENT}})

    assert caller.ask("GET", "/components").json()[0]["status"] == "major_outage"
    repaired = caller.ask("PATCH", f"/components/{component}", {"component": {"status": "operational"}})
    assert repaired.json()["status"] == "operational"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": ""}, 422),
        ({"status": "on fire"}, 422),
        ({"impact_override": "huge"}, 422),
        ({"component_ids": ["unknown"]}, 422),
    ],
)
def test_an_incident_that_does_not_fit_is_refused_and_mails_nobody(
    fields: dict[str, Any], status: int, caller: Caller
) -> None:
    answer = caller.create(**{"name": "down", **fields})

    assert answer.status_code == status
    assert isinstance(answer.json()["error"], list)
    assert caller.mails() == []
    assert caller.ask("GET", "/incidents").json() == []


def test_a_body_without_an_incident_is_a_bad_request(caller: Caller) -> None:
    assert caller.ask("POST", "/incidents", {"name": "down"}).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": {}},
        {"headers": {"authorization": "OAuth unknown"}},
        {"headers": {"authorization": "Bearer unknown"}},
    ],
)
def test_without_a_known_key_nobody_is_authenticated(changes: dict[str, Any], caller: Caller) -> None:
    answer = caller.ask("GET", "", None, **changes)

    assert (answer.status_code, answer.json()) == (401, {"error": "Could not authenticate"})


def test_the_key_in_the_query_is_not_looked_at_any_more(caller: Caller) -> None:
    assert caller.ask("GET", f"?api_key={caller.key}", None, headers={}).status_code == 401


def test_a_page_of_somebody_else_is_not_found_and_a_key_without_access_is_forbidden(caller: Caller) -> None:
    elsewhere = Caller(caller.stand_ins, caller.key, "another")

    missing = elsewhere.ask("GET").status_code
    caller.act("set_access", allowed=False)

    assert (missing, caller.ask("GET").status_code) == (404, 403)


def test_several_keys_live_side_by_side_until_one_is_revoked(caller: Caller) -> None:
    second = Caller(caller.stand_ins, caller.act("mint_api_key")["api_key"], caller.page)
    both = [one.ask("GET").status_code for one in (caller, second)]

    revoked = caller.act("revoke_api_key", api_key=caller.key)

    assert (both, revoked) == ([200, 200], {"revoked": 1})
    assert [one.ask("GET").status_code for one in (caller, second)] == [401, 200]


def test_a_key_ends_by_itself(caller: Caller) -> None:
    short = Caller(caller.stand_ins, caller.act("mint_api_key", days=1)["api_key"], caller.page)
    before = short.ask("GET").status_code

    caller.stand_ins.control("POST", "/clock", {"offset_s": DAY_S + 1})

    assert (before, short.ask("GET").status_code, caller.ask("GET").status_code) == (200, 401, 200)


def test_a_key_is_limited_over_sixty_seconds_and_no_other_key_with_it(caller: Caller) -> None:
    second = Caller(caller.stand_ins, caller.act("mint_api_key")["api_key"], caller.page)
    caller.act("set_rate_limit", calls=2)

    statuses = [caller.ask("GET").status_code for _ in range(3)]
    limited = caller.ask("GET")

    assert statuses == [200, 200, 420]
    assert 1 <= int(limited.headers["retry-after"]) <= 60
    assert second.ask("GET").status_code == 200
    caller.stand_ins.control("POST", "/clock", {"offset_s": 61})
    assert caller.ask("GET").status_code == 200


@pytest.mark.parametrize(("calls", "status"), [(0, 200), (1, 429)])
def test_the_limit_may_be_switched_off_and_be_told_by_either_status(calls: int, status: int, caller: Caller) -> None:
    caller.act("set_rate_limit", calls=calls, status=429)
    caller.ask("GET")

    assert caller.ask("GET").status_code == status


def test_the_limit_is_the_published_one_at_first(caller: Caller) -> None:
    statuses = [caller.ask("GET").status_code for _ in range(61)]

    assert statuses == [200] * 60 + [420]


def test_incidents_are_listed_newest_first_and_in_pages(caller: Caller) -> None:
    for name in "abc":
        caller.create(name, **SILENT)

    pages = [[row["name"] for row in caller.ask("GET", f"/incidents?limit=2&page={n}").json()] for n in (1, 2)]

    assert pages == [["c", "b"], ["a"]]


def test_an_account_may_keep_its_incidents(caller: Caller) -> None:
    incident = caller.create(**SILENT).json()["id"]
    caller.act("keep_incidents")

    assert caller.ask("DELETE", f"/incidents/{incident}").status_code == 403
    assert caller.ask("GET", f"/incidents/{incident}").status_code == 200


def test_subscribers_and_pages_are_read(caller: Caller) -> None:
    subscribers = caller.ask("GET", "/subscribers").json()
    headers = {"authorization": f"OAuth {caller.key}"}
    pages = httpx.get(f"{caller.stand_ins.url}/statuspage/v1/pages", headers=headers).json()

    assert [row["mode"] for row in subscribers] == ["email"]
    assert [row["id"] for row in pages] == [caller.page]
