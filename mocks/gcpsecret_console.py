"""What the owner of a project does in Google's console, under Secret Manager: the control plane's actions."""

from collections.abc import Mapping
from types import MappingProxyType

from mocks.gcpkey_memory import SECRET_MANAGER
from mocks.gcpsecret_memory import Vault, add_version
from mocks.gcpsecret_versions import version_name
from mocks.google_calls import remove_permission, restore_permission
from mocks.stage import Action, Order


def _add_version(desk: Vault, order: Order) -> object:
    """Add a version with this `value` to the first secret (or `secret`), as somebody else would."""
    secret = desk.memory.secrets[order.text("secret", desk.seed.secret_id)]
    version = add_version(desk, secret, order.text("value").encode())
    return {"version": version_name(secret, version)}


def _set_destroy_delay(desk: Vault, order: Order) -> object:
    """Let the first secret (or `secret`) delay the destruction of versions by `seconds`; 0 destroys at once."""
    secret = desk.memory.secrets[order.text("secret", desk.seed.secret_id)]
    secret.destroy_ttl_s = order.number("seconds") or None
    return {"seconds": secret.destroy_ttl_s}


def _ignore_checksums(desk: Vault, order: Order) -> object:
    """Overlook checksums in requests (`on`), as where something on the way strips them; or look at them again."""
    desk.memory.checksums_ignored = bool(order.fields.get("on", True))
    return {"on": desk.memory.checksums_ignored}


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "add_version": _add_version,
        "set_destroy_delay": _set_destroy_delay,
        "ignore_checksums": _ignore_checksums,
        "remove_permission": remove_permission(SECRET_MANAGER),
        "restore_permission": restore_permission(SECRET_MANAGER),
    }
)
