"""The stand-ins receive months at once, and answer counts of them with the vendors' bounds and refusals."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import StandIns

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
STATS = "field=sum(quantity)&groupBy=outcome&category=error"
TABLE = "field=id&start=2026-10-01T00:00:00Z&end=2026-10-02T00:00:00Z"


def receive(stand_ins: StandIns, vendor: str, *events: dict[str, Any]) -> Any:
    return stand_ins.control("POST", f"/{vendor}/actions/receive_many", {"events": list(events)})


def sentry(stand_ins: StandIns, path: str) -> httpx.Response:
    given = stand_ins.control("GET", "/sentry/credentials")
    url = f"{stand_ins.url}/sentry/api/0/organizations/{given['SENTRY_ORG']}/{path}"
    return httpx.get(url, headers={"authorization": f"Bearer {given['SENTRY_AUTH_TOKEN']}"}, trust_env=False)


def datadog(stand_ins: StandIns, **attributes: Any) -> httpx.Response:
    given = stand_ins.control("GET", "/datadog/credentials")
    start = int(OCTOBER.timestamp()) * 1000
    payload = {
        "data": {"type": "timeseries_request", "attributes": {"from": start, "to": start + 86_400_000} | attributes}
    }
    keys = {"dd-api-key": given["DD_API_KEY"], "dd-application-key": given["DD_APP_KEY"]}
    return httpx.post(f"{stand_ins.url}/datadog/api/v2/query/timeseries", json=payload, headers=keys, trust_env=False)


def query(**more: Any) -> dict[str, Any]:
    return {"name": "a", "data_source": "events", "compute": {"aggregation": "count"}, **more}


@pytest.mark.parametrize("vendor", ["sentry", "datadog", "splunk", "statuspage"])
def test_many_events_are_received_at_once(vendor: str, stand_ins: StandIns) -> None:
    events = [{"id": f"e-{n}", "at": (OCTOBER + timedelta(minutes=n)).isoformat(), "type": "a"} for n in range(5000)]

    assert receive(stand_ins, vendor, *events) == {"received": 5000}


@pytest.mark.parametrize("vendor", ["sentry", "datadog", "splunk", "statuspage"])
def test_an_event_without_a_time_is_not_received(vendor: str, stand_ins: StandIns) -> None:
    fields = {"events": [{"id": "e"}]}

    answer = httpx.post(f"{stand_ins.url}/_control/{vendor}/actions/receive_many", json=fields, trust_env=False)

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        (f"stats_v2/?{STATS}&interval=1h&start=2026-01-01T00:00:00Z&end=2026-03-01T00:00:00Z", "too many results"),
        (f"events/?{TABLE}&per_page=101", "Invalid per_page"),
        (f"events/?{TABLE}&cursor=one", "Invalid cursor"),
        (f"events/?{TABLE}&query=(a", "Error parsing search query"),
        ("events/?start=2026-10-01T00:00:00Z&end=2026-10-02T00:00:00Z", "No columns selected"),
        ("events/?field=id&start=2026-10-01T00:00:00Z", "both required"),
        ("events/?field=id&start=2026-10-02T00:00:00Z&end=2026-10-01T00:00:00Z", "before end"),
    ],
)
def test_a_question_that_sentry_does_not_answer_is_refused(path: str, detail: str, stand_ins: StandIns) -> None:
    answer = sentry(stand_ins, path)

    assert answer.status_code == 400
    assert detail in answer.json()["detail"]


def test_a_table_tells_in_a_link_whether_more_rows_follow(stand_ins: StandIns) -> None:
    receive(stand_ins, "sentry", *({"id": f"e-{n}", "at": OCTOBER.isoformat()} for n in range(3)))

    first, last = (sentry(stand_ins, f"events/?{TABLE}&per_page=2&cursor=0:{start}:0") for start in (0, 2))

    assert [len(answer.json()["data"]) for answer in (first, last)] == [2, 1]
    assert 'rel="next"; results="true"; cursor="0:2:0"' in first.headers["link"]
    assert 'rel="next"; results="false"' in last.headers["link"]


def test_a_table_without_events_counts_nought(stand_ins: StandIns) -> None:
    assert sentry(stand_ins, f"events/?{TABLE.replace('field=id', 'field=count()')}").json()["data"] == [{"count()": 0}]


def test_default_and_security_events_are_errors_to_sentrys_statistics(stand_ins: StandIns) -> None:
    receive(
        stand_ins, "sentry",
        *({"id": kind, "at": OCTOBER.isoformat(), "category": kind} for kind in ("error", "default", "security")),
    )  # fmt: skip

    answer = sentry(
        stand_ins,
        "stats_v2/?field=sum(quantity)&groupBy=category&interval=1h&start=2026-10-01T00:00:00Z&end=2026-10-01T00:59:59Z",
    )

    (group,) = answer.json()["groups"]
    assert (group["by"], group["totals"]) == ({"category": "error"}, {"sum(quantity)": 3})


def test_datadog_shows_ten_groups_unless_more_are_asked_for(stand_ins: StandIns) -> None:
    receive(stand_ins, "datadog", *({"id": f"e-{n}", "at": OCTOBER.isoformat(), "type": f"t-{n}"} for n in range(12)))

    few, more = (
        datadog(stand_ins, queries=[query(group_by=[{"facet": "event_type", **limit}])])
        for limit in ({}, {"limit": 100})
    )  # fmt: skip

    assert [len(answer.json()["data"]["attributes"]["series"]) for answer in (few, more)] == [10, 12]


def test_datadog_takes_a_larger_interval_than_was_asked_for_without_a_word(stand_ins: StandIns) -> None:
    answer = datadog(stand_ins, queries=[query()], interval=1000)

    times = answer.json()["data"]["attributes"]["times"]
    assert answer.status_code == 200
    assert times[1] - times[0] == 64_000


@pytest.mark.parametrize(
    ("queries", "formulas", "status"),
    [
        ([query(group_by=[{"facet": "x", "limit": 10_001}])], [], 400),
        ([query(group_by=[{"facet": "x"}, {"facet": "y"}])], [], 501),
        ([query()], [{"formula": "a + 1"}], 501),
        ([query(compute={"aggregation": "avg"})], [], 501),
        ([query(data_source="rum")], [], 501),
        ([], [], 400),
    ],
)
def test_a_formula_that_is_not_stood_in_for_says_so(
    queries: list[Any], formulas: list[Any], status: int, stand_ins: StandIns
) -> None:
    assert datadog(stand_ins, queries=queries, formulas=formulas).status_code == status


@pytest.mark.parametrize("expression", ["a=1+1", "_time", "a=if(x>1,1,0)"])
def test_an_expression_of_splunk_that_is_not_stood_in_for_says_so(expression: str, stand_ins: StandIns) -> None:
    given = stand_ins.control("GET", "/splunk/credentials")
    form = {"search": f"search index=opsflows | eval {expression}", "output_mode": "json"}

    answer = httpx.post(
        f"{stand_ins.url}/splunk/services/search/v2/jobs/export", data=form,
        headers={"authorization": f"Bearer {given['SPLUNK_TOKEN']}"}, trust_env=False,
    )  # fmt: skip

    assert answer.status_code == 501
