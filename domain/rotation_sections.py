"""What opsflows.toml may say of rotation: defaults, single credentials, sinks; and what of it cannot be, all at once."""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from domain.drill import DRILL_POLICY
from domain.errors import BadInput
from domain.names import Credential, Target
from domain.policies import DEFAULT_AGE, MARGIN, MOST_DAYS, Policy, age_said
from domain.sink_sections import SinkSection, sink_faults

_STRICT = ConfigDict(extra="forbid", frozen=True)
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)

# What only a drill may go below: nobody depends on its credential.
_LEAST_HOURS: Mapping[str, float] = {"overlap_hours": 24, "quiet_hours": 1, "soak_hours": 1}
_LEAST_DRILL_OVERLAP_HOURS = 1
# Ten minutes, as people write a sixth of an hour.
_LEAST_DRILL_SOAK_HOURS = 0.16
_MOST_DAYS, _MOST_HOURS = MOST_DAYS, 24 * 365

_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"

Name = Annotated[str, Field(pattern=_NAME_PATTERN)]


def _age(said: object, info: ValidationInfo) -> timedelta:
    if info.data.get("every_days") is not None:
        raise ValueError("every_days stands beside it and says the same; one of the two")
    return age_said(str(said))


# An age in words, in place of every_days, which therefore stands before it in a section.
Age = Annotated[timedelta, BeforeValidator(_age)]


class RotationDefaults(BaseModel):
    """What holds for every credential that does not say otherwise; at `every` or `every_days` the old value is gone.

    Where neither is said, each kind of credential has its usual age.
    """

    model_config = _STRICT

    every_days: float | None = Field(default=None, gt=0, le=_MOST_DAYS)
    every: Age | None = None
    overlap_hours: float = Field(default=24, ge=_LEAST_HOURS["overlap_hours"], le=_MOST_HOURS)
    quiet_hours: float = Field(default=12, ge=_LEAST_HOURS["quiet_hours"], le=_MOST_HOURS)
    soak_hours: float = Field(default=24, ge=_LEAST_HOURS["soak_hours"], le=_MOST_HOURS)
    spread_days: float = Field(default=7, ge=0, le=_MOST_DAYS)
    halt_after: int = Field(default=8, ge=1, le=100)
    per_vendor_per_hour: int = Field(default=20, ge=1, le=1000)
    # Each worker holds connections to the ledger, of which a process has 15.
    workers: int = Field(default=8, ge=1, le=12)


class CredentialRotation(BaseModel):
    """What holds for one credential; None where the default does."""

    model_config = _STRICT

    every_days: float | None = Field(default=None, gt=0, le=_MOST_DAYS)
    every: Age | None = None
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


_NOTHING_OWN = CredentialRotation()


def merged_policy(
    defaults: RotationDefaults, own: CredentialRotation | None, groups: tuple[str, ...] = (), usual_age: timedelta | None = None
) -> Policy:  # fmt: skip
    """Return the policy of a credential: its own numbers, else a drill's, else the defaults; an age nobody says is the usual one."""
    numbers = defaults if own is None else _own_numbers(defaults, own)
    own = own or _NOTHING_OWN
    return Policy(
        max_age=_age_in(own) or (DRILL_POLICY.max_age if own.drill else _age_in(defaults)) or usual_age or DEFAULT_AGE,
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


def _own_numbers(defaults: RotationDefaults, own: CredentialRotation) -> RotationDefaults:
    given = own.model_dump(include=set(RotationDefaults.model_fields), exclude_none=True)
    return defaults.model_copy(update=(_drill_numbers() if own.drill else {}) | given)


def _age_in(section: RotationDefaults | CredentialRotation) -> timedelta | None:
    return _DAY * section.every_days if section.every_days is not None else section.every


def rotation_faults(
    defaults: RotationDefaults,
    credentials: Mapping[str, CredentialRotation],
    sinks: Mapping[str, SinkSection],
    in_scope: Mapping[str, Collection[Target]],
) -> Iterator[str]:
    """Yield what cannot be, each with its key: names, scopes, times that do not fit, sinks. `in_scope` is by environment."""
    yield from time_faults(age_key("rotation", defaults), merged_policy(defaults, None))
    for name, own in credentials.items():
        key = f"credentials.{name}"
        yield from _name_faults(key, name, in_scope)
        yield from _floor_faults(key, own)
        yield from time_faults(age_key(key, own), merged_policy(defaults, own))
        yield from (f"{key}.sinks: {sink!r} is none of the [sinks]" for sink in own.sinks if sink not in sinks)
    yield from sink_faults({name: own.sinks for name, own in credentials.items()}, sinks, in_scope)


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


def age_key(section: str, said: RotationDefaults | CredentialRotation) -> str:
    """Return the key under which a section says the age, or could say it."""
    return f"{section}.every" if said.every is not None else f"{section}.every_days"


def time_faults(key: str, policy: Policy) -> Iterator[str]:
    """Yield that a rotation would not be over at its deadline, or would be due again at once."""
    margin = timedelta(0) if policy.is_drill else MARGIN
    takes = policy.overlap + policy.quiet + policy.soak + policy.spread + margin
    if takes > policy.max_age:
        yield (
            f"{key}: too short, since overlap {policy.overlap / _HOUR:g} h, quiet {policy.quiet / _HOUR:g} h, "
            f"soak {policy.soak / _HOUR:g} h, spread {policy.spread / _DAY:g} days and {margin / _DAY:g} days for people "
            f"make {takes / _DAY:.3g} days (value {policy.max_age / _DAY:g})"
        )


def _drill_numbers() -> dict[str, float]:
    return {
        "overlap_hours": DRILL_POLICY.overlap / _HOUR,
        "quiet_hours": DRILL_POLICY.quiet / _HOUR,
        "soak_hours": DRILL_POLICY.soak / _HOUR,
        "spread_days": DRILL_POLICY.spread / _DAY,
    }
