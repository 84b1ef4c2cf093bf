"""What is done by hand with Google Cloud KMS's stand-in shows to Google's own client, over gRPC and over REST."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from google.api_core import exceptions

from tests.conftest import StandIns
from tests.mocks.google_clients import TRANSPORTS, Google, connected

HOUR_S = 3_600.0


@pytest.fixture(params=TRANSPORTS)
def kms(request: pytest.FixtureRequest, stand_ins: StandIns) -> Iterator[Google]:
    stand_ins.control("POST", "/gcpkms/actions/set_indexing_delay", {"seconds": 0})
    with connected(stand_ins, "gcpkms", request.param) as google:
        yield google


def encrypt(kms: Google, key: str = "") -> Any:
    return kms.client.encrypt(request={"name": key or kms.held["GOOGLE_KMS_KEY"], "plaintext": b"x"}, retry=None)


def shown(kms: Google) -> Any:
    return kms.client.get_crypto_key(name=kms.held["GOOGLE_KMS_KEY"])


@pytest.mark.parametrize("state", ["DISABLED", "DESTROY_SCHEDULED", "DESTROYED"])
def test_a_version_is_brought_into_a_state_and_encrypts_and_opens_nothing_then(state: str, kms: Google) -> None:
    key, sealed = kms.held["GOOGLE_KMS_KEY"], encrypt(kms).ciphertext

    kms.act("set_version_state", version=1, state=state)

    assert shown(kms).primary.state.name == state
    for attempt in (partial(encrypt, kms), partial(kms.client.decrypt, name=key, ciphertext=sealed)):
        with pytest.raises(exceptions.BadRequest, match=f"cryptoKeyVersions/1 is not enabled, .*: {state}"):
            attempt()


def test_a_scheduled_version_has_its_hour_and_can_be_had_back_before(kms: Google) -> None:
    kms.act("set_version_state", version=1, state="DESTROY_SCHEDULED", destroy_in_s=HOUR_S)
    scheduled = shown(kms).primary

    kms.act("set_version_state", version=1, state="ENABLED")

    assert scheduled.destroy_time > scheduled.create_time
    assert not shown(kms).primary.destroy_time
    assert encrypt(kms).ciphertext


def test_the_primary_is_moved_by_hand(kms: Google) -> None:
    version = kms.act("add_version")["version"]

    kms.act("choose_primary", version=2)

    assert encrypt(kms).name == shown(kms).primary.name == version


def test_another_key_is_made_with_or_without_a_version(kms: Google) -> None:
    other, empty = kms.act("add_key", name="other")["key"], kms.act("add_key", name="empty", empty=True)["key"]

    sealed = encrypt(kms, other)

    assert sealed.name == f"{other}/cryptoKeyVersions/1"
    with pytest.raises(exceptions.BadRequest, match="Decryption failed"):
        kms.client.decrypt(name=kms.held["GOOGLE_KMS_KEY"], ciphertext=sealed.ciphertext)
    with pytest.raises(exceptions.BadRequest, match="no primary version"):
        encrypt(kms, empty)


def test_a_keys_own_rotation_is_shown_or_is_not_there(kms: Google) -> None:
    before = shown(kms)
    kms.act("set_rotation", period_s=90 * 24 * HOUR_S, next_in_s=-HOUR_S)

    rotating = shown(kms)

    assert (before.rotation_period, before.next_rotation_time) == (timedelta(0), None)
    assert rotating.rotation_period == timedelta(days=90)
    assert rotating.next_rotation_time > rotating.create_time


@pytest.mark.parametrize(("permission", "refused"), [("useToEncrypt", "encrypt"), ("useToDecrypt", "decrypt")])
def test_one_of_encrypting_and_decrypting_is_forbidden_alone(permission: str, refused: str, kms: Google) -> None:
    key, sealed = kms.held["GOOGLE_KMS_KEY"], encrypt(kms).ciphertext
    tries: dict[str, Callable[[], Any]] = {
        "encrypt": partial(encrypt, kms),
        "decrypt": partial(kms.client.decrypt, name=key, ciphertext=sealed),
    }

    kms.act("remove_permission", permission=f"cloudkms.cryptoKeyVersions.{permission}")

    with pytest.raises(exceptions.Forbidden, match=permission):
        tries.pop(refused)()
    assert all(still() for still in tries.values())
