"""Google Cloud KMS's stand-in: symmetric keys with versions, of which one is the primary.

Traps kept: a new version is not the primary; a changed primary takes a while; what an older version encrypted opens as
long as that version is enabled and never after it is destroyed; destruction is scheduled, and what is restored from it
is disabled; only the caller can see that an answer was damaged. No asymmetric keys, no rotation by Google.
Source: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys,
https://cloud.google.com/kms/docs/key-states, https://cloud.google.com/kms/docs/consistency
"""

import re
from collections.abc import Mapping
from typing import Any

from mocks.gcpkey_console import first_key_file
from mocks.gcpkey_memory import KMS_MANAGER
from mocks.gcpkms_console import CONSOLE
from mocks.gcpkms_crypto import decrypt, decrypt_for_application, encrypt, encrypt_for_application, not_enabled
from mocks.gcpkms_memory import (
    DESTROY_AFTER_S,
    DESTROY_SCHEDULED,
    DISABLED,
    ENABLED,
    Key,
    Kms,
    Memory,
    Primary,
    Seed,
    Version,
    add_version,
    canonical,
    key_named,
    new_memory,
    new_seed,
    settled,
    version_name,
    version_named,
)
from mocks.google_api import Api
from mocks.google_calls import (
    Call,
    Method,
    Service,
    corrupted,
    limited,
    page,
    refused,
    remove_permission,
    restore_permission,
    timestamp,
    wanted_states,
)
from mocks.stage import StandIn

LARGEST_PAGE_ROWS = 1_000
_ID = re.compile(r"[a-zA-Z0-9_-]{1,63}")


def _create_ring(desk: Kms, call: Call) -> dict[str, Any]:
    name = f"{canonical(call.text('parent'))}/keyRings/{_new_id(call.text('keyRingId'))}"
    if name in desk.memory.rings:
        raise refused("ALREADY_EXISTS", f"KeyRing {name} already exists.")
    desk.memory.rings[name] = desk.now()
    return _as_ring(desk, name)


def _show_ring(desk: Kms, call: Call) -> dict[str, Any]:
    return _as_ring(desk, canonical(call.text("name")))


def _as_ring(desk: Kms, name: str) -> dict[str, Any]:
    if name not in desk.memory.rings:
        raise refused("NOT_FOUND", f"KeyRing {name} not found.")
    return {"name": name, "createTime": timestamp(desk.memory.rings[name])}


def _create_key(desk: Kms, call: Call) -> dict[str, Any]:
    """Source: .../cryptoKeys/create: with a first version, which is the primary, unless that is skipped."""
    ring, said = _as_ring(desk, canonical(call.text("parent")))["name"], call.part("cryptoKey")
    if said.get("purpose") != "ENCRYPT_DECRYPT":
        raise refused("UNIMPLEMENTED", "Only keys of the purpose ENCRYPT_DECRYPT are stood in for.")
    name = f"{ring}/cryptoKeys/{_new_id(call.text('cryptoKeyId'))}"
    if name in desk.memory.keys:
        raise refused("ALREADY_EXISTS", f"CryptoKey {name} already exists.")
    destroy_after = float(str(said.get("destroyScheduledDuration", "")).removesuffix("s") or DESTROY_AFTER_S)
    key = Key(name, desk.now(), labels=dict(said.get("labels", {})), destroy_after_s=destroy_after)
    if not call.said.get("skipInitialVersionCreation"):
        key.primaries.append(Primary(add_version(desk, key).number, desk.now()))
    desk.memory.keys[name] = key
    return _as_key(desk, key)


def _show_key(desk: Kms, call: Call) -> dict[str, Any]:
    return _as_key(desk, key_named(desk, call.text("name")))


def _list_keys(desk: Kms, call: Call) -> dict[str, Any]:
    ring = _as_ring(desk, canonical(call.text("parent")))["name"]
    found = [row for row in desk.memory.keys.values() if row.name.startswith(f"{ring}/")]
    rows, more = page(call, [row for row in found if desk.listed(row.created_at)], LARGEST_PAGE_ROWS)
    return {"cryptoKeys": [_as_key(desk, row) for row in rows], "totalSize": len(found), **more}


def _update_key(desk: Kms, call: Call) -> dict[str, Any]:
    key = key_named(desk, str(call.part("cryptoKey").get("name", "")))
    if call.text("updateMask") != "labels":
        raise refused("UNIMPLEMENTED", "Of a key only the labels can be changed here.")
    key.labels = dict(call.part("cryptoKey").get("labels", {}))
    return _as_key(desk, key)


def _choose_primary(desk: Kms, call: Call) -> dict[str, Any]:
    """Source: .../cryptoKeys/updatePrimaryVersion, https://cloud.google.com/kms/docs/consistency."""
    name = f"{call.text('name')}/cryptoKeyVersions/{call.text('cryptoKeyVersionId')}"
    key, version = version_named(desk, name)
    if version.state != ENABLED:
        raise not_enabled(key, version)
    key.primaries.append(Primary(version.number, desk.visible_at()))
    return _as_key(desk, key)


def _create_version(desk: Kms, call: Call) -> dict[str, Any]:
    key = key_named(desk, call.text("parent"))
    return _as_version(key, add_version(desk, key))


def _show_version(desk: Kms, call: Call) -> dict[str, Any]:
    return _as_version(*version_named(desk, call.text("name")))


def _list_versions(desk: Kms, call: Call) -> dict[str, Any]:
    """Oldest first. Source: .../cryptoKeyVersions/list, https://cloud.google.com/kms/docs/sorting-and-filtering."""
    key, states = key_named(desk, call.text("parent")), wanted_states(call)
    found = [
        row for row in settled(desk, key) if desk.listed(row.created_at) and (not states or row.state in states)
    ]  # fmt: skip
    rows, more = page(call, found, LARGEST_PAGE_ROWS)
    return {"cryptoKeyVersions": [_as_version(key, row) for row in rows], "totalSize": len(found), **more}


def _update_version(desk: Kms, call: Call) -> dict[str, Any]:
    """Enable or disable; nothing else can be had so. Source: .../cryptoKeyVersions/patch."""
    said = call.part("cryptoKeyVersion")
    key, version = version_named(desk, str(said.get("name", "")))
    if call.text("updateMask") != "state":
        raise refused("INVALID_ARGUMENT", "Only the state of a CryptoKeyVersion can be changed here.")
    if {version.state, said.get("state")} - {ENABLED, DISABLED}:
        raise _in_state(key, version)
    if version.state == ENABLED and said["state"] == DISABLED:
        version.usable_until = desk.now() + desk.memory.disable_lag_s
    version.state = str(said["state"])
    return _as_version(key, version)


def _destroy_version(desk: Kms, call: Call) -> dict[str, Any]:
    key, version = version_named(desk, call.text("name"))
    if version.state not in {ENABLED, DISABLED}:
        raise _in_state(key, version)
    version.state, version.destroy_at = DESTROY_SCHEDULED, desk.now() + key.destroy_after_s
    return _as_version(key, version)


def _restore_version(desk: Kms, call: Call) -> dict[str, Any]:
    key, version = version_named(desk, call.text("name"))
    if version.state != DESTROY_SCHEDULED:
        raise _in_state(key, version)
    version.state, version.destroy_at = DISABLED, None
    return _as_version(key, version)


def _in_state(key: Key, version: Version) -> Exception:
    name = version_name(key, version)
    return refused("FAILED_PRECONDITION", f"{name} cannot be changed so, current state is: {version.state}.")


def _new_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise refused("INVALID_ARGUMENT", "An id must match [a-zA-Z0-9_-]{1,63}.")
    return text


def _as_key(desk: Kms, key: Key) -> dict[str, Any]:
    shown = {
        "name": key.name, "purpose": "ENCRYPT_DECRYPT", "createTime": timestamp(key.created_at), "labels": key.labels,
        "versionTemplate": {"algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION", "protectionLevel": "SOFTWARE"},
        "destroyScheduledDuration": f"{key.destroy_after_s:.0f}s", "nextRotationTime": timestamp(key.rotates_at),
    }  # fmt: skip
    if key.rotation_period_s is not None:
        shown["rotationPeriod"] = f"{key.rotation_period_s:.0f}s"
    chosen = key.primaries[-1].number if key.primaries else 0
    primary = [_as_version(key, row) for row in settled(desk, key) if row.number == chosen]
    return {**shown, **({"primary": primary[0]} if primary else {})}


def _as_version(key: Key, version: Version) -> dict[str, Any]:
    return {
        "name": version_name(key, version), "state": version.state, "protectionLevel": "SOFTWARE",
        "algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION", "createTime": timestamp(version.created_at),
        "generateTime": timestamp(version.created_at), "destroyTime": timestamp(version.destroy_at),
        "destroyEventTime": timestamp(version.destroyed_at),
    }  # fmt: skip


def _credentials(desk: Kms, base_url: str) -> Mapping[str, str]:
    return {
        "GOOGLE_KMS_KEY": desk.seed.key,
        "GOOGLE_KMS_CIPHERTEXTS": "none",
        "GOOGLE_KMS_KEY_VERSION": f"{desk.seed.key}/cryptoKeyVersions/1",
        "GOOGLE_KMS_MANAGE_KEY": first_key_file(desk, KMS_MANAGER, base_url),
    }


def _inbox(desk: Kms) -> list[dict[str, Any]]:
    del desk
    return []


_RINGS, _KEYS, _VERSIONS = "cloudkms.keyRings", "cloudkms.cryptoKeys", "cloudkms.cryptoKeyVersions"
SERVICE = Service(
    Api("google.cloud.kms.v1.KeyManagementService", "google.cloud.kms_v1.services.key_management_service"),
    {
        "CreateKeyRing": Method(f"{_RINGS}.create", _create_ring),
        "GetKeyRing": Method(f"{_RINGS}.get", _show_ring),
        "CreateCryptoKey": Method(f"{_KEYS}.create", _create_key),
        "GetCryptoKey": Method(f"{_KEYS}.get", _show_key),
        "ListCryptoKeys": Method(f"{_KEYS}.list", _list_keys),
        "UpdateCryptoKey": Method(f"{_KEYS}.update", _update_key),
        "UpdateCryptoKeyPrimaryVersion": Method(f"{_KEYS}.update", _choose_primary),
        "CreateCryptoKeyVersion": Method(f"{_VERSIONS}.create", _create_version),
        "GetCryptoKeyVersion": Method(f"{_VERSIONS}.get", _show_version),
        "ListCryptoKeyVersions": Method(f"{_VERSIONS}.list", _list_versions),
        "UpdateCryptoKeyVersion": Method(f"{_VERSIONS}.update", _update_version),
        "DestroyCryptoKeyVersion": Method(f"{_VERSIONS}.destroy", _destroy_version),
        "RestoreCryptoKeyVersion": Method(f"{_VERSIONS}.restore", _restore_version),
        "Encrypt": Method(f"{_VERSIONS}.useToEncrypt", encrypt),
        "Decrypt": Method(f"{_VERSIONS}.useToDecrypt", decrypt),
    },
)
STAND_IN = StandIn(
    name="gcpkms",
    seed=new_seed,
    memory=new_memory,
    seed_type=Seed,
    memory_type=Memory,
    routes=SERVICE.routes,
    credentials=_credentials,
    inbox=_inbox,
    actions={
        "encrypt_for_application": encrypt_for_application,
        "decrypt_for_application": decrypt_for_application,
        **CONSOLE,
        "remove_permission": remove_permission(KMS_MANAGER),
        "restore_permission": restore_permission(KMS_MANAGER),
    },
    hosts=("cloudkms.googleapis.com",),
    limited=limited,
    corrupted=corrupted,
    rpc=SERVICE.rpc,
    grpc=SERVICE.grpc,
)
