"""Daily: yesterday's events and those of the day that has just settled are compared, so that no month's end brings a surprise."""

from datetime import datetime
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from pydantic import Field

from domain.config import Config
from domain.errors import OpsError
from domain.names import CHECK_YESTERDAY
from domain.settling import overdue_month, settled_day, yesterday
from domain.verdicts import Judgement, Verdict
from domain.windows import Month
from ledger.opening import Ledger
from ledger.reconciliations import newest_revision
from steps.reconciling import EVERY_ENVIRONMENT, chosen_environments, question_of
from tasks.concluding import concluded, refused, together
from tasks.parts import expect, part
from tasks.preparing import own_ledger, read_own_config
from tasks.progress import shown_progress
from tasks.reconciliation import NOTHING_RECORDED, Gathered, gather, schedule_month
from tasks.rehearsing import reading_context
from tasks.run_history import named, recorded_run
from tasks.telling_of_months import check_day
from vendors.registry import COUNTS

_NAME = CHECK_YESTERDAY.partition("/")[0]


@flow(name=_NAME, flow_run_name=named("check yesterday's events"), persist_result=False)
def check_yesterday(
    operator: Annotated[str, Field(min_length=1, max_length=100)] = "schedule",
    reason: Annotated[str, Field(min_length=1, max_length=500)] = "daily check",
) -> State[None]:
    """Compare yesterday, which is still PROVISIONAL, and the newest day whose late events have stopped coming.

    Starts the reconciliation of a settled month that has no final result yet, where its schedule was missed.
    When it fails: the artifact `day-<environment>` says which integration differs on the settled day, and what to do; the
    same difference would be in the month's report.

    Args:
        operator: Who starts this run. Prefect knows no users, so this is recorded as claimed.
        reason: Why it is run now, in your words.
    """
    try:
        config = read_own_config()
        names = chosen_environments(config, EVERY_ENVIRONMENT)
        if not names:
            return Completed(message=NOTHING_RECORDED, name="NothingDue")
        states: list[State[None]] = []
        unstarted: list[str] = []
        with shown_progress(), own_ledger() as ledger:
            began: datetime = flow_run.scheduled_start_time or ledger.now()
            expect(len(names))
            for name in names:
                # What one environment lacks is no reason to leave the others unchecked.
                try:
                    with part(name):
                        states.append(_checked(ledger, config, name, began, operator, reason))
                except OpsError as error:
                    states.append(refused(error))
                unstarted.append(_make_up_for(ledger, config, name, began))
    except OpsError as error:
        return refused(error)
    ended = together(dict(zip(names, states, strict=True)))
    message = " ".join(filter(None, [ended.message, *unstarted]))
    # Yesterday is not settled yet, however well the settled day came out.
    return (
        Completed(message=message, name="Waiting") if ended.is_completed() else Failed(message=message, name=ended.name)
    )


def _checked(  # noqa: PLR0917 (what one environment's run works with)
    ledger: Ledger, config: Config, environment: str, began: datetime, operator: str, reason: str
) -> State[None]:
    with recorded_run(
        ledger, flow=_NAME, environment=environment, mode="apply", actor=operator, reason=reason, parameters={},
    ) as run:  # fmt: skip
        words: list[str] = []
        broke_off = False
        with reading_context(run, config, environment) as context:
            # The settled day is judged last, so that it decides how the run ends.
            windows = (yesterday(began), settled_day(began, config.reconciliation.settles_after))
            expect(len(windows))
            for window in windows:
                question = question_of(context, Month.of(window.start), window, COUNTS, ledger.now())
                gathered = Gathered()
                with part(f"{window.start:%Y-%m-%d}"):
                    gather(question, gathered)
                    state = check_day(run, question, gathered, return_state=True)
                words.append(state.message or "")
                broke_off = broke_off or not (state.is_completed() or state.name == "Hold")
        if broke_off:
            # What the other day said stands in the report; a day that nobody compared is not in order.
            run.conclude(
                Judgement(Verdict.HOLD, run.judgement.world),
                f"{run.report}\n# HOLD\n\nA day was not compared: {' '.join(words)}\n".lstrip(),
            )
        return concluded(run, " ".join(reversed(words)))


def _make_up_for(ledger: Ledger, config: Config, environment: str, began: datetime) -> str:
    """Start the month's reconciliation where it was to be there since yesterday and is not: its own schedule was missed or failed.

    Returns what to do where it could not be started, else nothing.
    """
    month = overdue_month(began, config.reconciliation.settles_after)
    newest = newest_revision(ledger, environment, month)
    if newest is None or not newest.is_final:
        return schedule_month(ledger, environment, month)
    return ""
