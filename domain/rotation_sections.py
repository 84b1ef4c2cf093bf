"""What opsflows.toml may say of rotation: defaults, single credentials, sinks; and what of it cannot be, all at once."""

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from domain.drill import DRILL_POLICY
from domain.errors import BadInput
from domain.names import Credential, Target
from domain.policies import MARGIN, Policy

_STRICT = ConfigDict(extra="forbid", frozen=True)
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)

# What only a drill may go below: nobody depends on its credential.
_LEAST_HOURS: Mapping[str, float] = {"overlap_hours": 24, "quiet_hours": 1, "soak_hours": 1}
_LEAST_DRILL_OVERLAP_HOURS = 1
# Ten minutes, as people write a sixth of an hour.
_LEAST_DRILL_SOAK_HOURS = 0.16
_MOST_DAYS, _MOST_HOURS = 3650, 24 * 365

_SINK_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"

Name = Annotated[str, Field(pattern=_NAME_PATTERN)]


class SinkKind(StrEnum):
    """What kind of place applications read from."""

    ENV_FILE = "env_file"


class RotationDefaults(BaseModel):
    """What holds for every credential that does not say otherwise; `every_days` is when the old value is gone."""

    model_config = _STRICT

    every_days: float = Field(default=90, gt=0, le=_MOST_DAYS)
    overlap_hours: float = Field(default=24, ge=_LEAST_HOURS["overlap_hours"], le=_MOST_HOURS)
    quiet_hours: float = Field(default=12, ge=_LEAST_HOURS["quiet_hours"], le=_MOST_HOURS)
    soak_hours: float = Field(default=24, ge=_LEAST_HOURS["soak_hours"], le=_MOST_HOURS)
    spread_days: float = Field(default=7, ge=0, le=_MOST_DAYS)
    halt_after: int = Field(default=5, ge=1, le=100)
    per_vendor_per_hour: int = Field(default=20, ge=1, le=1000)
    # Each worker holds connections to the ledger, of which a process has 15.
    workers: int = Field(default=8, ge=1, le=12)


class CredentialRotation(BaseModel):
    """What holds for one credential; None where the default does."""

    model_config = _STRICT

    every_days: float | None = Field(default=None, gt=0, le=_MOST_DAYS)
    overlap_hours: float | None = Field(default=None, ge=_LEAST_DRILL_OVERLAP_HOURS, le=_MOST_HOURS)
    quiet_hours: float | None = Field(default=None, ge=0, le=_MOST_HOURS)
    soak_hours: float | None = Field(default=None, ge=_LEAST_DRILL_SOAK_HOURS, le=_MOST_HOURS)
    spread_days: float | None = Field(default=None, ge=0, le=_MOST_DAYS)
    halt_after: int | None = Field(default=None, ge=1, le=100)
    per_vendor_per_hour: int | None = Field(default=None, ge=1, le=1000)
    consumers: tuple[Name, ...] = ()
    sinks: tuple[str, ...] = ()
    group: Name | None = None
    drill: bool = False
    rotate: bool = True


def _absolute(path: str) -> str:
    if not PurePosixPath(path).is_absolute() or path.endswith("/") or not path.isprintable():
        raise ValueError("a sink's path is absolute and names a file; neither ~ nor variables are replaced")
    return path


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError("a variable's name holds letters, digits and underscores, and begins with no digit")
    return name


class SinkSection(BaseModel):
    """One variable of one file, for one credential."""

    model_config = _STRICT

    kind: SinkKind
    path: Annotated[str, AfterValidator(_absolute)]
    variable: Annotated[str, AfterValidator(_variable)]


def merged_policy(defaults: RotationDefaults, own: CredentialRotation | None, groups: tuple[str, ...] = ()) -> Policy:
    """Return the policy of a credential: its own numbers, else a drill's, else the defaults."""
    own = own or CredentialRotation()
    given = own.model_dump(include=set(RotationDefaults.model_fields), exclude_none=True)
    numbers = defaults.model_copy(update=(_drill_numbers() if own.drill else {}) | given)
    return Policy(
        max_age=_DAY * numbers.every_days,
        overlap=_HOUR * numbers.overlap_hours,
        quiet=_HOUR * numbers.quiet_hours,
        soak=_HOUR * numbers.soak_hours,
        spread=_DAY * numbers.spread_days,
        halt_after=numbers.halt_after,
        per_vendor_per_hour=numbers.per_vendor_per_hour,
        consumers=own.consumers,
        sinks=own.sinks,
        groups=groups,
        is_drill=own.drill,
    )


def rotation_faults(
    defaults: RotationDefaults,
    credentials: Mapping[str, CredentialRotation],
    sinks: Mapping[str, SinkSection],
    in_scope: Mapping[str, Collection[Target]],
) -> Iterator[str]:
    """Yield what cannot be, each with its key: names, scopes, times that do not fit, sinks. `in_scope` is by environment."""
    yield from _time_faults("rotation", merged_policy(defaults, None))
    for name, own in credentials.items():
        key = f"credentials.{name}"
        yield from _name_faults(key, name, in_scope)
        yield from _floor_faults(key, own)
        yield from _time_faults(key, merged_policy(defaults, own))
        yield from (f"{key}.sinks: {sink!r} is none of the [sinks]" for sink in own.sinks if sink not in sinks)
    yield from _sink_faults(credentials, sinks)


def _name_faults(key: str, name: str, in_scope: Mapping[str, Collection[Target]]) -> Iterator[str]:
    try:
        credential = Credential.parse(name)
    except BadInput as problem:
        yield f"{key}: {problem.happened} {problem.means.removesuffix('.')}"
        return
    if credential.environment not in in_scope:
        yield f"{key}: environment {credential.environment!r} is none of {', '.join(in_scope) or 'those declared'}"
    elif credential.target not in in_scope[credential.environment]:
        yield f"{key}: {str(credential.target)!r} is not in scope of environment {credential.environment!r}"


def _floor_faults(key: str, own: CredentialRotation) -> Iterator[str]:
    if own.drill:
        return
    for name, least in _LEAST_HOURS.items():
        given = getattr(own, name)
        if given is not None and given < least:
            yield f"{key}.{name}: only a drill may go below {least:g} h (value {given:g})"


def _time_faults(key: str, policy: Policy) -> Iterator[str]:
    """Yield that a rotation would not be over at its deadline, or would be due again at once."""
    margin = timedelta(0) if policy.is_drill else MARGIN
    takes = policy.overlap + policy.quiet + policy.soak + policy.spread + margin
    if takes > policy.max_age:
        yield (
            f"{key}.every_days: too short, since overlap {policy.overlap / _HOUR:g} h, quiet {policy.quiet / _HOUR:g} h, "
            f"soak {policy.soak / _HOUR:g} h, spread {policy.spread / _DAY:g} days and {margin / _DAY:g} days for people "
            f"make {takes / _DAY:.3g} days (value {policy.max_age / _DAY:g})"
        )


def _sink_faults(credentials: Mapping[str, CredentialRotation], sinks: Mapping[str, SinkSection]) -> Iterator[str]:
    used = Counter(sink for own in credentials.values() for sink in own.sinks)
    for name, times in used.items():
        if times > 1:
            users = ", ".join(user for user, own in credentials.items() if name in own.sinks)
            yield f"sinks.{name}: one sink is for one credential, once (used by {users})"
    places: dict[tuple[str, str], str] = {}
    for name, sink in sinks.items():
        if not _SINK_NAME.fullmatch(name):
            yield f"sinks.{name}: a sink's name holds lower-case letters, digits and single underscores only"
        first = places.setdefault((posixpath.normpath(sink.path), sink.variable), name)
        if first != name:
            yield f"sinks.{name}: the same variable of the same file as sinks.{first} (value {sink.path!r})"


def _drill_numbers() -> dict[str, float]:
    return {
        "every_days": DRILL_POLICY.max_age / _DAY,
        "overlap_hours": DRILL_POLICY.overlap / _HOUR,
        "quiet_hours": DRILL_POLICY.quiet / _HOUR,
        "soak_hours": DRILL_POLICY.soak / _HOUR,
        "spread_days": DRILL_POLICY.spread / _DAY,
    }
