"""Ledgers as the wiring board may find them: with nothing in them, with everything well, with everything broken in its own way."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from domain.attention import Attention, Weight
from domain.board import SCHEDULED, Board
from domain.config import Config, parse_config
from domain.kms_checks import Checked, Part, faulty, passed
from domain.names import Credential, Target
from domain.probes import CleanUp, Outcome, ProbeResult
from domain.reconciliation import Finding, PastMonth
from domain.rotation import Kind, State, Wait, rotation_id
from domain.run_history import DeploymentRuns
from domain.seen_runs import SeenRun
from domain.verdicts import Verdict, World
from domain.windows import Month
from ledger.held_credentials import see_credential
from ledger.kms_checks import record_check
from ledger.newest import runs_seen
from ledger.opening import Ledger, open_ledger
from ledger.reconciliations import record_revision
from ledger.rotations import claim, open_rotation, stand, write
from ledger.runs import open_run
from ledger.verifications import record_verifications
from ledger.wiring import go_live
from steps.board import board
from steps.board_schedules import PrefectSeen
from steps.rotation_inventory import Rows
from vendors.registry import INTEGRATIONS, PLATFORMS, ROTATIONS

CONFIG = """
[environments.rehearsal]
kind = "rehearsal"
in_scope = ["slack"]
[environments.prod]
kind = "prod"
in_scope = ["slack", "sentry", "datadog", "pagerduty"]
platforms = ["github"]
[emitted.prod]
environment = "prod"
kind = "files"
place = "/srv/events"
pattern = "*.jsonl"
[kms.pay]
environment = "prod"
base_url = "https://pay.example.com"
[kms.ship]
environment = "prod"
base_url = "https://ship.example.com"
[kms.stock]
environment = "prod"
base_url = "https://stock.example.com"
"""
OCTOBER = Month(2026, 10)
_PROD = "prod"
# What a person could mistake for markup, and what must be found on no page.
HOSTILE = "<script>alert(1)</script>"


def parsed(text: str = CONFIG) -> Config:
    return parse_config(text, "opsflows.toml", INTEGRATIONS, PLATFORMS)


def opened(folder: Path, offset: timedelta = timedelta(0)) -> Ledger:
    return open_ledger(f"sqlite:///{folder / 'ledger.db'}", offset=offset)


def read(
    ledger: Ledger, seen: PrefectSeen, *found: Attention, config: Config | None = None, rows: Rows = ROTATIONS
) -> Board:
    return board(ledger, config or parsed(), rows, seen, attentions=lambda *_: found)


def needs(weight: Weight, what: str = "Slack is refused.", environment: str = _PROD) -> Attention:
    return Attention(f"k:{what}", weight, environment, what, "Nobody is told.", None, "opsflows verify --environment prod", "docs/runbooks/http-refused.md")  # fmt: skip


def everything_well(now: datetime) -> PrefectSeen:
    """Prefect with every deployment that must tick: each ended well an hour ago and comes again in an hour."""
    return PrefectSeen(tuple(ticking(name, now) for name in SCHEDULED), now)


def ticking(
    name: str, now: datetime, state: str = "COMPLETED", state_name: str = "Completed", ahead: timedelta | None = timedelta(hours=1), *, is_off: bool = False
) -> DeploymentRuns:  # fmt: skip
    last = seen_run(name, state, state_name, now - timedelta(hours=1))
    coming = None if ahead is None else seen_run(name, "SCHEDULED", "Scheduled", now + ahead)
    return DeploymentRuns(name.partition("/")[2], f"id-{name}", is_off, not is_off, last, None, coming)


def seen_run(name: str, state: str, state_name: str, at: datetime) -> SeenRun:
    return SeenRun(name, f"run of {name}", f"run-{name}", state, state_name, f"why it ended {state_name}", at)


def verified(ledger: Ledger, outcomes: dict[str, Outcome], environment: str = _PROD, run_id: str = "run-v") -> None:
    """Record a verification that the schedule made."""
    if not runs_seen(ledger, [run_id]):
        open_run(
            ledger, run_id=run_id, flow="verify-due", environment=environment, mode="real_all", actor="schedule", reason="-", ticket="",
            prefect_run_id="0190-prefect", parameters={},
        )  # fmt: skip
    results = [
        ProbeResult(
            Target.parse(name), "send", "nonce", outcome, CleanUp.DONE, symptom="" if outcome is Outcome.PASS else "http.refused",
            happened="" if outcome is Outcome.PASS else f"{name} answers 403. {HOSTILE}",
        )
        for name, outcome in outcomes.items()
    ]  # fmt: skip
    world = World.REHEARSAL if environment == "rehearsal" else World.REAL
    record_verifications(ledger, run_id, environment, results, world)


def live(ledger: Ledger, since: date) -> None:
    go_live(ledger, _PROD, since, "ada")


def standing(ledger: Ledger, name: str, state: State = State.PLANNED, wait: Wait = Wait.NOTHING, until: timedelta = timedelta(0)) -> str:  # fmt: skip
    """Open a rotation of the credential and move it to where it stands; return its id."""
    credential = Credential.parse(name)
    see_credential(ledger, credential, "k:1")
    record = open_rotation(
        ledger, rotation_id(credential, "w"), credential, Kind.SCHEDULED, operator="ada", reason="due", ticket="-", due_window="w"
    )  # fmt: skip
    hands = claim(ledger, record.id, "worker")
    assert hands is not None
    path = (State.CREATING, State.CREATED, State.VERIFIED, State.PUBLISHED)
    for step in path[: path.index(state) + 1] if state in path else ():
        write(hands, "outcome", {"came": "to"}, state=step)
    stand(hands, wait, f"It stands at {wait.value}.", "Look at it.", ledger.now() + until)
    return record.id


def held(ledger: Ledger, *names: str) -> None:
    for name in names:
        see_credential(ledger, Credential.parse(name), "k:1")


def checked(ledger: Ledger, target: str, *parts: Part) -> None:
    """Record a check in which the health page answered as it should, beside these parts."""
    record_check(ledger, "run-k", Checked(_PROD, target, (passed("health"), *parts)))


UP, DOWN = passed("canary/main"), faulty("canary/main", "kms.version_destroyed", "it said so", "3")
DOUBTED = faulty("canary/main", "kms.unavailable", "it said 503")


def month(ledger: Ledger, findings: dict[str, Finding], verdict: Verdict, *, is_final: bool = True) -> None:
    rows = {name: PastMonth(str(OCTOBER), found, 1000, 0) for name, found in findings.items()}
    record_revision(ledger, "run-m", _PROD, OCTOBER, "d", "{}", rows, verdict, is_final=is_final)


def all_well(ledger: Ledger) -> None:
    """Make prod a place where everything in scope was seen to work today."""
    names: Sequence[str] = ("slack", "sentry", "datadog", "pagerduty")
    live(ledger, ledger.now().date() - timedelta(days=3))
    verified(ledger, dict.fromkeys(names, Outcome.PASS))
    held(ledger, *(str(one) for one in credentials_of_prod()))
    for target in ("pay", "ship", "stock"):
        checked(ledger, target, UP)
    month(ledger, dict.fromkeys(names, Finding.OK), Verdict.GREEN)


def credentials_of_prod() -> list[Credential]:
    targets = (*parsed().environments[_PROD].targets, *parsed().environments[_PROD].platform_targets)
    return [
        Credential(one, _PROD, purpose) for one in targets for name, purpose in ROTATIONS if name == one.integration
    ]
