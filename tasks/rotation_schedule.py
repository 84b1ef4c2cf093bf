"""A run for a rotation's due moment, visible to operators. Whether or not it survives, the sweeper steps what is due."""

from collections.abc import Callable

from prefect.deployments import run_deployment

from blocks.answering import answering
from domain.errors import OpsError
from domain.names import STEP_ROTATION
from domain.rotation import RotationRecord, Wait
from ledger.opening import Ledger
from tasks.reporting import event

# Waits whose moment is known. The others are looked at by the sweeper.
_HAS_MOMENT = frozenset({Wait.OVERLAP, Wait.VENDOR_LAG, Wait.SOAK, Wait.SETTLING, Wait.BACKOFF})


def scheduler(ledger: Ledger) -> Callable[[RotationRecord], None]:
    """Return what schedules a step of a rotation for its due moment; the same moment never makes two runs."""

    def schedule(record: RotationRecord) -> None:
        if record.wait not in _HAS_MOMENT:
            return
        at = record.not_before
        try:
            with answering(changes=True):
                run_deployment(
                    STEP_ROTATION, parameters={"rotation": record.id}, scheduled_time=at, timeout=0, as_subflow=False,
                    idempotency_key=f"rotation:{ledger.id}:{record.id}:{record.head_seq}:{at:%Y%m%dT%H%M%S}",
                    flow_run_name=f"step {record.credential} ({record.wait.lower()} over)", tags=["rotation", record.id],
                )  # fmt: skip
        except OpsError as error:
            # The sweeper comes by every quarter of an hour; a schedule that is not there costs no more than that.
            event("rotation.not_scheduled", rotation=record.id, kind=type(error).__name__)
            return
        event("rotation.scheduled", rotation=record.id, at=f"{at:%Y-%m-%dT%H:%MZ}")

    return schedule
