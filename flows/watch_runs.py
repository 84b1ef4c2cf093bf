"""Soon after a run ended badly: tell whoever has to know. The sweeper looks too, so that nothing hangs on this run."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from domain.errors import OpsError
from domain.names import REHEARSAL, WATCH_RUNS
from domain.verdicts import Judgement, Verdict, World
from steps.alerting import reached
from tasks.concluding import refused
from tasks.preparing import context_of, own_ledger, read_own_config
from tasks.progress import shown_progress
from tasks.reporting import show_report
from tasks.run_history import AUTOMATION, is_by_hand, recorded_run
from tasks.watched_runs import watch_runs_now

_NAME = WATCH_RUNS.partition("/")[0]
_NOTHING = "Nothing is wrong that was not told."


@flow(name=_NAME, flow_run_name="watch runs", persist_result=False)
def watch_runs(
    operator: Annotated[str, Field(min_length=1, max_length=100)] = AUTOMATION,
    reason: Annotated[str, Field(min_length=1, max_length=500)] = "a run ended badly",
) -> State[None]:
    """Look at the newest runs of every deployment of ours, and tell of what ended badly, did not start, or does not run at all.

    Started by an automation when a run of ours fails or crashes. It alerts once on entering such a state and daily from then on.
    When it fails: Prefect's server, the ledger or everyone who was to be told could not be reached; the sweeper looks again within a
    quarter of an hour. See docs/automations.md.

    Args:
        operator: Who starts this run. Prefect knows no users, so this is recorded as claimed.
        reason: Why it is run now, in your words.
    """
    try:
        config = read_own_config()
        with (
            shown_progress(),
            own_ledger() as ledger,
            recorded_run(
                ledger, flow=_NAME, environment="-", mode="apply", actor=operator, reason=reason,
                parameters={}, why="automation" if operator == AUTOMATION and not is_by_hand() else "",
            ) as run,
        ):  # fmt: skip
            names = [name for name in config.environments if name != REHEARSAL]
            failed: list[str] = []
            contexts = {name: context_of(run, config, name, frozenset()) for name in names}
            said = reached(watch_runs_now(ledger, contexts), failed)
            judgement = Judgement(Verdict.HOLD if failed else Verdict.GREEN, World.REAL)
            lines = [*failed, *said] or [_NOTHING]
            report = "\n".join([f"# {judgement}: runs watched", "", *(f"- {line}" for line in lines), ""])
            show_report("runs-watched", report, str(judgement))
            run.conclude(judgement, report)
    except OpsError as error:
        return refused(error)
    if failed:
        return Failed(message=" ".join(failed), name="Hold")
    return Completed(message=" ".join(said) or _NOTHING)
