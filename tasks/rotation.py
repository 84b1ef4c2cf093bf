"""Each credential of a rotation as a row of the run: opened and stepped, or planned; one that fails never stops the others."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from domain.errors import OpsError
from domain.names import Credential, Target
from domain.rotation import Kind, RotationRecord, rotation_id
from domain.verdicts import Judgement, Verdict, World
from ledger.alerts import clear_alert, raise_alert
from ledger.opening import Ledger
from ledger.rotation_journal import entries
from ledger.rotations import open_rotation
from steps.audited_run import AuditedRun
from steps.orphans import SweptOrphans, is_marked, sweep_orphans
from steps.rotating import advance
from steps.rotation_plan import Occasion, PlanRow, plan_rotation
from steps.rotation_reports import Row, journal_lines, row_of_failure, row_of_stepped
from steps.side_by_side import side_by_side
from tasks.concluding import state_name
from tasks.parts import expect, part
from tasks.preparing_rotation import RotationDesk
from tasks.reporting import event

_TAGS = ["opsflows", "rotation"]
_COMPLETED = {Verdict.GREEN: "Completed", Verdict.WAITING: "Waiting"}


@dataclass(frozen=True, slots=True)
class Opening:
    """How rotations of one run are opened; every credential of one window has one rotation, however often it is asked for."""

    kind: Kind
    operator: str
    reason: str
    ticket: str
    due_window: str
    may_page: bool = False


def rotate_all(desk: RotationDesk, openings: Mapping[Credential, Opening]) -> list[Row]:
    """Open and step the rotation of each credential, several at a time; return their rows in the order given."""
    rows: list[Row] = []
    _side_by_side(desk, openings, lambda one: rotate_credential(desk, one, openings[one], rows, return_state=True))
    return _in_order(_with_the_lost(rows, openings), openings)


def step_all(desk: RotationDesk, records: Iterable[RotationRecord]) -> list[Row]:
    """Step each open rotation, several at a time; return their rows in the order given."""
    rows: list[Row] = []
    by_credential = {record.credential: record for record in records}
    _side_by_side(desk, by_credential, lambda one: step_rotation(desk, by_credential[one], rows, return_state=True))
    return _in_order(_with_the_lost(rows, by_credential), by_credential)


def plan_all(desk: RotationDesk, credentials: Iterable[Credential], occasion: Occasion) -> list[PlanRow]:
    """Plan a rotation of each credential, several at a time; return the plans in the order given."""
    plans: list[PlanRow] = []
    asked = list(credentials)
    _side_by_side(desk, asked, lambda one: plan_credential(desk, one, occasion, plans))
    return sorted(plans, key=lambda plan: asked.index(plan.credential))


# Never cached or persisted: the desk can reach values.
@task(task_run_name="rotate {credential}", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def rotate_credential(desk: RotationDesk, credential: Credential, opening: Opening, done: list[Row]) -> State[None]:
    """Open the credential's rotation, or find the one of this window, and step it as far as it goes now."""

    def step() -> RotationRecord:
        with desk.hands(credential) as hands:
            record = open_rotation(
                desk.run.ledger, rotation_id(credential, opening.due_window), credential, opening.kind, operator=opening.operator,
                reason=opening.reason, ticket=opening.ticket, due_window=opening.due_window, facts={"may_page": opening.may_page},
            )  # fmt: skip
            return advance(hands, record.id)

    return _shown(credential, step, done)


@task(task_run_name="step {record.credential}", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def step_rotation(desk: RotationDesk, record: RotationRecord, done: list[Row]) -> State[None]:
    """Step an open rotation as far as it goes now."""

    def step() -> RotationRecord:
        with desk.hands(record.credential) as hands:
            return advance(hands, record.id)

    return _shown(record.credential, step, done)


@task(task_run_name="plan {credential}", persist_result=False, cache_policy=NO_CACHE, tags=_TAGS)
def plan_credential(desk: RotationDesk, credential: Credential, occasion: Occasion, done: list[PlanRow]) -> State[None]:
    """Look what a rotation of the credential would do; changes nothing."""
    try:
        with desk.hands(credential) as hands:
            row = plan_rotation(hands, occasion)
    except OpsError as error:
        row = PlanRow(credential, (), (), (f"{error.happened} {error.next_step}",), None)
    done.append(row)
    event("rotation.planned", credential=credential, problems=len(row.problems), earliest=row.earliest)
    return Completed(message=" ".join(row.problems) or "Nothing stands in its way.", name="Planned")


def show_rotations(key: str, rows: Iterable[Row], description: str) -> None:
    """Publish the table of rotations: where each stands, until when, and what to do."""
    table = [
        {
            "credential": row.credential, "rotation": row.rotation, "state": row.state, "waits for": row.wait,
            "until": row.until, "what": row.words, "what to do": row.next_step,
        }
        for row in rows
    ]  # fmt: skip
    create_table_artifact(table=table, key=key, description=description)


def keep_journals(run: AuditedRun, rows: Iterable[Row]) -> None:
    """Write each rotation's journal, as it is now, into the run's bundle."""
    for row in rows:
        if row.rotation:
            lines = journal_lines(entries(run.ledger, row.rotation))
            run.bundle.write(f"journal-{row.rotation}.txt", "\n".join([row.credential, "", *lines, ""]))


def show_rotation_plan(key: str, rows: Iterable[PlanRow]) -> None:
    table = [
        {
            "credential": str(row.credential), "would": "; ".join(row.would), "seen": "; ".join(row.seen),
            "stands in the way": " ".join(row.problems), "old one may go from": f"{row.earliest:%Y-%m-%d %H:%M} UTC" if row.earliest else "-",
        }
        for row in rows
    ]  # fmt: skip
    create_table_artifact(
        table=table, key=key, description="Nothing was sent that anybody would notice, and nothing was changed."
    )


def _side_by_side(desk: RotationDesk, credentials: Iterable[Credential], act: Callable[[Credential], object]) -> None:
    """Do it for each. The credentials of one target follow each other: of their group one is rotated at a time anyway."""
    by_target: dict[tuple[str, Target], list[Credential]] = {}
    for one in credentials:
        by_target.setdefault((one.environment, one.target), []).append(one)

    def one_after_the_other(of_target: list[Credential]) -> None:
        for one in of_target:
            with part(str(one)):
                act(one)

    expect(sum(len(one) for one in by_target.values()))
    side_by_side(one_after_the_other, by_target.values(), desk.config.rotation.workers)


def _with_the_lost(rows: list[Row], credentials: Iterable[Credential]) -> list[Row]:
    """Return the rows, with one for each credential whose task ended by a fault of ours: none may be missing from a verdict."""
    there = {str(row.credential) for row in rows}
    lost = OpsError(
        "It ended by a fault of opsflows.", "Where it stands is in the ledger; the others went on.",
        "Report it with the run's log; the sweeper tries again.", "rotation.fault",
    )  # fmt: skip
    return [*rows, *(row_of_failure(one, lost) for one in credentials if str(one) not in there)]


def _in_order(rows: list[Row], credentials: Iterable[Credential]) -> list[Row]:
    """Return the rows in the order of the credentials, whichever was done first."""
    place = {str(one): at for at, one in enumerate(credentials)}
    return sorted(rows, key=lambda row: place[str(row.credential)])


def _shown(credential: Credential, step: Callable[[], RotationRecord], done: list[Row]) -> State[None]:
    """Step, add what it came to to `done`, and show it as the task run's state."""
    try:
        record = step()
    except OpsError as error:
        done.append(row_of_failure(credential, error))
        event("rotation.failed", credential=credential, kind=type(error).__name__, symptom=error.symptom)
        return Failed(message=str(error), name="Hold")
    row = row_of_stepped(record)
    done.append(row)
    event(
        "rotation.stepped",
        rotation=record.id,
        credential=credential,
        state=row.state,
        wait=row.wait or "-",
        until=row.until,
    )
    message = f"{record.id}: {row.state}. {row.words} {row.next_step}".strip()
    if row.verdict in _COMPLETED:
        return Completed(message=message, name=_COMPLETED[row.verdict])
    return Failed(message=message, name=state_name(row.wait))


def sweep_all_orphans(desk: RotationDesk, credentials: Iterable[Credential]) -> "Swept":
    """Look through every vendor's listing for what rotations left; one that cannot be looked at is told and stops no other."""
    swept, there = Swept(), list(credentials)
    expect(len(there))
    for credential in there:
        try:
            with part(str(credential)), desk.hands(credential) as hands:
                found = sweep_orphans(hands)
        except OpsError as error:
            swept.failed.append(f"{credential}: {error}")
            continue
        swept.add(desk.run.ledger, credential, found)
    return swept


@dataclass(slots=True)
class Swept:
    """What a sweep over many credentials came to."""

    deleted: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def judgement(self) -> Judgement:
        return Judgement(Verdict.HOLD if self.failed else Verdict.GREEN, World.REAL)

    def add(self, ledger: Ledger, credential: Credential, found: SweptOrphans) -> None:
        """Take over what was found for one credential; what carries a marker of ours without our intent is an alert."""
        self.deleted.extend(f"{credential}: {one}" for one in found.deleted)
        self.foreign.extend(f"{credential}: {one}" for one in found.foreign)
        self.kept.extend(f"{credential}: {one}" for one in found.left)
        key, marked = f"foreign:{credential}", [one for one in found.foreign if is_marked(one)]
        if not marked:
            clear_alert(ledger, key)
            return
        raise_alert(
            ledger, key, environment=credential.environment, target=str(credential.target),
            text=f"At the vendor of {credential} there is what looks like ours and is not in this ledger: {', '.join(marked)}. It was left alone.",
            runbook="docs/runbooks/rotation-foreign.md",
        )  # fmt: skip

    def joined(self, other: Judgement) -> Judgement:
        return Judgement(Verdict.HOLD, other.world) if self.failed else other

    def summary(self) -> str:
        told = [f"{len(self.deleted)} orphans deleted", f"{len(self.foreign)} foreign credentials seen"]
        return f"{', '.join(told)}. {' '.join(self.failed)}".strip()

    def lines(self) -> list[str]:
        kinds = (
            ("Orphans deleted", self.deleted),
            ("Foreign, left alone", self.foreign),
            ("Orphans, left for now", self.kept),
            ("Could not be looked at", self.failed),
        )
        return [
            line for title, rows in kinds if rows for line in (f"## {title}", "", *(f"- {row}" for row in rows), "")
        ]
