"""Google Secret Manager's stand-in, judged by Google's own client over gRPC and over REST."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from google.api_core import exceptions

from mocks.app import build
from tests.conftest import StandIns
from tests.mocks.google_clients import CURL, TRANSPORTS, Google, connected, new_token

WEEK_S = 7 * 86_400
# Over REST the client tells a refusal by its HTTP status alone: FAILED_PRECONDITION is a BadRequest there. The classes
# of gRPC are below these.
REFUSED, FORBIDDEN, EXISTS = exceptions.BadRequest, exceptions.Forbidden, exceptions.Conflict


@pytest.fixture(params=TRANSPORTS)
def vault(request: pytest.FixtureRequest, stand_ins: StandIns) -> Iterator[Google]:
    with connected(stand_ins, "gcpsecret", request.param) as google:
        yield google


def add(vault: Google, value: bytes, checksum: int | None = None) -> Any:
    payload = {"data": value, "data_crc32c": google_crc32c.value(value) if checksum is None else checksum}
    return vault.client.add_secret_version(parent=vault.held["GOOGLE_SECRET_NAME"], payload=payload)


def access(vault: Google, version: str) -> Any:
    return vault.client.access_secret_version(name=f"{vault.held['GOOGLE_SECRET_NAME']}/versions/{version}", retry=None)


def refusal(error: exceptions.GoogleAPICallError) -> str:
    """Return the code that the stand-in gave, which over REST stands in the body alone."""
    if error.grpc_status_code is not None:
        return str(error.grpc_status_code.name)
    return str(error.response.json()["error"]["status"])


def test_versions_are_numbered_and_read_back_at_once_by_number(vault: Google) -> None:
    vault.act("set_indexing_delay", seconds=3600)

    added = [add(vault, value) for value in (b"one", b"two")]
    read = [access(vault, number).payload for number in ("1", "2", "3")]

    assert [row.name.rpartition("/")[2] for row in added] == ["2", "3"]
    assert [row.data for row in read] == [vault.held["GOOGLE_SECRET_VALUE"].encode(), b"one", b"two"]
    assert all(row.data_crc32c == google_crc32c.value(row.data) for row in read)
    assert added[0].client_specified_payload_checksum
    assert added[0].name.split("/")[1].isdecimal()  # the project's number, whatever the request named it by


def test_latest_and_aliases_lag_behind(vault: Google) -> None:
    vault.act("set_indexing_delay", seconds=60)
    add(vault, b"two")
    name = vault.held["GOOGLE_SECRET_NAME"]
    secret = vault.client.get_secret(name=name)

    moved = vault.client.update_secret(
        secret={"name": name, "version_aliases": {"current": 2}, "etag": secret.etag},
        update_mask={"paths": ["version_aliases"]},
    )

    assert dict(moved.version_aliases) == {"current": 2}
    assert access(vault, "latest").name.endswith("/versions/1")
    with pytest.raises(exceptions.NotFound):
        access(vault, "current")
    vault.pass_time(61)
    assert [access(vault, alias).payload.data for alias in ("latest", "current")] == [b"two", b"two"]


def test_latest_is_the_newest_version_whatever_its_state(vault: Google) -> None:
    vault.act("set_indexing_delay", seconds=0)
    vault.client.disable_secret_version(name=add(vault, b"two").name)

    with pytest.raises(REFUSED, match="is in DISABLED state") as refused:
        access(vault, "latest")

    assert refusal(refused.value) == "FAILED_PRECONDITION"


def test_every_change_moves_the_etag_and_an_old_one_is_refused(vault: Google) -> None:
    first = add(vault, b"two")

    disabled = vault.client.disable_secret_version(request={"name": first.name, "etag": first.etag})
    with pytest.raises(REFUSED, match="etag") as refused:
        vault.client.enable_secret_version(request={"name": first.name, "etag": first.etag})
    again = vault.client.disable_secret_version(request={"name": first.name, "etag": disabled.etag})

    assert refusal(refused.value) == "FAILED_PRECONDITION"
    assert len({first.etag, disabled.etag, again.etag}) == 3


def test_a_destroyed_version_is_gone_for_good(vault: Google) -> None:
    version = add(vault, b"two").name

    destroyed = vault.client.destroy_secret_version(name=version)

    assert (destroyed.state.name, bool(destroyed.destroy_time)) == ("DESTROYED", True)
    for attempt in (vault.client.enable_secret_version, vault.client.access_secret_version):
        with pytest.raises(REFUSED, match="is in DESTROYED state"):
            attempt(name=version)
    assert add(vault, b"three").name.endswith("/versions/3")


def test_with_a_delay_a_destroyed_version_is_disabled_first_and_can_come_back(vault: Google) -> None:
    vault.client.update_secret(
        secret={"name": vault.held["GOOGLE_SECRET_NAME"], "version_destroy_ttl": {"seconds": WEEK_S}},
        update_mask={"paths": ["version_destroy_ttl"]},
    )
    version = add(vault, b"two").name

    scheduled = vault.client.destroy_secret_version(name=version)
    back = vault.client.enable_secret_version(name=version)
    vault.client.destroy_secret_version(name=version)
    vault.pass_time(WEEK_S + 1)

    assert (scheduled.state.name, bool(scheduled.scheduled_destroy_time)) == ("DISABLED", True)
    assert (back.state.name, bool(back.scheduled_destroy_time)) == ("ENABLED", False)
    assert vault.client.get_secret_version(name=version).state.name == "DESTROYED"


def test_versions_are_listed_newest_first_by_page_and_by_state(vault: Google) -> None:
    parent = vault.held["GOOGLE_SECRET_NAME"]
    vault.client.disable_secret_version(name=add(vault, b"two").name)
    add(vault, b"three")

    def numbers(**narrowed: Any) -> list[str]:
        rows = vault.client.list_secret_versions(request={"parent": parent, **narrowed})
        return [row.name.rpartition("/")[2] for row in rows]

    assert numbers(page_size=2) == ["3", "2", "1"]
    assert numbers(filter="state:DISABLED") == ["2"]
    assert numbers(filter="state:ENABLED OR state:DISABLED") == ["3", "2", "1"]


def test_what_does_not_fit_is_refused(vault: Google) -> None:
    for value, checksum in ((b"damaged", 7), (b"x" * 65_537, None), (b"", None)):
        with pytest.raises(REFUSED) as refused:
            add(vault, value, checksum)
        assert refusal(refused.value) == "INVALID_ARGUMENT"
    with pytest.raises(exceptions.NotFound):
        access(vault, "9")
    with pytest.raises(exceptions.MethodNotImplemented):
        vault.client.get_iam_policy(request={"resource": vault.held["GOOGLE_SECRET_NAME"]})


def test_a_second_secret_is_made_and_deleted(vault: Google) -> None:
    new = {"parent": "projects/stand-in-project", "secret_id": "second", "secret": {"replication": {"automatic": {}}}}

    made = vault.client.create_secret(request=new)
    with pytest.raises(EXISTS):
        vault.client.create_secret(request=new)
    names = [row.name for row in vault.client.list_secrets(parent=new["parent"])]
    vault.client.delete_secret(request={"name": made.name, "etag": made.etag})

    assert made.name in names
    with pytest.raises(exceptions.NotFound):
        vault.client.get_secret(name=made.name)


def test_a_damaged_payload_is_seen_by_its_checksum_and_by_nobody_elses(vault: Google) -> None:
    vault.fault(rpc="AccessSecretVersion", corrupt=True)

    damaged = access(vault, "1").payload
    whole = access(vault, "1").payload

    assert damaged.data_crc32c != google_crc32c.value(damaged.data)
    assert whole.data_crc32c == damaged.data_crc32c == google_crc32c.value(whole.data)


def test_a_permission_can_be_taken_and_given_back(vault: Google) -> None:
    vault.act("remove_permission", permission="secretmanager.versions.add")

    with pytest.raises(FORBIDDEN, match=r"secretmanager\.versions\.add"):
        add(vault, b"two")
    assert access(vault, "1").payload.data

    vault.act("restore_permission")
    assert add(vault, b"two").name.endswith("/versions/2")


def test_over_quota_the_answer_says_so(vault: Google) -> None:
    vault.fault(rpc="AccessSecretVersion", throttle_s=17)

    with pytest.raises(exceptions.TooManyRequests, match="Quota exceeded"):
        access(vault, "1")

    assert vault.requests()[-1]["status"] == 429


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 503}, exceptions.ServiceUnavailable),
        ({"status": 500, "deliver": True}, exceptions.InternalServerError),
        ({"drop": True, "deliver": True}, Exception),
    ],
)
def test_a_fault_that_delivers_loses_the_answer_alone(
    fault: dict[str, object], error: type[Exception], vault: Google
) -> None:
    vault.fault(rpc="AddSecretVersion", **fault)

    with pytest.raises(error):
        add(vault, b"two")

    with connected(vault.stand_ins, "gcpsecret", "rest") as another:
        # By a connection of its own: the one that was cut is not gone for its client yet.
        listed = list(another.client.list_secret_versions(parent=vault.held["GOOGLE_SECRET_NAME"]))
    assert len(listed) == (2 if fault.get("deliver") else 1)


def test_a_swallowed_version_is_answered_and_never_seen(vault: Google) -> None:
    vault.fault(rpc="AddSecretVersion", swallow=True)

    added = add(vault, b"two")

    with pytest.raises(exceptions.NotFound):
        vault.client.get_secret_version(name=added.name)


def test_checksums_in_requests_can_be_overlooked(vault: Google) -> None:
    vault.act("ignore_checksums")

    assert not add(vault, b"two", checksum=7).client_specified_payload_checksum


def test_somebody_else_may_add_a_version(vault: Google) -> None:
    added = vault.act("add_version", value="theirs")["version"]

    assert vault.client.access_secret_version(name=added).payload.data == b"theirs"


def test_it_answers_over_http_as_to_curl(stand_ins: StandIns) -> None:
    held = stand_ins.control("GET", "/gcpsecret/credentials")
    url = f"{stand_ins.url}/gcpsecret/v1/{held['GOOGLE_SECRET_NAME']}"
    asked: dict[str, Any] = {"headers": {"authorization": f"Bearer {new_token(held['GOOGLE_SECRET_MANAGE_KEY'])}"}}

    added = CURL.post(f"{url}:addVersion", json={"payload": {"data": "dHdv"}}, **asked).json()
    read = CURL.get(f"{url}/versions/2:access", **asked).json()
    unfit = CURL.post(f"{url}:addVersion", json={"payload": {"date": "dHdv"}}, **asked)
    unknown = CURL.get(f"{url}/values", **asked)

    assert (added["state"], read["payload"]["data"]) == ("ENABLED", "dHdv")
    assert (unfit.status_code, unfit.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert unknown.status_code == 501


def test_the_state_file_brings_versions_back(tmp_path: Path) -> None:
    world = build(tmp_path / "state.json").world
    name = world.act("gcpsecret", "add_version", {"value": "kept"}, "http://x")["version"]
    world.keep()

    again = build(tmp_path / "state.json").world.booths["gcpsecret"].desk

    assert again.memory == world.booths["gcpsecret"].desk.memory
    assert name.endswith("/versions/2")
