"""What somebody else may do with Google Cloud KMS's keys, told through the control plane: as by hand in the console.

A key is the first one, or the one that `key` names; a version is named by its `version` number.
Source: https://cloud.google.com/kms/docs/key-states, https://cloud.google.com/kms/docs/rotate-key
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from mocks.gcpkms_crypto import not_enabled
from mocks.gcpkms_memory import (
    DESTROY_SCHEDULED,
    DESTROYED,
    DISABLED,
    ENABLED,
    Key,
    Kms,
    Primary,
    Version,
    add_version,
    destroyed,
    key_named,
    version_name,
    version_named,
)
from mocks.google_calls import refused
from mocks.stage import Action, Order


def _add_key(desk: Kms, order: Order) -> object:
    """Make a key in the first ring under a `name`, with a first version that is the primary, unless it is to be `empty`."""
    key = Key(f"{desk.seed.ring}/cryptoKeys/{order.fields['name']}", desk.now())
    if key.name in desk.memory.keys:
        raise refused("ALREADY_EXISTS", f"CryptoKey {key.name} already exists.")
    if not order.fields.get("empty"):
        key.primaries.append(Primary(add_version(desk, key).number, desk.now()))
    desk.memory.keys[key.name] = key
    return {"key": key.name}


def _add_version(desk: Kms, order: Order) -> object:
    """Make a version of the key, as somebody else would."""
    key = _key(desk, order)
    return {"version": version_name(key, add_version(desk, key))}


def _choose_primary(desk: Kms, order: Order) -> object:
    """Make a version the primary one; encryption follows after the indexing delay, as when it is done over the API."""
    key, version = _version(desk, order)
    if version.state != ENABLED:
        raise not_enabled(key, version)
    key.primaries.append(Primary(version.number, desk.visible_at()))
    return {"primary": version_name(key, version), "visible_at": desk.visible_at()}


def _set_version_state(desk: Kms, order: Order) -> object:
    """Bring a version into a `state`: ENABLED, DISABLED, DESTROY_SCHEDULED or DESTROYED, whichever it is in.

    `destroy_in_s` is when a scheduled one is destroyed, the key's own delay where it is left out. What is destroyed stays so.
    """
    key, version = _version(desk, order)
    if version.state == DESTROYED:
        raise refused("FAILED_PRECONDITION", f"{version_name(key, version)} is destroyed for good.")
    _CHANGES[order.text("state")](desk, version, order.number("destroy_in_s", key.destroy_after_s))
    return {"version": version_name(key, version), "state": version.state, "destroy_at": version.destroy_at}


def _set_rotation(desk: Kms, order: Order) -> object:
    """Show that Google rotates the key every `period_s`, next in `next_in_s` (negative: overdue); without both, that it does not."""
    key, period, begins = _key(desk, order), order.fields.get("period_s"), order.fields.get("next_in_s")
    key.rotation_period_s = None if period is None else float(period)
    key.rotates_at = None if begins is None else desk.now() + float(begins)
    return {"rotation_period_s": key.rotation_period_s, "rotates_at": key.rotates_at}


def _set_disable_lag(desk: Kms, order: Order) -> object:
    """Let versions that are disabled from now on work for `seconds` more, as Google's may for a minute and longer."""
    desk.memory.disable_lag_s = order.number("seconds")
    return {"seconds": desk.memory.disable_lag_s}


def _ignore_checksums(desk: Kms, order: Order) -> object:
    """Overlook checksums in requests (`on`), as where something on the way strips them; or look at them again."""
    desk.memory.checksums_ignored = bool(order.fields.get("on", True))
    return {"on": desk.memory.checksums_ignored}


def _enable(desk: Kms, version: Version, destroy_in_s: float) -> None:
    del desk, destroy_in_s
    version.state, version.destroy_at = ENABLED, None


def _disable(desk: Kms, version: Version, destroy_in_s: float) -> None:
    del destroy_in_s
    if version.state == ENABLED:
        version.usable_until = desk.now() + desk.memory.disable_lag_s
    version.state, version.destroy_at = DISABLED, None


def _schedule(desk: Kms, version: Version, destroy_in_s: float) -> None:
    version.state, version.destroy_at = DESTROY_SCHEDULED, desk.now() + destroy_in_s


def _destroy(desk: Kms, version: Version, destroy_in_s: float) -> None:
    del destroy_in_s
    destroyed(version, desk.now())


_CHANGES: Mapping[str, Callable[[Kms, Version, float], None]] = MappingProxyType(
    {ENABLED: _enable, DISABLED: _disable, DESTROY_SCHEDULED: _schedule, DESTROYED: _destroy}
)


def _key(desk: Kms, order: Order) -> Key:
    return key_named(desk, order.text("key", desk.seed.key))


def _version(desk: Kms, order: Order) -> tuple[Key, Version]:
    return version_named(desk, f"{_key(desk, order).name}/cryptoKeyVersions/{order.fields['version']}")


CONSOLE: Mapping[str, Action] = MappingProxyType(
    {
        "add_key": _add_key,
        "add_version": _add_version,
        "choose_primary": _choose_primary,
        "set_version_state": _set_version_state,
        "set_rotation": _set_rotation,
        "set_disable_lag": _set_disable_lag,
        "ignore_checksums": _ignore_checksums,
    }
)
