"""A service and its keys as stand-ins and peers have them, checked by the real clients; nothing is doubled but time."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from domain.config import Config, parse_config
from domain.kms_checks import Checked, PartOutcome
from domain.kms_history import Change
from domain.kms_sections import KmsTarget
from domain.kms_standing import PartStanding
from ledger.kms_checks import record_check, standings
from ledger.opening import Ledger
from steps.clock import Clock
from steps.conduct import conduct_for
from steps.context import Context
from steps.kms_checking import Lines, check_target
from steps.probing import Pace
from tests.conftest import StandIns
from vendors.registry import EVERY, INTEGRATIONS, PLATFORMS

HALF_HOUR = timedelta(minutes=30)
TARGET = "api"
CONFIG = """
[environments.rehearsal]
kind = "rehearsal"
platforms = ["gcpkms", "awskey"]
"""


@dataclass(slots=True)
class CheckedService:
    """One target of the rehearsal. `credentials` are by integration, as stand-ins generate them."""

    ledger: Ledger
    config: Config
    addresses: Mapping[str, str]
    credentials: Mapping[str, Mapping[str, str]]
    token: str = ""
    passed: timedelta = timedelta(0)
    changes: list[Change] = field(default_factory=list)
    exchanges: list[object] = field(default_factory=list)
    runs: int = 0

    @property
    def section(self) -> KmsTarget:
        return self.config.kms[TARGET]

    def check(self, wait: timedelta = HALF_HOUR, **changes: Any) -> Checked:
        """Check once more and keep it; `changes` are of the section."""
        self.passed += wait
        self.runs += 1
        context = self._context()
        section = replace(self.section, **changes)
        checked = check_target(context, TARGET, section, token=self.token, planned={}, lines=Lines())
        self.changes = record_check(context.ledger, context.run_id, checked)
        return checked

    def wrong(self, wait: timedelta = HALF_HOUR, **changes: Any) -> dict[str, str]:
        """Return the faults of a check by part."""
        return {part.name: part.fault for part in self.check(wait, **changes).parts if part.outcome in _WRONG}

    def known(self) -> Mapping[str, PartStanding]:
        """Return where each part stands, as the ledger has it."""
        return standings(self.ledger, "rehearsal", TARGET)

    def _context(self) -> Context:
        ledger = replace(self.ledger, offset=self.passed)
        return Context(
            ledger=ledger, run_id=f"run-{self.runs}", actor="ada", environment="rehearsal", config=self.config,
            integrations=EVERY, credentials=lambda target: self.credentials.get(target.integration),
            addresses=self.addresses, conduct=conduct_for(self.config, "rehearsal", self.exchanges.append),
            clock=Clock(now=ledger.now, sleep=lambda _: None), pace=Pace(), new_nonce=lambda: "nonce",
        )  # fmt: skip


_WRONG = frozenset({PartOutcome.FAIL, PartOutcome.WARN})


def configured(section: str) -> Config:
    return parse_config(CONFIG + section, "opsflows.toml", INTEGRATIONS, PLATFORMS)


def service_at(stand_ins: StandIns, ledger: Ledger, config: Config) -> CheckedService:
    """Return the service whose page, canary and Google key are the stand-ins'."""
    stand_ins.control("POST", "/gcpkms/actions/set_indexing_delay", {"seconds": 0})
    return CheckedService(
        ledger,
        config,
        addresses={"gcpkms": f"grpc://{stand_ins.grpc}"},
        credentials={"gcpkms": stand_ins.control("GET", "/gcpkms/credentials")},
        token=stand_ins.control("GET", "/backend/credentials")["BACKEND_TOKEN"],
    )
