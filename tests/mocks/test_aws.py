"""AWS's own Python client, unchanged, finds nothing odd about the stand-ins: keys, labels, refusals, time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import httpx
import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from mocks.app import build
from mocks.serving import served_in_thread
from tests.conftest import StandIns

TOKEN = "opsflows-r1f2e3d4c5b-1--00000000"
ONCE = Config(retries={"total_max_attempts": 1})


class Aws:
    """One stand-in's account, as boto3 sees it."""

    def __init__(self, stand_ins: StandIns, name: str) -> None:
        self.stand_ins, self.name = stand_ins, name
        self.held: dict[str, str] = stand_ins.control("GET", f"/{name}/credentials")

    def client(self, service: str, key: str, region: str = "eu-central-1") -> Any:
        parts = json.loads(key)
        return boto3.client(
            service, region_name=region, endpoint_url=f"{self.stand_ins.url}/{self.name}", config=ONCE,
            aws_access_key_id=parts["access_key_id"], aws_secret_access_key=parts["secret_access_key"],
        )  # fmt: skip

    def act(self, action: str, **fields: Any) -> Any:
        return self.stand_ins.control("POST", f"/{self.name}/actions/{action}", fields)

    def later(self, seconds: float) -> None:
        self.stand_ins.control("POST", "/clock", {"offset_s": seconds})


@pytest.fixture
def iam(stand_ins: StandIns) -> Aws:
    return Aws(stand_ins, "awskey")


@pytest.fixture
def vault(stand_ins: StandIns) -> Aws:
    return Aws(stand_ins, "awssecret")


@pytest.fixture
def manager(iam: Aws) -> Any:
    return iam.client("iam", iam.held["AWS_IAM_MANAGE_KEY"])


@pytest.fixture
def secrets(vault: Aws) -> Any:
    """The Secrets Manager client of the managing key, whose every call is about the one secret."""
    return vault.client("secretsmanager", vault.held["AWS_SECRET_MANAGE_KEY"])


@contextmanager
def refused(code: str, status: int) -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def made_key(manager: Any, user: str) -> str:
    key = manager.create_access_key(UserName=user)["AccessKey"]
    return json.dumps({"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]})


def key_id(key: str) -> str:
    return str(json.loads(key)["access_key_id"])


def whose(iam: Aws, key: str) -> str:
    return str(iam.client("sts", key).get_caller_identity()["Arn"])


def labels(secrets: Any, vault: Aws, **asked: Any) -> dict[str, list[str]]:
    answer = secrets.list_secret_version_ids(SecretId=vault.held["AWS_SECRET_ID"], **asked)
    return {row["VersionId"]: sorted(row["VersionStages"]) for row in answer["Versions"]}


def test_a_user_has_two_keys_at_most_and_both_work(iam: Aws, manager: Any) -> None:
    user = iam.held["AWS_IAM_USER"]

    second = made_key(manager, user)

    assert {whose(iam, key) for key in (iam.held["AWS_IAM_ACCESS_KEY"], second)} == {
        f"arn:aws:iam::123456789012:user/{user}"
    }
    listed = manager.list_access_keys(UserName=user)["AccessKeyMetadata"]
    assert {row["AccessKeyId"] for row in listed} == {key_id(iam.held["AWS_IAM_ACCESS_KEY"]), key_id(second)}
    with refused("LimitExceeded", 409):
        made_key(manager, user)


def test_a_key_that_is_off_deleted_or_has_another_secret_is_refused_as_aws_does(iam: Aws, manager: Any) -> None:
    user = iam.held["AWS_IAM_USER"]
    second = made_key(manager, user)
    wrong = json.dumps({"access_key_id": key_id(second), "secret_access_key": "x" * 40})

    with refused("SignatureDoesNotMatch", 403):
        whose(iam, wrong)
    manager.update_access_key(UserName=user, AccessKeyId=key_id(second), Status="Inactive")
    with refused("InvalidClientTokenId", 403):
        whose(iam, second)
    manager.update_access_key(UserName=user, AccessKeyId=key_id(second), Status="Active")
    whose(iam, second)
    manager.delete_access_key(UserName=user, AccessKeyId=key_id(second))
    with refused("InvalidClientTokenId", 403):
        whose(iam, second)
    with refused("NoSuchEntity", 404):
        manager.delete_access_key(UserName=user, AccessKeyId=key_id(second))


def test_a_new_key_and_a_deleted_one_are_known_once_that_has_spread(iam: Aws, manager: Any) -> None:
    user = iam.held["AWS_IAM_USER"]
    iam.act("set_propagation_delay", seconds=60)

    second = made_key(manager, user)

    with refused("InvalidClientTokenId", 403):
        whose(iam, second)
    iam.later(61)
    whose(iam, second)
    manager.delete_access_key(UserName=user, AccessKeyId=key_id(second))
    whose(iam, second)
    iam.later(122)
    with refused("InvalidClientTokenId", 403):
        whose(iam, second)


def test_a_use_is_told_after_the_lag_in_whole_minutes(iam: Aws, manager: Any) -> None:
    old = iam.held["AWS_IAM_ACCESS_KEY"]
    iam.act("set_last_used_lag", hours=4)
    whose(iam, old)

    at_once = manager.get_access_key_last_used(AccessKeyId=key_id(old))["AccessKeyLastUsed"]
    iam.later(4 * 3600 + 1)
    told = manager.get_access_key_last_used(AccessKeyId=key_id(old))["AccessKeyLastUsed"]

    assert at_once == {"ServiceName": "N/A", "Region": "N/A"}
    assert (told["ServiceName"], told["Region"], told["LastUsedDate"].second) == ("sts", "eu-central-1", 0)


def test_a_user_carries_tags_and_whoever_names_nobody_means_himself(iam: Aws, manager: Any) -> None:
    user = iam.held["AWS_IAM_USER"]
    manager.tag_user(UserName=user, Tags=[{"Key": "opsflows-r1f2e3d4c5b-1", "Value": "at 1 beside AKIA"}])

    tagged = manager.get_user(UserName=user)["User"]
    manager.untag_user(UserName=user, TagKeys=["opsflows-r1f2e3d4c5b-1"])

    assert tagged["Tags"] == [{"Key": "opsflows-r1f2e3d4c5b-1", "Value": "at 1 beside AKIA"}]
    assert "Tags" not in manager.get_user(UserName=user)["User"]
    assert manager.get_user()["User"]["UserName"] == "opsflows-manager"


def test_what_a_user_may_not_is_denied_in_the_dialect_of_each_service(iam: Aws, vault: Aws) -> None:
    with refused("AccessDenied", 403):
        iam.client("iam", iam.held["AWS_IAM_ACCESS_KEY"]).list_access_keys()

    vault.act("set_permissions", may=["iam:*"])
    with refused("AccessDeniedException", 400):
        labels(vault.client("secretsmanager", vault.held["AWS_SECRET_MANAGE_KEY"]), vault)
    with refused("UnrecognizedClientException", 400):
        labels(vault.client("secretsmanager", iam.held["AWS_IAM_MANAGE_KEY"]), vault)


def test_throttling_is_said_in_the_dialect_of_each_service(iam: Aws, manager: Any, vault: Aws, secrets: Any) -> None:
    iam.stand_ins.control("POST", "/awskey/faults", {"throttle_s": 1, "rpc": "GetUser"})
    iam.stand_ins.control("POST", "/awssecret/faults", {"throttle_s": 1})

    with refused("Throttling", 400):
        manager.get_user()
    with refused("ThrottlingException", 400):
        labels(secrets, vault)


def test_a_pending_version_may_be_put_again_but_not_with_another_value(vault: Aws, secrets: Any) -> None:
    put = partial(
        secrets.put_secret_value, SecretId=vault.held["AWS_SECRET_ID"], ClientRequestToken=TOKEN,
        VersionStages=["AWSPENDING"],
    )  # fmt: skip

    put(SecretString="new value")
    put(SecretString="new value")

    assert labels(secrets, vault)[TOKEN] == ["AWSPENDING"]
    with refused("ResourceExistsException", 400):
        put(SecretString="another value")
    current = secrets.get_secret_value(SecretId=vault.held["AWS_SECRET_ID"])
    assert current["SecretString"] == vault.held["AWS_SECRET_VALUE"]


def test_a_label_moves_only_from_where_it_is_and_previous_follows_current(vault: Aws, secrets: Any) -> None:
    secret = vault.held["AWS_SECRET_ID"]
    (old,) = labels(secrets, vault)
    secrets.put_secret_value(
        SecretId=secret, ClientRequestToken=TOKEN, SecretString="new value", VersionStages=["AWSPENDING"]
    )
    move = partial(secrets.update_secret_version_stage, SecretId=secret)

    for wrong in ({"MoveToVersionId": TOKEN}, {"MoveToVersionId": TOKEN, "RemoveFromVersionId": TOKEN}, {"RemoveFromVersionId": old}):  # fmt: skip
        with refused("InvalidParameterException", 400):
            move(VersionStage="AWSCURRENT", **wrong)
    move(VersionStage="AWSCURRENT", MoveToVersionId=TOKEN, RemoveFromVersionId=old)
    move(VersionStage="AWSPENDING", RemoveFromVersionId=TOKEN)

    assert labels(secrets, vault) == {old: ["AWSPREVIOUS"], TOKEN: ["AWSCURRENT"]}


def test_a_version_without_labels_is_read_by_its_id_until_it_is_collected(vault: Aws, secrets: Any) -> None:
    secret = vault.held["AWS_SECRET_ID"]
    (old,) = labels(secrets, vault)
    secrets.put_secret_value(SecretId=secret, ClientRequestToken=TOKEN, SecretString="new value")
    secrets.update_secret_version_stage(SecretId=secret, VersionStage="AWSPREVIOUS", RemoveFromVersionId=old)

    deprecated = labels(secrets, vault, IncludeDeprecated=True)
    read = secrets.get_secret_value(SecretId=secret, VersionId=old)["SecretString"]
    vault.act("collect_garbage")

    assert (list(labels(secrets, vault)), deprecated[old], read) == ([TOKEN], [], vault.held["AWS_SECRET_VALUE"])
    with refused("ResourceNotFoundException", 400):
        secrets.get_secret_value(SecretId=secret, VersionId=old)


def test_versions_come_in_pages(vault: Aws, secrets: Any) -> None:
    for number in range(2):
        vault.act("put_version", value=f"value {number}", labels=[f"label{number}"])

    first = secrets.list_secret_version_ids(SecretId=vault.held["AWS_SECRET_ID"], MaxResults=2)
    last = secrets.list_secret_version_ids(SecretId=vault.held["AWS_SECRET_ID"], NextToken=first["NextToken"])

    assert [len(page["Versions"]) for page in (first, last)] == [2, 1]
    assert "NextToken" not in last


def test_a_secret_lives_in_one_region(vault: Aws) -> None:
    elsewhere = vault.client("secretsmanager", vault.held["AWS_SECRET_MANAGE_KEY"], region="us-east-1")

    with refused("ResourceNotFoundException", 400):
        labels(elsewhere, vault)


def test_a_request_that_nobody_signed_is_refused(iam: Aws) -> None:
    answer = httpx.post(f"{iam.stand_ins.url}/awskey", content=b"Action=ListUsers", trust_env=False)

    assert answer.status_code == 403
    assert "MissingAuthenticationToken" in answer.text


def test_a_swallowed_creation_leaves_no_key(iam: Aws, manager: Any) -> None:
    user = iam.held["AWS_IAM_USER"]
    iam.stand_ins.control("POST", "/awskey/faults", {"swallow": True, "rpc": "CreateAccessKey"})

    swallowed = made_key(manager, user)

    assert len(manager.list_access_keys(UserName=user)["AccessKeyMetadata"]) == 1
    with refused("InvalidClientTokenId", 403):
        whose(iam, swallowed)


def test_a_reset_lets_the_first_credentials_work_again(iam: Aws, manager: Any, vault: Aws) -> None:
    first = iam.held["AWS_IAM_ACCESS_KEY"]
    second = made_key(manager, iam.held["AWS_IAM_USER"])
    iam.act("delete_access_key", access_key_id=key_id(first))

    iam.stand_ins.control("POST", "/reset")

    assert whose(iam, first).endswith(iam.held["AWS_IAM_USER"])
    with refused("InvalidClientTokenId", 403):
        whose(iam, second)


def test_a_state_file_keeps_keys_and_labels_over_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with served_in_thread(build(state)) as (port, _):
        before = Aws(StandIns(f"http://127.0.0.1:{port}", "", state), "awskey")
        second = made_key(
            before.client("iam", before.held["AWS_IAM_MANAGE_KEY"]), before.held["AWS_IAM_USER"]
        )  # fmt: skip
        before.act("move_label", label="AWSPENDING", to=next(iter(before.act("show_labels").values())))

    with served_in_thread(build(state)) as (port, _):
        after = Aws(StandIns(f"http://127.0.0.1:{port}", "", state), "awskey")

        assert after.held == before.held
        assert whose(after, second).endswith(after.held["AWS_IAM_USER"])
        assert sorted(after.act("show_labels")) == ["AWSCURRENT", "AWSPENDING"]
