"""What the owner of a project does in Google's console, under IAM: the control plane's actions.

`whose_token` and `may` are how the other stand-ins of Google's ask who calls and what he may do.
"""

import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from types import MappingProxyType
from typing import Any

from mocks.gcpkey_memory import (
    APP,
    MOST_KEYS,
    Account,
    Accounts,
    Key,
    add_key,
    first_key,
    new_key_id,
    own_keys,
    private_pem_of,
)
from mocks.gcpkey_pairs import certificate_of, new_pair
from mocks.gcpkey_tokens import AUDIENCE, holder_of
from mocks.google_calls import PROJECT
from mocks.stage import Action, Order

SELF = "self:"


def made_key(desk: Accounts, email: str, base_url: str) -> tuple[Key, str]:
    """Make a key of the account and return it with its file, which nobody is given again."""
    account, private_pem = account_of(desk, email), new_pair()
    key = add_key(desk, account, certificate_of(private_pem, account.unique_id, desk.now()))
    return key, key_file(account, key, private_pem, base_url)


def key_file(account: Account, key: Key, private_pem: str, base_url: str) -> str:
    """Return the JSON that Google calls a credentials file.

    Source: https://cloud.google.com/iam/docs/keys-create-delete#creating
    """
    # Where the client meant the vendor's own host, so does the file.
    token_uri = AUDIENCE if base_url.endswith(".googleapis.com") else f"{base_url}/token"
    return json.dumps(
        {
            "type": "service_account", "project_id": PROJECT, "private_key_id": key.id, "private_key": private_pem,
            "client_email": account.email, "client_id": account.unique_id, "auth_uri": f"{base_url}/auth",
            "token_uri": token_uri, "universe_domain": "googleapis.com",
        }
    )  # fmt: skip


def account_of(desk: Accounts, email_or_id: str) -> Account:
    """Raises: LookupError: there is no such account."""
    found = [row for row in desk.memory.accounts if email_or_id in {row.email, row.unique_id, row.email.split("@")[0]}]
    if not found:
        raise LookupError(f"no account {email_or_id}")
    return found[0]


def _mint_key(desk: Accounts, order: Order) -> object:
    """Make a key of `account` (the first one by default), as somebody else would."""
    key, file = made_key(desk, account_of(desk, order.text("account", APP)).email, order.base_url)
    return {"key_id": key.id, "key": file}


def _first_key(desk: Accounts, order: Order) -> object:
    """Show the file of the key that an `account` had from the start."""
    account = account_of(desk, order.text("account", APP))
    key = first_key(desk.seed, account.email)
    return {"key_id": key.id, "key": key_file(account, key, private_pem_of(desk, key), order.base_url)}


def _on_key(change: Callable[[Accounts, Key], object]) -> Action:
    """Return the action that does so with the key named by `key_id` (the app's first one by default)."""

    def act(desk: Accounts, order: Order) -> object:
        wanted = order.text("key_id", desk.seed.key_ids[APP])
        found = [row for row in desk.memory.keys if row.id == wanted]
        for row in found:
            change(desk, row)
        return {"keys": [row.id for row in found]}

    return act


def disable(desk: Accounts, key: Key) -> None:
    del desk
    key.disabled = True


def enable(desk: Accounts, key: Key) -> None:
    del desk
    key.disabled = False


def delete(desk: Accounts, key: Key) -> None:
    desk.memory.keys.remove(key)


def _fill_slots(desk: Accounts, order: Order) -> object:
    """Give an `account` (the app's by default) as many keys of somebody else's as it may have, for nobody to use."""
    email = account_of(desk, order.text("account", APP)).email
    free = MOST_KEYS - len(own_keys(desk, email))
    desk.memory.keys += [Key(new_key_id(), email, desk.now(), desk.now()) for _ in range(free)]
    return {"keys": [row.id for row in own_keys(desk, email)]}


def _set_propagation_delay(desk: Accounts, order: Order) -> object:
    """Let the token endpoint know keys that are made from now on only so many `seconds` later."""
    desk.memory.propagation_delay_s = order.number("seconds")
    return {"seconds": desk.memory.propagation_delay_s}


def _forbid_key_creation(desk: Accounts, order: Order) -> object:
    """Let the organisation's policy forbid new keys (`on`), or allow them again."""
    desk.memory.creation_forbidden = bool(order.fields.get("on", True))
    return {"on": desk.memory.creation_forbidden}


def _remove_permission(desk: Accounts, order: Order) -> object:
    """Take a `permission` (a pattern; all by default) from an `account`."""
    account = account_of(desk, order.text("account", APP))
    account.removed.append(order.text("permission", "*"))
    return {"account": account.email, "removed": account.removed}


def _restore_permission(desk: Accounts, order: Order) -> object:
    """Give an `account` back the `permission` that was taken; all of them where none is named."""
    account = account_of(desk, order.text("account", APP))
    account.removed = [row for row in account.removed if row != order.text("permission", row)]
    return {"account": account.email, "removed": account.removed}


def _whose_token(desk: Accounts, order: Order) -> object:
    return {"email": holder_of(desk, order.text("token"))}


def _may(desk: Accounts, order: Order) -> object:
    account = account_of(desk, order.text("email"))
    own = f"/{account.email}" in order.text("resource") or f"/{account.unique_id}" in order.text("resource")
    permission = order.text("permission")
    granted = [row.removeprefix(SELF) for row in account.grants if own or not row.startswith(SELF)]
    return {"may": _any_fits(permission, granted) and not _any_fits(permission, account.removed)}


def _any_fits(permission: str, patterns: list[str]) -> bool:
    return any(fnmatch(permission, pattern) for pattern in patterns)


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "mint_key": _mint_key,
        "first_key": _first_key,
        "disable_key": _on_key(disable),
        "enable_key": _on_key(enable),
        "delete_key": _on_key(delete),
        "fill_slots": _fill_slots,
        "set_propagation_delay": _set_propagation_delay,
        "forbid_key_creation": _forbid_key_creation,
        "remove_permission": _remove_permission,
        "restore_permission": _restore_permission,
        "whose_token": _whose_token,
        "may": _may,
    }
)


def first_key_file(desk: Any, account: str, base_url: str) -> str:
    """Return, for any stand-in of Google's, the file of the key that its manager has from the start."""
    return str(desk.world.act("gcpkey", "first_key", {"account": account}, base_url)["key"])
