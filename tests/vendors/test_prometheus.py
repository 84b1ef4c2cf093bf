"""Prometheus asked for the growth of counters: what is asked, and what an answer is taken for."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date

import pytest

from domain.errors import BadInput, OpsError, Rejected, Unavailable
from domain.reconciliation_sections import PrometheusCounters
from domain.windows import day_window
from tests.stores.loopback import Loopback, Told
from tests.stores.prometheus import Counters, prometheus, refused, vector
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.prometheus import Grown, Prometheus

DAY = day_window(date(2026, 10, 5))
REHEARSAL = Conduct(HostRule(rehearsal=True), lambda _: None)


@pytest.fixture
def served() -> Iterator[tuple[Counters, Loopback]]:
    with prometheus() as served:
        yield served


@pytest.fixture
def counters(served: tuple[Counters, Loopback]) -> Counters:
    return served[0]


@pytest.fixture
def loopback(served: tuple[Counters, Loopback]) -> Loopback:
    return served[1]


@pytest.fixture
def client(loopback: Loopback) -> Iterator[Prometheus]:
    with closing(Prometheus(section(loopback.url), REHEARSAL)) as client:
        yield client


def section(address: str, **more: str) -> PrometheusCounters:
    said = {"metric": 'events_emitted_total{env="prod"}', "environment": "prod", "address": address, **more}
    return PrometheusCounters.model_validate({"kind": "prometheus", **said})


def test_the_growth_of_a_day_is_asked_for_at_its_end(client: Prometheus, loopback: Loopback) -> None:
    client.growth(DAY)

    [asked] = loopback.asked
    assert asked.path == "/api/v1/query"
    assert asked.query == {
        "query": 'sum by (integration, event_type) (increase(events_emitted_total{env="prod"}[86400s]))',
        "time": "1791244800.000",
    }


def test_an_answer_is_growth_by_integration_and_type(client: Prometheus, counters: Counters) -> None:
    counters.by_end[DAY.end] = [
        ({"integration": "slack", "event_type": "login"}, "120.0041"),
        ({"integration": "slack"}, "0"),
    ]

    growth = client.growth(DAY)

    assert growth.grown == (Grown("slack", "login", 120.0041), Grown("slack", "", 0.0))
    assert growth.unusable == 0


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "much"])
def test_what_is_no_number_of_events_is_counted_apart(value: str, client: Prometheus, counters: Counters) -> None:
    counters.by_end[DAY.end] = [({"integration": "slack", "event_type": "login"}, value)]

    growth = client.growth(DAY)

    assert (growth.grown, growth.unusable) == ((), 1)


def test_warnings_are_handed_on(client: Prometheus, counters: Counters) -> None:
    counters.warnings = ["a store did not answer: the result is partial"]

    assert client.growth(DAY).warnings == ("a store did not answer: the result is partial",)


Refusal = tuple[Told, type[OpsError], str]
REFUSALS: tuple[Refusal, ...] = (
    (refused(400, "bad_data"), Rejected, "prometheus.query_refused"),
    (refused(422, "execution"), Rejected, "prometheus.query_failed"),
    (refused(503, "timeout"), Unavailable, "prometheus.busy"),
    (refused(404, "x"), Rejected, "prometheus.not_found"),
    (refused(401, "x"), Rejected, "http.unauthorized"),
    (Told(200, b"<html>log in</html>"), Unavailable, "network.garbage"),
    (refused(200, "execution"), Unavailable, "network.garbage"),
    (vector("no list"), Unavailable, "network.garbage"),
    (vector(["no object"]), Unavailable, "network.garbage"),
    (Told(200, vector([]).body, sent_bytes=9), Unavailable, "network.reset"),
)


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: f"{row[0].status}-{row[2]}")
def test_a_refusal_is_named_by_what_to_do_and_asked_once(row: Refusal, client: Prometheus, loopback: Loopback) -> None:
    told, kind, symptom = row
    loopback.spoil(told)

    with pytest.raises(kind) as caught:
        client.growth(DAY)

    assert caught.value.symptom == symptom
    assert len(loopback.asked) == 1


def test_a_label_that_would_change_the_query_is_refused(loopback: Loopback) -> None:
    with pytest.raises(BadInput, match="not a label"):
        Prometheus(section(loopback.url, type_label="a) (vector(1)"), REHEARSAL)


@pytest.mark.parametrize(
    ("address", "is_rehearsal"),
    [("https://prometheus.example.com", True), ("http://prometheus.example.com", False), ("http://127.0.0.1:9", False)],
)
def test_prometheus_is_not_looked_for_where_it_must_not_be(address: str, is_rehearsal: bool) -> None:  # noqa: FBT001 (a row of the table)
    with pytest.raises(BadInput):
        Prometheus(section(address), Conduct(HostRule(rehearsal=is_rehearsal), lambda _: None))


def test_the_address_of_a_section_is_an_allowed_host_over_tls() -> None:
    Prometheus(
        section("https://prometheus.example.com/prom"), Conduct(HostRule(rehearsal=False), lambda _: None)
    ).close()
