"""What the wiring board costs: 50 integrations in each of 4 environments, a year of verifications; CPU per look and per page, beside the bare queries."""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from sqlalchemy import event

from domain.board import SCHEDULED
from domain.config import Config, parse_config
from domain.names import Target
from domain.probes import CleanUp, Outcome, ProbeResult
from domain.run_history import DeploymentRuns
from domain.seen_runs import SeenRun
from domain.verdicts import World
from ledger.held_credentials import see_credential
from ledger.newest import go_live_days, newest_months, parts_seen, runs_seen
from ledger.opening import Ledger, open_ledger
from ledger.verifications import last_verified_in, record_verifications
from steps.attentions import attentions, attentions_among
from steps.board import board
from steps.board_document import document
from steps.board_page import page
from steps.board_schedules import PrefectSeen
from steps.rotation_inventory import credentials_in
from vendors.registry import INTEGRATIONS, ROTATIONS

ENVIRONMENTS = {"prod": "prod", "second": "prod", "staging": "staging", "dev": "dev"}
INTEGRATIONS_EACH = 50
VERIFICATIONS_EACH = 60
TIMES = 15


def configuration() -> Config:
    names = [f"{list(INTEGRATIONS)[number % 6]}/team{number}" for number in range(INTEGRATIONS_EACH)]
    quoted = ", ".join(f'"{name}"' for name in names)
    sections = [
        f'[environments.{name}]\nkind = "{kind}"\nin_scope = [{quoted}]\n' for name, kind in ENVIRONMENTS.items()
    ]
    return parse_config("\n".join(sections), "opsflows.toml", INTEGRATIONS)


def filled(ledger: Ledger, config: Config) -> None:
    for name, declared in config.environments.items():
        results = [
            ProbeResult(Target.parse(str(one)), "send", "n", Outcome.PASS, CleanUp.DONE) for one in declared.targets
        ]
        for number in range(VERIFICATIONS_EACH):
            record_verifications(ledger, f"run-{number}", name, results, World.REAL)
        for credential in credentials_in(config, name, ROTATIONS):
            see_credential(ledger, credential, "k:1")


def prefect() -> PrefectSeen:
    now = datetime.now(UTC)
    runs = [SeenRun(name, "run", "id", "COMPLETED", "Completed", "", now) for name in SCHEDULED]
    ahead = now + timedelta(hours=1)
    found = [DeploymentRuns(run.deployment.partition("/")[2], "id", False, True, run, None, SeenRun(run.deployment, "r", "i", "SCHEDULED", "Scheduled", "", ahead)) for run in runs]  # noqa: FBT003 (a row)  # fmt: skip
    return PrefectSeen(tuple(found), now)


def milliseconds(what: Callable[[], object]) -> float:
    """Return the median CPU time of one call, the first left out."""
    taken = []
    what()
    for _ in range(TIMES):
        began = time.process_time()
        what()
        taken.append((time.process_time() - began) * 1000)
    return median(taken)


def bare(ledger: Ledger) -> None:
    last_verified_in(ledger, ENVIRONMENTS)
    newest_months(ledger), parts_seen(ledger), go_live_days(ledger), runs_seen(ledger, ["run-1"])


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.db'}")
    config, seen = configuration(), prefect()
    filled(ledger, config)
    statements: list[str] = []
    event.listen(ledger.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    found = board(ledger, config, ROTATIONS, seen, attentions=attentions_among)
    selects = sum(one.startswith(("SELECT", "WITH")) for one in statements)
    text = page(found, prefect_ui="https://prefect.example.com", docs=".")
    rows = [
        ("SQL statements, attentions included", f"{selects}"),
        ("bare queries of the newest", f"{milliseconds(lambda: bare(ledger)):.0f} ms"),
        ("attentions alone", f"{milliseconds(lambda: list(attentions(ledger, config, ROTATIONS))):.0f} ms"),
        ("one look without attentions", f"{milliseconds(lambda: board(ledger, config, ROTATIONS, seen, attentions=lambda *_: [])):.0f} ms"),
        ("one look", f"{milliseconds(lambda: board(ledger, config, ROTATIONS, seen, attentions=attentions_among)):.0f} ms"),
        ("the page of a kept look", f"{milliseconds(lambda: page(found, prefect_ui='https://p', docs='.')):.0f} ms"),
        ("the JSON of a kept look", f"{milliseconds(lambda: document(found)):.0f} ms"),
        ("size of the page", f"{len(text.encode()) / 1000:.0f} kB"),
    ]  # fmt: skip
    for name, figure in rows:
        sys.stdout.write(f"{name:<40}{figure:>10}\n")
    ledger.close()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
