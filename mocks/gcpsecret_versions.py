"""The versions of a secret, as Secret Manager's API shows and changes them; how secrets and versions are named.

Source: https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import google_crc32c

from mocks.gcpsecret_memory import (
    DESTROYED,
    DISABLED,
    ENABLED,
    Secret,
    Vault,
    Version,
    add_version,
    aliased,
    destroy,
    latest,
    new_etag,
    numbered,
    settled,
)
from mocks.google_calls import PROJECT, PROJECT_NUMBER, Call, Method, decoded, page, refused, timestamp, wanted_states

# https://cloud.google.com/secret-manager/quotas
LARGEST_PAYLOAD_BYTES = 65_536
LARGEST_PAGE_ROWS = 25_000


def _add(desk: Vault, call: Call) -> dict[str, Any]:
    """Source: .../projects.secrets/addVersion."""
    secret, payload = secret_named(desk, call.text("parent")), call.part("payload")
    data = decoded(payload.get("data", ""))
    if not 0 < len(data) <= LARGEST_PAYLOAD_BYTES:
        raise refused("INVALID_ARGUMENT", f"Secret payload must be 1 to {LARGEST_PAYLOAD_BYTES} bytes.")
    checked = "dataCrc32c" in payload and not desk.memory.checksums_ignored
    if checked and int(payload["dataCrc32c"]) != google_crc32c.value(data):
        raise refused("INVALID_ARGUMENT", "The provided data_crc32c does not match the payload.")
    return _as_version(secret, add_version(desk, secret, data, checksum_given=checked))


def _access(desk: Vault, call: Call) -> dict[str, Any]:
    """Source: .../projects.secrets.versions/access."""
    secret, version = version_named(desk, call.text("name"))
    if version.state != ENABLED:
        raise _in_state(secret, version)
    checksum = google_crc32c.value(decoded(version.data))
    return {"name": version_name(secret, version), "payload": {"data": version.data, "dataCrc32c": str(checksum)}}


def _show_version(desk: Vault, call: Call) -> dict[str, Any]:
    return _as_version(*version_named(desk, call.text("name")))


def _list_versions(desk: Vault, call: Call) -> dict[str, Any]:
    """Newest first. Source: .../projects.secrets.versions/list, https://cloud.google.com/secret-manager/docs/filtering."""
    secret, states = secret_named(desk, call.text("parent")), wanted_states(call)
    found = [
        row for row in reversed(settled(desk, secret))
        if desk.listed(row.created_at) and (not states or row.state in states)
    ]  # fmt: skip
    rows, more = page(call, found, LARGEST_PAGE_ROWS)
    return {"versions": [_as_version(secret, row) for row in rows], "totalSize": len(found), **more}


def _changing(change: Callable[[Vault, Secret, Version], None]) -> Callable[[Vault, Call], dict[str, Any]]:
    """Return the handler that changes a version's state. Source: .../projects.secrets.versions/{enable,disable,destroy}."""

    def answer(desk: Vault, call: Call) -> dict[str, Any]:
        secret, version = version_named(desk, call.text("name"))
        require_etag(call.text("etag"), version.etag)
        change(desk, secret, version)
        version.etag = new_etag()
        return _as_version(secret, version)

    return answer


def _enable(desk: Vault, secret: Secret, version: Version) -> None:
    del desk
    _require_not_destroyed(secret, version)
    version.state, version.destroy_at = ENABLED, None


def _disable(desk: Vault, secret: Secret, version: Version) -> None:
    del desk
    _require_not_destroyed(secret, version)
    version.state = DISABLED


def _destroy(desk: Vault, secret: Secret, version: Version) -> None:
    """Source: https://cloud.google.com/secret-manager/docs/delay-destruction-of-secret-versions."""
    if secret.destroy_ttl_s is None or version.state == DESTROYED:
        destroy(version, desk.now())
    else:
        version.state, version.destroy_at = DISABLED, version.destroy_at or desk.now() + secret.destroy_ttl_s


def _require_not_destroyed(secret: Secret, version: Version) -> None:
    if version.state == DESTROYED:
        raise _in_state(secret, version)


def _in_state(secret: Secret, version: Version) -> Exception:
    return refused(
        "FAILED_PRECONDITION", f"Secret Version [{version_name(secret, version)}] is in {version.state} state."
    )


def require_etag(sent: str, stored: str) -> None:
    if sent and sent != stored:
        raise refused("FAILED_PRECONDITION", "The etag provided in the request does not match the stored etag.")


def require_project(name: str) -> None:
    parts = name.split("/")
    if parts[0] != "projects" or len(parts) < 2 or parts[1] not in {PROJECT, PROJECT_NUMBER}:  # noqa: PLR2004 - projects/P
        raise refused("PERMISSION_DENIED", f"Permission denied on resource project {name}.")


def secret_named(desk: Vault, name: str) -> Secret:
    require_project(name)
    secret_id = "/".join(name.split("/")[3:4]) if name.split("/")[2:3] == ["secrets"] else ""
    found = desk.memory.secrets.get(secret_id)
    if found is None:
        raise refused("NOT_FOUND", f"Secret [{secret_name(secret_id)}] not found or has no versions.")
    return found


def version_named(desk: Vault, name: str) -> tuple[Secret, Version]:
    """Return the version that is named by its number, by an alias or as `latest`."""
    secret, wanted = secret_named(desk, name), name.rpartition("/versions/")[2]
    if wanted == "latest":
        found = latest(desk, secret)
    elif wanted.isdecimal():
        found = numbered(desk, secret, int(wanted))
    else:
        found = aliased(desk, secret, wanted)
    if found is None:
        raise refused("NOT_FOUND", f"Secret Version [{secret_name(secret.id)}/versions/{wanted}] not found.")
    return secret, found


def secret_name(secret_id: str) -> str:
    return f"projects/{PROJECT_NUMBER}/secrets/{secret_id}"


def version_name(secret: Secret, version: Version) -> str:
    return f"{secret_name(secret.id)}/versions/{version.number}"


def _as_version(secret: Secret, version: Version) -> dict[str, Any]:
    return {
        "name": version_name(secret, version), "createTime": timestamp(version.created_at), "state": version.state,
        "etag": version.etag, "destroyTime": timestamp(version.destroyed_at),
        "scheduledDestroyTime": timestamp(version.destroy_at),
        "clientSpecifiedPayloadChecksum": version.checksum_given, "replicationStatus": {"automatic": {}},
    }  # fmt: skip


_PERMISSION = "secretmanager.versions"
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "AddSecretVersion": Method(f"{_PERMISSION}.add", _add),
        "AccessSecretVersion": Method(f"{_PERMISSION}.access", _access),
        "GetSecretVersion": Method(f"{_PERMISSION}.get", _show_version),
        "ListSecretVersions": Method(f"{_PERMISSION}.list", _list_versions),
        "EnableSecretVersion": Method(f"{_PERMISSION}.enable", _changing(_enable)),
        "DisableSecretVersion": Method(f"{_PERMISSION}.disable", _changing(_disable)),
        "DestroySecretVersion": Method(f"{_PERMISSION}.destroy", _changing(_destroy)),
    }
)
