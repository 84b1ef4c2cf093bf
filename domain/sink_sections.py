"""What opsflows.toml may say of sinks: the places that applications read a credential from, one section each."""

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from domain.errors import BadInput
from domain.names import AT_VENDOR, Credential, Purpose, Target

_SINK_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY = re.compile(r"[A-Za-z0-9._-]+")


def _absolute(path: str) -> str:
    if not PurePosixPath(path).is_absolute() or path.endswith("/") or not path.isprintable():
        raise ValueError("a sink's path is absolute and names a file; neither ~ nor variables are replaced")
    return path


def _variable(name: str) -> str:
    if name and not _VARIABLE.fullmatch(name):
        raise ValueError("a variable's name holds letters, digits and underscores, and begins with no digit")
    return name


def _key(name: str) -> str:
    if name and not _KEY.fullmatch(name):
        raise ValueError("a key of a Kubernetes secret holds letters, digits, dots, dashes and underscores")
    return name


def _target(text: str) -> str:
    try:
        return str(Target.parse(text))
    except BadInput as problem:
        raise ValueError(f"{problem.happened} {problem.means}") from problem


AbsolutePath = Annotated[str, AfterValidator(_absolute)]
VariableName = Annotated[str, AfterValidator(_variable)]
KeyName = Annotated[str, AfterValidator(_key)]
# The target whose credential opens the place: its manage credential, or the GitHub App.
Access = Annotated[str, AfterValidator(_target)]


class _Sink(BaseModel):
    """One place, for one credential. Which value stands under which name is `names` and `beside` (vendors/sinks.py)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def names(self) -> dict[str, str]:
        raise NotImplementedError

    @property
    def beside(self) -> dict[str, str]:
        return {}

    @property
    def place(self) -> str:
        """Return what the place is, in words that no other place has."""
        raise NotImplementedError


class _Variables(_Sink):
    """A place with several names. Either the whole value stands under `variable`, or parts of it under `variables`."""

    variable: str = ""
    variables: Mapping[str, str] = Field(default_factory=dict)
    previous: str = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> "_Variables":
        if bool(self.variable) == bool(self.variables):
            raise ValueError("name either variable, for the whole value, or variables, for parts of it")
        if self.previous and (self.variables or self.previous == self.variable):
            raise ValueError("previous is another name beside variable; parts have no previous one")
        return self

    @property
    def names(self) -> dict[str, str]:
        return {self.variable: ""} if self.variable else dict(self.variables)

    @property
    def beside(self) -> dict[str, str]:
        return {self.previous: ""} if self.previous else {}


class EnvFileSink(_Variables):
    """Variables of one file like .env.local."""

    kind: Literal["env_file"]
    path: AbsolutePath
    variable: VariableName = ""
    variables: Mapping[VariableName, str] = Field(default_factory=dict)
    previous: VariableName = ""

    @property
    def place(self) -> str:
        return f"file {posixpath.normpath(self.path)}"


class KubernetesSink(_Variables):
    """Keys of one Kubernetes secret, and the deployments that are restarted to read it."""

    kind: Literal["kubernetes"]
    kubeconfig: AbsolutePath
    context: str = Field(min_length=1)
    namespace: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    secret: str = Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    deployments: tuple[Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")], ...] = ()
    # A call that takes longer than a worker's lease allows would be repeated by another; what is not out by then is looked at again.
    rollout_seconds: int = Field(default=90, ge=1, le=110)
    variable: KeyName = ""
    variables: Mapping[KeyName, str] = Field(default_factory=dict)
    previous: KeyName = ""

    @property
    def place(self) -> str:
        return f"secret {self.namespace}/{self.secret} at {self.context}"


class GithubActionsSink(_Variables):
    """Secrets of one repository for GitHub Actions: sent, and never to be read back."""

    kind: Literal["github_actions"]
    repository: str = Field(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")
    access: Access = "github"
    variable: VariableName = ""
    variables: Mapping[VariableName, str] = Field(default_factory=dict)
    previous: VariableName = ""

    @property
    def place(self) -> str:
        return f"repository {self.repository.lower()}"


class GoogleSecretSink(_Sink):
    """Versions of one secret of Secret Manager, under the aliases current and previous."""

    kind: Literal["gcpsecret"]
    secret: str = Field(pattern=r"^projects/[^/]+/secrets/[A-Za-z0-9_-]{1,255}$")
    access: Access = "gcpsecret"

    @property
    def names(self) -> dict[str, str]:
        return {"current": ""}

    @property
    def beside(self) -> dict[str, str]:
        return {"previous": ""}

    @property
    def place(self) -> str:
        return self.secret


class AwsSecretSink(_Sink):
    """Versions of one secret of AWS Secrets Manager, under the labels AWSCURRENT and AWSPREVIOUS."""

    kind: Literal["awssecret"]
    secret: str = Field(min_length=1, max_length=2048)
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    access: Access = "awssecret"

    @property
    def names(self) -> dict[str, str]:
        return {"AWSCURRENT": ""}

    @property
    def beside(self) -> dict[str, str]:
        return {"AWSPREVIOUS": ""}

    @property
    def place(self) -> str:
        return f"secret {self.secret} in {self.region}"


SinkSection = Annotated[
    EnvFileSink | KubernetesSink | GithubActionsSink | GoogleSecretSink | AwsSecretSink, Field(discriminator="kind")
]


def sink_faults(
    used_by: Mapping[str, Collection[str]], sinks: Mapping[str, SinkSection], in_scope: Mapping[str, Collection[Target]]
) -> Iterator[str]:
    """Yield what cannot be, each with its key; `used_by` are the sinks that each credential names, `in_scope` is by environment."""
    for name, times in Counter(sink for named in used_by.values() for sink in named).items():
        if times > 1:
            users = ", ".join(user for user, named in used_by.items() if name in named)
            yield f"sinks.{name}: one sink is for one credential, once (used by {users})"
    yield from _place_faults(sinks)
    for credential, named in used_by.items():
        for name in named:
            if name in sinks:
                yield from _use_faults(credential, name, sinks[name], in_scope)


def _place_faults(sinks: Mapping[str, SinkSection]) -> Iterator[str]:
    taken: dict[tuple[str, str], str] = {}
    for name, sink in sinks.items():
        if not _SINK_NAME.fullmatch(name) or name == AT_VENDOR:
            yield f"sinks.{name}: a sink's name holds lower-case letters, digits and single underscores only, and is not {AT_VENDOR!r}"
        for variable in (*sink.names, *sink.beside):
            first = taken.setdefault((sink.place, variable), name)
            if first != name:
                yield f"sinks.{name}: {variable} of the same {sink.place} as sinks.{first}"


def _use_faults(
    credential: str, name: str, sink: SinkSection, in_scope: Mapping[str, Collection[Target]]
) -> Iterator[str]:
    try:
        used = Credential.parse(credential)
    except BadInput:
        return  # told where it is named
    if used.purpose is Purpose.RECEIVE and not sink.beside:
        yield (
            f"sinks.{name}: {credential} verifies what comes in, so that old and new must be known at once: name a previous variable"
        )
    access = getattr(sink, "access", "")
    if access and Target.parse(access) not in in_scope.get(used.environment, ()):
        yield f"sinks.{name}.access: {access!r} is not in scope of environment {used.environment!r}"
