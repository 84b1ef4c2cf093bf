"""Sentry's stand-in: what ingest takes and keeps, how events are grouped, read back and counted, and whose keys work."""

import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from tests.conftest import StandIns
from tests.mocks.polling import eventually

SCOPES = ["org:read", "project:read", "project:write", "project:admin", "event:read", "event:write", "event:admin"]


@dataclass(frozen=True, slots=True)
class Organisation:
    """The organisation, spoken to with its own credentials."""

    stand_ins: StandIns
    dsn: str
    token: str
    name: str
    project: str

    def envelope(self, dsn: str = "", event_id: str = "", **event: Any) -> httpx.Response:
        parts = urlsplit(dsn or self.dsn)
        event_id = event_id or uuid4().hex
        item = json.dumps({"event_id": event_id, "message": "boom", **event})
        lines = [json.dumps({"event_id": event_id}), json.dumps({"type": "event", "length": len(item)}), item]
        prefix, _, project = parts.path.rpartition("/")
        return httpx.post(
            f"{parts.scheme}://{parts.hostname}:{parts.port}{prefix}/api/{project}/envelope/",
            content="\n".join(lines) + "\n",
            headers={"x-sentry-auth": f"Sentry sentry_version=7, sentry_key={parts.username}"},
        )

    def api(self, method: str, path: str, json: object = None) -> httpx.Response:
        url = f"{self.stand_ins.url}/sentry/api/0{path}"
        return httpx.request(method, url, json=json, headers={"authorization": f"Bearer {self.token}"})

    def event(self, event_id: str) -> httpx.Response:
        return self.api("GET", f"/projects/{self.name}/{self.project}/events/{event_id}/")

    def keys(self, method: str, key: str = "", json: object = None) -> httpx.Response:
        return self.api(method, f"/projects/{self.name}/{self.project}/keys/{key}", json)

    def act(self, action: str, **fields: Any) -> Any:
        return self.stand_ins.control("POST", f"/sentry/actions/{action}", fields)


@pytest.fixture
def sentry(stand_ins: StandIns) -> Organisation:
    stand_ins.control("POST", "/sentry/actions/set_indexing_delay", {"seconds": 0})
    held = stand_ins.control("GET", "/sentry/credentials")
    # The seeded tokens have least scopes; a person who may do everything asks here.
    person = stand_ins.control("POST", "/sentry/actions/mint_token", {"scopes": SCOPES})["token"]
    return Organisation(stand_ins, held["SENTRY_DSN"], person, held["SENTRY_ORG"], held["SENTRY_PROJECT"])


def test_an_event_is_unknown_until_it_is_indexed(sentry: Organisation) -> None:
    sentry.act("set_indexing_delay", seconds=60)

    event_id = sentry.envelope(tags={"verify": "true"}).json()["id"]

    assert sentry.event(event_id).status_code == 404
    sentry.stand_ins.control("POST", "/clock", {"offset_s": 61})
    event = sentry.event(event_id).json()
    assert (event["eventID"], event["message"]) == (event_id, "boom")
    assert {"key": "verify", "value": "true"} in event["tags"]
    resolved = sentry.api("GET", f"/organizations/{sentry.name}/eventids/{event_id}/").json()
    assert resolved["groupId"] == event["groupID"]


def test_a_packed_envelope_and_the_store_endpoint_are_taken_too(sentry: Organisation) -> None:
    parts, event_id = urlsplit(sentry.dsn), uuid4().hex
    project = parts.path.rpartition("/")[2]
    packed = gzip.compress(json.dumps({"event_id": event_id, "message": "old"}).encode())

    answer = httpx.post(
        f"{sentry.stand_ins.url}/sentry/api/{project}/store/?sentry_key={parts.username}&sentry_version=7",
        content=packed,
        headers={"content-encoding": "gzip"},
    )

    assert answer.json() == {"id": event_id}
    assert sentry.event(event_id).json()["title"] == "old"


def test_events_of_one_fingerprint_share_an_issue(sentry: Organisation) -> None:
    marks = (["a"], ["a"], ["b"])

    ids = [sentry.envelope(message=f"m{n}", fingerprint=mark).json()["id"] for n, mark in enumerate(marks)]

    groups = [sentry.event(event_id).json()["groupID"] for event_id in ids]
    assert groups[0] == groups[1] != groups[2]
    assert sentry.api("GET", f"/organizations/{sentry.name}/issues/{groups[0]}/").json()["count"] == "2"


def test_an_exception_is_titled_and_grouped_by_what_it_says(sentry: Organisation) -> None:
    exception = {"values": [{"type": "KeyError", "value": "'id'"}]}

    ids = [sentry.envelope(exception=exception).json()["id"] for _ in range(2)]

    events = [sentry.event(event_id).json() for event_id in ids]
    assert events[0]["title"] == "KeyError: 'id'"
    assert events[0]["groupID"] == events[1]["groupID"]


def test_an_issue_is_resolved_comes_back_and_is_deleted(sentry: Organisation) -> None:
    group = sentry.event(sentry.envelope(fingerprint=["a"]).json()["id"]).json()["groupID"]
    path = f"/organizations/{sentry.name}/issues/{group}/"

    resolved = sentry.api("PUT", path, {"status": "resolved"}).json()["status"]
    again = sentry.envelope(fingerprint=["a"]).json()["id"]
    regressed = sentry.api("GET", path).json()["status"]
    deleted = sentry.api("DELETE", path).status_code

    assert (resolved, regressed, deleted) == ("resolved", "unresolved", 202)
    assert (sentry.api("GET", path).status_code, sentry.event(again).status_code) == (404, 404)


@pytest.mark.parametrize(
    "change",
    [
        ("set_key_active", {"active": False}),
        ("set_project_enabled", {"enabled": False}),
        ("set_region", {"region": "de"}),
    ],
)
def test_a_key_that_is_not_taken_is_refused_as_a_project_that_is_not_there(
    change: tuple[str, dict[str, Any]], sentry: Organisation
) -> None:
    sentry.act(change[0], **change[1])

    answer = eventually(sentry.envelope, lambda answer: answer.status_code != 200)

    assert answer.status_code == 403
    assert answer.json() == {"detail": "event submission rejected with_reason: ProjectId"}


def test_an_organisation_in_germany_answers_at_the_german_hosts(sentry: Organisation) -> None:
    sentry.act("set_region", region="de")
    path, token = f"/api/0/organizations/{sentry.name}/", {"authorization": f"Bearer {sentry.token}"}

    answers = [
        httpx.get(f"{sentry.stand_ins.url}{path}", headers={**token, "host": host})
        for host in ("de.sentry.io", "us.sentry.io", "sentry.io")
    ]

    assert [answer.status_code for answer in answers] == [200, 401, 401]


def test_without_a_key_the_authorization_is_missing(sentry: Organisation) -> None:
    answer = httpx.post(f"{sentry.stand_ins.url}/sentry/api/1/envelope/", content=b"{}\n")

    assert (answer.status_code, answer.json()["detail"]) == (403, "missing authorization information")


@pytest.mark.parametrize("body", [b"", b"not json\n", b'{}\n{"type":"event","length":99}\n{}\n', b"[]\n"])
def test_bytes_that_are_no_envelope_are_refused(body: bytes, sentry: Organisation) -> None:
    key, project = urlsplit(sentry.dsn).username, sentry.dsn.rpartition("/")[2]

    answer = httpx.post(f"{sentry.stand_ins.url}/sentry/api/{project}/envelope/?sentry_key={key}", content=body)

    assert (answer.status_code, answer.json()["detail"]) == (400, "invalid event envelope")


def test_a_second_key_is_made_tried_and_the_first_disabled_and_deleted(sentry: Organisation) -> None:
    sentry.act("set_propagation_delay", seconds=0.1)
    made = sentry.keys("POST", json={"name": "second"})
    second = made.json()["dsn"]["public"]
    eventually(lambda: sentry.envelope(second).status_code == 200)
    first = next(key for key in sentry.keys("GET").json() if key["dsn"]["public"] == sentry.dsn)

    disabled = sentry.keys("PUT", f"{first['id']}/", {"isActive": False}).json()
    eventually(lambda: sentry.envelope().status_code == 403)
    deleted = sentry.keys("DELETE", f"{first['id']}/")

    assert (made.status_code, disabled["isActive"], deleted.status_code) == (201, False, 204)
    assert [key["id"] for key in sentry.keys("GET").json()] == [made.json()["id"]]
    assert sentry.envelope(second).status_code == 200


def test_a_disabled_key_goes_on_being_taken_for_a_moment(sentry: Organisation) -> None:
    sentry.act("set_propagation_delay", seconds=3600)

    sentry.act("set_key_active", active=False)

    assert sentry.envelope().status_code == 200


def test_a_cold_cache_answers_200_and_keeps_nothing(sentry: Organisation) -> None:
    sentry.act("set_cold_cache", requests=1)

    lost, kept = (sentry.envelope().json()["id"] for _ in range(2))

    assert (sentry.event(lost).status_code, sentry.event(kept).status_code) == (404, 200)


def counted(sentry: Organisation, query: str) -> dict[str, int]:
    answer = sentry.api("GET", f"/organizations/{sentry.name}/stats_v2/?field=sum(quantity)&category=error&{query}")
    return {group["by"]["outcome"]: group["totals"]["sum(quantity)"] for group in answer.json()["groups"]}


def test_outcomes_are_counted_by_what_became_of_the_event(sentry: Organisation) -> None:
    sentry.act("filter_messages", words=["noise"])
    known = uuid4().hex

    for event in ({"event_id": known}, {"event_id": known}, {"message": "noise"}, {}):
        assert sentry.envelope(**event).status_code == 200

    assert counted(sentry, "groupBy=outcome&statsPeriod=1h&interval=1h") == {
        "accepted": 2,
        "invalid": 1,
        "filtered": 1,
    }


def test_the_end_of_a_window_is_inclusive(sentry: Organisation) -> None:
    midnight = datetime(2026, 3, 1, 0, 0, 0, tzinfo=UTC)
    now = datetime.now(UTC)
    sentry.stand_ins.control("POST", "/clock", {"offset_s": (midnight - now).total_seconds() + 3600})
    sentry.envelope()
    february = "groupBy=outcome&interval=1d&start=2026-02-01T00:00:00Z"

    with_midnight = counted(sentry, f"{february}&end=2026-03-01T00:00:00Z")
    a_second_less = counted(sentry, f"{february}&end=2026-02-28T23:59:59Z")

    assert (with_midnight, a_second_less) == ({"accepted": 1}, {})


@pytest.mark.parametrize(
    "query", ["", "field=count()", "field=sum(quantity)&interval=5h", "field=sum(quantity)&start=x"]
)
def test_a_question_that_stats_do_not_answer_is_refused(query: str, sentry: Organisation) -> None:
    assert sentry.api("GET", f"/organizations/{sentry.name}/stats_v2/?{query}").status_code == 400


def test_token_scope_and_organisation_are_checked(sentry: Organisation) -> None:
    reader = sentry.act("mint_token", scopes=["project:read"])["token"]
    limited = Organisation(sentry.stand_ins, sentry.dsn, reader, sentry.name, sentry.project)
    unknown = Organisation(sentry.stand_ins, sentry.dsn, "nobody", sentry.name, sentry.project)

    assert limited.keys("GET").status_code == 200
    assert limited.keys("POST").status_code == 403
    assert unknown.keys("GET").status_code == 401
    assert sentry.api("GET", "/organizations/another/").status_code == 404


def test_api_answers_say_when_the_limit_resets_in_epoch_seconds(sentry: Organisation) -> None:
    headers = sentry.api("GET", f"/organizations/{sentry.name}/").headers

    assert abs(int(headers["x-sentry-rate-limit-reset"]) - datetime.now(UTC).timestamp()) < 60
    assert int(headers["x-sentry-rate-limit-remaining"]) < int(headers["x-sentry-rate-limit-limit"])


@pytest.mark.parametrize(
    ("name", "statuses"),
    [("SENTRY_AUTH_TOKEN", (200, 403, 404)), ("SENTRY_MANAGE_TOKEN", (200, 201, 403))],
    ids=["the read token", "the manage token"],
)
def test_the_seeded_tokens_may_do_what_they_are_for_and_no_more(
    name: str, statuses: tuple[int, ...], sentry: Organisation
) -> None:
    token = sentry.stand_ins.control("GET", "/sentry/credentials")[name]
    holder = Organisation(sentry.stand_ins, sentry.dsn, token, sentry.name, sentry.project)

    listed, made = holder.keys("GET"), holder.keys("POST", json={"name": "second"})
    resolved = holder.api("PUT", f"/organizations/{sentry.name}/issues/1/", {"status": "resolved"})

    assert (listed.status_code, made.status_code, resolved.status_code) == statuses


def test_client_keys_are_paged_by_the_cursor_in_the_link_header(sentry: Organisation) -> None:
    for name in ("second", "third"):
        sentry.keys("POST", json={"name": name})

    first = sentry.keys("GET", "?per_page=2")
    cursor = first.headers["link"].rpartition('cursor="')[2].strip('"')
    last = sentry.keys("GET", f"?per_page=2&cursor={cursor}")

    assert [[key["name"] for key in page.json()] for page in (first, last)] == [["third", "second"], ["Default"]]
    assert ['rel="next"; results="true"' in page.headers["link"] for page in (first, last)] == [True, False]


def test_a_listing_shows_a_new_client_key_only_after_its_lag(sentry: Organisation) -> None:
    sentry.act("set_listing_lag", seconds=3600)
    sentry.keys("POST", json={"name": "second"})

    at_once = len(sentry.keys("GET").json())
    sentry.stand_ins.control("POST", "/clock", {"offset_s": 3601})

    assert (at_once, len(sentry.keys("GET").json())) == (1, 2)


def test_two_client_keys_may_have_one_name_and_each_is_known_by_its_public_part(sentry: Organisation) -> None:
    made = [sentry.keys("POST", json={"name": "second"}).json() for _ in range(2)]

    assert [key["id"] == key["public"] for key in made] == [True, True]
    assert made[0]["id"] != made[1]["id"]
    assert sentry.keys("POST", json={"name": "x" * 65}).status_code == 400


def test_an_envelope_without_items_is_taken_whoever_sends_it(sentry: Organisation) -> None:
    parts = urlsplit(sentry.dsn)
    url = f"{parts.scheme}://{parts.hostname}:{parts.port}/sentry/api{parts.path.removeprefix('/sentry')}/envelope/"
    headers = {"x-sentry-auth": f"Sentry sentry_version=7, sentry_key={'0' * 32}"}
    report = b'{}\n{"type":"client_report"}\n{"discarded_events":[]}\n'

    empty, reported = (httpx.post(url, content=body, headers=headers) for body in (b"{}\n", report))

    assert (empty.status_code, reported.status_code) == (200, 403)
