"""A service with keys of a double, checked again and again on a real ledger whose time moves as it is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter

from domain.config import Config
from domain.kms_checks import Checked, Part
from domain.kms_sections import KmsTarget
from domain.verdicts import Judgement, World
from ledger.kms_checks import Change, record_check
from ledger.opening import Ledger
from steps.clock import Clock
from steps.conduct import conduct_for
from steps.context import Context
from steps.kms_checking import Lines, check_target, judge_check, next_check_after
from steps.probing import Pace
from tests.steps.kms_doubles import MAIN, Cloud, Service

HALF_HOUR = timedelta(minutes=30)
TARGET = "api"


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

    def check(self, after: timedelta | None = None) -> Checked:
        """Check once more and keep it; `after` is the time since the last one."""
        self.passed += after if after is not None else next_check_after(self.changes) or HALF_HOUR
        context = self.context()
        checked = check_target(context, TARGET, self.section, token="", planned=self.planned, lines=self.lines())
        self.changes = record_check(context.ledger, context.run_id, checked)
        return checked

    def parts(self, after: timedelta | None = None) -> dict[str, Part]:
        return {part.name: part for part in self.check(after).parts}

    def judged(self, after: timedelta | None = None) -> Judgement:
        checked = self.check(after)
        return judge_check(checked, self.changes, World.REAL)

    def context(self) -> Context:
        self.runs += 1
        config = Config.model_validate({"environments": {"prod": {"kind": "prod"}}})
        ledger = replace(self.ledger, offset=self.passed)
        return Context(
            ledger=ledger, run_id=f"run-{self.runs}", actor="ada", environment="prod", config=config,
            integrations={}, credentials=lambda _: None, addresses={},
            conduct=conduct_for(config, "prod", self.exchanges.append),
            clock=Clock(now=ledger.now, sleep=lambda _: None), pace=Pace(), new_nonce=lambda: "nonce",
        )  # fmt: skip

    def lines(self) -> Lines:
        return Lines(
            read_health=self.service.read_health,
            connect_application=self.service.connect,
            providers={"gcp": self.cloud.provider()},
            ticks=lambda: self.cloud.seconds,
        )


def section_of(**changes: Any) -> KmsTarget:
    """Return a target with one key; `changes` are of the key, or of the target where they are named so."""
    own = {name: changes.pop(name) for name in ("base_url", "application", "keys", "slow_ms") if name in changes}
    told = {"environment": "prod", "base_url": "https://api.example.org", "keys": {"main": key_of(**changes)}}
    return TypeAdapter(KmsTarget).validate_python(told | own)


def key_of(**changes: Any) -> dict[str, Any]:
    return {"provider": "gcp", "key": MAIN} | changes
