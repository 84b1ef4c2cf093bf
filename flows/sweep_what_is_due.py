"""Every quarter of an hour: seal dead runs, step due moments and rotations, ask KMS again, clean up what crashes left at vendors."""

from collections.abc import Callable
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from domain.config import Config
from domain.errors import OpsError
from domain.names import REHEARSAL, SWEEPER
from domain.verdicts import Judgement, Verdict, World
from steps.alerting import reached
from steps.audited_run import AuditedRun
from steps.kms_unwatched import tell_unwatched
from steps.sweeping import clean_up_environment, seal_dead_runs, send_alerts, step_due_moments
from tasks.concluding import refused
from tasks.heartbeats import with_heartbeat
from tasks.kms_again import ask_again
from tasks.parts import expect
from tasks.preparing import context_of, own_ledger, read_own_config
from tasks.preparing_rotation import rotation_desk
from tasks.progress import shown_progress
from tasks.reporting import show_report
from tasks.rotation_sweep import put_back_what_drifted, step_what_is_due, sweep_recent_orphans
from tasks.run_history import named, recorded_run
from tasks.sweeping import sweep_one
from tasks.watched_runs import watch_runs_now

_NAME = SWEEPER.partition("/")[0]
_NOTHING = "Nothing was due."
_OF_ROTATIONS = (
    ("drifted blocks", put_back_what_drifted),
    ("rotations due", step_what_is_due),
    ("orphans", sweep_recent_orphans),
)


@flow(name=_NAME, flow_run_name=named("sweep"), persist_result=False)
def sweep_what_is_due(
    operator: Annotated[str, Field(min_length=1, max_length=100)] = "schedule",
    reason: Annotated[str, Field(min_length=1, max_length=500)] = "scheduled sweep",
) -> State[None]:
    """Step whatever the ledger says is due. Judged on its own work: an overdue question is an alert, not its failure.

    When it fails: the ledger, a vendor or everyone who was to be told could not be reached; the next sweep, a quarter of an hour later, tries again.

    Args:
        operator: Who starts this run. Prefect knows no users, so this is recorded as claimed.
        reason: Why it is run now, in your words.
    """
    try:
        config = read_own_config()
    except OpsError as error:
        return refused(error)
    return with_heartbeat(_swept(config, operator, reason), config, config.heartbeats.sweeper)


def _swept(config: Config, operator: str, reason: str) -> State[None]:
    try:
        names = [name for name in config.environments if name != REHEARSAL]
        said: list[str] = []
        failed: list[str] = []
        with shown_progress(), own_ledger() as ledger:
            said.extend(
                f"Run {run.run_id} was sealed ABANDONED."
                for run in sweep_one("dead runs", lambda: seal_dead_runs(ledger), failed)
            )
            with recorded_run(
                ledger, flow=_NAME, environment="-", mode="apply", actor=operator, reason=reason, parameters={},
            ) as run:  # fmt: skip
                contexts = {name: context_of(run, config, name, frozenset()) for name in names}
                work: list[tuple[str, Callable[[], list[str]]]] = [
                    ("due moments", lambda: reached(step_due_moments(ledger, contexts, run.run_id), failed)),
                    ("KMS checks", lambda: ask_again(ledger, config)),
                    *(
                        (f"left-over probes of {name}", lambda c=context: clean_up_environment(c))
                        for name, context in contexts.items()
                    ),
                    ("unwatched KMS targets", lambda: reached(tell_unwatched(ledger, contexts, run.run_id), failed)),
                ]
                # With dead runs before them, and rotations, run history and alerts behind them.
                expect(len(work) + 4)
                for what, act in work:
                    said.extend(sweep_one(what, act, failed))
                said.extend(sweep_one("rotations", lambda: _sweep_rotations(run, config, failed), failed))
                said.extend(sweep_one("run history", lambda: reached(watch_runs_now(ledger, contexts), failed), failed))
                said.extend(sweep_one("alerts", lambda: reached(send_alerts(ledger, contexts), failed), failed))
                verdict = Verdict.HOLD if failed else Verdict.GREEN
                judgement = Judgement(verdict, World.REAL)
                lines = [*failed, *said] or [_NOTHING]
                report = "\n".join([f"# {judgement}: sweep", "", *(f"- {line}" for line in lines), ""])
                show_report("sweep", report, str(judgement))
                run.conclude(judgement, report)
    except OpsError as error:
        return refused(error)
    if failed:
        return Failed(message=" ".join(failed), name="Hold")
    return Completed(message=" ".join(said) or _NOTHING)


def _sweep_rotations(run: AuditedRun, config: Config, failed: list[str]) -> list[str]:
    """Do the sweeper's part in rotations; each part that fails leaves the others alone."""
    said: list[str] = []
    expect(len(_OF_ROTATIONS))
    with rotation_desk(run, config) as desk:
        for what, act in _OF_ROTATIONS:
            said.extend(sweep_one(what, lambda act=act: act(desk), failed))  # type: ignore[misc]  # mypy cannot type a default of a lambda
    return said
