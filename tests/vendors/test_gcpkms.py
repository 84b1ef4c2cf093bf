"""Google Cloud KMS as an application uses it, against the stand-in, over both transports."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.errors import BadInput, NotYet, OpsError, Rejected, Unavailable
from domain.probes import Receipt
from tests.conftest import StandIns
from tests.vendors.google_cloud import GRPC, REST, GoogleCloud, cloud_of
from vendors.gcpkms import INTEGRATION, GoogleKms, connect

NONCE = "5f0c2b9a7d3e4f1aa0b1c2d3e4f50617"


@pytest.fixture(params=[GRPC, REST])
def cloud(request: pytest.FixtureRequest, stand_ins: StandIns) -> GoogleCloud:
    return cloud_of(stand_ins, INTEGRATION, request.param)


@pytest.fixture
def client(cloud: GoogleCloud) -> Iterator[GoogleKms]:
    with closing(connect(cloud.values, cloud.address, cloud.conduct)) as client:
        yield client


def test_a_text_goes_there_and_back_and_the_version_that_did_it_is_named(cloud: GoogleCloud, client: GoogleKms) -> None:
    (probe,) = client.probes
    receipt = probe.send(NONCE, datetime.now(UTC))

    assert probe.confirm[0](receipt).ids["integration_id"] == "1"
    assert probe.confirm[0](Receipt(NONCE, receipt.sent_at)).ids["integration_id"] == "1"  # after a crash
    assert NONCE not in f"{receipt.ids!r} {cloud.evidence!r}"


def test_a_named_version_encrypts_though_it_is_not_the_primary_and_an_older_one_still_decrypts(
    client: GoogleKms,
) -> None:
    before = client.encrypt(NONCE, datetime.now(UTC))
    new = replace(client, number=client.versions.create())

    assert new.decrypt(new.encrypt(NONCE, datetime.now(UTC))).ids["integration_id"] == "2"
    client.versions.set_primary(2)
    assert client.decrypt(before).ids["integration_id"] == "1"


@pytest.mark.parametrize("rpc", ["Encrypt", "Decrypt"])
def test_a_damaged_answer_is_never_used(rpc: str, cloud: GoogleCloud, client: GoogleKms) -> None:
    cloud.fault(rpc=rpc, corrupt=True)

    with pytest.raises(Unavailable) as caught:
        client.decrypt(client.encrypt(NONCE, datetime.now(UTC)))

    assert caught.value.symptom == "gcpkms.corrupted"


def test_a_text_whose_checksum_was_lost_on_the_way_is_not_taken_for_encrypted(
    cloud: GoogleCloud, client: GoogleKms
) -> None:
    cloud.act("ignore_checksums")

    with pytest.raises(Unavailable) as caught:
        client.encrypt(NONCE, datetime.now(UTC))

    assert caught.value.symptom == "gcpkms.corrupted"


@pytest.mark.parametrize(
    ("message", "kind", "symptom"),
    [
        ("{} is not enabled, current state is: PENDING_GENERATION.", NotYet, "gcpkms.version_pending"),
        ("{} is not enabled, current state is: DISABLED.", Rejected, "gcpkms.version_off"),
    ],
    ids=["pending", "disabled"],
)
def test_a_version_that_is_still_made_is_waited_for_and_one_that_is_off_is_not(
    message: str, kind: type[OpsError], symptom: str, cloud: GoogleCloud, client: GoogleKms
) -> None:
    cloud.refuse("Encrypt", "FAILED_PRECONDITION", message.format(cloud.values["key_version"]))

    with pytest.raises(kind) as caught:
        client.encrypt(NONCE, datetime.now(UTC))

    assert caught.value.symptom == symptom


def test_a_version_of_another_key_is_refused_before_anything_is_sent(cloud: GoogleCloud) -> None:
    foreign = cloud.having(key=f"{cloud.values['key']}x")

    with pytest.raises(BadInput, match="GOOGLE_KMS_KEY_VERSION"):
        connect(foreign.values, cloud.address, cloud.conduct)

    assert cloud.requests() == []


def test_a_version_that_ends_half_way_does_not_pass(cloud: GoogleCloud, client: GoogleKms) -> None:
    receipt = client.encrypt(NONCE, datetime.now(UTC))
    client.versions.set_state("disable_version", 1, "DISABLED")

    with pytest.raises(NotYet) as caught:
        client.decrypt(receipt)

    assert caught.value.symptom == "gcpkms.not_decrypted"
