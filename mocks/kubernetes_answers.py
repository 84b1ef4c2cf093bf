"""How the Kubernetes API puts things: objects, its `Status` for refusals, and the discovery that kubectl asks for first.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts, and Status in
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status
"""

from typing import Any

from starlette.responses import JSONResponse

from mocks.kubernetes_memory import NAMESPACE, Deployment, Secret, Share, below, is_over, rfc3339
from mocks.stage import Refused

USER = f"system:serviceaccount:{NAMESPACE}:opsflows"
VERSION = {"major": "1", "minor": "32", "gitVersion": "v1.32.0", "platform": "linux/amd64"}
API_VERSIONS = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
_APPS = {"groupVersion": "apps/v1", "version": "v1"}
API_GROUPS = {
    "kind": "APIGroupList",
    "apiVersion": "v1",
    "groups": [{"name": "apps", "versions": [_APPS], "preferredVersion": _APPS}],
}
_REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict",
    415: "UnsupportedMediaType", 422: "Invalid",
}  # fmt: skip


def resources(group_version: str, name: str, kind: str) -> dict[str, Any]:
    """Return a group's resource list: the one resource that is stood in for."""
    verbs = ["create", "get", "list", "patch", "watch"]
    row = {"name": name, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs}
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": [row]}


def refused(status: int, message: str) -> Refused:
    body = {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": _REASONS[status], "code": status,
    }  # fmt: skip
    return Refused(JSONResponse(body, status))


def not_found(resource: str, name: str) -> Refused:
    return refused(404, f'{resource} "{name}" not found')


def out_of_date(resource: str, name: str) -> Refused:
    return refused(
        409,
        f'Operation cannot be fulfilled on {resource} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again",
    )


def as_secret(secret: Secret) -> dict[str, Any]:
    managed = [_managed("v1", share, _owned(share)) for share in secret.shares]
    return {
        "kind": "Secret", "apiVersion": "v1", "type": "Opaque", "data": secret.data,
        **({"immutable": True} if secret.immutable else {}),
        "metadata": {
            "name": secret.name, "namespace": NAMESPACE, "resourceVersion": str(secret.version), "managedFields": managed,
            "creationTimestamp": rfc3339(secret.created_at), "annotations": secret.annotations,
        },
    }  # fmt: skip


def as_deployment(deployment: Deployment, now: float) -> dict[str, Any]:
    labels = {"app": deployment.name}
    container = {"name": "app", "image": "app:1", "envFrom": [{"secretRef": {"name": "app-env"}}]}
    template = {
        "metadata": {"labels": labels, "annotations": deployment.template_annotations},
        "spec": {"containers": [container]},
    }
    managed = []
    if deployment.restart is not None:
        annotations: dict[str, Any] = {f"f:{name}": {} for name in deployment.restart.owned}
        tree = {"f:spec": {"f:template": {"f:metadata": {"f:annotations": annotations}}}}
        managed = [_managed("apps/v1", deployment.restart, tree)]
    over = deployment.rolled_at is not None and is_over(deployment, now)
    return {
        "kind": "Deployment", "apiVersion": "apps/v1",
        "metadata": {
            "name": deployment.name, "namespace": NAMESPACE, "generation": deployment.generation, "managedFields": managed,
            "resourceVersion": str(deployment.version + over), "creationTimestamp": rfc3339(0),
        },
        "spec": {
            "replicas": deployment.replicas, "selector": {"matchLabels": labels}, "template": template,
            "paused": deployment.paused,
        },
        "status": _status(deployment, now),
    }  # fmt: skip


def _status(deployment: Deployment, now: float) -> dict[str, Any]:
    """Return the counts: while a rollout is under way, all old pods serve and one new one is on its way.

    Source: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status
    """
    wanted, over = deployment.replicas, is_over(deployment, now)
    done = over and (deployment.outcome == "done" or deployment.rolled_at is None)
    reason = "NewReplicaSetAvailable" if done else "ProgressDeadlineExceeded" if over else "ReplicaSetUpdated"
    progressing = {"type": "Progressing", "status": "False" if over and not done else "True", "reason": reason}
    return {
        "observedGeneration": deployment.generation,
        "replicas": wanted if done else wanted + 1,
        "updatedReplicas": wanted if done else 1,
        "availableReplicas": wanted,
        "readyReplicas": wanted,
        "conditions": [progressing],
    }


def _owned(share: Share) -> dict[str, Any]:
    names = dict.fromkeys(share.owned, "")
    data: dict[str, Any] = {f"f:{name}": {} for name in below("data", names)}
    annotations: dict[str, Any] = {f"f:{name}": {} for name in below("annotations", names)}
    return {"f:data": data, **({"f:metadata": {"f:annotations": annotations}} if annotations else {})}


def _managed(api_version: str, share: Share, tree: dict[str, Any]) -> dict[str, Any]:
    return {
        "manager": share.manager, "operation": share.operation, "apiVersion": api_version, "time": rfc3339(share.at),
        "fieldsType": "FieldsV1", "fieldsV1": tree,
    }  # fmt: skip
