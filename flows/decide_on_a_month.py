"""Takes what a person decides about a month from the Prefect UI: a sign-off, a waiver, an investigation."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from domain.errors import OpsError
from domain.names import DECIDE, REHEARSAL
from domain.verdicts import Judgement, Verdict, World
from domain.windows import DAY_OF_MONTH, MONTH, Month
from steps.deciding import Decision, Word, day_of, decide, target_in_scope
from tasks.concluding import concluded, refused
from tasks.preparing import own_ledger, read_own_config
from tasks.progress import shown_progress
from tasks.reporting import show_report
from tasks.run_history import recorded_run

EVERY_INTEGRATION = "all"
_NAME = DECIDE.partition("/")[0]


@flow(name=_NAME, flow_run_name="{decision} {integration} {month} {environment} by {operator}", persist_result=False)
def decide_on_a_month(  # noqa: PLR0917 (the fields of the form)
    environment: Annotated[str, Field(pattern=r"^[a-z0-9]+$")],
    month: Annotated[str, Field(pattern=f"^{MONTH}$")],
    decision: Decision,
    operator: Annotated[str, Field(min_length=1, max_length=100)],
    reason: Annotated[str, Field(min_length=1, max_length=1000)],
    ticket: Annotated[str, Field(min_length=1, max_length=100)],
    integration: Annotated[str, Field(pattern=r"^([a-z0-9]+(/[a-z0-9]+)?)?$")] = EVERY_INTEGRATION,
    day: Annotated[str, Field(pattern=f"^({DAY_OF_MONTH})?$")] = "",
    owner: Annotated[str, Field(max_length=100)] = "",
    revision: Annotated[int, Field(ge=0)] = 0,
) -> State[None]:
    """Record what someone decides about a reconciled month. Nothing is sent, and nothing at a vendor is changed.

    When it fails: the message says what was missing; nothing was recorded. Start it again with that put right.

    Args:
        environment: An environment of opsflows.toml.
        month: The month in UTC, like 2026-10.
        decision: sign off stands by the result; waive accepts a finding until a day, and it stays printed; investigate opens an investigation or adds to the open one; the others end a waiver or an investigation.
        operator: Who decides. Prefect knows no users, so this is recorded as claimed.
        reason: Why it is waived, what is known so far, what was found and done, or what the next reader should know.
        ticket: The ticket this belongs to.
        integration: What it is about, like slack or pagerduty/payments. A sign-off is about all of them; everything else names one.
        day: The last day of a waiver, or the day an investigation is due, like 2026-12-31 (UTC).
        owner: Who investigates; the operator where nobody is named.
        revision: The revision that you read and sign off; 0 for the newest.
    """
    try:
        config = read_own_config()
        config.environment(environment)
        about_all = decision is Decision.SIGN_OFF
        target = (
            ""
            if about_all
            else target_in_scope(config, environment, "" if integration == EVERY_INTEGRATION else integration)
        )
        about, last_day = Month.parse(month), day_of(day)
        given = {
            "month": month, "decision": str(decision), "target": target, "day": day, "owner": owner, "revision": revision,
        }  # fmt: skip
        with shown_progress(), own_ledger() as ledger, recorded_run(
            ledger, flow=_NAME, environment=environment, mode="apply", actor=operator, reason=reason, ticket=ticket,
            parameters=given,
        ) as run:  # fmt: skip
            word = Word(
                environment, run.actor, reason, about, target, day=last_day, owner=owner, ticket=ticket,
                revision=revision, run_id=run.run_id,
            )  # fmt: skip
            words = decide(ledger, decision, word)
            judgement = Judgement(Verdict.GREEN, World.REHEARSAL if environment == REHEARSAL else World.REAL)
            report = f"# {judgement}: {decision}\n\n{words}\n"
            show_report(f"decision-{environment}-{about}", report, str(judgement))
            run.conclude(judgement, report)
            return concluded(run, words)
    except OpsError as error:
        return refused(error)
