"""A namespace of the stand-in's cluster as kubectl reaches it over https, and a sink in it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from domain.errors import NotYet
from domain.exchanges import Effect, Exchange
from tests.conftest import StandIns
from vendors.hosts import HostRule
from vendors.http import Conduct
from vendors.kubectl import Cluster, kubectl_error, restart_arguments, run_kubectl, watch_arguments
from vendors.kubernetes import KubernetesSecret, Restart

SECRET, KEY, OTHER = "app-env", "DD_API_KEY", "DD_API_KEY_PREVIOUS"
UNRELATED = {"UNRELATED": "as it was"}
REQUEST_LIMIT = timedelta(seconds=5)


def no_admission(system: str, verb: str) -> None:
    del system, verb


@dataclass(frozen=True, slots=True)
class Yard:
    """One cluster of the stand-in's, and what was recorded of the calls to it."""

    stand_ins: StandIns
    cluster: Cluster
    evidence: list[Exchange] = field(default_factory=list)

    def sink(
        self, *deployments: str, restart: Restart | None = None, admit: Callable[[str, str], None] = no_admission
    ) -> KubernetesSecret:
        conduct = Conduct(HostRule(rehearsal=True), self.evidence.append, exchange_limit=REQUEST_LIMIT, admit=admit)
        return KubernetesSecret(self.cluster, SECRET, deployments, restart or restarted, conduct)

    def with_kubeconfig(self, name: str, changes: Mapping[str, object]) -> "Yard":
        """Return a yard whose kubeconfig has these fields in its cluster's section, and not those that are None."""
        config = json.loads(self.cluster.kubeconfig.read_text())
        section = config["clusters"][0]["cluster"] | dict(changes)
        config["clusters"][0]["cluster"] = {key: value for key, value in section.items() if value is not None}
        file = self.cluster.kubeconfig.with_name(name)
        file.write_text(json.dumps(config))
        return Yard(self.stand_ins, replace(self.cluster, kubeconfig=file), self.evidence)

    def act(self, action: str, **fields: Any) -> Any:
        return self.stand_ins.control("POST", f"/kubernetes/actions/{action}", fields)

    def break_with(self, **fault: Any) -> None:
        self.stand_ins.control("POST", "/kubernetes/faults", fault)

    def entries(self) -> dict[str, str]:
        found: dict[str, str] = self.act("show_secret", name=SECRET)["entries"]
        return found

    def pods_read(self, deployment: str) -> dict[str, str]:
        """Return what an application in the deployment's serving pods has of the secret."""
        found: dict[str, dict[str, str]] = self.act("pods_read", name=deployment)
        return found[SECRET]

    def asked(self, method: str) -> list[str]:
        """Return the last part of every path that was asked for with the method."""
        rows = self.stand_ins.control("GET", "/kubernetes/requests")
        return [row["path"].rpartition("/")[2] for row in rows if row["method"] == method]


def yard_in(stand_ins: StandIns, folder: Path) -> Yard:
    """Return the stand-in's cluster, with a kubeconfig in the folder that trusts its authority."""
    control = f"{stand_ins.https_url}/_control/kubernetes/credentials"
    # The authority is checked by kubectl, which is what is tested here.
    given: Mapping[str, str] = httpx.get(control, verify=False, trust_env=False).json()  # noqa: S501 (as above)
    config = json.loads(given["KUBERNETES_KUBECONFIG"])
    config["clusters"][0]["cluster"]["certificate-authority"] = str(stand_ins.ca_file)
    file = folder / "kubeconfig.yaml"
    file.write_text(json.dumps(config))
    return Yard(stand_ins, Cluster(file, "stand-in", "apps"))


def restarted(cluster: Cluster, deployments: tuple[str, ...], manager: str) -> None:
    """Restart and wait, as the task does in a run."""
    begun(cluster, deployments, manager)
    for name in deployments:
        _run(watch_arguments(cluster, name, REQUEST_LIMIT, REQUEST_LIMIT), Effect.READS)


def begun(cluster: Cluster, deployments: tuple[str, ...], manager: str) -> None:
    """Restart and do not wait, as the task does whose time is over."""
    for name in deployments:
        _run(restart_arguments(cluster, name, manager, REQUEST_LIMIT), Effect.CHANGES)


def killed_before(cluster: Cluster, deployments: tuple[str, ...], manager: str) -> None:
    """Restart nothing, as a worker does that dies between secret and restart."""
    del cluster, deployments, manager
    raise NotYet("The worker was killed.", "Nothing was restarted.", "Start it again.")


def _run(arguments: list[str], effect: Effect) -> None:
    ended = run_kubectl(arguments)
    if ended.code:
        raise kubectl_error(ended.complaint, effect, "restart what reads it")
