"""What somebody else does in AWS's console, and what AWS does by itself: the control plane's actions of both stand-ins."""

from collections.abc import Mapping
from types import MappingProxyType

from mocks.aws_memory import CURRENT, PREVIOUS, AccessKey, Account, Version, as_text, new_key, turn
from mocks.stage import Action, Order

_HOUR_S = 3600.0
_MOST_KEYS = 2


def _set_propagation_delay(desk: Account, order: Order) -> object:
    """Let AWS's services learn of a key that is made, switched or deleted from now on this many seconds later."""
    desk.memory.propagation_s = order.number("seconds")
    return {"seconds": desk.memory.propagation_s}


def _set_last_used_lag(desk: Account, order: Order) -> object:
    """Let AWS tell of a use this much later, in `hours` or `seconds`."""
    desk.memory.last_used_lag_s = order.number("hours") * _HOUR_S + order.number("seconds")
    return {"seconds": desk.memory.last_used_lag_s}


def _create_access_key(desk: Account, order: Order) -> object:
    """Make a key for `user` (that of the applications where none is named), as a person would."""
    user = order.text("user", desk.seed.user)
    if desk.memory.user(user) is None or len(desk.memory.keys_of(user)) >= _MOST_KEYS:
        raise ValueError(f"{user} is nobody, or has {_MOST_KEYS} keys")
    key = new_key(desk, user)
    desk.memory.keys.append(key)
    return {"access_key_id": key.key_id, "access_key": as_text(key.key_id, key.secret)}


def _delete_access_key(desk: Account, order: Order) -> object:
    key = _key(desk, order)
    turn(desk, key, works=False)
    key.active, key.deleted = False, True
    return {"deleted": key.key_id}


def _set_key_active(desk: Account, order: Order) -> object:
    key = _key(desk, order)
    key.active = bool(order.fields["active"])
    turn(desk, key, works=key.active)
    return {"access_key_id": key.key_id, "active": key.active}


def _set_permissions(desk: Account, order: Order) -> object:
    """Let `user` (the manager where none is named) do what fits the patterns `may`, such as iam:*, and nothing else."""
    user = desk.memory.user(order.text("user", desk.seed.manager))
    if user is None:
        raise ValueError("there is no such user")
    user.may = [str(pattern) for pattern in order.fields["may"]]
    return {"user": user.name, "may": user.may}


def _put_version(desk: Account, order: Order) -> object:
    """Add a version with `value` and these `labels`, which leave the versions that have them."""
    labels = [str(label) for label in order.fields.get("labels", [CURRENT])]
    version = Version(order.text("version_id") or new_key(desk, "").secret, order.text("value"), [], desk.now())
    desk.memory.versions.append(version)
    for label in labels:
        _give(desk, label, version)
    return {"version_id": version.version_id, "labels": version.labels}


def _move_label(desk: Account, order: Order) -> object:
    """Give `label` to version `to`; without `to` it is nobody's."""
    label, target = order.text("label"), desk.memory.version(order.text("to"))
    if target is None and (order.text("to") or label == CURRENT):
        raise ValueError("there is no such version")
    if target is not None:
        _give(desk, label, target)
    else:
        _take(desk, label)
    return _labels(desk)


def _show_labels(desk: Account, order: Order) -> object:
    del order
    return _labels(desk)


def _collect_garbage(desk: Account, order: Order) -> object:
    """Delete the versions without a label, as AWS does by itself some time later."""
    del order
    gone = [row.version_id for row in desk.memory.versions if not row.labels]
    desk.memory.versions = [row for row in desk.memory.versions if row.labels]
    return {"deleted": gone}


def _key(desk: Account, order: Order) -> AccessKey:
    found = desk.memory.key(order.text("access_key_id", desk.seed.key_id))
    if found is None or found.deleted:
        raise ValueError("there is no such key")
    return found


def _give(desk: Account, label: str, version: Version) -> None:
    before = desk.memory.labelled(label)
    _take(desk, label)
    version.labels.append(label)
    if label == CURRENT and before is not None and before is not version:
        _give(desk, PREVIOUS, before)


def _take(desk: Account, label: str) -> None:
    for row in desk.memory.versions:
        row.labels = [one for one in row.labels if one != label]


def _labels(desk: Account) -> dict[str, str]:
    return {label: row.version_id for row in desk.memory.versions for label in row.labels}


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "set_propagation_delay": _set_propagation_delay,
        "set_last_used_lag": _set_last_used_lag,
        "create_access_key": _create_access_key,
        "delete_access_key": _delete_access_key,
        "set_key_active": _set_key_active,
        "set_permissions": _set_permissions,
        "put_version": _put_version,
        "move_label": _move_label,
        "show_labels": _show_labels,
        "collect_garbage": _collect_garbage,
    }
)
