"""Daily, and independent of the rotator: a credential that is too old and has no open rotation is an alert."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from domain.errors import OpsError
from domain.names import CREDENTIAL_AGES
from domain.verdicts import Judgement, Verdict, World
from steps.rotation_inventory import check_ages
from tasks.concluding import concluded, refused
from tasks.preparing import own_ledger, read_own_config
from tasks.preparing_rotation import policy_or_none
from tasks.progress import shown_progress
from tasks.reporting import show_report
from tasks.run_history import named, recorded_run

_NAME = CREDENTIAL_AGES.partition("/")[0]
_NOTHING = "No credential is too old."


@flow(name=_NAME, flow_run_name=named("check credential ages"), persist_result=False)
def check_credential_ages(
    operator: Annotated[str, Field(min_length=1, max_length=100)] = "schedule",
    reason: Annotated[str, Field(min_length=1, max_length=500)] = "scheduled check",
) -> State[None]:
    """Compare every known credential's age with its policy; asks the ledger alone, no vendor and no block.

    When it fails: the message names what is too old. Rotation has failed for longer than it may: look at opsflows rotations, and rotate.
    The alert goes to the environment's ticket target with the next sweep, and daily from then on.

    Args:
        operator: Who starts this run. Prefect knows no users, so this is recorded as claimed.
        reason: Why it is run now, in your words.
    """
    try:
        config = read_own_config()
        with shown_progress(), own_ledger() as ledger, recorded_run(
            ledger, flow=_NAME, environment="-", mode="apply", actor=operator, reason=reason, parameters={},
        ) as run:  # fmt: skip
            said = check_ages(ledger, policy_or_none(config))
            judgement = Judgement(Verdict.HOLD if said else Verdict.GREEN, World.REAL)
            report = "\n".join([f"# {judgement}: ages", "", *(f"- {line}" for line in said or [_NOTHING]), ""])
            show_report("credential-ages", report, str(judgement))
            run.conclude(judgement, report)
            return concluded(run, " ".join(said)) if said else Completed(message=_NOTHING)
    except OpsError as error:
        return refused(error)
