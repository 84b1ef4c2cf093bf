"""One check of one target: its health page, its own canary and its keys side by side; what breaks off hides nothing else."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType

from domain.errors import OpsError
from domain.kms_checks import Checked, Part, PartKind, PartOutcome
from domain.kms_golden_turns import names_of
from domain.kms_history import KeptCheck
from domain.kms_named_parts import kinds_of
from domain.kms_names import opens_alike
from domain.kms_past import KeyKnown, Remembered, past_of
from domain.kms_sections import ApplicationCanary, KmsKeySection, KmsTarget
from ledger.kms_checks import checks_since, last_check, standings
from ledger.kms_goldens import first_kept, goldens, keep_golden, record_trial, retired_slots
from steps.context import Context
from steps.kms_doors import Door, door_of, full_name, hurried, resolved
from steps.kms_key_parts import check_key, not_reached
from steps.kms_operations import Asking, FaultSeen, seen_in
from steps.kms_question import KeyChecked, KeyQuestion, OtherKey
from steps.kms_service_parts import Application, ReadHealth, Service, application_part, health_part
from steps.side_by_side import side_by_side
from vendors.healthz import read_health
from vendors.http import Conduct
from vendors.kms import KmsProvider
from vendors.kms_application import APPLICATION_FAULTS, KmsApplication
from vendors.kms_providers import KEY_PROVIDERS

# What earlier checks tell is looked for among those of the last day.
_LOOKED_BACK = timedelta(days=1)
_WORKERS = 8

ConnectApplication = Callable[[str, ApplicationCanary, str, Conduct], Application]


@dataclass(frozen=True, slots=True)
class Lines:
    """Whom a check speaks to; another set of them stands in where a test has no network. `ticks` counts seconds."""

    read_health: ReadHealth = read_health
    connect_application: ConnectApplication = KmsApplication
    providers: Mapping[str, KmsProvider] = field(default_factory=lambda: MappingProxyType(dict(KEY_PROVIDERS)))
    random: Callable[[int], bytes] = secrets.token_bytes
    ticks: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Looked:
    """One check, and by key what it leaves behind."""

    checked: Checked
    keys: Mapping[str, KeyChecked]


def check_target(
    context: Context,
    name: str,
    section: KmsTarget,
    *,
    token: str,
    planned: Mapping[str, frozenset[str]],
    lines: Lines | None = None,
) -> Checked:
    """Return what was seen of the target; new golden ciphertexts are kept, and what became of the tried ones is written down.

    `token` is the application's, empty where it asks for none. `planned` are the versions that our own rotation made, by the key's
    name in the section.

    Raises:
        Unavailable, OutcomeUnknown: the ledger does not answer; then nothing is known of what has to be opened.
    """
    at = context.ledger.now()
    remembered = _remembered(context, name, at)
    looked = look(context, name, section, remembered, token=token, planned=planned, lines=lines or Lines())
    for key_name, one in looked.keys.items():
        _write_down(context, name, key_name, one)
    return looked.checked


def look(
    context: Context,
    name: str,
    section: KmsTarget,
    remembered: Remembered,
    *,
    token: str,
    planned: Mapping[str, frozenset[str]],
    lines: Lines,
) -> Looked:
    """Return what was seen of the target, and of each key what is to be kept; nothing is read from the ledger or written to it."""
    check = _Check(context, name, section, token, planned, lines)
    jobs: dict[str, Callable[[], KeyChecked]] = {one: partial(check.key, one, remembered) for one in section.keys}
    service, *keys = side_by_side(lambda job: job(), [check.service, *jobs.values()], _WORKERS)
    parts = tuple(part for one in (service, *keys) for part in one.parts)
    return Looked(Checked(context.environment, name, parts), dict(zip(jobs, keys, strict=True)))


@dataclass(frozen=True, slots=True)
class _Check:
    context: Context
    name: str
    section: KmsTarget
    token: str
    planned: Mapping[str, frozenset[str]]
    lines: Lines

    def service(self) -> KeyChecked:
        """Return what was seen of the service itself: its page first, since a canary may wake what sleeps.

        A part that the section does not ask for is not named at all, so that it ends with its lines in opsflows.toml.
        """
        asked = [self._health] if self.section.base_url else []
        if self.section.application is not None:
            asked.append(partial(self._application, self.section.application))
        return KeyChecked(tuple(ask() for ask in asked))

    def key(self, name: str, remembered: Remembered) -> KeyChecked:
        """Return what was seen of one key; one that cannot be connected to is a fault of its canary."""
        section = self.section.keys[name]
        provider = self.lines.providers[section.provider]
        asking = self._asking(provider.faults)
        try:
            door = self._door(section)
        except OpsError as error:
            return not_reached(name, seen_in(error, provider.faults), kinds_of(section))
        except FaultSeen as seen:
            return not_reached(name, seen, kinds_of(section))
        known = KeyKnown(
            environment=self.context.environment, target=self.name, name=name, key=door.key, section=section, at=remembered.at,
            goldens=tuple(one for one in remembered.goldens if one.key_name == name),
            planned=self.planned.get(name, frozenset()), past=past_of(remembered, name),
        )  # fmt: skip
        question = KeyQuestion(
            known, connect=door.connect, asking=asking, random=self.lines.random, others=self._others(name, door, remembered),
            names_versions=provider.names_versions,
        )  # fmt: skip
        return check_key(question)

    def _health(self) -> Part:
        try:
            service = self._service(Asking(self.section.slow_ms, self.context.clock, {}, self.lines.ticks))
        except OpsError as error:
            return _unaddressed(PartKind.HEALTH, error)
        return health_part(service, self.lines.read_health)

    def _application(self, canary: ApplicationCanary) -> Part:
        try:
            service = self._service(self._asking(APPLICATION_FAULTS))
        except OpsError as error:
            return _unaddressed(PartKind.APPLICATION, error)

        def connect() -> Application:
            return self.lines.connect_application(service.base_url, canary, self.token, service.conduct)

        return application_part(service, canary.envelope, connect, self.lines.random)

    def _service(self, asking: Asking) -> Service:
        where = resolved(self.context, self.section.base_url)
        return Service(self.context.environment, self.name, self.section, where, self._conduct, asking)

    def _door(self, section: KmsKeySection) -> Door:
        return door_of(self.context, self.lines.providers[section.provider], section, self._conduct)

    @property
    def _conduct(self) -> Conduct:
        return hurried(self.context.conduct, self.section.limit_seconds)

    def _asking(self, faults: Mapping[str, str]) -> Asking:
        return Asking(self.section.slow_ms, self.context.clock, faults, self.lines.ticks)

    def _others(self, name: str, door: Door, remembered: Remembered) -> list[OtherKey]:
        """Return the keys that must not open this one's ciphertexts: the named one, or the target's others of the same provider.

        A key that stands in the section under two names is not its own other; what an alias leads to, its goldens tell.
        """
        section = self.section.keys[name]
        if section.other_key:
            return [OtherKey(section.other_key, partial(door.connect, section.other_key), is_named=True)]
        mine, found = full_name(name, door, remembered), []
        for other, one in self.section.keys.items():
            if other == name or one.provider != section.provider:
                continue
            try:
                theirs = self._door(one)
            except (OpsError, FaultSeen):
                # Said where that key itself is checked.
                continue
            if not opens_alike(mine, full_name(other, theirs, remembered)):
                found.append(OtherKey(theirs.key, partial(theirs.connect, theirs.key)))
        return found


def _unaddressed(kind: PartKind, error: OpsError) -> Part:
    seen = seen_in(error, {})
    return Part(kind.value, PartOutcome.FAIL, seen.fault, seen.detail)


def _remembered(context: Context, name: str, at: datetime) -> Remembered:
    ledger, environment = context.ledger, context.environment
    return Remembered(
        at, _kept_checks(context, name, at), goldens(ledger, environment, name), standings(ledger, environment, name),
        first_kept(ledger, environment, name),
        frozenset(one for one in retired_slots(ledger) if (one.environment, one.target) == (environment, name)),
    )  # fmt: skip


def _kept_checks(context: Context, name: str, at: datetime) -> list[KeptCheck]:
    """Return the checks of the last day, or the last one before that."""
    recent = list(checks_since(context.ledger, context.environment, name, at - _LOOKED_BACK))
    last = None if recent else last_check(context.ledger, context.environment, name)
    return [last] if last else recent


def _write_down(context: Context, name: str, key_name: str, one: KeyChecked) -> None:
    """Keep the new goldens, then what became of each that was tried."""
    for new in one.kept:
        keep_golden(context.ledger, context.run_id, context.environment, name, key_name, new)
    if not one.trials:
        return
    held = goldens(context.ledger, context.environment, name)
    by_names = {names_of(golden): golden for golden in held if golden.key_name == key_name}
    for trial in one.trials:
        if trial.names in by_names:
            record_trial(context.ledger, by_names[trial.names], trial.fault)
