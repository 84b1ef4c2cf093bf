"""Reconciling as rows of a run: each source counted, each vendor asked, ids matched, the report written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from prefect import task
from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from blocks.answering import answering
from domain.config import Config
from domain.errors import OpsError
from domain.names import RECONCILE, Target
from domain.reconciliation import Finding, Reconciliation, SourceFact
from domain.reconciliation_sections import CounterSnapshots, EventFiles, PrometheusCounters
from domain.verdicts import Judgement, World
from domain.windows import Month
from ledger.alerts import clear_alert, raise_alert
from ledger.opening import Ledger
from ledger.places import resolve_home
from steps.audited_run import AuditedRun
from steps.collecting import Collected, Due, collected
from steps.conduct import stand_ins_url
from steps.context import Context
from steps.received_sides import Asked, ReceivedSide, received_side
from steps.reconciling import Answered, EmittedSide, Matched, Question, assembled, widened
from steps.side_by_side import side_by_side
from steps.verifying import connected
from tasks.preparing import context_of
from tasks.reporting import event, show_report
from vendors.capabilities import Notice, Notifier, Urgency
from vendors.stand_ins import connect as connect_stand_ins

if TYPE_CHECKING:  # what it imports costs a quarter of a second
    from steps.emitted_sides import Place, SourceRead

PAGE = "reconciliation.html"
_WORKERS = 8
_TAGS = ["opsflows", "reconciliation"]
_ALERTED = frozenset({Finding.BREACH, Finding.INCONCLUSIVE, Finding.NO_DATA})
_CLEARED = frozenset({Finding.OK, Finding.EXPLAINED, Finding.WAIVED})


@dataclass(slots=True)
class Gathered:
    """What the tasks of one run have read so far."""

    sources: "list[SourceRead]" = field(default_factory=list)
    exports: "dict[str, SourceRead]" = field(default_factory=dict)
    received: dict[str, ReceivedSide] = field(default_factory=dict)
    emitted: list[EmittedSide] = field(default_factory=list)
    matched: dict[str, Matched] = field(default_factory=dict)
    facts: list[SourceFact] = field(default_factory=list)
    files_read: int = 0

    @property
    def answered(self) -> Answered:
        return Answered(self.emitted, self.received, self.matched, self.facts, self.files_read)


@contextmanager
def counting_context(run: AuditedRun, config: Config, environment: str) -> Iterator[Context]:
    """Give the context; in the rehearsal with the addresses and credentials of the running stand-ins."""
    context = context_of(run, config, environment, frozenset())
    if not context.is_rehearsal:
        yield context
        return
    stand_ins = connect_stand_ins(stand_ins_url(), context.conduct)
    try:
        generated, addresses = stand_ins.credentials(), stand_ins.addresses()
    finally:
        stand_ins.close()

    def credentials(target: Target) -> dict[str, str] | None:
        kept = context.credentials(target)
        return dict(kept) if kept else generated.get(target.integration)

    yield replace(context, addresses=addresses, credentials=credentials)


def gather(question: Question, gathered: Gathered) -> None:
    """Read both sides: sources one after the other, since each uses the whole machine; vendors side by side."""
    for name, section in question.context.config.emitted.items():
        if section.environment == question.context.environment:
            count_source(question, name, section, gathered, return_state=True)
    for asked in question.asked:
        if asked.section.export is not None:
            count_export(question, asked, asked.section.export, gathered, return_state=True)
    ask = partial(ask_vendor, question, gathered=gathered, return_state=True)
    side_by_side(ask, [asked for asked in question.asked if asked.section.export is None], _WORKERS)
    for asked in question.asked:
        unasked = dict.fromkeys(question.window.days(), "asking it broke off; the run's log says how")
        gathered.received.setdefault(str(asked.target), ReceivedSide(missing=unasked))
    match(question, gathered)


@task(task_run_name="count {name}", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def count_source(
    question: Question, name: str, section: EventFiles | CounterSnapshots | PrometheusCounters, gathered: Gathered
) -> State[None]:
    """Count what applications recorded; what was counted before and has not changed is not read again."""
    # DuckDB and NumPy cost a quarter of a second, which a run that only plans should not pay.
    from steps.emitted_sides import read_source  # noqa: PLC0415

    read = read_source(question, name, section, place_of(question), partial(_told_file, name))
    gathered.sources.append(read)
    return _counted(read, gathered)


@task(task_run_name="count {asked.target}'s export", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def count_export(question: Question, asked: Asked, section: EventFiles, gathered: Gathered) -> State[None]:
    """Count the list that a vendor exported, in place of asking it."""
    from steps.emitted_sides import read_source  # noqa: PLC0415 (as above)

    name = f"{asked.target} export"
    read = read_source(question, name, section, place_of(question), partial(_told_file, name))
    gathered.exports[str(asked.target)] = read
    gathered.received[str(asked.target)] = ReceivedSide(missing=read.missing)
    return _counted(read, gathered)


@task(task_run_name="ask {asked.target}", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def ask_vendor(question: Question, asked: Asked, gathered: Gathered) -> State[None]:
    """Ask one vendor what it received; what it does not tell is named, and the others go on."""
    name = str(asked.target)
    window = widened(question.window) if asked.section.by == "ids" else question.window
    told = replace(asked, told=lambda pages: event("counting.page", integration=name, pages=pages))
    side = received_side(question.context, told, window, question.now)
    gathered.received[name] = side
    missing = [why for day, why in side.missing.items() if day in set(question.window.days())]
    if missing:
        return Failed(message=f"{name}: {len(missing)} days not told: {missing[0]}", name="Incomplete")
    return Completed(message=f"{name}: {sum(one.events for one in side.days.values()):,} events received.")


@task(task_run_name="match ids", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def match(question: Question, gathered: Gathered) -> State[None]:
    """Find what was recorded once, and where the vendor lists ids hold both sides against each other one by one."""
    from steps.matched_ids import match_ids, spool_listed  # noqa: PLC0415 (as above)

    place = place_of(question)
    folder = place.spool / "matching"
    listed = {
        str(asked.target): [spool_listed(question, asked.target, gathered.received[str(asked.target)].listed, folder)]
        for asked in question.asked
        if asked.section.by == "ids" and asked.section.export is None and str(asked.target) in gathered.received
    }
    exported = {name: list(read.spools) for name, read in gathered.exports.items()}
    try:
        found = match_ids(question, gathered.sources, {**listed, **exported}, folder)
    finally:
        for spool in (spool for spools in listed.values() for spool in spools):
            spool.path.unlink(missing_ok=True)
    gathered.emitted.extend(found.emitted)
    gathered.matched.update(found.matched)
    gathered.facts.extend(found.facts)
    return Completed(message=f"{len(found.matched)} integrations compared id by id.")


def _counted(read: "SourceRead", gathered: Gathered) -> State[None]:
    gathered.facts.extend(read.facts)
    gathered.files_read += read.files_read
    faults = [fact for fact in read.facts if fact.is_fault]
    if faults:
        return Failed(
            message=f"{read.summary} {len(faults)} faults; the first: {faults[0].file} {faults[0].what}",
            name="Incomplete",
        )
    return Completed(message=read.summary)


@task(
    task_run_name="report {question.month} {question.context.environment}",
    persist_result=False,
    cache_policy=NO_CACHE,
    tags=_TAGS,
)
def report_month(
    run: AuditedRun, question: Question, gathered: Gathered, links: tuple[str, str], told: list[Reconciliation]
) -> State[None]:
    """Put the month together, record its revision, write every form of the report, tell whoever has to know."""
    # pandas and Jinja cost half a second.
    from steps.month_report import Links, verdict_of, write_report  # noqa: PLC0415
    from steps.reconciliation_words import slack_text, summary  # noqa: PLC0415

    reconciliation = assembled(question, gathered.answered)
    judgement = Judgement(verdict_of(reconciliation), _world(question.context))
    written = write_report(run, reconciliation, judgement, Links(*links))
    run.conclude(judgement, written.markdown)
    show_month(reconciliation, written.markdown, str(judgement), links[0])
    _alert(run, reconciliation)
    if written.is_new:
        _post(question.context, reconciliation, slack_text(reconciliation, written.edition))
    told.append(reconciliation)
    return Completed(message=f"Revision {written.edition.revision}: {summary(reconciliation)}")


@task(
    task_run_name="check {question.window.start:%Y-%m-%d} {question.context.environment}",
    persist_result=False,
    cache_policy=NO_CACHE,
    tags=_TAGS,
)
def check_day(run: AuditedRun, question: Question, gathered: Gathered) -> State[None]:
    """Compare one day by the code that compares months; no revision of a month comes of it."""
    from steps.month_report import day_report, verdict_of  # noqa: PLC0415 (as above)

    reconciliation = assembled(question, gathered.answered)
    judgement = Judgement(verdict_of(reconciliation), _world(question.context))
    report = day_report(reconciliation, judgement)
    show_report(f"day-{question.context.environment}", report, str(judgement))
    run.conclude(judgement, f"{run.report}\n{report}".lstrip())
    disagree = [
        f"{one.target} {one.finding.value}: {one.why}." for one in reconciliation.targets if one.finding in _ALERTED
    ]
    day = f"{question.window.start:%Y-%m-%d}"
    message = f"{day}: {' '.join(disagree) or judgement}"
    return Failed(message=message, name="Hold") if disagree else Completed(message=message)


def schedule_month(ledger: Ledger, environment: str, month: Month) -> None:
    """Start the reconciliation of a month; asked for once more on the same day, it is not started twice."""
    today = ledger.now().date()
    try:
        with answering(changes=True):
            run_deployment(
                RECONCILE, parameters={"month": str(month), "environment": environment, "reason": "made up for a missed schedule"},
                timeout=0, as_subflow=False, idempotency_key=f"reconcile:{ledger.id}:{environment}:{month}:{today}",
            )  # fmt: skip
    except (OpsError, ObjectNotFound) as error:
        event("reconciliation.not_scheduled", month=month, kind=type(error).__name__)
        return
    event("reconciliation.scheduled", month=month, environment=environment)


def show_month(reconciliation: Reconciliation, markdown: str, verdict: str, link: str) -> None:
    """Publish the report, its table and a link to the page: first what an on-call reads first."""
    key = f"reconciliation-{reconciliation.environment}"
    show_report(key, markdown, verdict)
    rows = [
        {
            "integration": one.target,
            "finding": one.finding.value,
            "why": one.why,
            "likely cause": one.cause.cause if one.cause else "",
            "what to do": one.cause.next_step if one.cause else "",
        }
        for one in reconciliation.targets
    ]
    create_table_artifact(table=rows, key=f"{key}-table", description=f"{reconciliation.month}: {verdict}")
    if link.startswith("http"):
        create_link_artifact(link=link, link_text=f"Report of {reconciliation.month}", key=f"{key}-page")


def place_of(question: Question) -> "Place":
    """Return where counts of input files are kept, so that no file is read twice."""
    from steps.emitted_sides import Place  # noqa: PLC0415 (as above)

    home = resolve_home(os.environ)
    return Place(home, home / "reconciliation" / question.context.environment)


def report_links(run: AuditedRun, config: Config) -> tuple[str, str]:
    """Return where the page and the run can be looked at: the page by report_url, else where its file is."""
    served = config.reconciliation.report_url.rstrip("/")
    page = f"{served}/{run.bundle.path}/{PAGE}" if served else str(run.bundle.folder / PAGE)
    return page, flow_run.ui_url or ""


def _told_file(source: str, name: str, done: int, of: int, rows: int) -> None:
    event("counting.file", source=source, file=name, done=done, of=of, rows=rows)


def _world(context: Context) -> World:
    return World.REHEARSAL if context.is_rehearsal else World.REAL


def _alert(run: AuditedRun, reconciliation: Reconciliation) -> None:
    """Raise an alert per integration that someone has to look at, and clear those of what agrees again."""
    for one in reconciliation.targets:
        key = f"reconciliation:{reconciliation.environment}:{one.target}"
        if one.finding in _ALERTED:
            text = f"{reconciliation.month} {one.target}: {one.finding.value}. {one.why}. {one.cause.next_step if one.cause else ''}"
            raise_alert(
                run.ledger, key, environment=reconciliation.environment, target=one.target, text=text.strip(),
                runbook="docs/runbooks/reconciliation-breach.md",
            )  # fmt: skip
        elif one.finding in _CLEARED:
            clear_alert(run.ledger, key)


def _post(context: Context, reconciliation: Reconciliation, text: str) -> None:
    """Post the report where opsflows.toml says so; a post that fails is told and costs the month nothing."""
    name = context.config.reconciliation.post_to.get(context.environment)
    if not name:
        return
    title = f"Event counts {reconciliation.month}, {context.environment}"
    notice = Notice(f"reconciliation:{context.environment}:{reconciliation.month}", title, text, Urgency.TICKET)
    try:
        with connected(context, Target.parse(name)) as client:
            if isinstance(client, Notifier):
                client.notify(notice, context.clock.now())
                event("reconciliation.posted", to=name)
            else:
                event("reconciliation.not_posted", to=name, why="it cannot take notices")
    except OpsError as error:
        event("reconciliation.not_posted", to=name, why=error.happened)


@task(
    task_run_name="collect {context.environment} {due.asked.target}",
    persist_result=False,
    cache_policy=NO_CACHE,
    tags=_TAGS,
)
def collect_from(context: Context, due: Due, done: list[Collected]) -> State[None]:
    """Keep one vendor's counts of the last days, and add what came of it to `done`."""
    one = collected(context, due)
    done.append(one)
    return Failed(message=one.words, name="Incomplete") if one.problem else Completed(message=one.words)
