"""The port on which the stand-ins speak gRPC: how clients may come, and what faults look like there."""

from collections.abc import Iterator
from typing import Any

import grpc  # type: ignore[import-untyped]  # grpc ships no types
import pytest
from google.api_core import exceptions
from google.cloud.secretmanager_v1 import SecretManagerServiceClient

from mocks.app import found_stand_ins
from mocks.gcpkey import SERVICE as IAM
from mocks.gcpkms import SERVICE as KMS
from mocks.gcpsecret import SERVICE as SECRETS
from tests.conftest import StandIns
from tests.mocks.google_clients import Google, channel, connected, new_token

VENDORS = [stand_in.name for stand_in in found_stand_ins()]


@pytest.fixture
def vault(stand_ins: StandIns) -> Iterator[Google]:
    with connected(stand_ins, "gcpsecret", "grpc") as google:
        yield google


def get(vault: Google, **more: Any) -> Any:
    return vault.client.get_secret(request={"name": vault.held["GOOGLE_SECRET_NAME"]}, retry=None, **more)


def test_each_vendor_has_the_address_that_its_clients_use(stand_ins: StandIns) -> None:
    addresses = stand_ins.control("GET", "/addresses")

    over_grpc = {name for name in VENDORS if name.startswith("gcp")}
    assert {name for name in addresses if addresses[name] == f"grpc://{stand_ins.grpc}"} == over_grpc
    assert {name: addresses[name] for name in VENDORS if name not in over_grpc} == {
        name: f"{stand_ins.url}/{name}" for name in VENDORS if name not in over_grpc
    }


@pytest.mark.parametrize("way", ["insecure channel", "local channel", "call credentials"])
def test_a_token_may_come_as_metadata_or_from_call_credentials(way: str, stand_ins: StandIns) -> None:
    held = stand_ins.control("GET", "/gcpsecret/credentials")
    token = new_token(held["GOOGLE_SECRET_MANAGE_KEY"])
    kind = SecretManagerServiceClient
    opened = {
        "insecure channel": lambda: grpc.insecure_channel(stand_ins.grpc),
        "local channel": lambda: grpc.secure_channel(stand_ins.grpc, grpc.local_channel_credentials()),
    }
    metadata = (("authorization", f"Bearer {token}"),) if way in opened else ()
    caller = grpc.access_token_call_credentials(token)

    with opened[way]() if way in opened else channel(stand_ins, caller) as used:
        client = kind(transport=kind.get_transport_class("grpc")(channel=used))
        assert client.get_secret(name=held["GOOGLE_SECRET_NAME"], metadata=metadata).name
        if metadata:
            with pytest.raises(exceptions.Unauthenticated):
                client.get_secret(name=held["GOOGLE_SECRET_NAME"])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 400}, exceptions.InvalidArgument),
        ({"status": 403}, exceptions.PermissionDenied),
        ({"status": 409}, exceptions.Aborted),
        ({"status": 429}, exceptions.ResourceExhausted),
        ({"status": 500}, exceptions.InternalServerError),
        ({"status": 503}, exceptions.ServiceUnavailable),
        ({"status": 504}, exceptions.DeadlineExceeded),
        ({"status": 418}, exceptions.Unknown),
        ({"status": 400, "body": '{"error": {"status": "FAILED_PRECONDITION", "message": "no"}}'}, exceptions.FailedPrecondition),
        ({"garbage": True}, exceptions.Unknown),
    ],
)  # fmt: skip
def test_a_fault_is_what_grpc_calls_it(fault: dict[str, object], error: type[Exception], vault: Google) -> None:
    vault.fault(**fault)

    with pytest.raises(error):
        get(vault)

    assert get(vault).name  # the fault was used up


@pytest.mark.parametrize("fault", [{"drop": True}, {"reset": True}, {"truncate_bytes": 5}])
def test_a_cut_connection_is_unavailable_and_a_new_one_works(fault: dict[str, object], stand_ins: StandIns) -> None:
    with connected(stand_ins, "gcpsecret", "grpc") as vault:
        vault.fault(**fault)
        with pytest.raises(exceptions.ServiceUnavailable):
            get(vault)

    # A channel of its own: on the old one a call may still be given to the connection that is going down.
    with connected(stand_ins, "gcpsecret", "grpc") as anew:
        assert get(anew).name


def test_a_held_back_answer_is_a_deadline_at_the_client_and_its_call_took_place(vault: Google) -> None:
    vault.fault(rpc="AddSecretVersion", delay_s=30)

    with pytest.raises(exceptions.DeadlineExceeded):
        vault.client.add_secret_version(
            parent=vault.held["GOOGLE_SECRET_NAME"], payload={"data": b"two"}, timeout=0.2, retry=None
        )

    assert len(list(vault.client.list_secret_versions(parent=vault.held["GOOGLE_SECRET_NAME"]))) == 2


def test_a_fault_waits_for_its_method_over_either_transport(vault: Google) -> None:
    vault.fault(rpc="AddSecretVersion", status=503, times=2)

    assert get(vault).name
    with connected(vault.stand_ins, "gcpsecret", "rest") as over_rest:
        for google in (vault, over_rest):
            with pytest.raises(exceptions.ServiceUnavailable):
                google.client.add_secret_version(parent=vault.held["GOOGLE_SECRET_NAME"], payload={"data": b"two"})


def test_a_quota_names_the_wait_in_the_details(vault: Google) -> None:
    vault.fault(throttle_s=17)

    with pytest.raises(exceptions.ResourceExhausted) as refused:
        get(vault)

    assert [detail.retry_delay.seconds for detail in refused.value.details] == [17]


def test_what_arrived_is_kept_with_its_method_and_its_fields(vault: Google) -> None:
    get(vault)

    entry = vault.requests()[-1]

    assert (entry["rpc"], entry["method"], entry["status"]) == ("GetSecret", "POST", 200)
    assert entry["path"] == "/google.cloud.secretmanager.v1.SecretManagerService/GetSecret"
    assert vault.held["GOOGLE_SECRET_NAME"] in entry["body"]
    assert entry["headers"]["authorization"].startswith("Bearer ")


def test_what_no_stand_in_speaks_is_not_implemented(vault: Google) -> None:
    token = new_token(vault.held["GOOGLE_SECRET_MANAGE_KEY"])

    with channel(vault.stand_ins, grpc.access_token_call_credentials(token)) as opened:
        for path in ("/nobody.v1.Nothing/Do", f"/{SECRETS.api.service}/Sing", f"/{SECRETS.api.service}/RotateSecret"):
            with pytest.raises(grpc.RpcError) as refused:
                opened.unary_unary(path)(b"")
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("service", [IAM, KMS, SECRETS], ids=lambda service: str(service.api.service))
def test_every_method_and_route_here_is_one_that_the_client_has(service: Any) -> None:
    assert set(service.methods) <= set(service.api.rpcs)
    routed = {rule.rpc for rule, _ in service.api._patterns}
    assert set(service.methods) <= routed
