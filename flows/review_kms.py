"""Quarterly: whether the smoke checks were made, what they were worth, and what somebody has to do by when."""

import json
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field

from domain.config import Config, EnvironmentKind
from domain.errors import OpsError
from domain.kms_reviewing import verdict_of
from domain.names import KMS_REVIEW
from domain.quarters import QUARTER, Quarter
from domain.verdicts import World
from ledger.opening import Ledger
from steps.kms_choosing import EVERY, chosen_targets
from steps.kms_review import reviewed
from steps.kms_review_report import review_document, review_report, to_do
from tasks.concluding import concluded, refused, together
from tasks.parts import expect, part
from tasks.preparing import own_ledger, read_own_config
from tasks.progress import shown_progress
from tasks.reporting import show_report
from tasks.run_history import occasion, recorded_run

_NAME = KMS_REVIEW.partition("/")[0]
LAST = "last"
DOCUMENT = "review.json"


@flow(name=_NAME, flow_run_name="kms review {quarter} {environment}", persist_result=False)
def review_kms(
    quarter: Annotated[str, Field(pattern=f"^({LAST}|{QUARTER})$")] = LAST,
    environment: Annotated[str, Field(pattern=r"^[a-z0-9]+$")] = EVERY,
    operator: Annotated[str, Field(min_length=1, max_length=100)] = "schedule",
    reason: Annotated[str, Field(min_length=1, max_length=500)] = "quarterly review",
) -> State[None]:
    """Look back on a quarter of KMS smoke checks: thresholds against what happened, false alarms, keys near their policy's age.

    Nothing is asked at a provider: everything is in the ledger. When it fails: the artifact `kms-review-<environment>` says first
    what somebody has to do; rotate what is overdue, judge what nobody judged (opsflows kms judge), and run it again.

    Args:
        quarter: A quarter in UTC like 2026-Q3, or "last": the newest that is over.
        environment: An environment of opsflows.toml, or "all" but the rehearsal.
        operator: Who starts this run. Prefect knows no users, so this is recorded as claimed.
        reason: Why it is run now, in your words.
    """
    try:
        asked = None if quarter == LAST else Quarter.parse(quarter)
        config = read_own_config()
        names = [*chosen_targets(config, environment, EVERY)]
        if not names:
            return Completed(
                message="No [kms.<target>] outside the rehearsal is declared in opsflows.toml.", name="NothingDue"
            )
        states: dict[str, State[None]] = {}
        with shown_progress(), own_ledger() as ledger:
            chosen = asked or Quarter.before(flow_run.scheduled_start_time or ledger.now())
            expect(len(names))
            for name in names:
                # What one environment lacks is no reason to leave the others without their review.
                try:
                    with part(name):
                        states[name] = _reviewed(ledger, config, name, chosen, operator, reason)
                except OpsError as error:
                    states[name] = refused(error)
    except OpsError as error:
        return refused(error)
    return together(states)


def _reviewed(  # noqa: PLR0917 (what one environment's run works with)
    ledger: Ledger, config: Config, environment: str, quarter: Quarter, operator: str, reason: str
) -> State[None]:
    is_rehearsal = config.environment(environment).kind is EnvironmentKind.REHEARSAL
    with recorded_run(
        ledger, flow=_NAME, environment=environment, mode="apply", actor=operator, reason=reason,
        parameters={"quarter": str(quarter)}, name=f"kms review {quarter} {flow_run.parameters.get('environment', EVERY)} ({occasion()})",
    ) as run:  # fmt: skip
        review = reviewed(ledger, config, environment, quarter)
        judgement = verdict_of(review, World.REHEARSAL if is_rehearsal else World.REAL)
        report = review_report(review, judgement)
        run.bundle.write(DOCUMENT, json.dumps(review_document(review, judgement), indent=1, ensure_ascii=False))
        show_report(f"kms-review-{environment}", report, str(judgement))
        run.conclude(judgement, report)
        return concluded(run, " ".join([f"{quarter}:", *(to_do(review)[:3] or ["nobody has to do anything."])]))
