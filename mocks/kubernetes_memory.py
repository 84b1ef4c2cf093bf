"""What the cluster's stand-in remembers: one namespace with its secrets and deployments, and which hand set what and when.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply (field managers),
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta (managedFields, resourceVersion)
"""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mocks.stage import Desk

APPLY, UPDATE = "Apply", "Update"
DEFAULT_ROLLOUT_S = 0.2
NAMESPACE = "apps"
SECRET = "app-env"  # noqa: S105 (a name)
# What nobody but its first writer touches: whoever loses it has overwritten another's entry.
UNRELATED_KEY, UNRELATED_TEXT = "UNRELATED", "as it was"


@dataclass(frozen=True, slots=True)
class Seed:
    """The bearer token of the one service account."""

    token: str


@dataclass(slots=True)
class Share:
    """One row of managedFields: the fields that a manager owns, and when it last changed one."""

    manager: str
    operation: str
    owned: list[str]
    at: float


@dataclass(slots=True)
class Secret:
    """`fields` are named `data:KEY`, in base64 as they are stored and sent, and `annotations:NAME`."""

    name: str
    fields: dict[str, str]
    shares: list[Share]
    version: int
    created_at: float
    immutable: bool = False

    @property
    def data(self) -> dict[str, str]:
        return below("data", self.fields)

    @property
    def annotations(self) -> dict[str, str]:
        return below("annotations", self.fields)


@dataclass(slots=True)
class Deployment:
    """`before` is what the pods of the last rollout read of every secret, `after` what those of the running one read.

    `outcome` is what becomes of rollouts: done, fails (its deadline passes) or hangs. `version` counts two: begun and over.
    """

    name: str
    version: int
    replicas: int = 2
    generation: int = 1
    paused: bool = False
    rollout_s: float = DEFAULT_ROLLOUT_S
    outcome: str = "done"
    rolled_at: float | None = None
    template_annotations: dict[str, str] = field(default_factory=dict)
    restart: Share | None = None
    before: dict[str, dict[str, str]] = field(default_factory=dict)
    after: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class Memory:
    """`denied` holds what the service account may not do, as verb and resource: `patch secrets`."""

    secrets: dict[str, Secret]
    deployments: dict[str, Deployment]
    last_version: int
    denied: list[str] = field(default_factory=list)

    def next_version(self) -> int:
        # By two, so that a rollout's end is a version of its own though nobody writes it.
        self.last_version += 2
        return self.last_version


Cluster = Desk[Seed, Memory]


def new_seed() -> Seed:
    return Seed(secrets.token_urlsafe(24))


def new_memory(seed: Seed) -> Memory:
    del seed
    fields = {f"data:{UNRELATED_KEY}": encoded(UNRELATED_TEXT)}
    share = Share("kubectl-create", UPDATE, list(fields), 0.0)
    names = ("web", "worker", "batch")
    pods = {SECRET: {UNRELATED_KEY: UNRELATED_TEXT}}
    return Memory(
        secrets={SECRET: Secret(SECRET, fields, [share], 2, 0.0)},
        deployments={name: Deployment(name, 4, before=dict(pods), after=dict(pods)) for name in names},
        last_version=4,
    )


def is_over(deployment: Deployment, now: float) -> bool:
    """Tell whether the last rollout's time is up, however it ended."""
    return deployment.rolled_at is None or (
        deployment.outcome != "hangs" and now >= deployment.rolled_at + deployment.rollout_s
    )


def below(part: str, fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of one part (`data`, `annotations`) by their own names."""
    return {name.partition(":")[2]: text for name, text in fields.items() if name.partition(":")[0] == part}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def texts_of(secret: Secret) -> dict[str, str]:
    """Return the entries as an application reads them."""
    return {key: base64.b64decode(value).decode("utf-8", errors="replace") for key, value in secret.data.items()}


def rfc3339(at: float) -> str:
    """Return the moment as Kubernetes writes it: UTC, whole seconds."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
