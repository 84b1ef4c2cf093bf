"""Google Secret Manager as an application reads it, against the stand-in, over both transports."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.errors import NotYet, OutcomeUnknown, Rejected, Unavailable
from domain.probes import Receipt
from tests.conftest import StandIns
from tests.vendors.google_cloud import GRPC, REST, GoogleCloud, cloud_of
from vendors.gcpsecret import INTEGRATION, GoogleSecret, connect

NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"


@pytest.fixture(params=[GRPC, REST])
def cloud(request: pytest.FixtureRequest, stand_ins: StandIns) -> GoogleCloud:
    return cloud_of(stand_ins, INTEGRATION, request.param)


@pytest.fixture
def client(cloud: GoogleCloud) -> Iterator[GoogleSecret]:
    with closing(connect(cloud.values, cloud.address, cloud.conduct)) as client:
        yield client


def test_the_value_is_found_and_read_back_by_its_number(cloud: GoogleCloud, client: GoogleSecret) -> None:
    (probe,) = client.probes
    receipt = probe.confirm[0](probe.send(NONCE, datetime.now(UTC)))

    assert receipt.ids["integration_id"] == "1"
    assert probe.confirm[0](Receipt(NONCE, datetime.now(UTC))).ids == {"integration_id": "1"}
    assert cloud.values["value"] not in f"{client!r} {cloud.evidence!r} {receipt!r}"


def test_a_version_that_no_listing_shows_yet_is_found_by_the_next_numbers(
    cloud: GoogleCloud, client: GoogleSecret
) -> None:
    cloud.act("set_listing_lag", seconds=3600)
    added = [client.versions.add(value) for value in ("first-of-two", "second-of-two")]

    (listed, _) = client.versions.listed()
    assert (added, [one.number for one in listed]) == ([2, 3], [1])
    assert [client.versions.holding(value) for value in ("first-of-two", "second-of-two")] == [2, 3]


def test_a_value_that_no_version_serves_is_refused(client: GoogleSecret) -> None:
    stranger = replace(client, value="never-was-there")

    with pytest.raises(Rejected) as caught:
        stranger.find(NONCE, datetime.now(UTC))

    assert caught.value.symptom == "gcpsecret.version_off"
    assert "never-was-there" not in str(caught.value)


def test_a_version_that_changed_since_it_was_found_is_not_taken_for_the_value(client: GoogleSecret) -> None:
    client.versions.add("something-else")

    with pytest.raises(NotYet):
        client.read(Receipt(NONCE, datetime.now(UTC)).with_ids(version="2"))


def test_a_damaged_payload_is_never_used(cloud: GoogleCloud, client: GoogleSecret) -> None:
    cloud.fault(rpc="AccessSecretVersion", corrupt=True)

    with pytest.raises(Unavailable) as caught:
        client.versions.access(1)

    assert caught.value.symptom == "gcpsecret.corrupted"
    assert cloud.evidence[-1].outcome == "Unavailable"


def test_a_version_whose_checksum_was_lost_on_the_way_is_looked_at_again(
    cloud: GoogleCloud, client: GoogleSecret
) -> None:
    cloud.act("ignore_checksums")

    with pytest.raises(OutcomeUnknown) as caught:
        client.versions.add("a-value-of-the-tests")

    assert caught.value.symptom == "gcpsecret.corrupted"
