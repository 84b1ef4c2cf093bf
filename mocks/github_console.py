"""What people do on GitHub's pages and in the receiver's configuration: the control plane's actions."""

from collections.abc import Mapping
from types import MappingProxyType

from mocks.github_hook import deliver
from mocks.github_memory import MOST_KEYS, GitHub, app_key, new_private_key
from mocks.stage import Action, Order


def _mint_private_key(desk: GitHub, order: Order) -> object:
    """Generate a private key, as the app's settings page does; the answer is the only place where it ever stands."""
    del order
    if len(desk.memory.keys) >= MOST_KEYS:
        raise ValueError(f"an app has at most {MOST_KEYS} private keys")
    private_key = new_private_key()
    key = app_key(private_key, desk.now())
    desk.memory.keys.append(key)
    return {"fingerprint": key.fingerprint, "private_key": private_key}


def _delete_private_key(desk: GitHub, order: Order) -> object:
    """Delete the key of a `fingerprint` or of a `private_key`, the first one where neither is given."""
    value = order.text("private_key", desk.seed.private_key)
    wanted = order.text("fingerprint") or app_key(value, 0.0).fingerprint
    kept = [key for key in desk.memory.keys if key.fingerprint != wanted]
    if not kept:
        raise ValueError("the last private key cannot be deleted; generate another one first")
    deleted, desk.memory.keys = len(desk.memory.keys) - len(kept), kept
    return {"deleted": deleted}


def _deliver(desk: GitHub, order: Order) -> object:
    """Let an `event` happen (issues), of which the app is told; its `title` may be any JSON."""
    row = deliver(
        desk, order.text("event", "issues"), order.text("action", "opened"), order.fields.get("title", "An issue")
    )
    return {"id": row.id, "guid": row.guid, "status_code": row.status_code}


def _receiver_accepts(desk: GitHub, order: Order) -> object:
    """Let the receiver accept what is signed with one of these `secrets`, and nothing else."""
    desk.memory.receiver.accepts = [str(secret) for secret in order.fields["secrets"]]
    return {"accepts": len(desk.memory.receiver.accepts)}


def _receiver_answers(desk: GitHub, order: Order) -> object:
    """Let the receiver answer this `status` to everything (502: it cannot be reached); 0: as the signature is."""
    desk.memory.receiver.answers = int(order.number("status"))
    return {"status": desk.memory.receiver.answers}


def _show_received(desk: GitHub, order: Order) -> object:
    """Return all that the receiver got, byte for byte."""
    del order
    rows = desk.memory.receiver.received
    return {"received": [{"headers": row.headers, "body": row.body, "status_code": row.status_code} for row in rows]}


def _read_actions_secret(desk: GitHub, order: Order) -> object:
    """Return an opened secret, as a workflow would get it."""
    return {"value": desk.memory.secrets[order.text("name").upper()].value}


def _suspend(desk: GitHub, order: Order) -> object:
    desk.memory.suspended = bool(order.fields.get("on", True))
    return {"on": desk.memory.suspended}


def _grant(desk: GitHub, order: Order) -> object:
    """Grant the installation just these `permissions`, by name: read or write."""
    desk.memory.granted = {str(name): str(level) for name, level in order.fields["permissions"].items()}
    return {"permissions": desk.memory.granted}


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "mint_private_key": _mint_private_key,
        "delete_private_key": _delete_private_key,
        "deliver": _deliver,
        "receiver_accepts": _receiver_accepts,
        "receiver_answers": _receiver_answers,
        "show_received": _show_received,
        "read_actions_secret": _read_actions_secret,
        "suspend": _suspend,
        "grant": _grant,
    }
)
