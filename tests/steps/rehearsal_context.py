"""One run's context made by hand: the stand-ins, a real SQLite ledger, the registry's vendors, and no Prefect.

`rehearsal` is the world of the stand-ins. `staging`, `dev` and `prod` are judged as the real world: their only
allowed host is this machine, where the stand-ins take the vendors' place.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from domain.checklist import CHECKLIST, StepResult, StepState
from domain.config import Config
from domain.exchanges import Exchange
from domain.names import Target
from domain.wiring import parse_mode
from ledger import wiring as progress
from ledger.fingerprints import FingerprintKey
from ledger.opening import Ledger, open_ledger
from ledger.wiring import record_rehearsal
from steps.clock import Clock
from steps.conduct import conduct_for
from steps.context import Context
from steps.probing import Pace
from steps.resuming import resume
from steps.verifying import new_nonce
from steps.version import code_version
from steps.walk import Walk
from steps.wiring import carry_out_step
from tests.conftest import StandIns
from vendors.capabilities import Client, checked_values
from vendors.registry import INTEGRATIONS
from vendors.stand_ins import connect

# The cut takes seconds; a test that is not about it leaves it and what needs it out.
CUT_AND_RECOVERY = (25, 26)
_FINGERPRINTS = FingerprintKey("k000000", b"a key for tests, of no worth to anyone")
SLACK, SENTRY, PAGERDUTY, OPSGENIE, DATADOG, SPLUNK, STATUSPAGE, *_ = (Target(name) for name in INTEGRATIONS)
QUICK = Pace(
    send=timedelta(seconds=8), confirm=timedelta(seconds=8), clean_up=timedelta(seconds=8), attempts=2,
    first_wait=timedelta(milliseconds=10), first_poll=timedelta(milliseconds=20), longest_wait=timedelta(milliseconds=100),
)  # fmt: skip
# What only a probe's send has in its path or body.
_SENDS = {
    "slack": "opsflows verification", "sentry": "/envelope/", "pagerduty": '"trigger"', "opsgenie": '"priority":"P5"',
    "datadog": "/v2/series", "splunk": "/collector/event", "statuspage": "/incidents",
}  # fmt: skip
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
        if not context.is_rehearsal and not progress.step_states(self.ledger, self.environment):
            # A walk records its first step before any other, whichever step a test is about.
            progress.record_step(
                self.ledger, self.environment, 0, StepState.DONE, "begun", world=walk.world, run_id=context.run_id
            )
        resume(walk, CHECKLIST)
        return walk

    def client(self, target: Target, **conduct: Any) -> Client:
        """Return a client of one target, with changes to how it talks; to be closed."""
        context = self.context()
        values = checked_values(INTEGRATIONS[target.integration], self.held[target])
        address = context.addresses.get(target.integration)
        return INTEGRATIONS[target.integration].connect(values, address, replace(context.conduct, **conduct))

    def arrived(self, vendor: str, text: str = "") -> list[dict[str, Any]]:
        """Return the requests that arrived at the vendor with `text` in their path or body."""
        rows: list[dict[str, Any]] = self.stand_ins.control("GET", f"/{vendor}/requests")
        return [row for row in rows if text in row["path"] + row["body"]]

    def probes_sent(self, vendor: str) -> int:
        """Return how many synthetic events were sent to the vendor."""
        sends = _SENDS[vendor]
        return sum(sends in row["path"] + row["body"] for row in self.arrived(vendor) if row["method"] == "POST")

    def stands_open(self, vendor: str, nonce: str) -> bool:
        """Say whether a person at the vendor's screen would find the event, not yet resolved, closed or deleted."""
        ended = {"resolved", "closed"}
        return any(nonce in str(row) and row.get("status") not in ended for row in self.inbox(vendor))

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


def step_of(walk: Walk, number: int) -> StepResult:
    """Carry out one step, with all it needs taken for done."""
    step = CHECKLIST[number - 1]
    walk.states.update(dict.fromkeys(step.needs, StepState.DONE))
    try:
        return carry_out_step(walk, step)
    finally:
        _close(walk)


def walked(walk: Walk, *, without: Sequence[int] = ()) -> dict[int, StepResult]:
    """Walk the steps in order and return what each came to."""
    try:
        return {step.number: carry_out_step(walk, step) for step in CHECKLIST if step.number not in without}
    finally:
        _close(walk)


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


def _close(walk: Walk) -> None:
    if walk.stand_ins is not None:
        walk.stand_ins.close()


def _url(home: Path) -> str:
    return f"sqlite:///{home / 'ledger.db'}"
