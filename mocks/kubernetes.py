"""A Kubernetes cluster's stand-in, as far as kubectl needs it: secrets, server-side apply, deployments and their rollouts.

Traps kept: an apply drops what its manager owned and names no more, also where others wanted it kept by that manager only;
a stale resourceVersion is refused; rewriting the same leaves managedFields and its times alone; a restart is an annotation
whose time the client wrote, beside managedFields whose time is the server's; pods go on with what they read at their start.
Over https the bearer token is checked. Plain http is what `kubectl proxy` is: it asks in the service account's name, since
kubectl sends no token over http. A watch ends at once, and kubectl asks again.
Source: https://kubernetes.io/docs/reference/using-api/server-side-apply, https://kubernetes.io/docs/reference/using-api/api-concepts
"""

import base64
import json
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from mocks.kubernetes_answers import (
    API_GROUPS,
    API_VERSIONS,
    USER,
    VERSION,
    as_deployment,
    as_secret,
    not_found,
    out_of_date,
    refused,
    resources,
)
from mocks.kubernetes_console import ACTIONS, begin_rollout
from mocks.kubernetes_memory import (
    APPLY,
    NAMESPACE,
    UPDATE,
    Cluster,
    Deployment,
    Memory,
    Secret,
    Seed,
    Share,
    new_memory,
    new_seed,
    texts_of,
)
from mocks.stage import Ask, Route, StandIn

APPLY_TYPE = "application/apply-patch+yaml"
STRATEGIC_TYPE = "application/strategic-merge-patch+json"
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_GROUPS = {"secrets": "", "deployments": "apps"}


def _may(verb: str, resource: str, answer: Callable[[Cluster, Ask], Response]) -> Callable[[Cluster, Ask], Response]:
    """Return a handler that first looks at who asks, whether that is allowed, and the namespace."""

    def handle(desk: Cluster, ask: Ask) -> Response:
        _identify(desk, ask)
        if f"{verb} {resource}" in desk.memory.denied:
            raise refused(
                403,
                f'{resource} is forbidden: User "{USER}" cannot {verb} resource "{resource}" '
                f'in API group "{_GROUPS[resource]}" in the namespace "{ask.ids["namespace"]}"',
            )
        return answer(desk, ask)

    return handle


def _known(answer: object) -> Callable[[Cluster, Ask], Response]:
    def handle(desk: Cluster, ask: Ask) -> Response:
        _identify(desk, ask)
        return JSONResponse(answer)

    return handle


def _identify(desk: Cluster, ask: Ask) -> None:
    proxied = ask.base_url.startswith("http://")
    sent = ask.authorization("Bearer").encode()
    if not proxied and not secrets.compare_digest(sent, desk.seed.token.encode()):
        raise refused(401, "Unauthorized")


def _show_secret(desk: Cluster, ask: Ask) -> Response:
    return JSONResponse(as_secret(_secret(desk, ask)))


def _create_secret(desk: Cluster, ask: Ask) -> Response:
    said = _object(ask)
    name = str(said.get("metadata", {}).get("name", ""))
    if ask.ids["namespace"] != NAMESPACE:
        raise not_found("namespaces", ask.ids["namespace"])
    if name in desk.memory.secrets:
        raise refused(409, f'secrets "{name}" already exists')
    fields = _fields(said)
    share = Share(ask.query.get("fieldManager", "unknown"), UPDATE, list(fields), desk.now())
    made = Secret(name, fields, [share], desk.memory.next_version(), desk.now())
    desk.memory.secrets[name] = made
    return JSONResponse(as_secret(made), 201)


def _patch_secret(desk: Cluster, ask: Ask) -> Response:
    """Source: https://kubernetes.io/docs/reference/using-api/server-side-apply; of the patch types only apply is stood in for."""
    if ask.headers.get("content-type", "") != APPLY_TYPE:
        raise refused(
            415, "the body of the request was in an unknown format - accepted media types include: " + APPLY_TYPE
        )
    manager, said = ask.query.get("fieldManager", ""), _object(ask)
    if not manager:
        raise refused(
            400, "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required for apply patch"
        )
    fields, name = _fields(said), ask.ids["name"]
    version = str(said.get("metadata", {}).get("resourceVersion", ""))
    if ask.ids["namespace"] != NAMESPACE:
        raise not_found("namespaces", ask.ids["namespace"])
    secret = desk.memory.secrets.get(name)
    if secret is None:
        if version:
            raise not_found("secrets", name)
        share = Share(manager, APPLY, list(fields), desk.now())
        desk.memory.secrets[name] = Secret(name, fields, [share], desk.memory.next_version(), desk.now())
        return JSONResponse(as_secret(desk.memory.secrets[name]), 201)
    if version and version != str(secret.version):
        raise out_of_date("secrets", name)
    _apply(desk, secret, manager, fields, forced=ask.query.get("force") == "true")
    return JSONResponse(as_secret(secret))


def _apply(desk: Cluster, secret: Secret, manager: str, fields: Mapping[str, str], *, forced: bool) -> None:
    """Set what is named; drop what this manager owned alone and names no more. What changes nothing leaves no trace."""
    own = next((row for row in secret.shares if (row.manager, row.operation) == (manager, APPLY)), None)
    others = [row for row in secret.shares if row is not own]
    changed = [name for name, text in fields.items() if secret.fields.get(name) != text]
    conflicts = [(row.manager, name) for row in others for name in row.owned if name in changed]
    if conflicts and not forced:
        told = ", ".join(f'conflict with "{owner}": .{name.replace(":", ".")}' for owner, name in conflicts)
        raise refused(409, f"Apply failed with {len(conflicts)} conflict{'s' * (len(conflicts) > 1)}: {told}")
    dropped = [name for name in (own.owned if own else ()) if name not in fields]
    gone = [name for name in dropped if not any(name in row.owned for row in others)]
    if secret.immutable and any(name.startswith("data:") for name in (*changed, *gone)):
        message = f'Secret "{secret.name}" is invalid: data: Forbidden: field is immutable when `immutable` is set'
        raise refused(422, message)
    if not changed and own is not None and set(own.owned) == set(fields):
        return
    for row in others:
        row.owned = [name for name in row.owned if name not in changed]
    secret.fields = {name: text for name, text in {**secret.fields, **fields}.items() if name not in gone}
    mine = Share(manager, APPLY, list(fields), desk.now())
    secret.shares = [row for row in (*others, mine) if row.owned]
    secret.version = desk.memory.next_version()


def _show_deployment(desk: Cluster, ask: Ask) -> Response:
    return JSONResponse(as_deployment(_deployment(desk, ask), desk.now()))


def _list_deployments(desk: Cluster, ask: Ask) -> Response:
    """List, or watch: then the answer holds each change that the asker does not have yet, and ends.

    Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
    """
    if ask.query.get("sendInitialEvents"):
        raise refused(422, "ListOptions.meta.k8s.io is invalid: sendInitialEvents: Forbidden: the feature is off")
    wanted = ask.query.get("fieldSelector", "").partition("metadata.name=")[2]
    rows = [row for row in desk.memory.deployments.values() if wanted in {"", row.name}]
    items = [as_deployment(row, desk.now()) for row in rows if ask.ids["namespace"] == NAMESPACE]
    if ask.query.get("watch") in {"true", "1"}:
        since = int(ask.query.get("resourceVersion") or 0)
        news = [row for row in items if int(row["metadata"]["resourceVersion"]) > since]
        events = [json.dumps({"type": "MODIFIED", "object": row}) + "\n" for row in news]
        return Response("".join(events), media_type="application/json")
    version = str(max((int(row["metadata"]["resourceVersion"]) for row in items), default=desk.memory.last_version))
    return JSONResponse(
        {"kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {"resourceVersion": version}, "items": items}
    )


def _patch_deployment(desk: Cluster, ask: Ask) -> Response:
    """Take annotations of the pod template, as `kubectl rollout restart` sends them; a change there begins a rollout."""
    if ask.headers.get("content-type", "") != STRATEGIC_TYPE:
        raise refused(415, f"only {STRATEGIC_TYPE} is stood in for")
    deployment = _deployment(desk, ask)
    template = _object(ask).get("spec", {}).get("template", {})
    sent = {str(key): str(text) for key, text in template.get("metadata", {}).get("annotations", {}).items()}
    changed = [key for key, text in sent.items() if deployment.template_annotations.get(key) != text]
    if changed:
        deployment.template_annotations |= sent
        deployment.restart = Share(ask.query.get("fieldManager", "kubectl"), UPDATE, changed, desk.now())
        begin_rollout(desk, deployment)
    return JSONResponse(as_deployment(deployment, desk.now()))


def _secret(desk: Cluster, ask: Ask) -> Secret:
    found = desk.memory.secrets.get(ask.ids["name"])
    if found is None or ask.ids["namespace"] != NAMESPACE:
        raise not_found("secrets", ask.ids["name"])
    return found


def _deployment(desk: Cluster, ask: Ask) -> Deployment:
    found = desk.memory.deployments.get(ask.ids["name"])
    if found is None or ask.ids["namespace"] != NAMESPACE:
        raise not_found("deployments.apps", ask.ids["name"])
    return found


def _object(ask: Ask) -> dict[str, Any]:
    """Return the JSON object sent. kubectl sends JSON also where YAML would do."""
    said = ask.json()
    if not isinstance(said, dict):
        raise refused(400, "error decoding patch: the body is no JSON object")
    return said


def _fields(said: Mapping[str, Any]) -> dict[str, str]:
    """Return what the object sets, by the names of Secret.fields."""
    data = said.get("data") or {}
    for key, value in data.items():
        if not _KEY.fullmatch(key):
            raise refused(422, f'Secret is invalid: data[{key}]: Invalid value: "{key}": no valid config key')
        try:
            base64.b64decode(value, validate=True)
        except ValueError:
            raise refused(400, "illegal base64 data at input byte 0") from None
    annotations = said.get("metadata", {}).get("annotations") or {}
    return {f"data:{key}": str(value) for key, value in data.items()} | {
        f"annotations:{name}": str(text) for name, text in annotations.items()
    }


def _credentials(desk: Cluster, base_url: str) -> Mapping[str, str]:
    """Return a kubeconfig. It names no authority: for https a client adds the one that it trusts."""
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "stand-in",
        "clusters": [{"name": "stand-in", "cluster": {"server": base_url}}],
        "users": [{"name": "opsflows", "user": {"token": desk.seed.token}}],
        "contexts": [{"name": "stand-in", "context": {"cluster": "stand-in", "user": "opsflows", "namespace": NAMESPACE}}],
    }  # fmt: skip
    # JSON is YAML.
    return {"KUBERNETES_KUBECONFIG": json.dumps(config, indent=1)}


def _inbox(desk: Cluster) -> list[dict[str, Any]]:
    """Return which keys each secret has: a person would not be shown more."""
    return [
        {"text": ", ".join(sorted(texts_of(secret))), "at": secret.created_at, "where": f"secret {name}", "acknowledged": False}
        for name, secret in desk.memory.secrets.items()
    ]  # fmt: skip


_SECRETS = "/api/v1/namespaces/{namespace}/secrets"
_DEPLOYMENTS = "/apis/apps/v1/namespaces/{namespace}/deployments"
STAND_IN = StandIn(
    name="kubernetes",
    seed=new_seed,
    memory=new_memory,
    seed_type=Seed,
    memory_type=Memory,
    routes=(
        Route("GET", "/version", _known(VERSION)),
        Route("GET", "/api", _known(API_VERSIONS)),
        Route("GET", "/apis", _known(API_GROUPS)),
        Route("GET", "/api/v1", _known(resources("v1", "secrets", "Secret"))),
        Route("GET", "/apis/apps/v1", _known(resources("apps/v1", "deployments", "Deployment"))),
        Route("POST", _SECRETS, _may("create", "secrets", _create_secret)),
        Route("GET", f"{_SECRETS}/{{name}}", _may("get", "secrets", _show_secret)),
        Route("PATCH", f"{_SECRETS}/{{name}}", _may("patch", "secrets", _patch_secret)),
        Route("GET", _DEPLOYMENTS, _may("list", "deployments", _list_deployments)),
        Route("GET", f"{_DEPLOYMENTS}/{{name}}", _may("get", "deployments", _show_deployment)),
        Route("PATCH", f"{_DEPLOYMENTS}/{{name}}", _may("patch", "deployments", _patch_deployment)),
    ),
    credentials=_credentials,
    inbox=_inbox,
    actions=ACTIONS,
    request_id_header="audit-id",
)
