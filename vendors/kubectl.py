"""kubectl, run as a program: with an environment of three names, within a time, its output in memory alone.

What is sent goes in by standard input. Arguments and environment of a process can be read by others on its machine, and a file
outlives it; none of them ever holds a value.
"""

import json
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from domain.errors import BadInput, OpsError
from domain.exchanges import Effect
from vendors.hosts import is_loopback
from vendors.kubectl_failures import error_of, failure_of

# Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names (DNS subdomain names)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
# Each request has its own limit; a call makes up to five requests, most of which kubectl remembers for ten minutes.
_CALL_LIMIT = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Cluster:
    """One namespace of one cluster, as a context of a kubeconfig reaches it."""

    kubeconfig: Path
    context: str
    namespace: str

    @property
    def where(self) -> str:
        return f"namespace {self.namespace} of context {self.context}"

    def doing(self, verb: str, name: str) -> str:
        """Return what is being done in words: `read_secret` of `a` is `read secret a in namespace b of context c`."""
        return f"{verb.replace('_', ' ')} {name} in {self.where}"

    def arguments(self, request_limit: timedelta) -> list[str]:
        """Return the options that say where; both always, because kubectl falls back to localhost without."""
        return [
            f"--kubeconfig={self.kubeconfig}",
            f"--context={self.context}",
            f"--namespace={self.namespace}",
            f"--request-timeout={max(1, round(request_limit.total_seconds()))}s",
        ]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended. `complaint` is kubectl's standard error, to be looked at and never shown."""

    code: int
    output: bytes
    complaint: str


def kubectl_program() -> str:
    """Return where kubectl is.

    Raises:
        BadInput: it is not on PATH.
    """
    found = shutil.which("kubectl")
    if found is None:
        raise BadInput(
            "kubectl is not installed, or not on the worker's PATH.",
            "A Kubernetes secret is written with it. Nothing was sent.",
            "Install kubectl 1.20 or later (Debian: kubernetes-client) where the worker runs.",
            "kubernetes.no_kubectl",
        )
    return found


def environment() -> dict[str, str]:
    """Return all that kubectl may know of the worker's environment; the rest of it holds keys that are none of its business."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def checked_name(what: str, name: str) -> str:
    """Return the name, or raise BadInput where it is none that Kubernetes gives: an option or a path could hide in it."""
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{name!r} is not the name of a {what}.",
            "Kubernetes' names hold lower-case letters, digits, dashes and dots. Nothing was sent.",
            "Correct it in opsflows.toml.",
        )
    return name


def run_kubectl(arguments: list[str], *, sent: bytes = b"", limit: timedelta = _CALL_LIMIT) -> Ended:
    """Run kubectl to its end. One that takes too long is killed with what it started, and its complaint says so."""
    command = [kubectl_program(), *arguments]
    with subprocess.Popen(  # noqa: S603 (the kubectl on PATH; the arguments are ours and hold checked names)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), start_new_session=True,
    ) as process:  # fmt: skip
        try:
            output, complaint = process.communicate(sent, limit.total_seconds())
        except subprocess.TimeoutExpired:
            _kill(process)
            return Ended(process.returncode, b"", "Timeout: killed by us")
        except BaseException:
            _kill(process)
            raise
    return Ended(process.returncode, output, complaint.decode("utf-8", errors="replace"))


def server_of(cluster: Cluster) -> str:
    """Return the address that the kubeconfig's context leads to, as kubectl itself reads it. Nothing is sent.

    Raises:
        BadInput: the file or the context is not there, or the server's certificate would not be looked at.
    """
    try:
        there = cluster.kubeconfig.stat()
    except OSError:
        raise kubectl_error("no such file or directory", Effect.READS, f"reach {cluster.where}") from None
    return _server_in(cluster, there.st_ino, there.st_size, there.st_mtime_ns)


# Asked once for each state of the file: it costs as much as a request does.
@lru_cache(maxsize=64)
def _server_in(cluster: Cluster, *state: int) -> str:
    del state
    ended = run_kubectl(["config", "view", "--minify", "--output=json", *cluster.arguments(_CALL_LIMIT)])
    if ended.code:
        raise kubectl_error(ended.complaint, Effect.READS, f"reach {cluster.where}")
    clusters = json.loads(ended.output).get("clusters") or [{}]
    found: dict[str, Any] = clusters[0].get("cluster") or {}
    server = str(found.get("server", ""))
    if found.get("insecure-skip-tls-verify") and not is_loopback(urlsplit(server).hostname or ""):
        raise BadInput(
            f"The kubeconfig does not look at the certificate of the server for {cluster.where}.",
            "Whoever is between could read the credential. Nothing was sent.",
            "Give it certificate-authority-data instead of insecure-skip-tls-verify.",
            "kubernetes.insecure",
        )
    return server


def restart_arguments(cluster: Cluster, deployment: str, manager: str, request_limit: timedelta) -> list[str]:
    """Return what restarts a deployment's pods; its managedFields then name the manager."""
    restart = [
        "rollout",
        "restart",
        f"deployment/{checked_name('deployment', deployment)}",
        f"--field-manager={manager}",
    ]
    return [*restart, *cluster.arguments(request_limit)]


def watch_arguments(cluster: Cluster, deployment: str, within: timedelta, request_limit: timedelta) -> list[str]:
    """Return what ends when the deployment's new pods serve, when they cannot, or after that time."""
    watch = ["rollout", "status", f"deployment/{checked_name('deployment', deployment)}", "--watch"]
    return [*watch, f"--timeout={max(1, round(within.total_seconds()))}s", *cluster.arguments(request_limit)]


def kubectl_error(complaint: str, effect: Effect, doing: str) -> OpsError:
    """Return the error for what kubectl complained of, without its words."""
    return error_of(failure_of(complaint), effect, doing)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill it and what it started: a login program that stayed would keep our pipes open."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
