"""A service with keys of a double, checked again and again on a real ledger whose time moves as it is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter

from domain.config import Config
from domain.kms_checks import Checked, Part, PartOutcome
from domain.kms_golden_turns import names_of
from domain.kms_goldens import Golden, NewGolden
from domain.kms_history import Change, KeptCheck
from domain.kms_judging import judge_check, next_check_after
from domain.kms_past import Remembered
from domain.kms_sections import KmsTarget
from domain.kms_standing import Answer, PartStanding, after, beginning
from domain.verdicts import Judgement, World
from ledger.kms_checks import record_check, standings
from ledger.opening import Ledger
from steps.clock import Clock
from steps.conduct import conduct_for
from steps.context import Context
from steps.kms_checking import Lines, check_target, look
from steps.kms_question import KeyChecked
from steps.probing import Pace
from tests.steps.kms_doubles import BEGAN, MAIN, Cloud, Service

HALF_HOUR = timedelta(minutes=30)
TARGET = "api"
_CONFIG = Config.model_validate({"environments": {"prod": {"kind": "prod"}}})


@dataclass(slots=True)
class Bench:
    """One target. Every check is half an hour after the one before, or when that one asked for."""

    ledger: Ledger
    cloud: Cloud
    service: Service = field(default_factory=Service)
    section: KmsTarget = field(default_factory=lambda: section_of())  # noqa: PLW0108 (defined below)
    planned: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    passed: timedelta = timedelta(0)
    changes: list[Change] = field(default_factory=list)
    exchanges: list[object] = field(default_factory=list)
    runs: int = 0

    def check(self, wait: timedelta | None = None) -> Checked:
        """Check once more and keep it; `wait` is the time since the last one."""
        self.passed += wait if wait is not None else next_check_after(self.changes) or HALF_HOUR
        context = self.context()
        checked = check_target(context, TARGET, self.section, token="", planned=self.planned, lines=self.lines())
        self.changes = record_check(context.ledger, context.run_id, checked)
        return checked

    def parts(self, wait: timedelta | None = None) -> dict[str, Part]:
        return {part.name: part for part in self.check(wait).parts}

    def judged(self, wait: timedelta | None = None) -> Judgement:
        checked = self.check(wait)
        return judge_check(checked, self.changes, World.REAL, self.known())

    def known(self) -> Mapping[str, PartStanding]:
        """Return where each part stands, as the ledger has it."""
        return standings(self.ledger, "prod", TARGET)

    def context(self) -> Context:
        self.runs += 1
        ledger = replace(self.ledger, offset=self.passed)
        return Context(
            ledger=ledger, run_id=f"run-{self.runs}", actor="ada", environment="prod", config=_CONFIG,
            integrations={}, credentials=lambda _: None, addresses={},
            conduct=conduct_for(_CONFIG, "prod", self.exchanges.append),
            clock=Clock(now=ledger.now, sleep=lambda _: None), pace=Pace(), new_nonce=lambda: "nonce",
        )  # fmt: skip

    def lines(self) -> Lines:
        return Lines(
            read_health=self.service.read_health,
            connect_application=self.service.connect,
            providers={"gcp": self.cloud.provider()},
            ticks=lambda: self.cloud.seconds,
        )


@dataclass(slots=True)
class MemoryBench(Bench):
    """The same without a ledger's writing: a thousand checks in the time of a few. What a ledger would keep is kept here."""

    standings: dict[str, PartStanding] = field(default_factory=dict)
    goldens: list[Golden] = field(default_factory=list)
    kept: list[KeptCheck] = field(default_factory=list)

    def known(self) -> Mapping[str, PartStanding]:
        return self.standings

    def check(self, wait: timedelta | None = None) -> Checked:
        self.passed += wait if wait is not None else next_check_after(self.changes) or HALF_HOUR
        at = BEGAN + self.passed
        day = [one for one in self.kept if one.at >= at - timedelta(days=1)] or self.kept[-1:]
        first = {(one.key_name, one.key, one.version): one.kept_at for one in reversed(self.goldens) if not one.slot}
        remembered = Remembered(at, day, self.goldens, self.standings, first)
        looked = look(
            self.context(), TARGET, self.section, remembered, token="", planned=self.planned, lines=self.lines()
        )
        self.kept = [*day, KeptCheck(at, "run", looked.checked)]
        for key_name, one in looked.keys.items():
            self._write_down(key_name, one, at)
        counted = [part for part in looked.checked.parts if part.outcome is not PartOutcome.NOT_RUN]
        self.changes = [self._taken_in(part, at) for part in counted]
        return looked.checked

    def _taken_in(self, part: Part, at: datetime) -> Change:
        before = self.standings.get(part.name)
        at_once = part.row is not None and part.row.at_once
        answer = Answer(at, part.outcome is not PartOutcome.FAIL, at_once)
        self.standings[part.name] = after(before or beginning(at), answer)
        return Change(part, before, self.standings[part.name])

    def _write_down(self, key_name: str, one: KeyChecked, at: datetime) -> None:
        for new in one.kept:
            self.goldens.append(_golden(len(self.goldens) + 1, key_name, new, at))
        tried = {trial.names: trial for trial in one.trials}
        for place, golden in enumerate(self.goldens):
            if golden.key_name == key_name and names_of(golden) in tried:
                fault = tried[names_of(golden)].fault
                opened = golden.opened_at if fault else at
                self.goldens[place] = replace(golden, tried_at=at, opened_at=opened, fault=fault)


def _golden(number: int, key_name: str, new: NewGolden, at: datetime) -> Golden:
    return Golden(
        number, "prod", TARGET, key_name, new.key, new.version, new.source, new.slot, new.ciphertext,
        new.plaintext_sha256, new.context, at, None, None, "",
    )  # fmt: skip


def section_of(**changes: Any) -> KmsTarget:
    """Return a target with one key; `changes` are of the key, or of the target where they are named so."""
    own = {name: changes.pop(name) for name in ("base_url", "application", "keys", "slow_ms") if name in changes}
    told = {"environment": "prod", "base_url": "https://api.example.org", "keys": {"main": key_of(**changes)}}
    return TypeAdapter(KmsTarget).validate_python(told | own)


def key_of(**changes: Any) -> dict[str, Any]:
    return {"provider": "gcp", "key": MAIN} | changes
