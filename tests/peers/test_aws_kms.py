"""A key of AWS KMS, against moto for rotation and bound contexts, and against ministack for states and replicas.

Both have things wrong that are not asked of them here; docs/integrations/peers.md has the table.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.errors import OpsError, Rejected
from domain.kms_keys import VersionState
from tests.peers.test_aws_peers import client
from vendors.aws import AccessKey
from vendors.awskms import PROVIDER_AWS
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.kms import KmsKey

KEY = AccessKey("AKIA" + "T" * 16, "s" * 40)
CONTEXT = {"environment": "prod", "service": "ledger"}
Opened = Callable[[str, str], KmsKey]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Give a way to the key of a name at an address; an id or alias is looked for in eu-central-1."""
    keys: list[KmsKey] = []

    def open_one(url: str, name: str) -> KmsKey:
        values = {"manage_key": KEY.text, "region": "eu-central-1"}
        keys.append(PROVIDER_AWS.connect(name, values, url, Conduct(HostRule(rehearsal=True), lambda _: None)))
        return keys[-1]

    yield open_one
    for key in keys:
        key.close()


@contextmanager
def refused(symptom: str) -> Iterator[None]:
    with pytest.raises(OpsError) as caught:
        yield
    assert caught.value.symptom == symptom


def made(url: str, **parameters: Any) -> str:
    return str(client("kms", url).create_key(**parameters)["KeyMetadata"]["Arn"])


def aliased(url: str, arn: str) -> str:
    name = f"alias/{uuid4()}"
    client("kms", url).create_alias(AliasName=name, TargetKeyId=arn)
    return name


def test_moto_opens_what_was_encrypted_with_the_same_context_and_names_the_key_that_did(
    moto: str, opened: Opened
) -> None:
    arn = made(moto)
    key = opened(moto, arn)

    sealed = key.encrypt(b"text", CONTEXT)
    unsealed = key.decrypt(sealed.ciphertext, CONTEXT)

    assert (unsealed.plaintext, sealed.key, unsealed.key) == (b"text", arn, arn)
    assert b"text" not in sealed.ciphertext


def test_moto_opens_nothing_that_is_bound_to_another_context_or_was_changed(moto: str, opened: Opened) -> None:
    key = opened(moto, made(moto))
    sealed = key.encrypt(b"text", CONTEXT).ciphertext

    with refused("kms.not_opened"):
        key.decrypt(sealed, {**CONTEXT, "service": "other"})
    with refused("kms.not_opened"):
        key.decrypt(sealed, {})
    with refused("kms.not_opened"):
        key.decrypt(sealed[:-1] + bytes([sealed[-1] ^ 1]), CONTEXT)


def test_moto_opens_nothing_of_another_key_since_the_key_is_named(moto: str, opened: Opened) -> None:
    sealed = opened(moto, made(moto)).encrypt(b"text", CONTEXT).ciphertext
    other = opened(moto, made(moto))

    # moto says AccessDenied where AWS says IncorrectKeyException.
    with pytest.raises(Rejected):
        other.decrypt(sealed, CONTEXT)


def test_an_alias_that_was_moved_shows_in_the_key_that_encrypted(moto: str, opened: Opened) -> None:
    before, after = made(moto), made(moto)
    alias = aliased(moto, before)
    key = opened(moto, alias)
    first = key.encrypt(b"text", CONTEXT)

    client("kms", moto).update_alias(AliasName=alias, TargetKeyId=after)

    assert (first.key, key.encrypt(b"text", CONTEXT).key) == (before, after)
    with pytest.raises(Rejected):
        key.decrypt(first.ciphertext, CONTEXT)
    with pytest.raises(Rejected):
        opened(moto, alias).decrypt(first.ciphertext, CONTEXT)


def test_an_alias_that_moves_between_two_requests_does_not_part_them(moto: str, opened: Opened) -> None:
    alias = aliased(moto, made(moto))
    key = opened(moto, alias)
    sealed = key.encrypt(b"text", CONTEXT)

    client("kms", moto).update_alias(AliasName=alias, TargetKeyId=made(moto))

    assert key.decrypt(sealed.ciphertext, CONTEXT).plaintext == b"text"


def test_after_a_rotation_there_is_one_version_more_and_old_ciphertext_opens(moto: str, opened: Opened) -> None:
    arn = made(moto)
    key = opened(moto, aliased(moto, arn))
    sealed, before = key.encrypt(b"text", CONTEXT), key.inventory()

    client("kms", moto).rotate_key_on_demand(KeyId=arn)
    client("kms", moto).enable_key_rotation(KeyId=arn, RotationPeriodInDays=90)
    after = key.inventory()

    assert ([version.id for version in before.versions], before.primary) == (["1"], "1")
    assert ([version.id for version in after.versions], after.primary) == (["1", "2"], "2")
    assert after.versions[0] == before.versions[0]
    assert after.key == arn
    assert key.decrypt(sealed.ciphertext, CONTEXT).plaintext == b"text"


def test_a_key_or_alias_that_is_not_there_is_named(moto: str, opened: Opened) -> None:
    for name in (str(uuid4()), f"alias/{uuid4()}"):
        with refused("awskms.key_unknown"):
            opened(moto, name).encrypt(b"text", CONTEXT)
        with refused("awskms.key_unknown"):
            opened(moto, name).inventory()


def test_ministack_tells_the_key_material_and_does_not_know_rotations(ministack: str, opened: Opened) -> None:
    arn = made(ministack)
    client("kms", ministack).enable_key_rotation(KeyId=arn, RotationPeriodInDays=90)
    key = opened(ministack, arn)

    version = key.decrypt(key.encrypt(b"text", CONTEXT).ciphertext, CONTEXT).version
    inventory = key.inventory()

    assert (inventory.primary, [one.id for one in inventory.versions]) == (version, [version])
    # AWS rotates it, and did so who knows how often.
    assert inventory.versions[0].created_at is None


def test_ministack_refuses_a_disabled_key_and_its_versions_are_disabled(ministack: str, opened: Opened) -> None:
    arn = made(ministack)
    key = opened(ministack, arn)
    sealed = key.encrypt(b"text", CONTEXT).ciphertext

    client("kms", ministack).disable_key(KeyId=arn)

    with refused("awskms.disabled"):
        key.encrypt(b"text", CONTEXT)
    with refused("awskms.disabled"):
        key.decrypt(sealed, CONTEXT)
    assert [version.state for version in key.inventory().versions] == [VersionState.DISABLED]


def test_ministack_refuses_a_key_that_waits_for_its_deletion_and_tells_the_day(ministack: str, opened: Opened) -> None:
    arn = made(ministack)
    key = opened(ministack, arn)

    client("kms", ministack).schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)

    with refused("awskms.pending_deletion"):
        key.encrypt(b"text", CONTEXT)
    [version] = key.inventory().versions
    assert version.state is VersionState.DESTROY_SCHEDULED
    assert version.destroy_at is not None
    assert timedelta(days=6) < version.destroy_at - datetime.now(UTC) <= timedelta(days=7)


def test_ministack_has_nothing_to_encrypt_with_before_material_is_imported(ministack: str, opened: Opened) -> None:
    key = opened(ministack, made(ministack, Origin="EXTERNAL"))

    inventory = key.inventory()

    assert (inventory.primary, inventory.versions) == ("", ())
    with refused("awskms.pending_import"):
        key.encrypt(b"text", CONTEXT)


def test_ministack_takes_no_asymmetric_key_for_this(ministack: str, opened: Opened) -> None:
    key = opened(ministack, made(ministack, KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT"))

    with refused("awskms.usage"):
        key.encrypt(b"text", CONTEXT)


def test_a_replica_opens_in_its_region_what_the_primary_encrypted(ministack: str, opened: Opened) -> None:
    arn = made(ministack, MultiRegion=True)
    client("kms", ministack).replicate_key(KeyId=arn, ReplicaRegion="eu-west-1")
    replica = arn.replace("eu-central-1", "eu-west-1")

    sealed = opened(ministack, arn).encrypt(b"text", CONTEXT)
    unsealed = opened(ministack, replica).decrypt(sealed.ciphertext, CONTEXT)

    assert (unsealed.plaintext, sealed.key, unsealed.key) == (b"text", arn, replica)


def test_where_there_is_no_replica_nothing_opens(ministack: str, opened: Opened) -> None:
    arn = made(ministack, MultiRegion=True)
    sealed = opened(ministack, arn).encrypt(b"text", CONTEXT)

    with refused("awskms.key_unknown"):
        opened(ministack, arn.replace("eu-central-1", "eu-west-1")).decrypt(sealed.ciphertext, CONTEXT)
