"""Reconciling as rows of a run: each source counted, each vendor asked, ids matched; what broke off is named as missing."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Failed

from blocks.answering import answering
from domain.errors import OpsError
from domain.names import RECONCILE
from domain.reconciliation import SourceFact
from domain.reconciliation_sections import CounterSnapshots, EventFiles, PrometheusCounters
from domain.windows import Month
from ledger.opening import Ledger
from ledger.places import resolve_home
from steps.alone import TAKEN
from steps.collecting import Collected, Due, collected
from steps.context import Context
from steps.received_sides import LISTS, Asked, ReceivedSide, received_side
from steps.reconciling import Answered, EmittedSide, Matched, Question, widened
from steps.side_by_side import side_by_side
from tasks.counting_progress import CountingProgress
from tasks.parts import expect, part
from tasks.reporting import event

if TYPE_CHECKING:  # what it imports costs a quarter of a second
    from steps.emitted_sides import Place, SourceRead

EmittedSection = EventFiles | CounterSnapshots | PrometheusCounters
# What a scheduled run says where there is nothing to compare.
NOTHING_RECORDED = "No environment but the rehearsal has an [emitted] section in opsflows.toml."
MADE_UP = "made up for a missed schedule"
_WORKERS = 8
_TAGS = ["opsflows", "reconciliation"]
_BROKE_OFF = "reading it broke off, by a fault of the program or of this machine; the log of its task says which"


class Gathered:
    """What the tasks of one run have read so far.

    No dataclass: Prefect walks through those that a task is given, and this one grows meanwhile in other threads.
    """

    def __init__(self) -> None:
        self.sources: list[SourceRead] = []
        self.exports: dict[str, SourceRead] = {}
        self.received: dict[str, ReceivedSide] = {}
        self.emitted: list[EmittedSide] = []
        self.matched: dict[str, Matched] = {}
        self.facts: list[SourceFact] = []
        self.files_read = 0

    @property
    def answered(self) -> Answered:
        return Answered(self.emitted, self.received, self.matched, self.facts, self.files_read)


def gather(question: Question, gathered: Gathered) -> None:
    """Read both sides: sources one after the other, since each uses the whole machine; vendors side by side."""
    environment = question.context.environment
    sources = {
        name: section for name, section in question.context.config.emitted.items() if section.environment == environment
    }
    _read(question, gathered, sources, CountingProgress(len(sources) + len(question.asked)))


def _read(
    question: Question, gathered: Gathered, sources: Mapping[str, EmittedSection], progress: CountingProgress
) -> None:
    for name, section in sources.items():
        _stop_where_taken(count_source(question, name, section, gathered, progress, return_state=True))
        _name_unread(question, name, section, gathered)
    for asked in question.asked:
        if asked.section.export is not None:
            _stop_where_taken(
                count_export(question, asked, asked.section.export, gathered, progress, return_state=True)
            )
    ask = partial(ask_vendor, question, gathered=gathered, progress=progress, return_state=True)
    side_by_side(ask, [asked for asked in question.asked if asked.section.export is None], _WORKERS)
    days = list(question.window.days())
    for asked in question.asked:
        gathered.received.setdefault(str(asked.target), ReceivedSide(missing=dict.fromkeys(days, _BROKE_OFF)))
    expect(1)
    with part("ids matched"):
        matched = match(question, gathered, return_state=True)
    if matched.is_failed():
        why = dict.fromkeys(days, _BROKE_OFF)
        gathered.emitted = [
            EmittedSide(target, read.trust, {}, why) for read in gathered.sources for target in read.targets
        ]


def _stop_where_taken(counted: State[State[None]]) -> None:
    """Let the run end where another one is counting the same window: that says nothing of the source, and is no result."""
    problem = counted.result(raise_on_failure=False) if counted.is_failed() else None
    if isinstance(problem, OpsError) and problem.symptom == TAKEN:
        raise problem


def _name_unread(question: Question, name: str, section: EmittedSection, gathered: Gathered) -> None:
    """Where a task ended without a word, let its source say so: else its events would look as if nobody recorded them."""
    from steps.emitted_sides import unread  # noqa: PLC0415 (as below)

    if name not in {read.name for read in gathered.sources}:
        read = unread(question, name, section, _BROKE_OFF)
        gathered.sources.append(read)
        gathered.facts.extend(read.facts)


@task(task_run_name="count {name}", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def count_source(
    question: Question, name: str, section: EmittedSection, gathered: Gathered, progress: CountingProgress
) -> State[None]:
    """Count what applications recorded; what was counted before and has not changed is not read again."""
    # DuckDB and NumPy cost a quarter of a second, which a run that only plans should not pay.
    from steps.emitted_sides import read_source  # noqa: PLC0415

    with progress.reading(name):
        read = read_source(question, name, section, place_of(question), partial(progress.file, name))
    gathered.sources.append(read)
    return _counted(read, gathered, progress)


@task(task_run_name="count {asked.target}'s export", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def count_export(
    question: Question, asked: Asked, section: EventFiles, gathered: Gathered, progress: CountingProgress
) -> State[None]:
    """Count the list that a vendor exported, in place of asking it."""
    from steps.emitted_sides import read_source  # noqa: PLC0415 (as above)

    name = f"{asked.target} export"
    # Several instances may share an export: of each, its own events alone are counted.
    own = section.model_copy(update={"targets": (str(asked.target),)})
    with progress.reading(name):
        read = read_source(question, name, own, place_of(question), partial(progress.file, name))
    gathered.exports[str(asked.target)] = read
    gathered.received[str(asked.target)] = ReceivedSide(missing=read.missing)
    return _counted(read, gathered, progress)


@task(task_run_name="ask {asked.target}", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def ask_vendor(question: Question, asked: Asked, gathered: Gathered, progress: CountingProgress) -> State[None]:
    """Ask one vendor what it received; what it does not tell is named, and the others go on."""
    name = str(asked.target)
    window = widened(question.window) if asked.section.by == "ids" else question.window
    told = replace(asked, told=partial(progress.page, name))
    lists = resolve_home(os.environ) / "reconciliation" / question.context.environment / LISTS
    with progress.reading(name):
        side = received_side(question.context, told, window, question.now, lists)
    gathered.received[name] = side
    days = set(question.window.days())
    missing = [why for day, why in side.missing.items() if day in days]
    received = sum(one.events for (day, _), one in side.days.items() if day in days)
    words = f"{name}: {received:,} events received" + (
        f", {len(missing)} days not told: {missing[0]}" if missing else "."
    )
    progress.part(words)
    return Failed(message=words, name="Incomplete") if missing else Completed(message=words)


@task(task_run_name="match ids", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def match(question: Question, gathered: Gathered) -> State[None]:
    """Find what was recorded once, and where the vendor lists ids hold both sides against each other one by one."""
    from steps.matched_ids import match_sides  # noqa: PLC0415 (as above)

    found, received = match_sides(question, gathered.sources, gathered.exports, gathered.received, place_of(question))
    gathered.received.update(received)
    gathered.emitted.extend(found.emitted)
    gathered.matched.update(found.matched)
    gathered.facts.extend(found.facts)
    return Completed(message=f"{len(found.matched)} integrations compared id by id.")


def _counted(read: "SourceRead", gathered: Gathered, progress: CountingProgress) -> State[None]:
    gathered.facts.extend(read.facts)
    gathered.files_read += read.files_read
    progress.part(read.summary)
    faults = [fact for fact in read.facts if fact.is_fault]
    if faults:
        first = " ".join(part for part in (faults[0].file, faults[0].what) if part)
        return Failed(message=f"{read.summary} {len(faults)} faults; the first: {first}", name="Incomplete")
    return Completed(message=read.summary)


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


def schedule_month(ledger: Ledger, environment: str, month: Month) -> str:
    """Start the reconciliation of a month; asked for once more on the same day, it is not started twice.

    Returns what to do where it could not be started, else nothing.
    """
    today = ledger.now().date()
    try:
        with answering(changes=True):
            run_deployment(
                RECONCILE,
                parameters={"month": str(month), "environment": environment, "reason": MADE_UP, "mode": "apply"}, timeout=0, as_subflow=False, idempotency_key=f"reconcile:{ledger.id}:{environment}:{month}:{today}",
            )  # fmt: skip
    except (OpsError, ObjectNotFound) as error:
        event("reconciliation.not_scheduled", month=month, kind=type(error).__name__)
        return (
            f"{environment}: {month} has no final result yet, and its reconciliation could not be started: tomorrow's check tries "
            f"again. Where opsflows.toml changed since the last one, run opsflows deploy."
        )
    event("reconciliation.scheduled", month=month, environment=environment)
    return ""


def place_of(question: Question) -> "Place":
    """Return where counts of input files are kept, so that no file is read twice."""
    from steps.emitted_sides import Place  # noqa: PLC0415 (as above)

    home = resolve_home(os.environ)
    return Place(home, home / "reconciliation" / question.context.environment)
