"""Reconciling as rows of a run: each source counted, each vendor asked, ids matched, the report written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

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

PAGE = "reconciliation.html"
_WORKERS = 8
_TAGS = ["opsflows", "reconciliation"]
_ALERTED = frozenset({Finding.BREACH, Finding.INCONCLUSIVE, Finding.NO_DATA})
_CLEARED = frozenset({Finding.OK, Finding.EXPLAINED, Finding.WAIVED})


@dataclass(slots=True)
class Gathered:
    """What the tasks of one run have read so far."""

    emitted: list[EmittedSide] = field(default_factory=list)
    received: dict[str, ReceivedSide] = field(default_factory=dict)
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
    ask = partial(ask_vendor, question, gathered=gathered, return_state=True)
    side_by_side(ask, question.asked, _WORKERS)
    if any(asked.section.by == "ids" or asked.section.export is not None for asked in question.asked):
        match_ids(question, gathered, return_state=True)


@task(task_run_name="count {name}", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def count_source(
    question: Question, name: str, section: EventFiles | CounterSnapshots | PrometheusCounters, gathered: Gathered
) -> State[None]:  # fmt: skip
    """Count what applications recorded; what was counted before and has not changed is not read again."""
    # DuckDB and NumPy cost a quarter of a second, which a run that only plans should not pay.
    from steps.emitted_sides import read_source  # noqa: PLC0415

    said = read_source(question, name, section, spool_of(question), partial(_told_file, name))
    gathered.emitted.extend(said.sides)
    gathered.facts.extend(said.facts)
    gathered.files_read += said.files_read
    faults = [fact for fact in said.facts if fact.is_fault]
    message = f"{said.summary}{f' {len(faults)} faults: {faults[0].what}' if faults else ''}"
    return Failed(message=message, name="Incomplete") if faults else Completed(message=message)


@task(task_run_name="ask {asked.target}", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def ask_vendor(question: Question, asked: Asked, gathered: Gathered) -> State[None]:
    """Ask one vendor what it received; what it does not tell is named, and the others go on."""
    name = str(asked.target)
    window = widened(question.window) if asked.section.by == "ids" else question.window
    told = replace(asked, told=lambda pages: event("counting.page", integration=name, pages=pages))
    side = received_side(question.context, told, window, question.now)
    gathered.received[name] = side
    missing = {
        day: why
        for day, why in side.missing.items()
        if question.window.start.date() <= day < question.window.end.date()
    }
    if missing:
        return Failed(
            message=f"{name}: {len(missing)} days not told: {next(iter(missing.values()))}", name="Incomplete"
        )
    return Completed(message=f"{name}: {sum(one.events for one in side.days.values()):,} events received.")


@task(task_run_name="match ids", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def match_ids(question: Question, gathered: Gathered) -> State[None]:
    """Hold both sides against each other id by id, where the vendor lists ids."""
    from steps.emitted_sides import match  # noqa: PLC0415 (as above)

    matched, facts = match(question, gathered.received, spool_of(question))
    gathered.matched.update(matched)
    gathered.facts.extend(facts)
    return Completed(message=f"{len(matched)} integrations compared id by id.")


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


def spool_of(question: Question) -> Path:
    """Return the folder in which counts of input files are kept, so that no file is read twice."""
    return resolve_home(os.environ) / "reconciliation" / question.context.environment


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
