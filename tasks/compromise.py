"""A case as rows of its run: what is told, isolated and replaced in turn, and the table and pages that it leaves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from domain.compromise import Case, Isolation
from domain.errors import OpsError
from domain.rotation import RotationRecord
from domain.rotation_config import policy_of
from domain.verdicts import World
from ledger.runs import runs
from steps.compromise import Sources, Suspect, channels_of, latest_of_each, rotations_of_case
from steps.compromise_findings import Findings
from steps.compromise_pages import development_page, management_page, security_page, timeline_page
from steps.compromise_plan import plan_lines
from steps.compromise_telling import tell_begun, tell_how_it_stands
from steps.context import Context
from steps.rotating import isolate
from steps.rotation_plan import Occasion
from steps.rotation_reports import Row, row_of
from steps.side_by_side import side_by_side
from steps.traces import journal_of, judge_case, traces_of
from tasks.parts import expect, part
from tasks.preparing import context_of
from tasks.preparing_rotation import RotationDesk, value_in_use
from tasks.reporting import event
from tasks.rotation import plan_all, step_all
from vendors.registry import ROTATIONS

_TAGS = ["opsflows", "rotation", "emergency"]


def sources_of(desk: RotationDesk) -> Sources:
    read = value_in_use(desk)
    return Sources(desk.run.ledger, desk.config, ROTATIONS, lambda credential: bool(read(credential)))


def plan_case(desk: RotationDesk, found: Sequence[Suspect], *, isolates: bool) -> list[dict[str, str]]:
    """Plan what would happen to each exposed credential; nothing is changed."""
    exposed = [one for one in found if one.is_exposed]
    first = [one.credential for one in exposed if isolates and one.isolation is not Isolation.NO]
    rest = [one.credential for one in exposed if one.credential not in first]
    plans = [*plan_all(desk, first, Occasion.CONTAIN_FIRST), *plan_all(desk, rest, Occasion.EMERGENCY)]
    return plan_lines(found, {one.credential: one for one in plans}, isolates=isolates)


def isolate_all(desk: RotationDesk, records: Iterable[RotationRecord]) -> None:
    """Switch off what was ordered to go first, all of it side by side; what cannot is taken up with its rotation."""
    first = [one for one in records if one.contain_first and one.is_open]

    def isolate_one(record: RotationRecord) -> None:
        with part(str(record.credential)):
            isolate_credential(desk, record, return_state=True)

    expect(len(first))
    side_by_side(isolate_one, first, desk.config.rotation.workers)


# Never cached or persisted: the desk can reach values.
@task(task_run_name="isolate {record.credential}", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def isolate_credential(desk: RotationDesk, record: RotationRecord) -> State[None]:
    """Switch the exposed credential off before there is another, where its vendor and its place allow that."""
    try:
        with desk.hands(record.credential) as hands:
            after = isolate(hands, record.id)
    except OpsError as error:
        event("compromise.not_isolated", rotation=record.id, kind=type(error).__name__, symptom=error.symptom)
        return Failed(message=str(error), name="Hold")
    if "contained_at" in after.facts:
        event("compromise.isolated", rotation=record.id, credential=record.credential)
        return Completed(message="Off; what uses it fails until the new one is in use.", name="Isolated")
    if "not_contained" in after.facts or not after.wait:
        return Completed(message="It goes as soon as there is another.", name="NotIsolated")
    return Failed(message=f"{after.words} {after.next_step}", name="Hold")


def step_in_turn(desk: RotationDesk, records: Sequence[RotationRecord]) -> list[Row]:
    """Step what alerts do not go out through, side by side; then the alert channels, one after the other."""
    is_channel = channels_of(desk.config)
    channels = [one for one in records if is_channel(one.credential)]
    expect(1 + len(channels))
    with part("side by side"):
        rows = step_all(desk, (one for one in records if not is_channel(one.credential)))
    for one in channels:
        with part("an alert channel"):
            rows += step_all(desk, [one])
    return rows


@task(task_run_name="tell {environment} that it begins", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def tell_that_it_begins(
    desk: RotationDesk, environment: str, case: Case, found: Sequence[Suspect], operator: str
) -> list[str]:
    """Tell the environment's people before anything is changed. A channel that does not answer holds nothing up."""
    return tell_begun(_channel_now(desk, environment), case, found, operator)


@task(task_run_name="tell {environment} where it stands", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def tell_where_it_stands(desk: RotationDesk, environment: str, findings: Findings, again: str) -> list[str]:
    return tell_how_it_stands(_channel_now(desk, environment), findings, again)


def findings_of(
    desk: RotationDesk, case: Case, found: Sequence[Suspect], failed: Sequence[Row], world: World
) -> Findings:
    """Return the case as its journals tell it now, of all its runs and rotations, whoever stepped them."""
    ledger = desk.run.ledger
    records = rotations_of_case(ledger, case)
    traces = traces_of(ledger, records)
    own = [run for run in runs(ledger, flow=desk.run.bundle.flow, limit=1000) if run.parameters.get("case") == case.id]
    return Findings(
        case=case, now=ledger.now(), found=found, traces=traces, journal=journal_of(ledger, records), runs=own[::-1], failed=failed,
        told=(), judgement=judge_case(traces, failed, world),
    )  # fmt: skip


def rows_of(findings: Findings) -> list[Row]:
    """Return where each credential of the case stands: those that could not be looked at first, then each one's last rotation."""
    looked_at = {row.credential for row in findings.failed}
    last = latest_of_each(list({one.record.id: one.record for one in findings.journal}.values()))
    return [*findings.failed, *(row_of(one) for one in last if str(one.credential) not in looked_at)]


def keep_pages(desk: RotationDesk, findings: Findings) -> None:
    """Write the case's pages into the run's bundle."""
    pages = {
        "timeline.md": timeline_page(findings),
        "security.md": security_page(findings),
        "development.md": development_page(findings, lambda one: policy_of(desk.config, one)),
        "management.md": management_page(findings),
    }
    for name, text in pages.items():
        desk.run.bundle.write(name, text)


def show_case_plan(key: str, rows: Sequence[Mapping[str, str]]) -> None:
    create_table_artifact(
        table=[dict(row) for row in rows],
        key=key,
        description="Nothing was sent that anybody would notice, and nothing was changed.",
    )


def _channel_now(desk: RotationDesk, environment: str) -> Context:
    """Return a context that reads the alert channels' credentials as they are now: the run may just have replaced them."""
    fresh = context_of(desk.run, desk.config, environment, frozenset())
    return replace(fresh, addresses=desk.context(environment).addresses)
