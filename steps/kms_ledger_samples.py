"""What the ledger knows of a target's KMS checks, as samples: where its parts stand, how long they took, what will be destroyed.

Parts that the last check does not name any more are left out: an alert on what nobody checks would never end. From a part's facts
are read: of `canary/<key>` the `version` that encrypted, of `versions/<key>` the `primary` and one `destroy_at/<version>` for each
version that waits to be destroyed, of `rotation/<key>` the `age_days`.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.kms_budget import daily_bound
from domain.kms_checks import Part, PartKind, PartOutcome, part_name
from domain.kms_drift import DRIFTED
from domain.kms_faults import Severity
from domain.kms_goldens import Golden
from domain.kms_history import KeptCheck
from domain.kms_names import shown_version
from domain.kms_sections import KmsTarget
from domain.kms_standing import CHANGES_FOR_FLAPPING, FLAPPING_WITHIN, PartStanding, Standing
from domain.kms_thresholds import P95_OF, quantile_of
from ledger.kms_checks import checks_since, fault_counts, last_check, standings
from ledger.kms_goldens import goldens
from ledger.opening import Ledger
from steps.kms_families import Sample

WINDOW = timedelta(hours=24)
QUANTILES = {"0.5": 0.5, "0.95": 0.95, "1": 1.0}
DESTROY_AT = "destroy_at/"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the ledger holds of one target at one moment. `latest` is each part as it last ran, within the window."""

    name: str
    target: KmsTarget
    now: datetime
    last: KeptCheck
    checks: tuple[KeptCheck, ...]
    latest: Mapping[str, Part]

    def sample(self, metric: str, *labels: str, value: float) -> Sample:
        return Sample(metric, (self.target.environment, self.name, *labels), value)

    def part(self, kind: PartKind, key: str) -> Part | None:
        return self.latest.get(part_name(kind, key))


def ledger_samples(ledger: Ledger, name: str, target: KmsTarget) -> Iterator[Sample]:
    """Yield what is known of a target, nothing but its policy where no check was made yet.

    Raises:
        Unavailable: the database does not answer.
    """
    yield from _of_policy(name, target)
    now, last = ledger.now(), last_check(ledger, target.environment, name)
    if last is None:
        return
    checks = tuple(checks_since(ledger, target.environment, name, now - WINDOW))
    seen = Seen(name, target, now, last, checks, _latest((*checks, last), {part.name for part in last.checked.parts}))
    yield seen.sample("kms_canary_last_run_timestamp_seconds", value=last.at.timestamp())
    yield from _of_standings(seen, standings(ledger, target.environment, name))
    yield from _of_errors(seen, fault_counts(ledger, target.environment, name))
    yield from _of_latencies(seen)
    in_force = goldens(ledger, target.environment, name)
    yield from _of_keys(seen, in_force)
    yield from _of_goldens(seen, in_force)


def _of_policy(name: str, target: KmsTarget) -> Iterator[Sample]:
    yield Sample("kms_canary_slow_seconds", (target.environment, name), target.slow_ms / 1000)
    for key, section in target.keys.items():
        labels = (target.environment, name, key)
        yield Sample("kms_rotation_policy_days", labels, section.rotation_days)
        yield Sample("kms_canary_operations_budget", labels, daily_bound())


def _of_standings(seen: Seen, found: Mapping[str, PartStanding]) -> Iterator[Sample]:
    named = {part.name for part in seen.last.checked.parts}
    for part, standing in found.items():
        if part in named:
            yield from _of_standing(seen, part, standing)


def _of_standing(seen: Seen, part: str, one: PartStanding) -> Iterator[Sample]:
    is_up = one.standing is Standing.UP
    passed_at = one.last_passed_at
    changes = sum(at > seen.now - FLAPPING_WITHIN for at in one.changes)
    since = 0.0 if is_up else (seen.now - (passed_at or one.since)).total_seconds()
    yield seen.sample("kms_canary_up", part, value=is_up)
    if not is_up:
        fault_class, severity = _is_wrong_with(seen, part)
        yield seen.sample("kms_canary_down", part, fault_class, severity, value=1)
    yield seen.sample("kms_canary_flapping", part, value=changes >= CHANGES_FOR_FLAPPING)
    yield seen.sample("kms_unreachable_seconds", part, value=max(0.0, since))
    if passed_at is not None:
        yield seen.sample("kms_canary_last_success_timestamp_seconds", part, value=passed_at.timestamp())
        if part == PartKind.HEALTH:
            yield seen.sample("kms_health_last_success_timestamp_seconds", value=passed_at.timestamp())


def _is_wrong_with(seen: Seen, name: str) -> tuple[str, str]:
    """Return class and severity of the part's newest failure. Nobody knows of one any more: a page, since it is DOWN."""
    told = (
        part.row for check in (seen.last, *reversed(seen.checks)) for part in check.checked.parts if part.name == name
    )
    row = next((row for row in told if row is not None and not row.is_warning), None)
    return (row.fault_class.value, row.severity.value) if row else ("", Severity.PAGE.value)


def _of_errors(seen: Seen, counts: Mapping[tuple[str, str], int]) -> Iterator[Sample]:
    for (part, fault_class), times in counts.items():
        yield seen.sample("kms_canary_errors_total", part, fault_class, value=times)


def _of_latencies(seen: Seen) -> Iterator[Sample]:
    for part in seen.last.checked.parts:
        for operation, milliseconds in part.milliseconds.items():
            yield seen.sample("kms_canary_latency_seconds", part.name, operation, value=milliseconds / 1000)
    for (name, operation), measured in _measured(seen).items():
        if len(measured) == P95_OF:
            for label, share in QUANTILES.items():
                value = quantile_of(measured, share) / 1000
                yield seen.sample("kms_canary_latency_window_seconds", name, operation, label, value=value)


def _measured(seen: Seen) -> dict[tuple[str, str], deque[float]]:
    """Return the newest measurements of each operation, of parts that are still checked: what was slow in the morning is over."""
    named = {part.name for part in seen.last.checked.parts}
    found: dict[tuple[str, str], deque[float]] = {}
    for check in seen.checks:
        for part in check.checked.parts:
            for operation, milliseconds in part.milliseconds.items() if part.name in named else ():
                found.setdefault((part.name, operation), deque(maxlen=P95_OF)).append(milliseconds)
    return found


def _of_keys(seen: Seen, in_force: Collection[Golden]) -> Iterator[Sample]:
    for key in seen.target.keys:
        drift = seen.part(PartKind.DRIFT, key)
        if drift is not None:
            yield seen.sample("kms_canary_drift", key, value=drift.fault in DRIFTED)
        version = _encrypted_last(seen, key)
        if version:
            yield seen.sample("kms_canary_key_version_info", key, shown_version(version), value=1)
        yield from _of_versions(seen, key, {shown_version(one.version) for one in in_force if one.key_name == key})
        # A replica has a quota of its own, and so is not of this one's budget.
        names = {part_name(kind, key) for kind in PartKind if kind is not PartKind.REPLICA}
        made = [part.operations for check in seen.checks for part in check.checked.parts if part.name in names]
        yield seen.sample("kms_canary_operations", key, value=sum(made))


def _encrypted_last(seen: Seen, key: str) -> str:
    """Return the version of the newest canary that lived, empty where none did or nobody told."""
    canary = part_name(PartKind.CANARY, key)
    told = (part.facts for check in reversed(seen.checks) for part in check.checked.parts if part.name == canary)
    return next((facts["version"] for facts in told if facts.get("version")), "")


def _of_versions(seen: Seen, key: str, held: Collection[str]) -> Iterator[Sample]:
    """Yield what waits to be destroyed. Needed is the version in use, and each that a golden ciphertext in force is `held` by.

    Versions go by their number alone: where a key took another's place, one that the old key's golden needs counts as needed.
    """
    versions, rotation = seen.part(PartKind.VERSIONS, key), seen.part(PartKind.ROTATION, key)
    facts = versions.facts if versions else {}
    for fact, text in facts.items():
        if fact.startswith(DESTROY_AT):
            version = shown_version(fact.removeprefix(DESTROY_AT))
            needed = version in {facts.get("primary"), *held}
            at = datetime.fromisoformat(text).timestamp()
            labels = key, version, "true" if needed else "false"
            yield seen.sample("kms_key_version_destroy_timestamp_seconds", *labels, value=at)
    if rotation and "age_days" in rotation.facts:
        yield seen.sample("kms_rotation_age_days", key, value=float(rotation.facts["age_days"]))


def _of_goldens(seen: Seen, found: Iterable[Golden]) -> Iterator[Sample]:
    """Yield one sample for each version and source: several wrapped keys of one version are as well as the worst of them."""
    grouped: dict[tuple[str, str, str], list[Golden]] = {}
    for one in found:
        if one.key_name in seen.target.keys and one.tried_at is not None:
            shown = shown_version(one.version)
            grouped.setdefault((one.key_name, shown, one.source), []).append(one)
    for labels, rows in grouped.items():
        yield seen.sample("kms_golden_decrypt_ok", *labels, value=not any(one.fault for one in rows))
        opened = [one.opened_at for one in rows if one.opened_at is not None]
        if len(opened) == len(rows):
            at = min(opened).timestamp()
            yield seen.sample("kms_golden_last_decrypt_timestamp_seconds", *labels, value=at)


def _latest(checks: Iterable[KeptCheck], named: set[str]) -> dict[str, Part]:
    ran = (part for check in checks for part in check.checked.parts if part.outcome is not PartOutcome.NOT_RUN)
    return {part.name: part for part in ran if part.name in named}
