"""The manifests for a cluster: valid to the letter, no more allowed than they must, and what docker-compose.yml says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from tests.program import ROOT

FOLDER = ROOT / "deployments" / "kubernetes"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
# The newest schemas that the library has; nothing here is of a version that is going away.
VERSION = "1.37"
NAMESPACE = "opsflows"
OPTIONAL = "kubernetes-worker.yaml"
VALUES = ROOT / "deployments" / "alertmanager" / "kube-prometheus-stack-values.yml"
# Workload -> the service of docker-compose.yml that is the same.
SAME = {
    "migrate": "migrate", "api": "api-1", "services": "services", "deploy": "deploy", "worker": "worker-1",
    "rotation-worker": "rotation-worker", "board": "board", "metrics": "metrics", "proxy": "proxy",
}  # fmt: skip
# What a cluster has in places of its own, or does in a way of its own.
_PLACES = {
    "PREFECT_API_URL", "PREFECT_UI_URL", "PREFECT_UI_API_URL", "PREFECT_SERVER_CORS_ALLOWED_ORIGINS",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_REDIS_MESSAGING_URL", "PREFECT_SERVER_DOCKET_URL",
    "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL", "PREFECT_SERVER_REGISTER_BLOCKS_ON_START",
    "OPSFLOWS_DATABASE_URL", "OPSFLOWS_AUDIT_URL", "OPSFLOWS_RELAYS", "OPSFLOWS_STAND_INS_URL",
    "OPSFLOWS_SITE", "OPSFLOWS_PUBLIC", "OPSFLOWS_URL", "OPSFLOWS_TLS", "OPSFLOWS_TLS_CERTIFICATE",
    "OPSFLOWS_TLS_KEY", "OPSFLOWS_ACCESS", "OPSFLOWS_API_SERVERS",
}  # fmt: skip


def objects() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(FOLDER.glob("*.yaml")):
        if file.name != "kustomization.yaml":
            yield from ((file.name, row) for row in yaml.safe_load_all(file.read_text()))


def name_of(pair: tuple[str, dict[str, Any]]) -> str:
    return f"{pair[1]['kind']} {pair[1]['metadata']['name']}"


OBJECTS = list(objects())
CONFIGURATION = {row["metadata"]["name"]: row["data"] for _, row in OBJECTS if row["kind"] == "ConfigMap"}
PODS = {
    row["metadata"]["name"]: row["spec"]["template"] for _, row in OBJECTS if row["kind"] in {"Deployment", "Job"}
}  # fmt: skip
POOL: dict[str, Any] = json.loads((FOLDER / "work-pool.json").read_text())


def job_of_a_run() -> dict[str, Any]:
    """Return the job that the Kubernetes worker makes of the pool's template, with its defaults filled in."""
    manifest: dict[str, Any] = POOL["job_configuration"]["job_manifest"]
    defaults = {key: row.get("default", {}) for key, row in POOL["variables"]["properties"].items()}
    filled = {**defaults, "command": ["prefect", "flow-run", "execute"], "env": [{"name": "A", "value": "b"}]}
    return dict(_filled(manifest, filled))


def _filled(part: Any, values: dict[str, Any]) -> Any:
    if isinstance(part, dict):
        return {key: _filled(value, values) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, values) for value in part]
    if isinstance(part, str) and part.startswith("{{ ") and part.endswith(" }}"):
        return values[part[3:-3]]
    return part.replace("{{ name }}", values["name"]) if isinstance(part, str) else part


def container_of(workload: str) -> dict[str, Any]:
    [container] = PODS[workload]["spec"]["containers"]
    return dict(container)


def secrets_of(pod: dict[str, Any]) -> set[str]:
    volumes = [row["secret"] for row in pod["spec"]["volumes"] if row.get("secret", {}).get("secretName") == NAMESPACE]
    return {item["key"] for row in volumes for item in row["items"]}


@pytest.mark.parametrize("pair", OBJECTS, ids=name_of)
def test_every_object_is_valid_to_the_letter(pair: tuple[str, dict[str, Any]]) -> None:
    kubernetes_validate.validate(pair[1], VERSION, strict=True)


@pytest.mark.parametrize("pair", OBJECTS, ids=name_of)
def test_everything_is_in_our_namespace(pair: tuple[str, dict[str, Any]]) -> None:
    metadata = pair[1]["metadata"]

    assert (metadata["name"] if pair[1]["kind"] == "Namespace" else metadata["namespace"]) == NAMESPACE


def test_every_file_is_applied_but_the_one_that_is_chosen() -> None:
    applied = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]

    assert {*applied, OPTIONAL, "kustomization.yaml"} == {file.name for file in FOLDER.glob("*.yaml")}


@pytest.mark.parametrize("workload", PODS)
def test_a_pod_may_do_no_more_than_it_must(workload: str) -> None:
    spec, container = PODS[workload]["spec"], container_of(workload)

    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is (workload == "kubernetes-worker")
    security = container["securityContext"]
    assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True)
    assert security["capabilities"]["drop"] == ["ALL"]
    assert security["capabilities"].get("add", []) == (["NET_BIND_SERVICE"] if workload == "proxy" else [])
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize(("workload", "service"), SAME.items(), ids=SAME)
def test_a_workload_is_the_service_of_compose(workload: str, service: str) -> None:
    container, theirs = container_of(workload), COMPOSE[service]

    settings = {key: value for source in container["envFrom"] for key, value in _settings(source).items()}
    assert {k: v for k, v in settings.items() if k not in _PLACES} == {
        k: v for k, v in theirs["environment"].items() if k not in _PLACES
    }
    assert secrets_of(PODS[workload]) == set(theirs["secrets"])
    assert [*container.get("command", []), *container["args"]] == _command(theirs["command"])
    assert container["image"] == theirs["image"].removesuffix(":local")


@pytest.mark.parametrize("workload", sorted(set(PODS) - {"migrate", "deploy"}))
def test_what_stands_is_probed_as_in_compose(workload: str) -> None:
    container = container_of(workload)
    probes = [probe for key, probe in container.items() if key.endswith("Probe")]

    assert probes
    commands = {tuple(probe["exec"]["command"]) for probe in probes if "exec" in probe}
    checks = {tuple(row["healthcheck"].get("test", ["", ""])[1:]) for row in COMPOSE.values()}
    assert commands <= checks
    assert {probe["httpGet"]["path"] for probe in probes if "httpGet" in probe} <= {"/api/ready", "/api/health"}


@pytest.mark.parametrize("workload", ["api", "worker", "proxy"])
def test_of_two_one_stays(workload: str) -> None:
    budgets = {
        row["metadata"]["name"]: row["spec"]["minAvailable"]
        for _, row in OBJECTS
        if row["kind"] == "PodDisruptionBudget"
    }
    replicas = {row["metadata"]["name"]: row["spec"]["replicas"] for _, row in OBJECTS if row["kind"] == "Deployment"}

    assert (replicas[workload], budgets[workload]) == (2, 1)


def test_nobody_connects_to_what_has_no_rule() -> None:
    policies = {row["metadata"]["name"]: row["spec"] for _, row in OBJECTS if row["kind"] == "NetworkPolicy"}
    listening = {name for name in PODS if container_of(name).get("ports")}

    assert policies["nobody"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    assert set(policies) == {"nobody", *(f"to-{name}" for name in listening)}
    assert all(
        policies[f"to-{name}"]["podSelector"]["matchLabels"] == PODS[name]["metadata"]["labels"] for name in listening
    )
    [who] = policies["to-api"]["ingress"][0]["from"]
    named = set(who["podSelector"]["matchExpressions"][0]["values"])
    clients = {name for name in PODS if "PREFECT_API_URL" in CONFIGURATION[_source(name)]}
    assert named == {*clients, "proxy", job_of_a_run()["spec"]["template"]["metadata"]["labels"][_NAME]}


def test_prometheus_of_the_cluster_scrapes_the_service_is_let_in_and_sends_the_token() -> None:
    values, page = VALUES.read_text(), (ROOT / "docs" / "kms-alerts.md").read_text()
    spec = yaml.safe_load(values)["prometheus"]["prometheusSpec"]
    [job] = [job for job in spec["additionalScrapeConfigs"] if job["job_name"] == "opsflows-metrics"]
    services = [row for _, row in OBJECTS if row["kind"] == "Service" and row["metadata"]["name"] == "metrics"]
    [policy] = [row["spec"] for _, row in OBJECTS if row["metadata"]["name"] == "to-metrics"]

    addresses = [
        f"{row['metadata']['name']}.{row['metadata']['namespace']}.svc:{port['port']}"
        for row in services
        for port in row["spec"]["ports"]
    ]
    [theirs] = [who["namespaceSelector"]["matchLabels"] for who in policy["ingress"][0]["from"] if len(who) == 1 and "namespaceSelector" in who]  # fmt: skip

    assert [target for row in job["static_configs"] for target in row["targets"]] == addresses
    assert "--token-file" in container_of("metrics")["args"]
    [secret] = spec["secrets"]
    assert job["authorization"] == {"type": "Bearer", "credentials_file": f"/etc/prometheus/secrets/{secret}/token"}
    namespace = theirs["kubernetes.io/metadata.name"]
    assert (
        f"kubectl -n {namespace} create secret generic {secret} --from-file=token=.opsflows/compose/metrics_token\n"
        in page
    )
    assert f"--namespace {namespace} " in values


def test_no_secret_is_in_a_manifest() -> None:
    kinds = {row["kind"] for _, row in OBJECTS}
    names = {key for data in CONFIGURATION.values() for key in data}

    assert "Secret" not in kinds
    assert {name for name in names if "PASSWORD" in name or "TOKEN" in name or "AUTH" in name or "ENCRYPTION" in name} == set()  # fmt: skip


def test_what_changes_credentials_outside_is_given_to_the_rotation_worker_alone() -> None:
    given = [name for name, pod in PODS.items() if "opsflows-privileged" in json.dumps(pod)]

    assert given == ["rotation-worker"]


def test_the_job_of_a_run_is_a_worker_that_runs_one_flow() -> None:
    job = job_of_a_run()
    # The Kubernetes worker refuses a template without these two; the cluster drops them there.
    assert [job["spec"]["template"]["spec"].pop(key) for key in ("completions", "parallelism")] == [1, 1]

    kubernetes_validate.validate(job, VERSION, strict=True)
    [container] = job["spec"]["template"]["spec"]["containers"]
    worker = container_of("worker")
    assert container["envFrom"] == worker["envFrom"]
    assert container["securityContext"] == worker["securityContext"]
    assert container["volumeMounts"] == worker["volumeMounts"]
    assert secrets_of(job["spec"]["template"]) == secrets_of(PODS["worker"])


def test_every_variable_of_the_pool_is_used_and_described() -> None:
    properties = POOL["variables"]["properties"]

    assert all(row["description"] for row in properties.values())
    assert [key for key in properties if f"{{{{ {key} }}}}" not in json.dumps(POOL["job_configuration"])] == []


_NAME = "app.kubernetes.io/name"


def _source(workload: str) -> str:
    [source] = container_of(workload)["envFrom"]
    return str(source["configMapRef"]["name"])


def _settings(source: dict[str, Any]) -> dict[str, str]:
    return dict(CONFIGURATION[source["configMapRef"]["name"]])


def _command(written: list[str]) -> list[str]:
    """Return a command as the container gets it: a pod is its worker's name, and a doubled dollar is one to Compose."""
    plain = [word.replace("$$", "$") for word in written]
    return (
        plain
        if "--name" not in plain
        else [w for i, w in enumerate(plain) if "--name" not in plain[max(0, i - 1) : i + 1]]
    )


def test_the_folder_holds_text_that_everybody_can_read() -> None:
    assert all(Path(file).read_text().isascii() for file in FOLDER.iterdir())
