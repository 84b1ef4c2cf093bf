"""Sinks of lives at the stand-ins: the clouds', opened as a run opens them, and one that is read by who verifies deliveries."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from domain.config import parse_config
from domain.names import Credential, Target
from steps.sinks import Ground, opened_sinks
from tests.conftest import StandIns
from vendors.http import Conduct
from vendors.kubernetes import Restart
from vendors.registry import EVERY, INTEGRATIONS, PLATFORMS
from vendors.sinks import LaidOut, Sink

REPOSITORY, ACTIONS_NAME = "stand-in/application", "ROTATED_KEY"
PLACES = ("gcpsecret", "awssecret", "github")
_TEXT = """
[environments.rehearsal]
kind = "rehearsal"
in_scope = ["{integration}"]
platforms = ["gcpsecret", "awssecret", "github"]
[credentials.{credential}]
sinks = ["gcp", "aws", "actions"]
[sinks.gcp]
kind = "gcpsecret"
secret = "{secret}"
[sinks.aws]
kind = "awssecret"
secret = "{aws_secret}"
region = "{region}"
[sinks.actions]
kind = "github_actions"
repository = "{repository}"
variable = "{variable}"
"""


@dataclass(frozen=True, slots=True)
class ReadByReceiver:
    """A real sink, read anew by who verifies deliveries whenever it is looked at."""

    sink: LaidOut
    act: Callable[..., Any]

    @property
    def keeps_previous(self) -> bool:
        return self.sink.keeps_previous

    def publish(self, value: str, previous: str = "") -> None:
        self.sink.publish(value, previous)
        self._load(value, previous)

    def serves(self, value: str, previous: str = "") -> bool | None:
        serves = self.sink.serves(value, previous)
        if serves:
            self._load(value, previous)
        return serves

    def _load(self, *secrets: str) -> None:
        self.act("receiver_accepts", secrets=[secret for secret in secrets if secret])


@contextmanager
def cloud_sinks(stand_ins: StandIns, credential: Credential, conduct: Conduct) -> Iterator[dict[str, Sink]]:
    """Give the sinks by name; their stand-ins keep what was published until they are reset."""
    held: Mapping[str, Mapping[str, str]] = stand_ins.control("GET", "/credentials")
    aws = held["awssecret"]
    text = _TEXT.format(
        integration=credential.target.integration, credential=credential, secret=held["gcpsecret"]["GOOGLE_SECRET_NAME"],
        aws_secret=aws["AWS_SECRET_ID"], region=aws["AWS_SECRET_REGION"], repository=REPOSITORY, variable=ACTIONS_NAME,
    )  # fmt: skip
    config = parse_config(text, "opsflows.toml", INTEGRATIONS, PLATFORMS)
    # Over http throughout: a gRPC channel does not outlive a fork.
    addresses = {name: f"{stand_ins.url}/{name}" for name in PLACES}
    ground = Ground(conduct, lambda target: held[_name(target)], EVERY, addresses, _never)
    with opened_sinks(config, credential, ground) as sinks:
        yield sinks


def faults_of_cloud_sinks(stand_ins: StandIns, sinks: Mapping[str, Sink], current: str) -> Iterator[str]:
    """Yield what the clouds' sinks do not serve at the end; GitHub's is looked at in its stand-in's own memory."""
    yield from (
        f"sink {name} does not serve the value in use" for name in ("gcp", "aws") if not sinks[name].serves(current)
    )
    told = stand_ins.control("POST", "/github/actions/read_actions_secret", {"name": ACTIONS_NAME})
    if told["value"] != current:
        yield "GitHub Actions has another value than the one in use"


def _name(target: Target) -> str:
    return target.integration


def _never(seconds: int) -> Restart:
    raise AssertionError(f"nothing is rolled out here, nor waited for {seconds} s")
