"""What a comparison comes to is told: the report and its revision, artifacts, alerts, a post where one is wanted."""

from prefect import task
from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from domain.config import Config
from domain.errors import OpsError
from domain.names import Target
from domain.reconciliation import Reconciliation
from domain.verdicts import Judgement, World
from ledger.alerts import raise_alert
from ledger.month_posts import mark_posted, may_post
from ledger.opening import Ledger
from steps.audited_run import AuditedRun
from steps.context import Context
from steps.reconciliation_wording import NEEDS_SOMEONE
from steps.reconciling import Question, assembled
from steps.unresolved_months import alert_key, clear_answered, unresolved
from steps.verifying import connected
from tasks.reconciliation import Gathered
from tasks.reporting import event, show_report
from vendors.capabilities import Notice, Notifier, Urgency

PAGE = "reconciliation.html"
_TAGS = ["opsflows", "reconciliation"]


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
    _alert(run.ledger, reconciliation)
    posted = _posted(
        run, question.context, reconciliation, written.edition.revision, slack_text(reconciliation, written.edition)
    )
    told.append(reconciliation)
    words = f"Revision {written.edition.revision}: {summary(reconciliation)} {posted}"
    return Completed(message=words.strip())


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
        f"{one.target} {one.finding.value}: {one.why}."
        for one in reconciliation.targets
        if one.finding in NEEDS_SOMEONE
    ]
    day = f"{question.window.start:%Y-%m-%d}"
    message = f"{day}: {' '.join(disagree) or judgement}"
    return Failed(message=message, name="Hold") if disagree else Completed(message=message)


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


def report_links(run: AuditedRun, config: Config) -> tuple[str, str]:
    """Return where the page and the run can be looked at: the page by report_url, else where its file is."""
    served = config.reconciliation.report_url.rstrip("/")
    page = f"{served}/{run.bundle.path}/{PAGE}" if served else str(run.bundle.folder / PAGE)
    return page, flow_run.ui_url or ""


def _world(context: Context) -> World:
    return World.REHEARSAL if context.is_rehearsal else World.REAL


def _alert(ledger: Ledger, reconciliation: Reconciliation) -> None:
    """Raise an alert per integration of the month that someone has to look at, and clear those that somebody answered.

    Each month has alerts of its own: that the next one agrees says nothing of this one.
    """
    environment, month = reconciliation.environment, reconciliation.month
    open_ones = unresolved(ledger, environment, ledger.now().date())
    left = {one.target for one in open_ones if one.month == str(month)}
    for one in reconciliation.targets:
        if one.finding in NEEDS_SOMEONE and one.target in left:
            text = f"{month} {one.target}: {one.finding.value}. {one.why}. {one.cause.next_step if one.cause else ''}"
            raise_alert(
                ledger, alert_key(environment, one.target, month), environment=environment, target=one.target,
                text=text.strip(), runbook="docs/runbooks/reconciliation-breach.md",
            )  # fmt: skip
    clear_answered(ledger, environment)


def _posted(run: AuditedRun, context: Context, reconciliation: Reconciliation, revision: int, text: str) -> str:
    """Post the revision where opsflows.toml says so, unless it is posted or another run is at it; return what came of it."""
    name = context.config.reconciliation.post_to.get(context.environment)
    if not name or not may_post(run.ledger, run.run_id, context.environment, reconciliation.month, revision):
        return ""
    problem = _post(context, reconciliation, name, text)
    if problem:
        event("reconciliation.not_posted", to=name, why=problem)
        return f"Not posted to {name}: {problem} The next run of the month posts it."
    mark_posted(run.ledger, context.environment, reconciliation.month, revision)
    event("reconciliation.posted", to=name)
    return f"Posted to {name}."


def _post(context: Context, reconciliation: Reconciliation, name: str, text: str) -> str:
    """Post the text, and return why it could not be; a post that fails costs the month nothing."""
    title = f"Event counts {reconciliation.month}, {context.environment}"
    notice = Notice(f"reconciliation:{context.environment}:{reconciliation.month}", title, text, Urgency.TICKET)
    try:
        with connected(context, Target.parse(name)) as client:
            if not isinstance(client, Notifier):
                return "It cannot take notices. Name another target in post_to of opsflows.toml."
            client.notify(notice, context.clock.now())
    except OpsError as error:
        return f"{error.happened} {error.next_step}"
    return ""
