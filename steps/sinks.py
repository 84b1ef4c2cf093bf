"""A credential's sinks, from what opsflows.toml declares to what can be written to."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from domain.config import Config
from domain.names import Credential, Target
from domain.rotation_config import sinks_of
from domain.sink_sections import (
    AwsSecretSink,
    EnvFileSink,
    GithubActionsSink,
    GoogleSecretSink,
    KubernetesSink,
    SinkSection,
)
from vendors.capabilities import Integration, checked_values
from vendors.env_file import EnvFile
from vendors.http import Conduct
from vendors.kubectl import Cluster
from vendors.kubernetes import KubernetesSecret, Restart
from vendors.sinks import LaidOut, Place, Sink


@dataclass(frozen=True, slots=True)
class Ground:
    """What places are reached with. `values` gives a target's values by variable name, None where there are none.

    `restart(seconds)` gives what restarts deployments and waits for them so long.
    """

    conduct: Conduct
    values: Callable[[Target], Mapping[str, str] | None]
    integrations: Mapping[str, Integration]
    addresses: Mapping[str, str]
    restart: Callable[[int], Restart]

    def fields(self, access: str) -> dict[str, str]:
        """Return a target's values by field; what is not required may be missing."""
        target = Target.parse(access)
        return checked_values(self.integrations[target.integration], self.values(target) or {})

    def address(self, access: str) -> str | None:
        return self.addresses.get(Target.parse(access).integration)


@contextmanager
def opened_sinks(config: Config, credential: Credential, ground: Ground) -> Iterator[dict[str, Sink]]:
    """Give the credential's sinks by name, in the order in which they are filled. Nothing is touched before one is used."""
    with ExitStack() as closing:
        yield {
            name: LaidOut(_Opened(partial(_place, section, ground), closing), section.names, section.beside)
            for name, section in sinks_of(config, credential).items()
        }


@dataclass(slots=True)
class _Opened:
    """A place that is opened when it is first used: clients of clouds take half a second, and most looks need none."""

    open: Callable[[], Place]
    closing: ExitStack
    _place: list[Place] = field(default_factory=list)

    def write(self, entries: Mapping[str, str]) -> None:
        self._opened().write(entries)

    def holds(self, entries: Mapping[str, str]) -> bool | None:
        return self._opened().holds(entries)

    def _opened(self) -> Place:
        if not self._place:
            place = self.open()
            close = getattr(place, "close", None)
            if close is not None:
                self.closing.callback(close)
            self._place.append(place)
        return self._place[0]


def _place(section: SinkSection, ground: Ground) -> Place:
    match section:
        case EnvFileSink():
            return EnvFile(Path(section.path))
        case KubernetesSink():
            cluster = Cluster(Path(section.kubeconfig), section.context, section.namespace)
            restart = ground.restart(section.rollout_seconds)
            return KubernetesSecret(cluster, section.secret, section.deployments, restart, ground.conduct)
        case GithubActionsSink():
            return _actions_secrets(section, ground)
        case GoogleSecretSink():
            return _gcpsecret(section, ground)
        case AwsSecretSink():
            return _awssecret(section, ground)


def _actions_secrets(section: GithubActionsSink, ground: Ground) -> Place:
    from vendors.github import connect  # noqa: PLC0415 (PyJWT and PyNaCl, which most runs do not need)
    from vendors.github_actions import ActionsSecrets  # noqa: PLC0415 (as above)

    app = connect(ground.fields(section.access), ground.address(section.access), ground.conduct)
    return ActionsSecrets(section.repository, app)


def _gcpsecret(section: GoogleSecretSink, ground: Ground) -> Place:
    from vendors.gcpsecret_place import connect_place  # noqa: PLC0415 (Google's clients take half a second)

    key = ground.fields(section.access).get("manage_key", "")
    return connect_place(section.secret, key, ground.address(section.access), ground.conduct)


def _awssecret(section: AwsSecretSink, ground: Ground) -> Place:
    from vendors.awssecret_place import open_place  # noqa: PLC0415 (boto3 takes half a second)

    key = ground.fields(section.access).get("manage_key", "")
    return open_place(section.secret, section.region, key, ground.address(section.access), ground.conduct)
