"""What opsflows.toml may say. It never holds a secret; an error names file, key and value."""

import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from domain.errors import BadInput
from domain.kms_sections import KmsTarget, kms_faults
from domain.names import REHEARSAL, Target
from domain.operations_sections import Automations, Heartbeats
from domain.reconciliation_sections import (
    EmittedSection,
    KnownIncident,
    ReceivedSection,
    ReconciliationRule,
    reconciliation_faults,
)
from domain.rotation_sections import CredentialRotation, RotationDefaults, rotation_faults
from domain.sink_sections import SinkSection


class EnvironmentKind(StrEnum):
    """What an environment is for, which decides what may be tried in it."""

    REHEARSAL = "rehearsal"
    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


def _target(text: str, info: ValidationInfo) -> str:
    return _known(text, (info.context or {}).get("integrations", ()))


def _platform(text: str, info: ValidationInfo) -> str:
    return _known(text, (info.context or {}).get("platforms", ()))


def _known(text: str, known: Iterable[str]) -> str:
    try:
        target = Target.parse(text)
    except BadInput as problem:
        raise ValueError(f"{problem.happened} {problem.means}") from problem
    if target.integration not in known:
        raise ValueError(f"{target.integration!r} is none of {', '.join(known)}")
    return str(target)


# The type of an error whose message names each key itself, because it concerns several sections.
_TOLD_BY_KEY = "told_by_key"

TargetName = Annotated[str, AfterValidator(_target)]
PlatformName = Annotated[str, AfterValidator(_platform)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AlertTargets(_Section):
    """Where alerts of one environment go; each names a target in scope that can notify, or is empty."""

    page: TargetName | None = None
    ticket: TargetName | None = None


class Environment(_Section):
    """One environment: what is in scope, where its credentials may go, whom to call."""

    kind: EnvironmentKind
    in_scope: tuple[TargetName, ...] = ()
    platforms: tuple[PlatformName, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    addresses: Mapping[str, str] = Field(default_factory=dict)
    low_urgency_targets: Mapping[TargetName, str] = Field(default_factory=dict)
    owners: Mapping[TargetName, str] = Field(default_factory=dict)
    platform_on_call: str = ""
    rollback_command: str = "export OPERATOR_WIRING_PROD_ENABLED=0"
    alerts: AlertTargets = AlertTargets()

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Return the integrations in scope: what events are sent to, and day 1 verifies."""
        return tuple(Target.parse(name) for name in self.in_scope)

    @cached_property
    def platform_targets(self) -> tuple[Target, ...]:
        return tuple(Target.parse(name) for name in self.platforms)

    @cached_property
    def rotated(self) -> tuple[Target, ...]:
        """Return every target whose credentials are rotated: the integrations and the platforms."""
        return (*self.targets, *self.platform_targets)

    @cached_property
    def in_rotation(self) -> frozenset[Target]:
        """Return the same to look one up in: of hundreds, a page asks for each."""
        return frozenset(self.rotated)


class Verify(_Section):
    """Bounds of verification, in seconds; a vendor's own indexing bound is used where it is shorter."""

    send_seconds: float = Field(default=75, gt=0, le=600)
    confirm_seconds: float = Field(default=120, gt=0, le=900)
    clean_up_seconds: float = Field(default=30, gt=0, le=300)
    connect_seconds: float = Field(default=10, gt=0, le=60)
    exchange_seconds: float = Field(default=20, gt=0, le=120)
    attempts: int = Field(default=3, ge=1, le=10)
    workers: int = Field(default=256, ge=1, le=256)


class Diagnosis(_Section):
    """What the tool may find out by itself."""

    ask_other_homes: bool = True


class People(_Section):
    """How long a person has to answer a human step."""

    answer_hours: int = Field(default=24, ge=1, le=24 * 14)


class Config(_Section):
    """The whole of opsflows.toml."""

    environments: Mapping[str, Environment] = Field(default_factory=dict)
    verify: Verify = Verify()
    diagnosis: Diagnosis = Diagnosis()
    people: People = People()
    automations: Automations = Automations()
    heartbeats: Heartbeats = Heartbeats()
    rotation: RotationDefaults = RotationDefaults()
    credentials: Mapping[str, CredentialRotation] = Field(default_factory=dict)
    sinks: Mapping[str, SinkSection] = Field(default_factory=dict)
    reconciliation: ReconciliationRule = ReconciliationRule()
    emitted: Mapping[str, EmittedSection] = Field(default_factory=dict)
    received: Mapping[str, Mapping[str, ReceivedSection]] = Field(default_factory=dict)
    incidents: tuple[KnownIncident, ...] = ()
    kms: Mapping[str, KmsTarget] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_rehearsal(self) -> "Config":
        for name, environment in self.environments.items():
            if not name.isalnum() or not name.islower():
                raise ValueError(f"environment {name!r}: lower-case letters and digits only, it is part of block names")
            if (name == REHEARSAL) != (environment.kind is EnvironmentKind.REHEARSAL):
                raise ValueError(
                    f"environment {name!r}: kind 'rehearsal' belongs to the environment of that name alone"
                )
        return self

    @model_validator(mode="after")
    def _rotation_can_be(self) -> "Config":
        in_scope = {name: environment.rotated for name, environment in self.environments.items()}
        faults = [*rotation_faults(self.rotation, self.credentials, self.sinks, in_scope)]
        if faults:
            raise PydanticCustomError(_TOLD_BY_KEY, "{faults}", {"faults": "; ".join(faults)})
        return self

    @model_validator(mode="after")
    def _reconciliation_can_be(self) -> "Config":
        in_scope = {name: environment.targets for name, environment in self.environments.items()}
        faults = [*reconciliation_faults(self.reconciliation, self.emitted, self.received, self.incidents, in_scope)]
        if faults:
            raise PydanticCustomError(_TOLD_BY_KEY, "{faults}", {"faults": "; ".join(faults)})
        return self

    @model_validator(mode="after")
    def _kms_can_be_checked(self) -> "Config":
        rotated = {name: environment.rotated for name, environment in self.environments.items()}
        faults = [*kms_faults(self.kms, rotated, REHEARSAL)]
        if faults:
            raise PydanticCustomError(_TOLD_BY_KEY, "{faults}", {"faults": "; ".join(faults)})
        return self

    def environment(self, name: str) -> Environment:
        """Return the environment of that name, or raise BadInput that lists the declared ones."""
        if name not in self.environments:
            raise BadInput(
                f"{name!r} is not an environment.",
                "Environments are declared in opsflows.toml; nothing was done.",
                f"Choose among {', '.join(self.environments) or 'none yet'}, or add [environments.{name}] there.",
            )
        return self.environments[name]


def parse_config(text: str, file: str, integrations: Iterable[str], platforms: Iterable[str] = ()) -> Config:
    """Return the configuration in `text`; `integrations` and `platforms` are the names it may use.

    Raises:
        BadInput: not TOML, an unknown key, or a value that does not fit; names file, key and value.
    """
    try:
        tables = tomllib.loads(text)
    # A number of thousands of digits and brackets nested by the thousand leave tomllib as these.
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file} is not valid TOML: {error}.", "Nothing was done.", f"Correct {file}.") from error
    try:
        return Config.model_validate(
            tables, context={"integrations": tuple(integrations), "platforms": tuple(platforms)}
        )
    except ValidationError as error:
        faults = "; ".join(_fault(row) for row in error.errors(include_url=False))
        raise BadInput(f"{file}: {faults}.", "Nothing was done.", f"Correct {file}.") from None


def _fault(row: Mapping[str, Any]) -> str:
    if row["type"] == _TOLD_BY_KEY:
        return str(row["msg"])
    loc = row["loc"]
    # Pydantic puts the kind of a sink or of a record between its name and its key.
    loc = (*loc[:2], *loc[3:]) if loc[0:1] in {("sinks",), ("emitted",)} else loc
    if row["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        kinds = row["ctx"].get("expected_tags", "")
        return f"{'.'.join(loc)}.kind: one of {kinds or 'the kinds'} (value {row['ctx'].get('tag', '')!r})"
    key = ".".join(str(part) for part in loc) or "the file"
    # What stands under a key we do not know may be a secret that was pasted into the wrong file.
    hidden = row["type"] == "extra_forbidden" or isinstance(row["input"], (dict, BaseModel))
    shown = "" if hidden else f" (value {row['input']!r})"
    return f"{key}: {row['msg'].removeprefix('Value error, ').removesuffix('.')}{shown}"
