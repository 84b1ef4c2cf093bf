"""What tests write into a ledger: runs, bundles and results, with everything said that a test does not care about."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from domain.exchanges import Exchange
from domain.names import Target
from domain.probes import CleanUp, Outcome, ProbeResult
from domain.verdicts import Verdict, World
from ledger.bundles import Bundle
from ledger.opening import Ledger
from ledger.runs import RUN_LEASE, Run, open_run, seal_run

SLACK = Target("slack")
SPLUNK = Target("splunk", "audit")


def opened(ledger: Ledger, run_id: str, lease: timedelta = RUN_LEASE, flow: str = "day1-wiring") -> Run:
    return open_run(
        ledger,
        run_id=run_id,
        flow=flow,
        environment="staging",
        mode="real_all",
        actor="ada",
        reason="day 1",
        ticket="OPS-1",
        prefect_run_id="",
        parameters={"integrations": ["slack"], "limit": 3},
        lease=lease,
    )


def exchange(nonce: str = "n1") -> Exchange:
    at = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
    return Exchange("slack", "send", "hooks.slack.com:443", 200, 31, "req-1", nonce, "ok", at, at)


def sealed_bundle(home: Path, run: Run) -> tuple[Bundle, str]:
    bundle = Bundle.open(home, flow=run.flow, run_id=run.run_id, at=run.opened_at)
    bundle.record([exchange(), exchange("n2")])
    bundle.write("report.md", "# GREEN\n")
    digest = bundle.seal(
        verdict="GREEN",
        actor=run.actor,
        reason=run.reason,
        ticket=run.ticket,
        environment=run.environment,
        mode=run.mode,
        parameters=run.parameters,
        versions={"opsflows": "0.1.0"},
    )
    return bundle, digest


def complete_run(ledger: Ledger, home: Path, run_id: str) -> Bundle:
    """Open a run, write its bundle, seal both."""
    run = opened(ledger, run_id)
    bundle, digest = sealed_bundle(home, run)
    seal_run(ledger, run_id, Verdict.GREEN, World.REAL, digest)
    return bundle


def result(
    nonce: str, outcome: Outcome = Outcome.PASS, clean_up: CleanUp = CleanUp.DONE, target: Target = SLACK
) -> ProbeResult:
    symptom = "" if outcome is Outcome.PASS else "slack.no_service"
    return ProbeResult(target, "message", nonce, outcome, clean_up, took=timedelta(milliseconds=120), symptom=symptom)
