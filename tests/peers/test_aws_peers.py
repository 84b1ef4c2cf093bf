"""What moto and ministack are trusted for, each where the other is wrong; docs/integrations/peers.md has the table."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]


def client(service: str, url: str) -> Any:
    return boto3.client(
        service, region_name="eu-central-1", endpoint_url=url, aws_access_key_id="AKIAPEER",
        aws_secret_access_key="peer", config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )  # fmt: skip


@contextmanager
def refused(*codes: str) -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    assert caught.value.response["Error"]["Code"] in codes


def test_moto_allows_a_user_two_access_keys_and_no_third(moto: str) -> None:
    iam = client("iam", moto)
    iam.create_user(UserName="peer")
    for _ in range(2):
        iam.create_access_key(UserName="peer")

    with refused("LimitExceeded"):
        iam.create_access_key(UserName="peer")


def test_moto_moves_previous_after_current_and_keeps_pending_apart(moto: str) -> None:
    secrets = client("secretsmanager", moto)
    old = secrets.create_secret(Name="peer", SecretString="old")["VersionId"]
    new = secrets.put_secret_value(
        SecretId="peer", SecretString="new", ClientRequestToken="n" * 32, VersionStages=["AWSPENDING"]
    )["VersionId"]
    assert secrets.get_secret_value(SecretId="peer")["SecretString"] == "old"

    secrets.update_secret_version_stage(
        SecretId="peer", VersionStage="AWSCURRENT", MoveToVersionId=new, RemoveFromVersionId=old
    )

    read = {
        label: secrets.get_secret_value(SecretId="peer", VersionStage=label)["SecretString"]
        for label in ("AWSCURRENT", "AWSPREVIOUS")
    }
    assert read == {"AWSCURRENT": "new", "AWSPREVIOUS": "old"}


def test_moto_rotates_a_kms_key_on_demand_and_old_ciphertext_still_opens(moto: str) -> None:
    kms = client("kms", moto)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=b"before")["CiphertextBlob"]

    kms.rotate_key_on_demand(KeyId=key)

    assert [row["RotationType"] for row in kms.list_key_rotations(KeyId=key)["Rotations"]] == ["ON_DEMAND"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"before"


def test_ministack_refuses_a_kms_key_that_is_disabled_or_waits_for_its_deletion(ministack: str) -> None:
    kms = client("kms", ministack)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.encrypt(KeyId=key, Plaintext=b"text")

    kms.disable_key(KeyId=key)
    with refused("DisabledException"):
        kms.encrypt(KeyId=key, Plaintext=b"text")
    kms.enable_key(KeyId=key)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    with refused("KMSInvalidStateException"):
        kms.encrypt(KeyId=key, Plaintext=b"text")


def test_ministack_shortens_no_retention_in_compliance_mode_and_deletes_nothing_under_it(ministack: str) -> None:
    s3 = client("s3", ministack)
    s3.create_bucket(
        Bucket="peer", ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
    )  # fmt: skip
    until = datetime.now(UTC) + timedelta(days=30)
    version = s3.put_object(
        Bucket="peer", Key="checkpoint", Body=b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until
    )["VersionId"]

    with refused("AccessDenied", "InvalidRequest"):
        s3.put_object_retention(
            Bucket="peer", Key="checkpoint", VersionId=version,
            Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until - timedelta(days=1)},
        )  # fmt: skip
    with refused("AccessDenied"):
        s3.delete_object(Bucket="peer", Key="checkpoint", VersionId=version)

    kept = s3.get_object_retention(Bucket="peer", Key="checkpoint", VersionId=version)["Retention"]
    assert (kept["Mode"], abs(kept["RetainUntilDate"] - until) < timedelta(seconds=1)) == ("COMPLIANCE", True)
