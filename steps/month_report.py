"""Writes a month down: the revision in the ledger, the page, tables, metrics and the document for machines in the bundle.

Imports pandas and Jinja: only the task that writes the report imports this.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from domain.findings import decided
from domain.reconciliation import Edition, Finding, PastMonth, Reconciliation, SignOff, TargetMonth
from domain.verdicts import Judgement, Verdict
from ledger.opening import Ledger
from ledger.reconciliations import Revision, newest_revision, record_revision
from ledger.sign_offs import sign_off_of
from steps.audited_run import AuditedRun
from steps.reconciliation_changes import changes
from steps.reconciliation_document import canonical, contents, digest, document
from steps.reconciliation_metrics import metrics
from steps.reconciliation_page import page
from steps.reconciliation_tables import write_tables
from steps.reconciliation_wording import by_urgency
from steps.reconciliation_words import markdown

PAGE = "reconciliation.html"
DOCUMENT = "reconciliation.json"
METRICS = "reconciliation.prom"


@dataclass(frozen=True, slots=True)
class Links:
    """Where a reader finds more: the bundle as served by `report_url`, and the run in Prefect; empty where there is none."""

    bundle: str
    prefect: str


@dataclass(frozen=True, slots=True)
class Written:
    """One report. `is_new` tells that the month says something that no earlier revision said."""

    edition: Edition
    markdown: str
    is_new: bool


def verdict_of(reconciliation: Reconciliation) -> Verdict:
    return decided(reconciliation.targets)


def revised(run: AuditedRun, reconciliation: Reconciliation) -> tuple[Revision, tuple[str, ...], bool]:
    """Record what the month says; return its revision, what changed against the one before, and whether it is new."""
    ledger, environment, month = run.ledger, reconciliation.environment, reconciliation.month
    before = newest_revision(ledger, environment, month)
    verdict = verdict_of(reconciliation)
    revision = record_revision(
        ledger, run.run_id, environment, month, digest(reconciliation), canonical(contents(reconciliation)),
        {one.target: _past(reconciliation, one) for one in reconciliation.targets}, verdict,
        is_final=not any(one.finding is Finding.PROVISIONAL for one in reconciliation.targets),
    )  # fmt: skip
    is_new = before is None or before.number != revision.number
    if before is None or not is_new:
        return revision, (), is_new
    return revision, tuple(changes(json.loads(before.document), contents(reconciliation))), is_new


def write_report(run: AuditedRun, reconciliation: Reconciliation, judgement: Judgement, links: Links) -> Written:
    """Record the revision and write every form of it into the run's bundle."""
    revision, changed, is_new = revised(run, reconciliation)
    edition = Edition(
        revision=revision.number,
        digest=revision.digest,
        made_at=run.ledger.now(),
        run=run.run_id,
        verdict=str(judgement),
        bundle=links.bundle,
        prefect=links.prefect,
        changes=changed,
        signed=_signed(run.ledger, reconciliation, revision),
    )
    return replace(written_to(run, reconciliation, edition), is_new=is_new)


def written_to(run: AuditedRun, reconciliation: Reconciliation, edition: Edition) -> Written:
    """Write every form of the report into the run's bundle; nothing is recorded in the ledger."""
    run.bundle.write(PAGE, page(reconciliation, edition))
    run.bundle.write(DOCUMENT, json.dumps(document(reconciliation, edition), indent=1, ensure_ascii=False) + "\n")
    run.bundle.write(METRICS, metrics(reconciliation, edition))
    with TemporaryDirectory() as folder:
        for file in write_tables(reconciliation, Path(folder)):
            run.bundle.write_bytes(file.name, file.read_bytes())
    return Written(edition, markdown(reconciliation, edition), is_new=False)


def day_report(reconciliation: Reconciliation, judgement: Judgement) -> str:
    """Return one day's comparison as Markdown."""
    rows = [
        f"- {one.target}: {one.finding.value}. {one.why}.{f' {one.cause.cause} {one.cause.next_step}' if one.cause else ''}"
        for one in by_urgency(reconciliation.targets)
    ]
    faults = [
        f"- {fact.source} {fact.file}: {fact.events:,} {fact.what}" for fact in reconciliation.facts if fact.is_fault
    ]
    title = f"# {reconciliation.window.start:%Y-%m-%d}, {reconciliation.environment}: {judgement}"
    return "\n".join([title, "", *rows, *(["", "What was read:", "", *faults] if faults else []), ""])


def _past(reconciliation: Reconciliation, one: TargetMonth) -> PastMonth:
    compared = one.compared
    residual = 0 if compared is None else max(compared.loss_residual.high, compared.excess_residual.high)
    return PastMonth(str(reconciliation.month), one.finding, compared.expected if compared else 0, residual)


def _signed(ledger: Ledger, reconciliation: Reconciliation, revision: Revision) -> SignOff | None:
    """Return who signed this very revision off; an earlier one's signature says nothing of it."""
    found = sign_off_of(ledger, reconciliation.environment, reconciliation.month)
    signed_this = found is not None and found.revision == revision.number
    return SignOff(found.who, found.at, found.note) if found is not None and signed_this else None
