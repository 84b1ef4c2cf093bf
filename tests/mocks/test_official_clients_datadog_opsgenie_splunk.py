"""Outsiders judge the stand-ins: the vendors' own Python clients work against them unchanged."""

# mypy: disable-error-code="no-untyped-call"
# Datadog's client leaves its constructors without annotations.

import http.client
import json
import logging
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import opsgenie_sdk
import pytest
import splunk_hec_handler
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.exceptions import ForbiddenException, NotFoundException
from datadog_api_client.v1.api.authentication_api import AuthenticationApi
from datadog_api_client.v1.api.events_api import EventsApi as EventsApiV1
from datadog_api_client.v1.api.metrics_api import MetricsApi as MetricsApiV1
from datadog_api_client.v1.model.event_create_request import EventCreateRequest as EventCreateRequestV1
from datadog_api_client.v2.api.events_api import EventsApi
from datadog_api_client.v2.api.key_management_api import KeyManagementApi
from datadog_api_client.v2.api.logs_api import LogsApi
from datadog_api_client.v2.api.metrics_api import MetricsApi
from datadog_api_client.v2.api.service_accounts_api import ServiceAccountsApi
from datadog_api_client.v2.model.alert_event_custom_attributes import AlertEventCustomAttributes
from datadog_api_client.v2.model.alert_event_custom_attributes_status import AlertEventCustomAttributesStatus
from datadog_api_client.v2.model.api_key_create_attributes import APIKeyCreateAttributes
from datadog_api_client.v2.model.api_key_create_data import APIKeyCreateData
from datadog_api_client.v2.model.api_key_create_request import APIKeyCreateRequest
from datadog_api_client.v2.model.api_keys_type import APIKeysType
from datadog_api_client.v2.model.application_key_create_attributes import ApplicationKeyCreateAttributes
from datadog_api_client.v2.model.application_key_create_data import ApplicationKeyCreateData
from datadog_api_client.v2.model.application_key_create_request import ApplicationKeyCreateRequest
from datadog_api_client.v2.model.application_keys_type import ApplicationKeysType
from datadog_api_client.v2.model.event_category import EventCategory
from datadog_api_client.v2.model.event_create_request import EventCreateRequest
from datadog_api_client.v2.model.event_create_request_payload import EventCreateRequestPayload
from datadog_api_client.v2.model.event_create_request_type import EventCreateRequestType
from datadog_api_client.v2.model.event_payload import EventPayload
from datadog_api_client.v2.model.events_aggregation import EventsAggregation
from datadog_api_client.v2.model.events_compute import EventsCompute
from datadog_api_client.v2.model.events_data_source import EventsDataSource
from datadog_api_client.v2.model.events_list_request import EventsListRequest
from datadog_api_client.v2.model.events_query_filter import EventsQueryFilter
from datadog_api_client.v2.model.events_scalar_query import EventsScalarQuery
from datadog_api_client.v2.model.events_search import EventsSearch
from datadog_api_client.v2.model.http_log import HTTPLog
from datadog_api_client.v2.model.http_log_item import HTTPLogItem
from datadog_api_client.v2.model.logs_aggregate_request import LogsAggregateRequest
from datadog_api_client.v2.model.logs_aggregation_function import LogsAggregationFunction
from datadog_api_client.v2.model.logs_compute import LogsCompute
from datadog_api_client.v2.model.logs_query_filter import LogsQueryFilter
from datadog_api_client.v2.model.metric_content_encoding import MetricContentEncoding
from datadog_api_client.v2.model.metric_intake_type import MetricIntakeType
from datadog_api_client.v2.model.metric_payload import MetricPayload
from datadog_api_client.v2.model.metric_point import MetricPoint
from datadog_api_client.v2.model.metric_series import MetricSeries
from datadog_api_client.v2.model.query_formula import QueryFormula
from datadog_api_client.v2.model.scalar_formula_query_request import ScalarFormulaQueryRequest
from datadog_api_client.v2.model.scalar_formula_request import ScalarFormulaRequest
from datadog_api_client.v2.model.scalar_formula_request_attributes import ScalarFormulaRequestAttributes
from datadog_api_client.v2.model.scalar_formula_request_queries import ScalarFormulaRequestQueries
from datadog_api_client.v2.model.scalar_formula_request_type import ScalarFormulaRequestType

from tests.conftest import StandIns
from tests.mocks.polling import eventually


@pytest.fixture
def datadog(stand_ins: StandIns) -> Iterator[ApiClient]:
    given = stand_ins.control("GET", "/datadog/credentials")
    person = stand_ins.control("POST", "/datadog/actions/mint_app_key", {"name": "a person's"})["key"]
    with ApiClient(_datadog_configuration(stand_ins, given["DD_API_KEY"], person)) as client:
        yield client


def _datadog_configuration(stand_ins: StandIns, api_key: str, app_key: str) -> Configuration:
    configuration = Configuration(host=f"{stand_ins.url}/datadog")
    configuration.api_key["apiKeyAuth"] = api_key
    configuration.api_key["appKeyAuth"] = app_key
    return configuration


def test_datadogs_client_validates_a_key(datadog: ApiClient) -> None:
    answer = AuthenticationApi(datadog).validate()

    assert answer.valid is True


def test_datadogs_client_sees_a_wrong_key_as_forbidden(stand_ins: StandIns) -> None:
    configuration = _datadog_configuration(stand_ins, "0" * 32, "")

    with ApiClient(configuration) as client, pytest.raises(ForbiddenException) as refused:
        AuthenticationApi(client).validate()

    assert refused.value.body["errors"] == ["Forbidden"]


@pytest.mark.parametrize("encoding", ["deflate", "gzip"])
def test_datadogs_client_submits_a_metric_and_queries_it(datadog: ApiClient, encoding: str) -> None:
    now = int(time.time())
    point = MetricPoint(timestamp=now, value=1.0)
    series = MetricSeries(metric="verify.sample", type=MetricIntakeType.GAUGE, points=[point], tags=["nonce:n1"])

    answer = MetricsApi(datadog).submit_metrics(
        body=MetricPayload(series=[series]), content_encoding=MetricContentEncoding(encoding)
    )

    found = eventually(
        lambda: MetricsApiV1(datadog).query_metrics(now - 60, now + 60, "sum:verify.sample{nonce:n1}").series
    )
    assert answer.errors == []
    assert [point.value for point in found[0].pointlist] == [[now * 1000.0, 1.0]]


def test_datadogs_client_finds_a_v1_event_by_the_text_of_its_id_only(datadog: ApiClient) -> None:
    body = EventCreateRequestV1(title="verify", text="nonce=n2", tags=["nonce:n2"])

    event = EventsApiV1(datadog).create_event(body=body).event

    wanted = EventsListRequest(filter=EventsQueryFilter(query="tags:nonce:n2", _from="now-5m", to="now+5m"))
    found = eventually(lambda: EventsApi(datadog).search_events(body=wanted).data)
    read = EventsApiV1(datadog).get_event(int(event.id_str)).event
    assert [row.attributes.attributes.evt.id for row in found] == [event.id_str]
    assert read.id_str == event.id_str
    assert str(event.id) != event.id_str
    with pytest.raises(NotFoundException):
        EventsApiV1(datadog).get_event(event.id)


def test_datadogs_client_sends_a_v2_event_and_counts_it(stand_ins: StandIns, datadog: ApiClient) -> None:
    attributes = EventPayload(
        title="verify", category=EventCategory.ALERT, message="nonce=n3", tags=["nonce:n3"],
        attributes=AlertEventCustomAttributes(status=AlertEventCustomAttributesStatus.OK),
    )  # fmt: skip
    body = EventCreateRequestPayload(data=EventCreateRequest(type=EventCreateRequestType.EVENT, attributes=attributes))

    uid = EventsApi(datadog).create_event(body=body).data.attributes.attributes.evt.uid

    count = eventually(lambda: _scalar_event_count(datadog, "tags:nonce:n3"))
    assert count == 1.0
    assert EventsApi(datadog).get_event(uid).data.id == uid


def _scalar_event_count(client: ApiClient, query: str) -> float:
    now = int(time.time() * 1000)
    counted = EventsScalarQuery(
        name="a", data_source=EventsDataSource.EVENTS, compute=EventsCompute(aggregation=EventsAggregation.COUNT),
        indexes=["*"], search=EventsSearch(query=query),
    )  # fmt: skip
    attributes = ScalarFormulaRequestAttributes(
        formulas=[QueryFormula(formula="a")], _from=now - 60_000, to=now + 60_000,
        queries=ScalarFormulaRequestQueries([counted]),
    )  # fmt: skip
    body = ScalarFormulaQueryRequest(
        data=ScalarFormulaRequest(type=ScalarFormulaRequestType.SCALAR_REQUEST, attributes=attributes)
    )
    answer = MetricsApi(client).query_scalar_data(body=body)
    value: float = answer.data.attributes.columns[0].values[0]
    return value


def test_datadogs_client_submits_logs_and_counts_them(stand_ins: StandIns, datadog: ApiClient) -> None:
    line = HTTPLogItem(message="nonce=n4", ddsource="verify", service="opsflows", ddtags="nonce:n4")

    LogsApi(datadog).submit_log(body=HTTPLog([line]))

    body = LogsAggregateRequest(
        compute=[LogsCompute(aggregation=LogsAggregationFunction.COUNT)],
        filter=LogsQueryFilter(query="nonce:n4", _from="now-5m", to="now+5m"),
    )
    answer = eventually(lambda: LogsApi(datadog).aggregate_logs(body=body), lambda found: bool(found.data.buckets))
    assert answer.meta.status.value == "done"
    assert answer.data.buckets[0].computes["c0"] == 1.0


def test_datadogs_client_rotates_an_api_key(stand_ins: StandIns, datadog: ApiClient) -> None:
    keys = KeyManagementApi(datadog)
    data = APIKeyCreateData(type=APIKeysType.API_KEYS, attributes=APIKeyCreateAttributes(name="second"))

    created = keys.create_api_key(body=APIKeyCreateRequest(data=data)).data
    with ApiClient(_datadog_configuration(stand_ins, created.attributes.key, "")) as second:
        AuthenticationApi(second).validate()

    listed = {key.id: key for key in keys.list_api_keys(filter="second").data}
    assert listed[created.id].attributes.date_last_used is not None
    assert keys.list_api_keys().meta.max_allowed == 50
    keys.delete_api_key(created.id)
    with pytest.raises(NotFoundException):
        keys.get_api_key(created.id)


def test_datadogs_client_gives_a_service_account_a_key_of_its_own(stand_ins: StandIns, datadog: ApiClient) -> None:
    account_id = stand_ins.control("POST", "/datadog/actions/account", {})["service_account_id"]
    accounts = ServiceAccountsApi(datadog)
    attributes = ApplicationKeyCreateAttributes(name="reads", scopes=["events_read"])
    data = ApplicationKeyCreateData(type=ApplicationKeysType.APPLICATION_KEYS, attributes=attributes)

    created = accounts.create_service_account_application_key(account_id, ApplicationKeyCreateRequest(data=data)).data

    listed = {key.id: key for key in accounts.list_service_account_application_keys(account_id).data}
    assert listed[created.id].attributes.last4 == created.attributes.key[-4:]
    assert created.attributes.scopes == ["events_read"]
    accounts.delete_service_account_application_key(account_id, created.id)
    assert created.id not in {key.id for key in accounts.list_service_account_application_keys(account_id).data}


@pytest.fixture
def opsgenie(stand_ins: StandIns) -> opsgenie_sdk.ApiClient:
    key = stand_ins.control("GET", "/opsgenie/credentials")["OPSGENIE_API_KEY"]
    return _opsgenie_client(stand_ins, key)


def _opsgenie_client(stand_ins: StandIns, key: str) -> opsgenie_sdk.ApiClient:
    configuration = opsgenie_sdk.Configuration()
    configuration.host = f"{stand_ins.url}/opsgenie"
    configuration.api_key = {"Authorization": key}
    configuration.retry_count = 20
    configuration.retry_delay = 0.05
    configuration.retry_http_response = ["404"]
    return opsgenie_sdk.ApiClient(configuration=configuration)


def test_opsgenies_client_creates_reads_and_closes_an_alert(
    stand_ins: StandIns, opsgenie: opsgenie_sdk.ApiClient
) -> None:
    alerts = opsgenie_sdk.AlertApi(api_client=opsgenie)
    body = opsgenie_sdk.CreateAlertPayload(
        message="verify", alias="n5", tags=["verify=true"], details={"nonce": "n5"}, priority="P5",
        responders=[{"name": "Operations", "type": "team"}],
    )  # fmt: skip

    taken = alerts.create_alert(create_alert_payload=body)
    processed = taken.retrieve_result()
    alert = alerts.get_alert(identifier="n5", identifier_type="alias").data
    closed = alerts.close_alert("n5", identifier_type="alias", close_alert_payload=opsgenie_sdk.CloseAlertPayload())
    closed.retrieve_result()

    made_by = stand_ins.control("POST", "/opsgenie/actions/account", {})["integration_id"]
    assert processed.data.is_success is True
    assert processed.data.integration_id == alert.integration.id == made_by
    assert alerts.get_alert(identifier=alert.id).data.status == "closed"
    assert alerts.count_alerts(query="alias:n5 AND status:closed").data.count == 1
    assert [row.id for row in alerts.list_alerts(query="tag:verify=true").data] == [alert.id]


def test_opsgenies_client_pings_a_heartbeat(stand_ins: StandIns) -> None:
    heartbeats = opsgenie_sdk.HeartbeatApi(
        api_client=_opsgenie_client(
            stand_ins,
            stand_ins.control("POST", "/opsgenie/actions/mint_integration", {"rights": ["read", "write", "configure"]})[
                "key"
            ],
        )
    )
    body = opsgenie_sdk.CreateHeartbeatPayload(name="nightly", interval=1, interval_unit="hours", enabled=True)

    heartbeats.create_heartbeat(create_heartbeat_payload=body)
    answer = heartbeats.ping("nightly")

    assert answer.result == "PONG - Heartbeat received"
    assert heartbeats.get_heartbeat("nightly").data.expired is False


def test_opsgenies_client_reads_the_account(opsgenie: opsgenie_sdk.ApiClient) -> None:
    answer = opsgenie_sdk.AccountApi(api_client=opsgenie).get_info()

    assert answer.data.plan.name == "Enterprise"


def test_opsgenies_client_is_told_that_a_key_is_unknown(stand_ins: StandIns) -> None:
    client = _opsgenie_client(stand_ins, "00000000-0000-0000-0000-000000000000")
    client.configuration.retry_enabled = False

    with pytest.raises(opsgenie_sdk.exceptions.AuthenticationException) as refused:
        opsgenie_sdk.AlertApi(api_client=client).list_alerts()

    assert refused.value.status == 401


@pytest.mark.parametrize("encrypted", [False, True])
def test_splunks_logging_handler_delivers_an_event(
    stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch, *, encrypted: bool
) -> None:
    # The handler's HTTP library prefers these to the certificate it was given.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    given = stand_ins.control("GET", "/splunk/credentials")
    address = urlsplit(stand_ins.https_url if encrypted else stand_ins.url)
    handler = splunk_hec_handler.SplunkHecHandler(
        address.hostname, given["SPLUNK_HEC_TOKEN"], port=address.port, proto=address.scheme,
        ssl_verify=str(stand_ins.ca_file), source="verify", sourcetype="_json", index=given["SPLUNK_INDEX"],
    )  # fmt: skip
    logger = logging.getLogger(f"tests.splunk.{address.scheme}")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)

    logger.info({"nonce": "n6", "fields": {"verify": True}})

    search = f"search index={given['SPLUNK_INDEX']} nonce=n6 verify=True | stats count"
    rows = eventually(lambda: _splunk_search(stand_ins, given["SPLUNK_TOKEN"], search), lambda r: r[0]["count"] == "1")
    handler.r.close()
    assert rows == [{"count": "1"}]


def _splunk_search(stand_ins: StandIns, token: str, search: str) -> list[dict[str, Any]]:
    connection = http.client.HTTPConnection(urlsplit(stand_ins.url).netloc)
    connection.request(
        "POST", "/services/search/v2/jobs/export", f"output_mode=json&search={search.replace('=', '%3D')}",
        {"authorization": f"Bearer {token}", "content-type": "application/x-www-form-urlencoded"},
    )  # fmt: skip
    lines = connection.getresponse().read().splitlines()
    connection.close()
    return [row["result"] for row in map(json.loads, lines) if not row["preview"]]
