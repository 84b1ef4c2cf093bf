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
from ledger.reconciliations import Revision, record_revision, revision_of
from ledger.sign_offs import sign_off_of
from steps.audited_run import AuditedRun
from steps.reconciliation_changes import changes
from steps.reconciliation_document import canonical, contents, digest_of, document
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
    """One report, and who made it when."""

    edition: Edition
    markdown: str


def verdict_of(reconciliation: Reconciliation) -> Verdict:
    return decided(reconciliation.targets)


def revised(run: AuditedRun, reconciliation: Reconciliation) -> tuple[Revision, tuple[str, ...]]:
    """Record what the month's numbers say; return its revision, and in words what this changed against the one before."""
    ledger, environment, month = run.ledger, reconciliation.environment, reconciliation.month
    said = contents(reconciliation)
    revision = record_revision(
        ledger, run.run_id, environment, month, digest_of(said), canonical(said),
        {one.target: _past(reconciliation, one) for one in reconciliation.targets}, _by_numbers(reconciliation),
        is_final=not any(one.finding is Finding.PROVISIONAL for one in reconciliation.targets),
    )  # fmt: skip
    before = revision_of(ledger, environment, month, revision.number - 1)
    return revision, _changed(before, revision) if before else ()


def write_report(run: AuditedRun, reconciliation: Reconciliation, judgement: Judgement, links: Links) -> Written:
    """Record the revision and write every form of it into the run's bundle."""
    revision, changed = revised(run, reconciliation)
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
    return written_to(run, reconciliation, edition)


def written_to(run: AuditedRun, reconciliation: Reconciliation, edition: Edition) -> Written:
    """Write every form of the report into the run's bundle; nothing is recorded in the ledger."""
    run.bundle.write(PAGE, page(reconciliation, edition))
    run.bundle.write(DOCUMENT, json.dumps(document(reconciliation, edition), indent=1, ensure_ascii=False) + "\n")
    run.bundle.write(METRICS, metrics(reconciliation, edition))
    with TemporaryDirectory() as folder:
        for file in write_tables(reconciliation, Path(folder)):
            run.bundle.write_bytes(file.name, file.read_bytes())
    return Written(edition, markdown(reconciliation, edition))


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


def _changed(before: Revision, after: Revision) -> tuple[str, ...]:
    return tuple(changes(json.loads(before.document), json.loads(after.document)))


def _by_numbers(reconciliation: Reconciliation) -> Verdict:
    return decided([replace(one, finding=one.found) for one in reconciliation.targets])


def _past(reconciliation: Reconciliation, one: TargetMonth) -> PastMonth:
    compared = one.compared
    residual = 0 if compared is None else max(compared.loss_residual.high, compared.excess_residual.high)
    return PastMonth(str(reconciliation.month), one.found, compared.expected if compared else 0, residual)


def _signed(ledger: Ledger, reconciliation: Reconciliation, revision: Revision) -> SignOff | None:
    """Return who signed this very revision off; an earlier one's signature says nothing of it."""
    found = sign_off_of(ledger, reconciliation.environment, reconciliation.month)
    signed_this = found is not None and found.revision == revision.number
    return SignOff(found.who, found.at, found.note) if found is not None and signed_this else None
