"""What the Kubernetes API says of a secret and of a deployment, as far as it decides whether a value is served.

Times are the server's own, of managedFields, and are compared with each other alone.
Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta (managedFields),
https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

OURS = "opsflows"
# The annotation that names the last change of one sink; the restart that follows it bears the same name.
_CHANGE = f"{OURS}-change"
_RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
_CLIENT_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class _Share:
    """The entries that one manager owns, and when it last changed them (RFC 3339, UTC, whole seconds)."""

    manager: str
    applies: bool
    keys: frozenset[str]
    at: str


@dataclass(frozen=True, slots=True)
class FoundSecret:
    """A secret as it was read; one that is not there has nothing in it."""

    shares: tuple[_Share, ...]
    annotations: Mapping[str, str] = field(repr=False)
    data: Mapping[str, str] = field(repr=False)

    @property
    def is_client_applied(self) -> bool:
        return _CLIENT_APPLIED in self.annotations

    def holds(self, entries: Mapping[str, str]) -> bool:
        """Return whether each entry has its text, and what is to be absent is not there."""
        return all(self.data.get(key) == (_encoded(text) if text else None) for key, text in entries.items())

    def change_of(self, entries: Mapping[str, str]) -> str:
        """Return the name of the change that brought these entries; empty where they are not all as it left them."""
        wanted = {key for key, text in entries.items() if text}
        is_ours = self.holds(entries) and wanted <= self._own_keys(entries)
        return self.annotations.get(change_annotation(entries), "") if is_ours else ""

    def changed_at(self, entries: Mapping[str, str]) -> str:
        """Return when one of the entries was last changed, by whomever; empty where nobody knows."""
        own = self._own(entries)
        return max((row.at for row in self.shares if row in own or row.keys & set(entries)), default="")

    def shared(self, entries: Mapping[str, str]) -> list[str]:
        """Return what is to be absent, is there, and would stay there if our share went without it."""
        others = {key for row in self.shares if row not in self._own(entries) for key in row.keys}
        staying = others | (set(self.data) - self._own_keys(entries))
        return [key for key, text in entries.items() if not text and key in self.data and key in staying]

    def another_text(self, key: str) -> str:
        return "-" if self.data.get(key) != _encoded("-") else "--"

    def _own(self, entries: Iterable[str]) -> list[_Share]:
        manager = manager_of(entries)
        return [row for row in self.shares if row.applies and row.manager == manager]

    def _own_keys(self, entries: Iterable[str]) -> set[str]:
        return {key for row in self._own(entries) for key in row.keys}


@dataclass(frozen=True, slots=True)
class Rollout:
    """Where a deployment's last rollout stands, and who began it."""

    restarted_by: str
    restarted_at: str
    is_complete: bool
    has_failed: bool
    is_paused: bool

    def follows(self, change: str, changed_at: str) -> bool:
        """Return whether its pods began after the change: restarted for it by us, or by anyone in a later second."""
        ours = bool(change) and self.restarted_by == restart_manager(change)
        return ours or self.restarted_at > (changed_at or self.restarted_at)


def manager_of(names: Iterable[str]) -> str:
    """Return who applies these entries: a manager for each set of names, so that sinks in one secret replace nothing of each other."""
    return f"{OURS}-{_digest(names)}"


def change_annotation(names: Iterable[str]) -> str:
    return f"{_CHANGE}-{_digest(names)}"


def restart_manager(change: str) -> str:
    """Return in whose name pods are restarted after the change."""
    return f"{OURS}-restart-{change}"


def found_secret(said: Mapping[str, Any]) -> FoundSecret:
    """Return what the object says; an empty one is no secret."""
    metadata = _object(said, "metadata")
    return FoundSecret(
        shares=tuple(_share(row) for row in metadata.get("managedFields") or ()),
        annotations={str(name): str(text) for name, text in _object(metadata, "annotations").items()},
        data={str(key): str(value or "") for key, value in _object(said, "data").items()},
    )


def rollout_of(said: Mapping[str, Any]) -> Rollout:
    """Return where the deployment stands; complete is what `kubectl rollout status` takes for it."""
    metadata, spec, status = _object(said, "metadata"), _object(said, "spec"), _object(said, "status")
    wanted = int(spec.get("replicas", 1))
    updated, replicas, available = (
        int(status.get(name) or 0) for name in ("updatedReplicas", "replicas", "availableReplicas")
    )
    seen = int(status.get("observedGeneration") or 0) >= int(metadata.get("generation") or 0)
    by, at = _restart(metadata.get("managedFields") or ())
    return Rollout(
        restarted_by=by,
        restarted_at=at,
        is_complete=seen and updated >= wanted and replicas <= updated <= available,
        has_failed=seen and any(_is_overdue(row) for row in status.get("conditions") or ()),
        is_paused=bool(spec.get("paused")),
    )


def _share(row: Mapping[str, Any]) -> _Share:
    keys = _object(_object(row, "fieldsV1"), "f:data")
    applies = row.get("operation") == "Apply"
    names = frozenset(key.removeprefix("f:") for key in keys)
    return _Share(str(row.get("manager") or ""), applies, names, str(row.get("time") or ""))


def _restart(managed: Any) -> tuple[str, str]:
    """Return who last set the pod template's restart annotation, and when; both empty where nobody did."""
    for row in managed:
        annotations: Any = row.get("fieldsV1")
        for name in ("f:spec", "f:template", "f:metadata", "f:annotations"):
            annotations = _object(annotations or {}, name)
        if f"f:{_RESTARTED_AT}" in annotations:
            return str(row.get("manager") or ""), str(row.get("time") or "")
    return "", ""


def _is_overdue(condition: Mapping[str, Any]) -> bool:
    return condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded"


def _object(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = said.get(name)
    return found if isinstance(found, dict) else {}


def _digest(names: Iterable[str]) -> str:
    """Return eight digits for a set of names; never of a value."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:8]


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()
