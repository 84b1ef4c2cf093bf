"""Google Cloud KMS's stand-in, judged by Google's own client over gRPC and over REST."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from google.api_core import exceptions

from mocks.app import build
from tests.conftest import StandIns
from tests.mocks.google_clients import CURL, TRANSPORTS, Google, connected, new_token

MONTH_S = 30 * 86_400
# Over REST the client tells a refusal by its HTTP status alone: FAILED_PRECONDITION is a BadRequest there. The classes
# of gRPC are below these.
REFUSED, FORBIDDEN, EXISTS = exceptions.BadRequest, exceptions.Forbidden, exceptions.Conflict


@pytest.fixture(params=TRANSPORTS)
def kms(request: pytest.FixtureRequest, stand_ins: StandIns) -> Iterator[Google]:
    stand_ins.control("POST", "/gcpkms/actions/set_indexing_delay", {"seconds": 0})
    with connected(stand_ins, "gcpkms", request.param) as google:
        yield google


def encrypt(kms: Google, text: bytes, version: str = "") -> Any:
    name = kms.held["GOOGLE_KMS_KEY"] + (f"/cryptoKeyVersions/{version}" if version else "")
    return kms.client.encrypt(request={"name": name, "plaintext": text, "plaintext_crc32c": google_crc32c.value(text)})


def decrypt(kms: Google, ciphertext: bytes) -> Any:
    checksum = google_crc32c.value(ciphertext)
    asked = {"name": kms.held["GOOGLE_KMS_KEY"], "ciphertext": ciphertext, "ciphertext_crc32c": checksum}
    return kms.client.decrypt(request=asked, retry=None)


def new_version(kms: Google) -> str:
    made = kms.client.create_crypto_key_version(parent=kms.held["GOOGLE_KMS_KEY"], crypto_key_version={})
    assert made.state.name == "ENABLED"
    return str(made.name)


def choose(kms: Google, version: str) -> Any:
    return kms.client.update_crypto_key_primary_version(
        name=kms.held["GOOGLE_KMS_KEY"], crypto_key_version_id=version.rpartition("/")[2]
    )


def set_state(kms: Google, version: str, state: str) -> Any:
    return kms.client.update_crypto_key_version(
        crypto_key_version={"name": version, "state": state}, update_mask={"paths": ["state"]}
    )


def test_what_was_encrypted_is_decrypted_and_checksums_go_both_ways(kms: Google) -> None:
    sealed = encrypt(kms, b"hello")
    opened = decrypt(kms, sealed.ciphertext)

    assert sealed.name == kms.held["GOOGLE_KMS_KEY_VERSION"]
    assert sealed.verified_plaintext_crc32c
    assert sealed.ciphertext_crc32c == google_crc32c.value(sealed.ciphertext)
    assert (opened.plaintext, opened.used_primary) == (b"hello", True)
    assert opened.plaintext_crc32c == google_crc32c.value(b"hello")


def test_a_new_version_encrypts_when_named_and_is_no_primary_before_it_is_chosen(kms: Google) -> None:
    old = encrypt(kms, b"old").ciphertext

    version = new_version(kms)

    assert encrypt(kms, b"by name", "2").name == version
    assert encrypt(kms, b"by key").name == kms.held["GOOGLE_KMS_KEY_VERSION"]
    assert choose(kms, version).primary.name == version
    assert encrypt(kms, b"by key").name == version
    assert (decrypt(kms, old).plaintext, decrypt(kms, old).used_primary) == (b"old", False)


def test_a_chosen_primary_takes_a_while(kms: Google) -> None:
    kms.act("set_indexing_delay", seconds=60)

    chosen = choose(kms, new_version(kms)).primary.name

    assert encrypt(kms, b"x").name == kms.held["GOOGLE_KMS_KEY_VERSION"]
    kms.pass_time(61)
    assert encrypt(kms, b"x").name == chosen


def test_a_disabled_version_opens_nothing_until_it_is_enabled(kms: Google) -> None:
    old, first = encrypt(kms, b"old").ciphertext, kms.held["GOOGLE_KMS_KEY_VERSION"]

    set_state(kms, first, "DISABLED")
    for attempt in (partial(decrypt, kms, old), partial(encrypt, kms, b"x"), partial(choose, kms, first)):
        with pytest.raises(REFUSED, match="is not enabled, current state is: DISABLED"):
            attempt()
    set_state(kms, first, "ENABLED")

    assert decrypt(kms, old).plaintext == b"old"


def test_a_disabled_version_may_work_a_little_longer(kms: Google) -> None:
    old = encrypt(kms, b"old").ciphertext
    kms.act("set_disable_lag", seconds=60)

    set_state(kms, kms.held["GOOGLE_KMS_KEY_VERSION"], "DISABLED")

    assert decrypt(kms, old).plaintext == b"old"
    kms.pass_time(61)
    with pytest.raises(REFUSED, match="is not enabled"):
        decrypt(kms, old)


def test_destruction_is_scheduled_and_what_is_restored_is_disabled(kms: Google) -> None:
    old, first = encrypt(kms, b"old").ciphertext, kms.held["GOOGLE_KMS_KEY_VERSION"]

    scheduled = kms.client.destroy_crypto_key_version(name=first)
    with pytest.raises(REFUSED, match="DESTROY_SCHEDULED"):
        set_state(kms, first, "ENABLED")
    restored = kms.client.restore_crypto_key_version(name=first)
    set_state(kms, first, "ENABLED")

    assert scheduled.state.name == "DESTROY_SCHEDULED"
    assert (scheduled.destroy_time - scheduled.create_time).days >= 30
    assert (restored.state.name, bool(restored.destroy_time)) == ("DISABLED", False)
    assert decrypt(kms, old).plaintext == b"old"


def test_after_its_hour_a_version_is_destroyed_and_its_ciphertexts_are_lost(kms: Google) -> None:
    old, first = encrypt(kms, b"old").ciphertext, kms.held["GOOGLE_KMS_KEY_VERSION"]
    kms.client.destroy_crypto_key_version(name=first)

    kms.pass_time(MONTH_S + 1)

    assert kms.client.get_crypto_key_version(name=first).state.name == "DESTROYED"
    for attempt in (partial(kms.client.restore_crypto_key_version, name=first), partial(decrypt, kms, old)):
        with pytest.raises(REFUSED, match="DESTROYED"):
            attempt()
    assert new_version(kms).endswith("/2")


def test_versions_are_listed_by_state_and_the_key_shows_its_primary(kms: Google) -> None:
    key, second = kms.held["GOOGLE_KMS_KEY"], new_version(kms)
    set_state(kms, second, "DISABLED")

    disabled = kms.client.list_crypto_key_versions(request={"parent": key, "filter": "state=DISABLED"})
    shown = kms.client.get_crypto_key(name=key)
    labelled = kms.client.update_crypto_key(
        crypto_key={"name": key, "labels": {"marker": "m-7"}}, update_mask={"paths": ["labels"]}
    )

    assert [row.name for row in disabled] == [second]
    assert (shown.primary.name, shown.purpose.name) == (kms.held["GOOGLE_KMS_KEY_VERSION"], "ENCRYPT_DECRYPT")
    assert shown.destroy_scheduled_duration.days == 30
    assert dict(labelled.labels) == {"marker": "m-7"}


def test_what_does_not_fit_is_refused(kms: Google) -> None:
    key, sealed = kms.held["GOOGLE_KMS_KEY"], encrypt(kms, b"hello").ciphertext
    other = kms.act("add_version")["version"]

    for request in (
        {"plaintext": b"hello", "plaintext_crc32c": 7},
        {"plaintext": b"x" * 65_537},
    ):
        with pytest.raises(REFUSED):
            kms.client.encrypt(request={"name": key, **request})
    for request in (
        {"ciphertext": sealed, "ciphertext_crc32c": 7},
        {"ciphertext": sealed, "additional_authenticated_data": b"other"},
        {"ciphertext": b"no ciphertext of this key"},
    ):
        with pytest.raises(REFUSED):
            kms.client.decrypt(request={"name": key, **request})
    with pytest.raises(exceptions.NotFound):
        kms.client.get_crypto_key_version(name=f"{key}/cryptoKeyVersions/9")
    with pytest.raises(exceptions.MethodNotImplemented):
        kms.client.asymmetric_sign(request={"name": other, "digest": {"sha256": b"0" * 32}})


def test_rings_and_keys_are_made_once(kms: Google) -> None:
    place = "projects/stand-in-project/locations/global"
    ring = kms.client.create_key_ring(parent=place, key_ring_id="second", key_ring={})
    new = {"parent": ring.name, "crypto_key_id": "k", "crypto_key": {"purpose": "ENCRYPT_DECRYPT"}}

    made = kms.client.create_crypto_key(request=new)
    with pytest.raises(EXISTS):
        kms.client.create_crypto_key(request=new)

    assert made.primary.name == f"{made.name}/cryptoKeyVersions/1"
    assert [row.name for row in kms.client.list_crypto_keys(parent=ring.name)] == [made.name]
    with pytest.raises(REFUSED):  # another key's ciphertext
        decrypt(kms, kms.client.encrypt(request={"name": made.name, "plaintext": b"x"}).ciphertext)


@pytest.mark.parametrize("rpc", ["Encrypt", "Decrypt"])
def test_a_damaged_answer_is_seen_by_its_checksum(rpc: str, kms: Google) -> None:
    kms.fault(rpc=rpc, corrupt=True)

    sealed = encrypt(kms, b"hello")
    if rpc == "Encrypt":
        assert google_crc32c.value(sealed.ciphertext) != sealed.ciphertext_crc32c
    else:
        opened = decrypt(kms, sealed.ciphertext)
        assert google_crc32c.value(opened.plaintext) != opened.plaintext_crc32c


def test_checksums_in_requests_can_be_overlooked(kms: Google) -> None:
    kms.act("ignore_checksums")

    assert not encrypt(kms, b"hello").verified_plaintext_crc32c


def test_permission_and_quota(kms: Google) -> None:
    kms.act("remove_permission", permission="cloudkms.cryptoKeyVersions.useToEncrypt")
    with pytest.raises(FORBIDDEN, match="useToEncrypt"):
        encrypt(kms, b"hello")
    kms.act("restore_permission")

    kms.fault(rpc="Encrypt", throttle_s=17)
    with pytest.raises(exceptions.TooManyRequests):
        encrypt(kms, b"hello")

    assert encrypt(kms, b"hello").name


def test_an_application_encrypts_and_decrypts_beside_us(kms: Google) -> None:
    sealed = kms.act("encrypt_for_application", text="theirs")
    choose(kms, new_version(kms))

    opened = kms.act("decrypt_for_application", ciphertext=sealed["ciphertext"])

    assert sealed["name"] == opened["name"] == kms.held["GOOGLE_KMS_KEY_VERSION"]
    assert opened["text"] == "theirs"


def test_it_answers_over_http_as_to_curl(stand_ins: StandIns) -> None:
    held = stand_ins.control("GET", "/gcpkms/credentials")
    url = f"{stand_ins.url}/gcpkms/v1/{held['GOOGLE_KMS_KEY']}"
    asked: dict[str, Any] = {"headers": {"authorization": f"Bearer {new_token(held['GOOGLE_KMS_MANAGE_KEY'])}"}}

    sealed = CURL.post(f"{url}:encrypt", json={"plaintext": "aGVsbG8="}, **asked).json()
    opened = CURL.post(f"{url}:decrypt", json={"ciphertext": sealed["ciphertext"]}, **asked).json()
    disabled = CURL.patch(
        f"{url}/cryptoKeyVersions/1", params={"updateMask": "state"}, json={"state": "DISABLED"}, **asked
    )
    refused = CURL.post(f"{url}:decrypt", json={"ciphertext": sealed["ciphertext"]}, **asked).json()["error"]

    assert (opened["plaintext"], disabled.json()["state"]) == ("aGVsbG8=", "DISABLED")
    assert (refused["code"], refused["status"]) == (400, "FAILED_PRECONDITION")


def test_the_state_file_brings_versions_and_their_material_back(tmp_path: Path) -> None:
    world = build(tmp_path / "state.json").world
    version = world.act("gcpkms", "add_version", {}, "http://x")["version"]
    sealed = world.act("gcpkms", "encrypt_for_application", {"text": "kept"}, "http://x")
    world.keep()

    again = build(tmp_path / "state.json").world

    assert again.booths["gcpkms"].desk.memory == world.booths["gcpkms"].desk.memory
    opened = again.act("gcpkms", "decrypt_for_application", {"ciphertext": sealed["ciphertext"]}, "http://x")
    assert (opened["text"], version.rpartition("/")[2]) == ("kept", "2")
