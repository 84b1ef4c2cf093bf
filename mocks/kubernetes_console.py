"""What others do in the cluster, and what its pods see: the control plane's actions."""

from collections.abc import Mapping
from types import MappingProxyType

from mocks.kubernetes_memory import (
    DEFAULT_ROLLOUT_S,
    UPDATE,
    Cluster,
    Deployment,
    Secret,
    Share,
    encoded,
    is_over,
    rfc3339,
    texts_of,
)
from mocks.stage import Action, Order

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
_OUTCOMES = ("done", "fails", "hangs")


def pods_read(desk: Cluster, deployment: Deployment) -> dict[str, dict[str, str]]:
    """Return what an application in the serving pods read of every secret when it started."""
    served = is_over(deployment, desk.now()) and deployment.outcome == "done"
    return deployment.after if served or deployment.rolled_at is None else deployment.before


def begin_rollout(desk: Cluster, deployment: Deployment) -> None:
    """Replace the pods: new ones read every secret as it is now; the old ones serve until the rollout is over."""
    deployment.before = pods_read(desk, deployment)
    deployment.after = {name: texts_of(secret) for name, secret in desk.memory.secrets.items()}
    deployment.rolled_at = desk.now()
    deployment.generation += 1
    deployment.version = desk.memory.next_version()


def _set_rollout(desk: Cluster, order: Order) -> object:
    """Say how rollouts go from now on: how many `seconds` they take, and their `outcome`; of all deployments or of `name`."""
    outcome = order.text("outcome", "done")
    if outcome not in _OUTCOMES:
        raise ValueError(f"outcome is one of {', '.join(_OUTCOMES)}")
    chosen = [_deployment(desk, order.text("name"))] if order.text("name") else list(desk.memory.deployments.values())
    for deployment in chosen:
        deployment.outcome, deployment.rollout_s = outcome, order.number("seconds", DEFAULT_ROLLOUT_S)
        deployment.paused = bool(order.fields.get("paused", False))
    return {"deployments": [deployment.name for deployment in chosen]}


def _restart(desk: Cluster, order: Order) -> object:
    """Restart the pods of deployment `name`, as a person does with kubectl."""
    deployment, now = _deployment(desk, order.text("name")), desk.now()
    deployment.template_annotations[RESTARTED_AT] = rfc3339(now)
    deployment.restart = Share("kubectl-rollout", UPDATE, [RESTARTED_AT], now)
    begin_rollout(desk, deployment)
    return {"generation": deployment.generation}


def _pods_read(desk: Cluster, order: Order) -> object:
    return pods_read(desk, _deployment(desk, order.text("name")))


def _set_denied(desk: Cluster, order: Order) -> object:
    """Take rights from the service account: `denied` lists verb and resource, as in `patch secrets`."""
    desk.memory.denied = [str(right) for right in order.fields.get("denied", ())]
    return {"denied": desk.memory.denied}


def _write_secret(desk: Cluster, order: Order) -> object:
    """Let another hand (`manager`) set `entries` of secret `name`, which is made where it is not there."""
    now, manager = desk.now(), order.text("manager", "kubectl-edit")
    secret = desk.memory.secrets.setdefault(order.text("name"), Secret(order.text("name"), {}, [], 0, now))
    fields = {f"data:{key}": encoded(str(text)) for key, text in dict(order.fields.get("entries", {})).items()}
    fields |= {f"annotations:{key}": str(text) for key, text in dict(order.fields.get("annotations", {})).items()}
    for share in secret.shares:
        share.owned = [name for name in share.owned if name not in fields]
    secret.fields |= fields
    secret.shares = [share for share in (*secret.shares, Share(manager, UPDATE, list(fields), now)) if share.owned]
    secret.immutable = bool(order.fields.get("immutable", secret.immutable))
    secret.version = desk.memory.next_version()
    return {"name": secret.name, "keys": sorted(secret.data)}


def _show_secret(desk: Cluster, order: Order) -> object:
    """Return what secret `name` holds, and which manager owns which keys."""
    secret = desk.memory.secrets[order.text("name")]
    owners = {f"{share.manager} {share.operation}": sorted(share.owned) for share in secret.shares}
    return {"entries": texts_of(secret), "owners": owners, "annotations": secret.annotations}


def _deployment(desk: Cluster, name: str) -> Deployment:
    return desk.memory.deployments[name]


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "set_rollout": _set_rollout,
        "restart": _restart,
        "pods_read": _pods_read,
        "set_denied": _set_denied,
        "write_secret": _write_secret,
        "show_secret": _show_secret,
    }
)
