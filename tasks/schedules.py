"""What Prefect's server holds of our own schedules, for the steps that must see it."""

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from domain.names import VERIFY_DUE


def verify_due_is_active() -> bool:
    """Say whether the verify-due deployment exists, is not paused, and has a schedule that is on."""
    with get_client(sync_client=True) as client:
        try:
            held = client.read_deployment_by_name(VERIFY_DUE)
        except ObjectNotFound:
            return False
    return not held.paused and any(schedule.active for schedule in held.schedules)
