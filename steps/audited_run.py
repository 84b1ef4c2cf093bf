"""A run that leaves a trace: opened in the ledger before the first exchange, sealed with its bundle's digest at the end."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from domain.errors import BadInput, OpsError
from domain.exchanges import Exchange
from domain.verdicts import Judgement, Verdict, World
from ledger.bundles import Bundle
from ledger.opening import Ledger, open_ledger
from ledger.places import AUDIT_URL, ledger_url, resolve_home
from ledger.runs import kept_alive, open_run, seal_run
from ledger.unfinished_restore import refuse_unfinished
from steps.version import code_version


@dataclass(slots=True)
class AuditedRun:
    """One open run. `record` may be called from any thread; `conclude` says how it ended."""

    ledger: Ledger
    run_id: str
    actor: str
    bundle: Bundle
    judgement: Judgement = field(default_factory=lambda: Judgement(Verdict.HOLD, World.NONE))
    report: str = ""

    def record(self, exchange: Exchange) -> None:
        self.bundle.record([exchange])

    def conclude(self, judgement: Judgement, report: str) -> None:
        self.judgement = judgement
        self.report = report


def open_own_ledger() -> Ledger:
    """Return the ledger that this process's environment names.

    Raises:
        BadInput: a backup was begun to be put back into this home and never finished; or as open_ledger.
        Unavailable: as ledger.opening.open_ledger.
    """
    url = ledger_url(os.environ)
    refuse_unfinished(resolve_home(os.environ))
    return open_ledger(url)


@contextmanager
def audited_run(
    ledger: Ledger,
    *,
    flow: str,
    environment: str,
    mode: str,
    actor: str,
    reason: str,
    ticket: str = "",
    prefect_run_id: str = "",
    parameters: Mapping[str, object],
) -> Iterator[AuditedRun]:
    """Open a run and its bundle, keep its lease, and seal both at the end, whatever happens in between.

    A run that raises is sealed HOLD (BAD INPUT where nothing was done) with the error as its report.
    """
    run_id = f"{flow}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}"
    home = resolve_home(os.environ)
    opened = open_run(
        ledger, run_id=run_id, flow=flow, environment=environment, mode=mode, actor=actor, reason=reason,
        ticket=ticket, prefect_run_id=prefect_run_id, parameters=parameters,
    )  # fmt: skip
    bundle = Bundle.open(home, flow=flow, run_id=run_id, at=opened.opened_at)
    run = AuditedRun(ledger, run_id, actor, bundle)
    try:
        with kept_alive(ledger, run_id):
            yield run
    except OpsError as error:
        verdict = Verdict.BAD_INPUT if isinstance(error, BadInput) else Verdict.HOLD
        run.conclude(
            Judgement(verdict, run.judgement.world),
            f"# {verdict.value}\n\n{error.happened} {error.means} {error.next_step}\n",
        )
        raise
    except BaseException as error:
        run.conclude(
            run.judgement,
            f"# HOLD\n\nThe run ended with {type(error).__name__}; what it did until then is in evidence.jsonl.\n",
        )
        raise
    finally:
        bundle.write("report.md", run.report or "# HOLD\n\nThe run ended without a report.\n")
        digest = bundle.seal(
            parameters=parameters, actor=actor, reason=reason, ticket=ticket, environment=environment, mode=mode,
            verdict=str(run.judgement), versions={"opsflows": code_version()},
        )  # fmt: skip
        seal_run(ledger, run_id, run.judgement.verdict, run.judgement.world, digest)
        bundle.copy_to(os.environ.get(AUDIT_URL, ""))
