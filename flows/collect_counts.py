"""Daily: what vendors counted is kept, where they forget it before a month is reconciled."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from domain.errors import OpsError
from domain.names import COLLECT_COUNTS
from domain.verdicts import Judgement, Verdict, World
from steps.collecting import Collected, collection_report, collections_due
from steps.reconciling import EVERY_ENVIRONMENT, chosen_environments
from tasks.concluding import concluded, refused
from tasks.parts import expect, part
from tasks.preparing import own_ledger, read_own_config
from tasks.progress import shown_progress
from tasks.reconciliation import NOTHING_RECORDED, collect_from
from tasks.rehearsing import reading_context
from tasks.reporting import show_report
from tasks.run_history import named, recorded_run
from vendors.registry import COUNTS

_NAME = COLLECT_COUNTS.partition("/")[0]


@flow(name=_NAME, flow_run_name=named("collect counts"), persist_result=False)
def collect_counts(
    operator: Annotated[str, Field(min_length=1, max_length=100)] = "schedule",
    reason: Annotated[str, Field(min_length=1, max_length=500)] = "scheduled collection",
) -> State[None]:
    """Ask every vendor that keeps its counts for less than two months, and keep what it says in the ledger.

    The last days are asked for again each time, because late events are still coming; the newest answer of a day stands.
    When it fails: the message names the vendor. A day that is never collected is NO DATA in its month, so put it right
    while the vendor still knows the day.

    Args:
        operator: Who starts this run. Prefect knows no users, so this is recorded as claimed.
        reason: Why it is run now, in your words.
    """
    try:
        config = read_own_config()
        names = chosen_environments(config, EVERY_ENVIRONMENT)
        if not names:
            return Completed(message=NOTHING_RECORDED, name="NothingDue")
        done: list[Collected] = []
        with shown_progress(), own_ledger() as ledger, recorded_run(
            ledger, flow=_NAME, environment="-", mode="apply", actor=operator, reason=reason, parameters={},
        ) as run:  # fmt: skip
            expect(len(names))
            for name in names:
                with part(name), reading_context(run, config, name) as context:
                    due = list(collections_due(context, COUNTS, ledger.now()))
                    expect(len(due))
                    for one in due:
                        with part(str(one.asked.target)):
                            collect_from(context, one, done, return_state=True)
            failed = [one for one in done if one.problem]
            judgement = Judgement(Verdict.HOLD if failed else Verdict.GREEN, World.REAL)
            report = collection_report(done)
            show_report("collected-counts", report, str(judgement))
            run.conclude(judgement, report)
            if not done:
                return Completed(message="No vendor in scope forgets its counts that soon.", name="NothingDue")
            return concluded(run, " ".join(one.words for one in failed) or f"{len(done)} integrations collected.")
    except OpsError as error:
        return refused(error)
