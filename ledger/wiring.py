"""What day 1 has come to in an environment: its steps, rehearsal proofs, go-lives, notes and observed timeouts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import insert, select

from domain.checklist import StepState
from domain.names import Target
from domain.verdicts import World
from ledger.inserting import insert_or_replace
from ledger.opening import Ledger
from ledger.schema import GO_LIVES, NOTES, REHEARSALS, STEP_STATES, TIMEOUTS


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """Where a step stands, in which world it got there, and which run saw it."""

    number: int
    state: StepState
    detail: str
    next_step: str
    world: World
    run_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RehearsalProof:
    """What passed on the stand-ins with one version of the code; run and time are those of the newest rehearsal."""

    version: str
    run_id: str
    integrations: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class GoLive:
    """The day an environment went live, as someone declared it."""

    environment: str
    date: date
    who: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Note:
    """What an operator found to deviate from the checklist."""

    text: str
    who: str
    run_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ObservedTimeout:
    """How long a probe took to fail while it was cut off, and how long it was allowed to."""

    target: Target
    circumstance: str
    took: timedelta
    bound: timedelta
    run_id: str
    at: datetime


def record_step(
    ledger: Ledger,
    environment: str,
    number: int,
    state: StepState,
    detail: str,
    *,
    world: World,
    run_id: str,
    next_step: str = "",
) -> None:
    """Record where a step stands now, in place of where it stood."""
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        values = {
            "environment": environment,
            "number": number,
            "state": state.value,
            "detail": detail,
            "next_step": next_step,
            "world": world.value,
            "run_id": run_id,
            "at": now,
        }
        insert_or_replace(connection, STEP_STATES, values)


def step_states(ledger: Ledger, environment: str) -> dict[int, RecordedStep]:
    """Return the recorded steps of the environment by number; a step never reached is not among them."""
    steps = STEP_STATES.c
    query = select(steps.number, steps.state, steps.detail, steps.next_step, steps.world, steps.run_id, steps.at)
    with ledger.reading() as connection:
        rows = connection.execute(query.where(steps.environment == environment).order_by(steps.number))
        return {
            row.number: RecordedStep(
                row.number, StepState(row.state), row.detail, row.next_step, World(row.world), row.run_id, row.at
            )
            for row in rows
        }


def record_rehearsal(ledger: Ledger, version: str, run_id: str, integrations: Iterable[str]) -> None:
    """Record that every named integration passed on the stand-ins, with this version of the code."""
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        connection.execute(
            insert(REHEARSALS).values(version=version, run_id=run_id, integrations=sorted(integrations), at=now)
        )


def rehearsal_for(ledger: Ledger, version: str) -> RehearsalProof | None:
    """Return all that passed in rehearsals of this version, None where none did.

    Rehearsals add up: a later one of a single integration takes nothing away from an earlier one of all.
    """
    proofs = REHEARSALS.c
    query = select(proofs.run_id, proofs.integrations, proofs.at)
    with ledger.reading() as connection:
        rows = connection.execute(query.where(proofs.version == version).order_by(proofs.id.desc())).all()
    if not rows:
        return None
    passed = {name for row in rows for name in row.integrations}
    return RehearsalProof(version, rows[0].run_id, tuple(sorted(passed)), rows[0].at)


def go_live(ledger: Ledger, environment: str, day: date, who: str) -> None:
    """Record the day an environment goes live; the newest word counts, the earlier ones are kept."""
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        connection.execute(insert(GO_LIVES).values(environment=environment, date=day, who=who, at=now))


def go_live_of(ledger: Ledger, environment: str) -> GoLive | None:
    """Return the go-live in force, None where none was declared."""
    lives = GO_LIVES.c
    query = select(lives.environment, lives.date, lives.who, lives.at).where(lives.environment == environment)
    with ledger.reading() as connection:
        row = connection.execute(query.order_by(lives.id.desc()).limit(1)).first()
    return GoLive(*row) if row else None


def note(ledger: Ledger, environment: str, text: str, who: str, run_id: str = "") -> None:
    """Keep a deviation that an operator noted."""
    with ledger.writing() as connection:
        now = ledger.now_in(connection)
        connection.execute(insert(NOTES).values(environment=environment, text=text, who=who, run_id=run_id, at=now))


def notes(ledger: Ledger, environment: str) -> list[Note]:
    """Return the notes of the environment, oldest first."""
    kept = NOTES.c
    query = select(kept.text, kept.who, kept.run_id, kept.at).where(kept.environment == environment)
    with ledger.reading() as connection:
        return [Note(*row) for row in connection.execute(query.order_by(kept.id))]


def record_timeout(
    ledger: Ledger,
    environment: str,
    target: Target,
    circumstance: str,
    *,
    took: timedelta,
    bound: timedelta,
    run_id: str,
) -> None:
    """Keep how long it took to fail, e.g. with circumstance `closed port` or `no answer`."""
    with ledger.writing() as connection:
        connection.execute(
            insert(TIMEOUTS).values(
                environment=environment,
                target=str(target),
                circumstance=circumstance,
                took_ms=_milliseconds(took),
                bound_ms=_milliseconds(bound),
                run_id=run_id,
                at=ledger.now_in(connection),
            )
        )


def timeouts(ledger: Ledger, environment: str) -> list[ObservedTimeout]:
    """Return what was observed in the environment, oldest first."""
    seen = TIMEOUTS.c
    query = select(seen.target, seen.circumstance, seen.took_ms, seen.bound_ms, seen.run_id, seen.at)
    with ledger.reading() as connection:
        rows = connection.execute(query.where(seen.environment == environment).order_by(seen.id))
        return [
            ObservedTimeout(
                Target.parse(row.target),
                row.circumstance,
                timedelta(milliseconds=row.took_ms),
                timedelta(milliseconds=row.bound_ms),
                row.run_id,
                row.at,
            )
            for row in rows
        ]


def _milliseconds(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
