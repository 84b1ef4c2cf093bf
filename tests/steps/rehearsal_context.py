"""One run's context made by hand: the stand-ins, a real SQLite ledger, the registry's vendors, and no Prefect.

`rehearsal` is the world of the stand-ins. `staging`, `dev` and `prod` are judged as the real world: their only
allowed host is this machine, where the stand-ins take the vendors' place.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from domain.checklist import CHECKLIST, StepResult
from domain.config import Config
from domain.exchanges import Exchange
from domain.names import Target
from domain.wiring import parse_mode
from ledger.fingerprints import FingerprintKey
from ledger.opening import Ledger, open_ledger
from ledger.wiring import record_rehearsal
from steps.clock import Clock
from steps.conduct import conduct_for
from steps.context import Context
from steps.probing import Pace
from steps.verifying import new_nonce
from steps.version import code_version
from steps.walk import Walk
from steps.wiring import carry_out_step, earlier_states
from tests.conftest import StandIns
from vendors.registry import INTEGRATIONS
from vendors.stand_ins import connect

_FINGERPRINTS = FingerprintKey("k000000", b"a key for tests, of no worth to anyone")
SLACK, SENTRY, PAGERDUTY, OPSGENIE, DATADOG, SPLUNK = (Target(name) for name in INTEGRATIONS)
QUICK = Pace(
    send=timedelta(seconds=8), confirm=timedelta(seconds=8), clean_up=timedelta(seconds=8), attempts=2,
    first_wait=timedelta(milliseconds=10), first_poll=timedelta(milliseconds=20), longest_wait=timedelta(milliseconds=100),
)  # fmt: skip
# For what is expected to stay away, so that waiting for it in vain is short.
HASTY = QUICK.within(0.6)
LOW_URGENCY = {"pagerduty": "service 'probes', urgency low", "opsgenie": "team 'probes', no P5 rule"}


@dataclass(slots=True)
class Scene:
    """A place where runs happen: one environment, its ledger, the credentials that are there, and what was noted."""

    stand_ins: StandIns
    home: Path
    ledger: Ledger
    config: Config
    environment: str
    held: dict[Target, dict[str, str]]
    exchanges: list[Exchange] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)

    def context(self, *, pace: Pace = QUICK, may_wake: Sequence[str] = (), run_id: str = "") -> Context:
        declared = self.config.environment(self.environment)
        addresses = declared.addresses or {name: f"{self.stand_ins.url}/{name}" for name in INTEGRATIONS}
        return Context(
            ledger=self.ledger, run_id=run_id or f"run-{uuid4().hex[:8]}", actor="ada", environment=self.environment,
            config=self.config, integrations=INTEGRATIONS, credentials=self.held.get, addresses=addresses,
            conduct=conduct_for(self.config, self.environment, self.exchanges.append),
            clock=Clock(now=self.ledger.now), pace=pace, new_nonce=new_nonce, may_wake=frozenset(may_wake),
        )  # fmt: skip

    def walk(
        self,
        mode: str = "real_all",
        *,
        pace: Pace = QUICK,
        schedule_is_active: bool = True,
        skip_rehearsal: str = "",
        stand_in_ports: tuple[int, ...] = (),
    ) -> Walk:
        """Return a new run's walk, which stands where earlier runs in this ledger left off."""
        context = self.context(pace=pace)
        stand_ins = connect(self.stand_ins.url, context.conduct) if context.is_rehearsal else None
        walk = Walk(
            context=context,
            mode=parse_mode(mode, context.declared.targets),
            version=code_version(),
            skip_rehearsal=skip_rehearsal,
            keep=self.kept.__setitem__,
            save_credentials=lambda target, values: self.held[target].update(values),
            schedule_is_active=lambda: schedule_is_active,
            fingerprint=_FINGERPRINTS.fingerprint,
            stand_ins=stand_ins,
            stand_in_ports=stand_in_ports,
        )
        walk.states.update(earlier_states(walk, CHECKLIST))
        return walk

    def sent(self, vendor: str, verb_path: str = "") -> list[dict[str, Any]]:
        """Return what arrived at the vendor, at a path that contains `verb_path`."""
        rows: list[dict[str, Any]] = self.stand_ins.control("GET", f"/{vendor}/requests")
        return [row for row in rows if verb_path in row["path"]]

    def inbox(self, vendor: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.stand_ins.control("GET", f"/{vendor}/inbox")
        return rows

    def act(self, vendor: str, action: str, **fields: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.stand_ins.control("POST", f"/{vendor}/actions/{action}", fields)
        return answer

    def fail(self, vendor: str, **fault: Any) -> None:
        """Let every next answer of the vendor go wrong, until `heal`."""
        self.stand_ins.control("POST", f"/{vendor}/faults", {"times": -1, **fault})

    def heal(self, vendor: str) -> None:
        self.stand_ins.control("DELETE", f"/{vendor}/faults")

    @contextmanager
    def later(self, offset: timedelta) -> Iterator["Scene"]:
        """Give the same place after some time, for ledger and stand-ins alike."""
        ledger = open_ledger(_url(self.home), offset=offset)
        self.stand_ins.control("POST", "/clock", {"offset_s": offset.total_seconds()})
        try:
            yield Scene(self.stand_ins, self.home, ledger, self.config, self.environment, self.held)
        finally:
            ledger.close()

    def rehearsed(self) -> "Scene":
        """Write the proof that a rehearsal of everything passed with this version."""
        record_rehearsal(self.ledger, code_version(), "run-rehearsal", list(INTEGRATIONS))
        return self


def walked(walk: Walk) -> dict[int, StepResult]:
    """Walk all thirty steps and return what each came to."""
    try:
        return {step.number: carry_out_step(walk, step) for step in CHECKLIST}
    finally:
        if walk.stand_ins is not None:
            walk.stand_ins.close()


def open_scene(
    stand_ins: StandIns, home: Path, environment: str, in_scope: Sequence[str] = tuple(INTEGRATIONS), **changes: Any
) -> Scene:
    """Return a scene with the stand-ins' credentials for everything in scope; `changes` are keys of its environment."""
    known = stand_ins.control("GET", "/credentials")
    held = {Target(name): dict(known[name]) for name in in_scope}
    config = config_of(stand_ins.url, environment, in_scope, **changes)
    return Scene(stand_ins, home, open_ledger(_url(home)), config, environment, held)


def config_of(url: str, environment: str, in_scope: Sequence[str], **changes: Any) -> Config:
    """Return a configuration with that one environment, with limits that suit stand-ins."""
    declared: dict[str, Any] = {"kind": environment, "in_scope": list(in_scope)}
    if environment != "rehearsal":
        declared |= {
            "allowed_hosts": [urlsplit(url).hostname],
            "addresses": {name: f"{url}/{name}" for name in INTEGRATIONS},
            "low_urgency_targets": LOW_URGENCY,
        }
    text = {"environments": {environment: declared | changes}, "verify": {"connect_seconds": 2, "exchange_seconds": 2}}
    return Config.model_validate(text, context={"integrations": tuple(INTEGRATIONS)})


def _url(home: Path) -> str:
    return f"sqlite:///{home / 'ledger.db'}"
