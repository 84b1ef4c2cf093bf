"""`opsflows reconcile`: a month's emitted events against what the vendors received, in this process, with its progress."""

import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from domain.errors import BadInput
from domain.names import REHEARSAL
from domain.windows import Month
from entrypoints import configuration, show
from entrypoints.day_one import heard_by, quiet_prefect
from entrypoints.person import logged_in_user
from entrypoints.prefect_api import require_server
from entrypoints.project import running_stand_ins
from steps.conduct import STAND_INS_URL
from steps.reconciling import chosen_environments

DOCUMENT = "reconciliation.json"
PAGE = "reconciliation.html"
_ESCAPED = re.compile(r"\\([^\w\s]|_)")

# What is told while it runs, on the error stream; the report itself is the output.
_LINES = {
    "counting.file": "  {source}: {done} of {of} files, {rows:,} records so far",
    "counting.page": "  {integration}: page {pages}",
    "counting.part": "  {done}/{of}  {words}",
    "reconciliation.posted": "  posted to {to}",
    "reconciliation.not_posted": "  not posted to {to}: {why}",
}


class Progress(logging.Handler):
    """Prints what is being counted, and keeps how the runs ended and where their bundles are."""

    def __init__(self, *, prints: bool) -> None:
        super().__init__()
        self.bundles: list[Path] = []
        self.verdicts: list[str] = []
        self._prints = prints

    def emit(self, record: logging.LogRecord) -> None:
        fields: Mapping[str, object] = getattr(record, "fields", {})
        name = getattr(record, "event", "")
        if name == "run.concluded":
            self.bundles.append(Path(str(fields["bundle"])))
            self.verdicts.append(str(fields["verdict"]))
        elif self._prints and name in _LINES:
            click.echo(_LINES[name].format(**fields), err=True)


@click.command()
@click.option("--month", default="", metavar="YYYY-MM", help="A month in UTC (default: the newest that has settled).")
@click.option(
    "--environment",
    default="all",
    show_default=True,
    help="An environment of opsflows.toml, or all that record events.",
)
@click.option("--plan", is_flag=True, help="Show what would be read; read nothing.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the document for machines, and nothing else on standard output."
)
@click.option("--ticket", default="none", show_default=True, help="The ticket this run belongs to.")
@click.option("--reason", default="reconciliation by hand", show_default=True, help="Why it is run now.")
@click.option("--by", default=logged_in_user, show_default="the logged-in user", help="Who does this (claimed).")
def reconcile(  # noqa: PLR0917 (one parameter per option)
    month: str, environment: str, plan: bool, as_json: bool, ticket: str, reason: str, by: str,  # noqa: FBT001 (click passes flags)
) -> None:  # fmt: skip
    """Compare a month's emitted events with what each vendor received.

    Exit codes: 0 where all agree, or a day to wait for is named; 1 where something is HOLD: a breach, a side without data, or a
    difference that cannot be told from the rule; 2 where the input is wrong.
    """
    if month:
        Month.parse(month)
    if not chosen_environments(configuration.read(), environment):
        raise BadInput(
            "No environment but the rehearsal has an [emitted] section in opsflows.toml.",
            "Nothing says where applications record their events; nothing was read.",
            f"Add one (docs/reconciliation-sources.md), or try it out: --environment {REHEARSAL}, after opsflows sample-events.",
        )
    require_server()
    os.environ.setdefault(STAND_INS_URL, running_stand_ins())
    sys.exit(
        _run(
            {
                "operator": by, "ticket": ticket, "reason": reason, "month": month or "last settled",
                "environment": environment, "mode": "plan" if plan else "apply",
            },
            as_json=as_json,
        )
    )  # fmt: skip


def _run(parameters: Mapping[str, object], *, as_json: bool) -> int:
    quiet_prefect()
    from flows.reconcile_events import reconcile_events  # noqa: PLC0415 (Prefect costs a second, which a wrong option should not)

    listener = Progress(prints=not as_json)
    with heard_by(listener):
        state = reconcile_events(**parameters, return_state=True)
    if as_json:
        click.echo(json.dumps([*_documents(listener.bundles)], indent=1, ensure_ascii=False))
    else:
        for bundle in listener.bundles:
            _show(bundle)
    # The reports say what each run came to; a run that made none says why in its state.
    last = ", ".join(listener.verdicts) if listener.verdicts else state.message or state.name or ""
    click.echo(click.style(last, fg="green" if state.is_completed() else "red", bold=True), err=as_json)
    return 0 if state.is_completed() else 2 if state.name == "BadInput" else 1


def _show(bundle: Path) -> None:
    """Print a run's report, where its page is, and where the rest of it."""
    report = (bundle / "report.md").read_text()
    # Elsewhere than on a terminal nothing is markup, so that no sign has to keep text from being it.
    show.report(report, plain=_ESCAPED.sub(r"\1", report))
    if (bundle / PAGE).exists():
        click.echo(f"Page          {bundle / PAGE}")
    click.echo(f"Audit bundle  {bundle}\n")


def _documents(bundles: Iterable[Path]) -> Iterable[object]:
    """Return each month's document, as its bundle holds it; none of a run that made none."""
    return (json.loads((bundle / DOCUMENT).read_text()) for bundle in bundles if (bundle / DOCUMENT).exists())
