"""Outsiders judge what counts are read from: the vendors' own Python clients read the stand-ins' series unchanged."""

# mypy: disable-error-code="no-untyped-call"
# Datadog's client leaves its constructors without annotations.

from datetime import UTC, datetime, timedelta

import httpx
import sentry_sdk
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v2.api.metrics_api import MetricsApi
from datadog_api_client.v2.model.events_aggregation import EventsAggregation
from datadog_api_client.v2.model.events_compute import EventsCompute
from datadog_api_client.v2.model.events_data_source import EventsDataSource
from datadog_api_client.v2.model.events_group_by import EventsGroupBy
from datadog_api_client.v2.model.events_query_group_bys import EventsQueryGroupBys
from datadog_api_client.v2.model.events_search import EventsSearch
from datadog_api_client.v2.model.events_timeseries_query import EventsTimeseriesQuery
from datadog_api_client.v2.model.query_formula import QueryFormula
from datadog_api_client.v2.model.timeseries_formula_query_request import TimeseriesFormulaQueryRequest
from datadog_api_client.v2.model.timeseries_formula_request import TimeseriesFormulaRequest
from datadog_api_client.v2.model.timeseries_formula_request_attributes import TimeseriesFormulaRequestAttributes
from datadog_api_client.v2.model.timeseries_formula_request_queries import TimeseriesFormulaRequestQueries
from datadog_api_client.v2.model.timeseries_formula_request_type import TimeseriesFormulaRequestType

from tests.conftest import StandIns

HOUR_MS = 3_600_000
MIDNIGHT_MS = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp()) * 1000


def test_datadogs_client_reads_events_by_hour_and_type(stand_ins: StandIns) -> None:
    events = [{"id": str(n), "at": f"2026-10-01T0{n % 3}:30:00Z", "type": "even" if n % 2 else "odd"} for n in range(9)]
    stand_ins.control("POST", "/datadog/actions/receive_many", {"events": events})
    given = stand_ins.control("GET", "/datadog/credentials")
    configuration = Configuration(host=f"{stand_ins.url}/datadog")
    configuration.api_key |= {"apiKeyAuth": given["DD_API_KEY"], "appKeyAuth": given["DD_APP_KEY"]}

    with ApiClient(configuration) as client:
        attributes = MetricsApi(client).query_timeseries_data(body=_by_hour_and_type()).data.attributes

    assert list(attributes.times.value) == [MIDNIGHT_MS + HOUR_MS * hour for hour in range(3)]
    found = zip(attributes.series.value, attributes.values.value, strict=True)
    assert {one.group_tags.value[0]: list(row.value) for one, row in found} == {
        "event_type:even": [1.0, 2.0, 1.0],
        "event_type:odd": [2.0, 1.0, 2.0],
    }


def _by_hour_and_type() -> TimeseriesFormulaQueryRequest:
    query = EventsTimeseriesQuery(
        name="types", data_source=EventsDataSource.EVENTS, indexes=["*"],
        compute=EventsCompute(aggregation=EventsAggregation.COUNT), search=EventsSearch(query="*"),
        group_by=EventsQueryGroupBys([EventsGroupBy(facet="event_type", limit=100)]),
    )  # fmt: skip
    attributes = TimeseriesFormulaRequestAttributes(
        _from=MIDNIGHT_MS, to=MIDNIGHT_MS + 3 * HOUR_MS, interval=HOUR_MS, formulas=[QueryFormula(formula="types")],
        queries=TimeseriesFormulaRequestQueries([query]),
    )  # fmt: skip
    kind = TimeseriesFormulaRequestType.TIMESERIES_REQUEST
    return TimeseriesFormulaQueryRequest(data=TimeseriesFormulaRequest(type=kind, attributes=attributes))


def test_events_of_sentrys_client_are_counted_by_its_tag_and_listed_by_its_id(stand_ins: StandIns) -> None:
    given = stand_ins.control("GET", "/sentry/credentials")
    stand_ins.control("POST", "/sentry/actions/set_indexing_delay", {"seconds": 0})
    client = sentry_sdk.Client(dsn=given["SENTRY_DSN"], default_integrations=False, send_client_reports=False)

    sent = client.capture_event({"message": "a payment failed", "level": "error", "tags": {"event_type": "payment"}})
    client.close(timeout=5)

    now = datetime.now(UTC)
    asked = {
        "field": ["id", "event_type"], "dataset": "errors", "query": "event_type:payment",
        "start": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}", "end": f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
    }  # fmt: skip
    answer = httpx.get(
        f"{stand_ins.url}/sentry/api/0/organizations/{given['SENTRY_ORG']}/events/", params=asked,
        headers={"authorization": f"Bearer {given['SENTRY_AUTH_TOKEN']}"}, trust_env=False,
    )  # fmt: skip
    assert answer.json()["data"] == [{"id": sent, "event_type": "payment"}]
