"""Splunk's stand-in keeps Splunk's rules: HEC's codes, acknowledgements read once, searches that see what they may."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import StandIns

INPUTS = "/services/data/inputs/http"


class Instance:
    """A plain HTTP client of one instance."""

    def __init__(self, stand_ins: StandIns, client: httpx.Client) -> None:
        self.stand_ins = stand_ins
        self.client = client
        self.given: dict[str, str] = stand_ins.control("GET", "/splunk/credentials")
        self.manager: str = self.act("account")["manager_token"]

    def act(self, action: str, /, **fields: Any) -> Any:
        return self.stand_ins.control("POST", f"/splunk/actions/{action}", fields)

    def send(self, body: Any, path: str = "event", token: str = "", **more: Any) -> httpx.Response:
        headers = {"authorization": f"Splunk {token or self.given['SPLUNK_HEC_TOKEN']}", **more.pop("headers", {})}
        content = body if isinstance(body, str) else json.dumps(body)
        return self.client.post(f"/services/collector/{path}", content=content, headers=headers, **more)

    def search(self, search: str, token: str = "", **bounds: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {token or self.given['SPLUNK_TOKEN']}"}
        sent = {"search": search, "output_mode": "json", **bounds}
        return self.client.post("/services/search/v2/jobs/export", data=sent, headers=headers)

    def rows(self, search: str, token: str = "", **bounds: str) -> list[dict[str, str]]:
        answer = self.search(search, token, **bounds)
        assert answer.status_code == 200, answer.text
        lines = [json.loads(line) for line in answer.text.splitlines()]
        return [line["result"] for line in lines if not line["preview"] and "result" in line]

    def manage(self, method: str, path: str = "", **sent: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.manager}"}
        return self.client.request(method, f"{INPUTS}{path}?output_mode=json", headers=headers, data=sent or None)

    def see_at_once(self) -> None:
        self.act("set_indexing_delay", seconds=0)


@pytest.fixture
def splunk(stand_ins: StandIns) -> Iterator[Instance]:
    with httpx.Client(base_url=stand_ins.url, trust_env=False) as client:
        yield Instance(stand_ins, client)


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        (None, 401, 2),
        ("Bearer 123", 401, 3),
        ("Splunk", 401, 3),
        ("Basic !", 401, 3),
        ("Splunk 3c483845-24b7-4912-98f9-64744d28c19c", 403, 4),
    ],
)
def test_hec_tells_how_a_token_is_wrong(splunk: Instance, header: str | None, status: int, code: int) -> None:
    headers = {} if header is None else {"authorization": header}

    answer = splunk.client.post("/services/collector/event", json={"event": "x"}, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_disabled_token_is_refused_with_code_1(splunk: Instance) -> None:
    splunk.act("switch_token", on=False)

    answer = splunk.send({"event": "x"})

    assert (answer.status_code, answer.json()) == (403, {"text": "Token disabled", "code": 1})


def test_a_token_in_the_query_string_needs_to_be_allowed_there(splunk: Instance) -> None:
    token = splunk.given["SPLUNK_HEC_TOKEN"]
    address = f"/services/collector/event?token={token}"

    refused = splunk.client.post(address, json={"event": "x"})
    splunk.act("change_token", query_string_auth=True)
    taken = splunk.client.post(address, json={"event": "x"})

    assert (refused.status_code, refused.json()["code"]) == (400, 16)
    assert taken.json() == {"text": "Success", "code": 0}


def test_a_token_also_comes_as_a_basic_password(splunk: Instance) -> None:
    answer = splunk.client.post(
        "/services/collector/event", json={"event": "x"}, auth=("x", splunk.given["SPLUNK_HEC_TOKEN"])
    )

    assert answer.json()["code"] == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", 5),
        ("{", 6),
        ('["event"]', 6),
        ({"index": "main"}, 12),
        ({"event": ""}, 13),
        ({"event": "x", "index": "secret"}, 7),
        ({"event": "x", "fields": {"a": {"b": "c"}}}, 15),
        ({"event": "x", "fields": {"a": 1}}, 15),
        ('{"event": "x", "time": 1.7e9}', 15),
    ],
)
def test_hec_tells_how_an_event_is_wrong(splunk: Instance, body: Any, code: int) -> None:
    answer = splunk.send(body)

    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_batch_ends_at_the_first_bad_event_and_keeps_those_before(splunk: Instance) -> None:
    splunk.see_at_once()

    answer = splunk.send('{"event":"one"} {"event":"two"}\n{"nothing":1}{"event":"four"}')

    assert answer.json() == {"text": "Event field is required", "code": 12, "invalid-event-number": 2}
    assert {row["_raw"] for row in splunk.rows("search index=opsflows")} == {"one", "two"}


def test_an_event_is_not_found_before_it_is_indexed(splunk: Instance) -> None:
    splunk.act("set_indexing_delay", seconds=60)
    answer = splunk.send({"event": {"nonce": "n1"}})

    before = splunk.rows("search index=opsflows nonce=n1 | stats count")
    splunk.stand_ins.control("POST", "/clock", {"offset_s": 61})
    after = splunk.rows("search index=opsflows nonce=n1 | stats count")

    assert answer.json() == {"text": "Success", "code": 0}
    assert (before, after) == ([{"count": "0"}], [{"count": "1"}])


def test_raw_text_is_an_event_per_line(splunk: Instance) -> None:
    splunk.see_at_once()

    answer = splunk.send("nonce=n2 a\nnonce=n2 b\n", "raw", params={"index": "main", "sourcetype": "plain"})

    assert answer.json()["code"] == 0
    assert splunk.rows("search index=main sourcetype=plain nonce=n2 | stats count") == [{"count": "2"}]


def test_an_index_that_does_not_exist_swallows_events_of_an_unrestricted_token(splunk: Instance) -> None:
    splunk.see_at_once()
    splunk.act("change_token", indexes=[])

    answer = splunk.send({"event": "lost", "index": "nowhere"})

    assert answer.json() == {"text": "Success", "code": 0}
    assert splunk.rows("search index=* lost") == []


def test_an_acknowledgement_is_read_once(splunk: Instance) -> None:
    splunk.act("set_indexing_delay", seconds=60)
    splunk.act("change_token", use_ack=True)
    channel = {"X-Splunk-Request-Channel": str(uuid4())}
    ids = [splunk.send({"event": "x"}, headers=channel).json()["ackId"] for _ in range(2)]

    def acknowledged() -> dict[str, bool]:
        answer: dict[str, bool] = splunk.send({"acks": ids}, "ack", headers=channel).json()["acks"]
        return answer

    at_once = acknowledged()
    splunk.stand_ins.control("POST", "/clock", {"offset_s": 61})
    first, second = acknowledged(), acknowledged()

    assert ids == [0, 1]
    assert at_once == {"0": False, "1": False}
    assert first == {"0": True, "1": True}
    assert second == {"0": False, "1": False}


def test_acknowledgements_of_another_channel_are_not_told(splunk: Instance) -> None:
    splunk.see_at_once()
    splunk.act("change_token", use_ack=True)
    ack_id = splunk.send({"event": "x"}, headers={"X-Splunk-Request-Channel": str(uuid4())}).json()["ackId"]

    answer = splunk.send({"acks": [ack_id]}, f"ack?channel={uuid4()}")

    assert answer.json() == {"acks": {"0": False}}


@pytest.mark.parametrize(("channel", "code"), [({}, 10), ({"X-Splunk-Request-Channel": "no-guid"}, 11)])
def test_a_token_with_acknowledgement_needs_a_channel(splunk: Instance, channel: dict[str, str], code: int) -> None:
    splunk.act("change_token", use_ack=True)

    answer = splunk.send({"event": "x"}, headers=channel)

    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_token_without_acknowledgement_has_none_to_ask_for(splunk: Instance) -> None:
    answer = splunk.send({"acks": [0]}, f"ack?channel={uuid4()}")

    assert (answer.status_code, answer.json()["code"]) == (400, 14)


def test_a_busy_instance_takes_nothing_and_is_unhealthy(splunk: Instance) -> None:
    healthy = splunk.client.get("/services/collector/health")
    splunk.act("set_busy", on=True)

    busy, unhealthy = splunk.send({"event": "x"}), splunk.client.get("/services/collector/health")

    assert (healthy.status_code, healthy.json()) == (200, {"text": "HEC is healthy", "code": 17})
    assert (busy.status_code, busy.json()["code"]) == (503, 9)
    assert (unhealthy.status_code, unhealthy.json()["code"]) == (503, 18)


def test_a_throttled_hec_is_busy(splunk: Instance) -> None:
    splunk.stand_ins.control("POST", "/splunk/faults", {"throttle_s": 5})

    answer = splunk.send({"event": "x"})

    assert (answer.status_code, answer.json()) == (503, {"text": "Server is busy", "code": 9})


def test_a_search_needs_a_token_of_the_rest_api(splunk: Instance) -> None:
    answer = splunk.search("search index=main", token=splunk.given["SPLUNK_HEC_TOKEN"])

    assert answer.status_code == 401
    assert answer.json() == {"messages": [{"type": "WARN", "text": "call not properly authenticated"}]}


def test_a_role_sees_its_indexes_alone_and_is_not_told(splunk: Instance) -> None:
    splunk.see_at_once()
    splunk.send({"event": "nonce=n3"})

    splunk.act("set_search_indexes", indexes=["main"])

    assert splunk.rows("search index=opsflows nonce=n3") == []


def test_a_search_for_events_streams_them_with_default_fields(splunk: Instance) -> None:
    splunk.see_at_once()
    splunk.send({"event": {"nonce": "n4", "deep": {"er": 1}}, "sourcetype": "verify", "host": "h", "source": "s"})

    lines = [json.loads(line) for line in splunk.search('search index=opsflows "n4"').text.splitlines()]

    result = lines[0].pop("result")
    assert lines == [{"preview": False, "offset": 0, "lastrow": True}]
    assert json.loads(result["_raw"]) == {"nonce": "n4", "deep": {"er": 1}}
    assert (result["index"], result["sourcetype"], result["host"], result["source"]) == ("opsflows", "verify", "h", "s")
    assert splunk.rows("search index=opsflows deep.er=1 | table nonce, deep.er") == [{"nonce": "n4", "deep.er": "1"}]


def test_a_search_without_results_has_no_row(splunk: Instance) -> None:
    assert splunk.search("search index=main nothing").text == '{"preview": false, "lastrow": true}\n'


def test_rows_of_a_preview_come_before_the_result(splunk: Instance) -> None:
    splunk.see_at_once()
    splunk.send({"event": "nonce=n5"})

    lines = [json.loads(line) for line in splunk.search("search index=opsflows n5 | stats count").text.splitlines()]

    assert [(line["preview"], line["result"]["count"]) for line in lines] == [(True, "0"), (False, "1")]


@pytest.mark.parametrize(
    ("search", "rows"),
    [
        ("search index=opsflows size>=2 | stats count", [{"count": "2"}]),
        ("search index=opsflows (kind=a OR kind=b) NOT size=1 | stats count as n", [{"n": "2"}]),
        ("search index=opsflows | stats count sum(size) as total by kind", [{"kind": "a", "count": "2", "total": "3"}, {"kind": "b", "count": "1", "total": "3"}]),
        ("search index=opsflows kind=a | sort -size | head 1 | table size", [{"size": "2"}]),
        ("search index=opsflows kind!=a | stats count", [{"count": "1"}]),
        ("| tstats count where index=opsflows sourcetype=verify", [{"count": "3"}]),
        ("| tstats count where index=opsflows verify=true", [{"count": "3"}]),
        ("| tstats count where index=opsflows kind=a", [{"count": "0"}]),
        ("| tstats count where index=opsflows by sourcetype", [{"sourcetype": "verify", "count": "3"}]),
    ],
)  # fmt: skip
def test_searches_count_what_they_name(splunk: Instance, search: str, rows: list[dict[str, str]]) -> None:
    splunk.see_at_once()
    for kind, size in (("a", 1), ("a", 2), ("b", 3)):
        splunk.send({"event": {"kind": kind, "size": size}, "sourcetype": "verify", "fields": {"verify": "true"}})

    assert splunk.rows(search) == rows


def test_days_are_counted_by_event_time(splunk: Instance) -> None:
    splunk.see_at_once()
    day = 86_400
    for at in (10 * day, 10 * day + 5, 11 * day):
        splunk.send({"event": "x", "time": at})

    rows = splunk.rows(f"| tstats count where index=opsflows earliest={10 * day} latest={12 * day} by _time span=1d")

    assert rows == [
        {"_time": "1970-01-11T00:00:00.000+00:00", "count": "2"},
        {"_time": "1970-01-12T00:00:00.000+00:00", "count": "1"},
    ]


@pytest.mark.parametrize(
    ("earliest", "latest", "count"), [("1000", "1010", "1"), ("1000", "1000.5", "1"), ("1001", "1010", "0"), ("900", "1000", "0")]
)  # fmt: skip
def test_a_window_takes_its_start_in_and_leaves_its_end_out(
    splunk: Instance, earliest: str, latest: str, count: str
) -> None:
    splunk.see_at_once()
    splunk.send({"event": "n6", "time": 1000})

    rows = splunk.rows("search index=opsflows n6 | stats count", earliest_time=earliest, latest_time=latest)

    assert rows == [{"count": count}]


def test_an_old_event_is_found_by_when_it_arrived(splunk: Instance) -> None:
    splunk.see_at_once()
    splunk.send({"event": "n7", "time": 1000})

    recent = splunk.rows("search index=opsflows n7 earliest=-1h | stats count")
    arrived = splunk.rows("search index=opsflows n7 _index_earliest=-1h _index_latest=now+1m earliest=0 | stats count")

    assert recent == [{"count": "0"}]
    assert arrived == [{"count": "1"}]


@pytest.mark.parametrize("search", ["index=opsflows", "search (index=main", "| tstats count where free text", ""])
def test_a_search_that_cannot_be_read_is_refused(splunk: Instance, search: str) -> None:
    answer = splunk.search(search)

    assert answer.status_code == 400
    assert answer.json()["messages"][0]["type"] == "FATAL"


def test_a_command_that_the_stand_in_lacks_is_not_guessed(splunk: Instance) -> None:
    assert splunk.search("search index=main | eval a=1").status_code == 501


def test_each_tokens_events_are_counted_apart(splunk: Instance) -> None:
    minted = splunk.act("mint_token", name="second")
    splunk.send({"event": "x"})
    for _ in range(2):
        splunk.send({"event": "x"}, token=minted["token"])

    rows = splunk.rows(
        "search index=_introspection sourcetype=http_event_collector_metrics | stats sum(data.num_of_events) as n by data.token_name"
    )

    assert rows == [{"data.token_name": "first", "n": "1"}, {"data.token_name": "second", "n": "2"}]


def test_a_token_can_be_made_with_a_chosen_value(splunk: Instance) -> None:
    chosen = str(uuid4())

    created = splunk.manage("POST", name="second", token=chosen, index="main", indexes="main", useACK="0")

    entry = created.json()["entry"][0]
    assert created.status_code == 201
    assert (entry["name"], entry["content"]["token"], entry["content"]["indexes"]) == (
        "http://second",
        chosen,
        ["main"],
    )
    assert splunk.send({"event": "x"}, token=chosen).json()["code"] == 0
    assert splunk.send({"event": "x", "index": "opsflows"}, token=chosen).json()["code"] == 7


@pytest.mark.parametrize("name", ["second", "http%3A%2F%2Fsecond"])
def test_a_token_is_disabled_enabled_and_deleted(splunk: Instance, name: str) -> None:
    token = splunk.manage("POST", name="second").json()["entry"][0]["content"]["token"]

    codes = [splunk.send({"event": "x"}, token=token).json()["code"]]
    for method, path in (("POST", f"/{name}/disable"), ("POST", f"/{name}/enable"), ("DELETE", f"/{name}")):
        assert splunk.manage(method, path).status_code == 200
        codes.append(splunk.send({"event": "x"}, token=token).json()["code"])

    assert codes == [0, 1, 0, 4]
    assert splunk.manage("GET", f"/{name}").status_code == 404


def test_tokens_are_listed_with_their_values(splunk: Instance) -> None:
    listed = splunk.manage("GET").json()["entry"]

    assert [row["content"]["token"] for row in listed] == [splunk.given["SPLUNK_HEC_TOKEN"]]


def test_the_name_of_a_token_must_be_free(splunk: Instance) -> None:
    assert splunk.manage("POST", name="first").status_code == 409


def test_a_searching_token_may_not_edit_inputs(splunk: Instance) -> None:
    headers = {"authorization": f"Bearer {splunk.given['SPLUNK_TOKEN']}"}

    answer = splunk.client.get(f"{INPUTS}?output_mode=json", headers=headers)

    assert answer.status_code == 403


def test_splunk_also_answers_below_its_name(splunk: Instance) -> None:
    answer = splunk.client.get("/splunk/services/collector/health")

    assert answer.json()["code"] == 17


def test_a_person_sees_the_event_in_the_inbox(splunk: Instance) -> None:
    splunk.see_at_once()
    splunk.send({"event": "nonce=n8"})

    inbox = splunk.stand_ins.control("GET", "/splunk/inbox")

    assert [(row["text"], row["where"]) for row in inbox] == [("nonce=n8", "opsflows")]


def test_what_is_swallowed_is_never_indexed_or_acknowledged(splunk: Instance) -> None:
    splunk.see_at_once()
    splunk.act("change_token", use_ack=True)
    channel = {"X-Splunk-Request-Channel": str(uuid4())}
    splunk.stand_ins.control("POST", "/splunk/faults", {"swallow": True})

    sent = splunk.send({"event": "n9"}, headers=channel).json()

    assert sent["code"] == 0
    assert splunk.send({"acks": [sent["ackId"]]}, "ack", headers=channel).json() == {"acks": {"0": False}}
    assert splunk.rows("search index=opsflows n9") == []
