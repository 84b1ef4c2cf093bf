"""What opsflows.toml may say of reconciliation: the rule, where events are recorded, how vendors are asked, known incidents."""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from itertools import combinations
from pathlib import PurePosixPath
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from domain.names import Target

_STRICT = ConfigDict(extra="forbid", frozen=True)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    # A folder of time zones, or a name that is too long, is told by the file system.
    except (ZoneInfoNotFoundError, ValueError, OSError) as problem:
        raise ValueError("no time zone has this name; write one like UTC or Europe/Berlin") from problem
    return name


# A place below the project's own home, wherever that is.
IN_HOME = "$OPSFLOWS_HOME/"


def _place(text: str) -> str:
    if text.startswith(IN_HOME) and ".." not in PurePosixPath(text).parts:
        return text
    if text.startswith(("s3://", "gs://")) and text.partition("://")[2].partition("/")[0]:
        return text
    if PurePosixPath(text).is_absolute():
        return text
    raise ValueError("an absolute folder, one below $OPSFLOWS_HOME/, s3://bucket/prefix or gs://bucket/prefix")


ZoneName = Annotated[str, AfterValidator(_zone)]
Place = Annotated[str, AfterValidator(_place)]
Percent = Annotated[float, Field(gt=0, lt=100)]
Rate = Annotated[float, Field(gt=0, le=1)]


class ReconciliationRule(BaseModel):
    """The rule, and its bounds, for every environment."""

    model_config = _STRICT

    tolerance_percent: Percent = 1.0
    confidence_percent: Annotated[float, Field(ge=50, lt=100)] = 95.0
    settle_hours: float = Field(default=96, ge=0, le=24 * 31)
    bad_lines_percent: Percent = 1.0
    memory_mib: int = Field(default=1024, ge=256, le=1024 * 1024)
    report_url: str = ""
    post_to: Mapping[str, str] = Field(default_factory=dict)

    @property
    def tolerance(self) -> float:
        """The share of events, 0.0-1.0, above which a difference is investigated."""
        return self.tolerance_percent / 100

    @property
    def confidence(self) -> float:
        return self.confidence_percent / 100

    @property
    def settles_after(self) -> timedelta:
        return timedelta(hours=self.settle_hours)


class EventColumns(BaseModel):
    """What the columns (or JSON keys) of recorded events are called; an empty name: there is no such column."""

    model_config = _STRICT

    event_id: str = "event_id"
    at: str = "timestamp"
    type: str = "event_type"
    integration: str = "integration"
    environment: str = ""
    outcome: str = ""
    sampled: str = ""
    verify: str = ""


class EventFiles(BaseModel):
    """Recorded events in files: JSONL, CSV or Parquet, by their suffix, plain or packed (.gz, .zst).

    `integrations` translates names in the files to targets; `environments` are the values of that column which are ours
    (the environment's own name where nothing is said). `sent` are the outcomes that mean an event was handed over; any
    other is a drop of the client by that reason. `time_zone` is that of times which name no offset. `targets` are those
    whose events are recorded here, every one in scope where nothing is said.
    """

    model_config = _STRICT

    kind: Literal["files"] = "files"
    environment: str
    place: Place
    pattern: str = "**/*"
    manifest: str = ""
    columns: EventColumns = EventColumns()
    time_zone: ZoneName = "UTC"
    integrations: Mapping[str, str] = Field(default_factory=dict)
    environments: tuple[str, ...] = ()
    sent: tuple[str, ...] = ("sent", "ok", "")
    neighbour_days: int = Field(default=1, ge=0, le=31)
    credentials: str = ""
    address: str = ""
    targets: tuple[str, ...] = ()

    @property
    def own_environments(self) -> tuple[str, ...]:
        return self.environments or (self.environment,)


class CounterColumns(BaseModel):
    """What the columns of counter snapshots are called; `process` is the id that a process takes when it starts.

    `started` is the moment at which it did, an empty name where that is not written down.
    """

    model_config = _STRICT

    at: str = "timestamp"
    process: str = "process_start_id"
    type: str = "event_type"
    integration: str = "integration"
    value: str = "value"
    started: str = ""


class CounterSnapshots(BaseModel):
    """Cumulative counters that applications write down from time to time, in files as events are."""

    model_config = _STRICT

    kind: Literal["counters"]
    environment: str
    place: Place
    pattern: str = "**/*"
    columns: CounterColumns = CounterColumns()
    time_zone: ZoneName = "UTC"
    integrations: Mapping[str, str] = Field(default_factory=dict)
    neighbour_days: int = Field(default=1, ge=0, le=31)
    credentials: str = ""
    address: str = ""
    targets: tuple[str, ...] = ()


class PrometheusCounters(BaseModel):
    """Counters in Prometheus. What it says is an estimate: it extrapolates, and misses what no scrape saw."""

    model_config = _STRICT

    kind: Literal["prometheus"]
    environment: str
    address: str
    metric: str = Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^{}]*\})?$")
    integration_label: str = "integration"
    type_label: str = "event_type"
    integrations: Mapping[str, str] = Field(default_factory=dict)
    targets: tuple[str, ...] = ()


EmittedSection = Annotated[EventFiles | CounterSnapshots | PrometheusCounters, Field(discriminator="kind")]


class ReceivedSection(BaseModel):
    """How one target's vendor is asked what it received.

    `type_field` is the vendor's field that tells event types apart, empty where it does not split; `types` says which
    value of that field an event type has (the same word where nothing is said). `query` narrows down what is counted, in
    the vendor's own language. `retention_days` is how long this account keeps what is counted, where that differs from the
    vendor's usual. `shift_minutes` is how far its clock may put an event from where ours does, where that is known to
    differ. `by` is "ids" where events are listed and matched one by one. `sample_rate` is the share
    that the application sends on purpose. `export` names files in which the vendor's list was exported, in place of asking.
    """

    model_config = _STRICT

    by: Literal["counts", "ids"] = "counts"
    type_field: str = ""
    types: Mapping[str, str] = Field(default_factory=dict)
    query: str = ""
    id_field: str = ""
    sample_rate: Rate = 1.0
    sample_rates: Mapping[str, Rate] = Field(default_factory=dict)
    time_zone: ZoneName = "UTC"
    retention_days: Annotated[int, Field(ge=1, le=3660)] | None = None
    shift_minutes: Annotated[float, Field(ge=0, le=24 * 60)] | None = None
    export: EventFiles | None = None
    wanted: bool = True

    @property
    def splits_types(self) -> bool:
        return bool(self.type_field) or self.export is not None

    def rate_of(self, event_type: str) -> float:
        """Return the share of a type's events, 0.0-1.0, that the application sends on purpose."""
        return self.sample_rates.get(event_type, self.sample_rate)


class KnownIncident(BaseModel):
    """A time in which events are known to have been lost, and why; of all targets where none is named."""

    model_config = _STRICT

    environment: str
    targets: tuple[str, ...] = ()
    start: AwareDatetime
    end: AwareDatetime
    note: str = Field(min_length=1)

    @model_validator(mode="after")
    def _has_length(self) -> "KnownIncident":
        if self.start >= self.end:
            raise ValueError(f"end {self.end} is not after start {self.start}")
        return self


def reconciliation_faults(
    rule: ReconciliationRule,
    emitted: Mapping[str, EventFiles | CounterSnapshots | PrometheusCounters],
    received: Mapping[str, Mapping[str, ReceivedSection]],
    incidents: Collection[KnownIncident],
    in_scope: Mapping[str, Collection[Target]],
) -> Iterator[str]:
    """Yield what cannot be, each with its key. `in_scope` holds the integrations of every environment."""
    for name, section in emitted.items():
        named = {*section.integrations.values(), *section.targets}
        yield from _scope_faults(f"emitted.{name}", section.environment, sorted(named), in_scope)
    yield from _recorded_twice(emitted, in_scope)
    for environment, sections in received.items():
        yield from _scope_faults(f"received.{environment}", environment, sections, in_scope)
        for target, one in sections.items():
            if one.sample_rates and not one.splits_types:
                yield (
                    f"received.{environment}.{target}.sample_rates: types are not told apart without type_field; "
                    f"say sample_rate (value {dict(one.sample_rates)!r})"
                )
    for number, incident in enumerate(incidents):
        yield from _scope_faults(f"incidents[{number}]", incident.environment, incident.targets, in_scope)
    for environment, target in rule.post_to.items():
        yield from _scope_faults("reconciliation.post_to", environment, (target,), in_scope)


def _recorded_twice(
    emitted: Mapping[str, EventFiles | CounterSnapshots | PrometheusCounters],
    in_scope: Mapping[str, Collection[Target]],
) -> Iterator[str]:
    """Yield two sections that record the same target in different ways: what both say is the same events, and is added.

    Of event files an event is counted once however many hold it; two sections of counters have processes of their own.
    """
    for (one, first), (other, second) in combinations(emitted.items(), 2):
        if first.kind == second.kind or first.environment != second.environment:
            continue
        declared = {str(target) for target in in_scope.get(first.environment, ())}
        both = {*(first.targets or declared)} & {*(second.targets or declared)}
        if both:
            yield (
                f"emitted.{other}.targets: {', '.join(sorted(both))} is recorded by emitted.{one} ({first.kind}) and by "
                f"emitted.{other} ({second.kind}), and counted twice; say in each which targets it records, so that "
                f"none is in both (value {list(second.targets)!r})"
            )


def _scope_faults(
    key: str, environment: str, targets: Collection[str], in_scope: Mapping[str, Collection[Target]]
) -> Iterator[str]:
    if environment not in in_scope:
        yield f"{key}: environment {environment!r} is none of {', '.join(in_scope) or 'those declared'}"
        return
    known = {str(target) for target in in_scope[environment]}
    yield from (
        f"{key}: {name!r} is not in scope of environment {environment!r}" for name in targets if name not in known
    )
