"""A check that left a question open is followed by another a minute later; whoever could not see to it is found out by the sweeper."""

from collections.abc import Collection
from datetime import datetime
from http import HTTPStatus

from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from blocks.answering import answering
from domain.config import Config
from domain.errors import OpsError
from domain.names import KMS_SMOKE
from ledger.opening import Ledger
from steps.kms_choosing import fitting, not_asked_again
from tasks.reporting import event

NOT_SCHEDULED = (
    "No check could be scheduled to ask again in a minute: the next scheduled check answers. Where opsflows.toml changed since the "
    "last one, run opsflows deploy."
)
ASKED_AGAIN = "asked again after a failure"
_NAMES_SHOWN = 3


def schedule_next(ledger: Ledger, environment: str, names: Collection[str], at: datetime, asked_by: str) -> bool:
    """Let the targets be checked once more at that moment, by as few runs as can name them; asked for again, none is made twice.

    `asked_by` tells one question from the next. False where nothing could be scheduled: there is no deployment (a check from a
    terminal, and no opsflows deploy), or Prefect does not answer.
    """
    each = [_scheduled(ledger, environment, some, at, asked_by) for some in fitting(names)]
    return all(each)


def ask_again(ledger: Ledger, config: Config) -> list[str]:
    """Schedule at once what the ledger says is due and nobody asks; return what was done, a sentence per environment.

    The same answer is followed up once, however many sweeps see it.
    """
    said: list[str] = []
    for environment, answered in not_asked_again(ledger, config).items():
        last = max(answered.values())
        done = schedule_next(ledger, environment, answered, ledger.now(), f"{last.timestamp():.6f}")
        names = ", ".join(answered)
        said.append(f"{environment}: {names} asked again." if done else f"{environment}: {names}: {NOT_SCHEDULED}")
    return said


def _scheduled(ledger: Ledger, environment: str, names: list[str], at: datetime, asked_by: str) -> bool:
    more = len(names) - _NAMES_SHOWN
    shown = ",".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
    # No two runs of one question begin with the same name.
    key = f"kms:{ledger.id}:{environment}:{names[0]}:{len(names)}:{asked_by}"

    def start(targets: list[str]) -> None:
        run_deployment(
            KMS_SMOKE, scheduled_time=at, timeout=0, as_subflow=False, tags=["kms", environment],
            parameters={"targets": targets, "environment": environment, "reason": ASKED_AGAIN},
            idempotency_key=key, flow_run_name=f"kms smoke {shown} (asked again)",
        )  # fmt: skip

    try:
        with answering(changes=True):
            try:
                start(names)
            except PrefectHTTPStatusError as error:
                if error.response.status_code != HTTPStatus.CONFLICT:
                    raise
                # The form is older than a target: every one of the environment is asked, which names none.
                start([])
    except (OpsError, ObjectNotFound) as error:
        event("kms.not_scheduled", environment=environment, targets=shown, kind=type(error).__name__)
        return False
    event("kms.scheduled", environment=environment, targets=shown, at=f"{at:%Y-%m-%dT%H:%M:%SZ}")
    return True
