"""A Kubernetes Secret as a place, and the deployments whose pods read it: written by server-side apply, served after a rollout.

Server-side, because the other apply keeps what it wrote in an annotation. Every apply replaces its manager's share and touches no
other; so each set of names has a manager of its own, and no writer overtakes another.
A change has an id, kept in an annotation; the restart that follows bears it in its manager's name, and so is told from
restarts before it without comparing clocks.
Source: https://kubernetes.io/docs/reference/using-api/server-side-apply
"""

import json
import re
import secrets
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from domain.errors import BadInput, OpsError
from domain.exchanges import Effect, Exchange
from vendors.http import Conduct
from vendors.kubectl import Cluster, checked_name, kubectl_error, run_kubectl, server_of
from vendors.kubectl_failures import FAILURES, error_of, failure_of
from vendors.kubernetes_objects import (
    FoundSecret,
    Rollout,
    change_annotation,
    found_secret,
    manager_of,
    restart_manager,
    rollout_of,
)

SYSTEM = "kubernetes"
# Source: https://kubernetes.io/docs/concepts/configuration/secret (constraints on names and data)
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_ROWS = {row.id: row for row in FAILURES}
_GONE = "kubernetes.gone"


class Restart(Protocol):
    """Restarts the deployments under that manager's name, and returns when their new pods serve; it raises OpsError otherwise."""

    def __call__(self, cluster: Cluster, deployments: tuple[str, ...], manager: str) -> None: ...


@dataclass(frozen=True, slots=True)
class KubernetesSecret:
    """Entries of one secret; a `Place`. Other entries, and who set them, stay as they are.

    `deployments` are those whose pods read it when they start; `restart` is how they are restarted.
    """

    cluster: Cluster
    secret: str
    deployments: tuple[str, ...]
    restart: Restart
    conduct: Conduct

    def __post_init__(self) -> None:
        checked_name("namespace", self.cluster.namespace)
        checked_name("secret", self.secret)
        for name in self.deployments:
            checked_name("deployment", name)

    def write(self, entries: Mapping[str, str]) -> None:
        """Set the entries, and restart what was not restarted since they last changed; nothing else restarts.

        Raises:
            BadInput: a name or the kubeconfig is wrong; nothing was changed.
            Rejected: nothing was changed, or the new pods do not come up; the message says which.
            Unavailable: the call that failed changed nothing.
            NotYet: a rollout takes longer than it is waited for.
            OutcomeUnknown: the change may have taken effect. Writing again is safe.
        """
        _check_keys(entries)
        server = self._server()
        found, rollouts = self._read(server), self._rollouts(server)
        self._check_changeable(found, rollouts)
        unchanged = found.change_of(entries)
        change = unchanged or secrets.token_hex(4)
        shared = found.shared(entries)
        if shared:
            # Whoever else owns an entry keeps it from going. With a text of ours it is ours alone, and can be dropped next.
            self._apply(server, {**entries, **{key: found.another_text(key) for key in shared}}, change)
        self._apply(server, entries, change)
        waiting = tuple(
            name
            for name, row in rollouts.items()
            if not unchanged or not row.follows(change, found.changed_at(entries))
        )
        if waiting:
            with self._noted(server, "restart_deployments"):
                self.restart(self.cluster, waiting, restart_manager(change))

    def holds(self, entries: Mapping[str, str]) -> bool:
        """Return whether the secret holds exactly these, and every deployment was restarted since, to the end.

        Raises:
            NotYet: a rollout is under way.
            Rejected: a rollout came to nothing.
            BadInput, Unavailable: it cannot be read.
        """
        server = self._server()
        found = self._read(server)
        if not found.holds(entries):
            return False
        rollouts = self._rollouts(server)
        change, changed_at = found.change_of(entries), found.changed_at(entries)
        if not all(row.follows(change, changed_at) for row in rollouts.values()):
            return False
        for name, row in rollouts.items():
            if row.has_failed:
                raise self._error("kubernetes.rollout_failed", "roll_out_deployment", name)
            if not row.is_complete:
                raise self._error("kubernetes.rolling_out", "roll_out_deployment", name)
        return True

    def _check_changeable(self, found: FoundSecret, rollouts: Mapping[str, Rollout]) -> None:
        """Raise where the secret must not be written by us, or the restart after it would be refused."""
        if found.is_client_applied:
            raise BadInput(
                f"Secret {self.secret} in {self.cluster.where} was written by kubectl apply, which keeps its values in an annotation.",
                "The next kubectl apply of that file would put the old value back, and ours would remove other entries. Nothing was changed.",
                f"Take the secret out of that file, then kubectl annotate secret {self.secret} kubectl.kubernetes.io/last-applied-configuration- there.",
                "kubernetes.client_applied",
            )
        for name in (name for name, row in rollouts.items() if row.is_paused):
            raise self._error("kubernetes.paused", "restart_deployment", name)

    def _apply(self, server: str, entries: Mapping[str, str], change: str) -> None:
        """Apply our share. An entry that it had and has no more goes away, where nobody else owns it."""
        manifest = {
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {
                "name": self.secret, "namespace": self.cluster.namespace, "annotations": {change_annotation(entries): change},
            },
            "data": {key: b64encode(text.encode()).decode() for key, text in entries.items() if text},
        }  # fmt: skip
        # Looking at the manifest is left to the server: kubectl would fetch its whole schema first.
        apply = ["apply", "--server-side", "--force-conflicts", f"--field-manager={manager_of(entries)}", "--validate=false", "--openapi-patch=false", "--output=name", "--filename=-"]  # fmt: skip
        self._run(server, "apply_secret", self.secret, apply, json.dumps(manifest).encode())

    def _read(self, server: str) -> FoundSecret:
        path = f"/api/v1/namespaces/{self.cluster.namespace}/secrets/{self.secret}"
        return found_secret(self._get(server, "read_secret", self.secret, path))

    def _rollouts(self, server: str) -> dict[str, Rollout]:
        path = f"/apis/apps/v1/namespaces/{self.cluster.namespace}/deployments"
        return {
            name: rollout_of(self._get(server, "read_deployment", name, f"{path}/{name}")) for name in self.deployments
        }

    def _get(self, server: str, verb: str, name: str, path: str) -> dict[str, Any]:
        """Return the object at the API's path, empty where a secret is not there.

        Raw, because kubectl 1.21 and later leave managedFields out otherwise, and 1.20 has no option to show them. Then the
        path is taken from the host's root, also where the kubeconfig's server has a path of its own.
        """
        answer = self._run(server, verb, name, ["get", f"--raw={urlsplit(server).path.rstrip('/')}{path}"])
        try:
            said = json.loads(answer or b"{}")
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise self._error("kubernetes.no_answer", verb, name)
        return said

    def _run(self, server: str, verb: str, name: str, arguments: list[str], sent: bytes = b"") -> bytes:
        effect = Effect.CHANGES if sent else Effect.READS
        with self._noted(server, verb):
            ended = run_kubectl([*arguments, *self.cluster.arguments(self.conduct.exchange_limit)], sent=sent)
            if ended.code == 0:
                return ended.output
            if effect is Effect.READS and failure_of(ended.complaint).id == _GONE:
                return b""
            raise kubectl_error(ended.complaint, effect, self.cluster.doing(verb, name))

    def _server(self) -> str:
        server = server_of(self.cluster)
        self.conduct.hosts.check(server, ())
        return server

    def _error(self, symptom: str, verb: str, name: str) -> OpsError:
        return error_of(_ROWS[symptom], Effect.READS, self.cluster.doing(verb, name))

    @contextmanager
    def _noted(self, server: str, verb: str) -> Iterator[None]:
        """Ask for admission, and record what came of it. kubectl does not tell the status of an answer."""
        self.conduct.admit(SYSTEM, verb)
        started = time.monotonic()
        try:
            yield
        except OpsError as error:
            self._record(server, verb, started, type(error).__name__)
            raise
        self._record(server, verb, started, "ok")

    def _record(self, server: str, verb: str, started: float, outcome: str) -> None:
        duration_ms = round((time.monotonic() - started) * 1000)
        host = urlsplit(server).netloc.rpartition("@")[2]
        self.conduct.record(
            Exchange(SYSTEM, verb, host, None, duration_ms, "", "", outcome, datetime.now(UTC), vendor_date=None)
        )


def _check_keys(entries: Mapping[str, str]) -> None:
    wrong = [key for key in entries if not _KEY.fullmatch(key)]
    if wrong:
        raise BadInput(
            f"{wrong[0]!r} is not the name of a secret's entry.",
            "It may hold letters, digits, dashes, underscores and dots. Nothing was sent.",
            "Correct the sink in opsflows.toml.",
        )
